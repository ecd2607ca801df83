"""Our WSGI application, knowing the vendor of the benchmark."""

from bench.vendor import register
from eggapi.wsgi import application

register()

__all__ = ["application"]

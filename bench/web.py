"""Our WSGI application, knowing the vendor of the benchmark."""

from eggapi.wsgi import application
from bench.vendor import register

register()

__all__ = ["application"]

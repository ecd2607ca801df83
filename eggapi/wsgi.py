"""The web application for a server of several processes; `manage.py serve` brings its own."""

import os

from django.core.wsgi import get_wsgi_application

from eggapi.checks import refuse_to_stand_alone

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "eggapi.settings")

refuse_to_stand_alone("eggapi.wsgi")
application = get_wsgi_application()

"""What every forked process begins with: Django set up, and all loaded that a worker or a web process needs.

Only for the process that `tests.forks` forks from.
"""

import os

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "eggapi.settings"
django.setup()

from django.test import Client  # noqa: E402, F401

import eggapi.urls  # noqa: E402, F401
import generation.engine  # noqa: E402, F401
import tests.emulators.vendor  # noqa: E402, F401
import webhooks.delivery  # noqa: E402, F401
from eggapi.http import shared_trust  # noqa: E402

shared_trust()

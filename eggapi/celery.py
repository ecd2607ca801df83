"""The Celery application: doorbells only. What is to be done stands in the database."""

import os
from typing import Any

from celery import Celery
from celery.signals import celeryd_init

from eggapi.checks import refuse_to_stand_alone

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "eggapi.settings")

app = Celery("eggapi")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@celeryd_init.connect
def refuse_without_broker(**_: Any) -> None:
    """For `celery worker`; the worker thread of `serve` sends no such signal."""
    refuse_to_stand_alone("celery worker")

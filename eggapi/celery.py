"""The Celery application: doorbells only, and when they ring. What is to be done stands in the database."""

import os
from typing import Any

from celery import Celery
from celery.schedules import crontab, schedule
from celery.signals import celeryd_init

from eggapi.checks import refuse_to_stand_alone

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "eggapi.settings")

app = Celery("eggapi")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.conf.beat_schedule = {
    "sweep": {"task": "generation.tasks.sweep", "schedule": schedule(1.0), "options": {"expires": 5}},
    "deliver": {"task": "webhooks.tasks.deliver", "schedule": schedule(1.0), "options": {"expires": 5}},
    "purge": {"task": "generation.tasks.purge", "schedule": crontab(minute="*/5"), "options": {"expires": 240}},
    "purge-webhooks": {
        "task": "webhooks.tasks.purge",
        "schedule": crontab(hour=3, minute=17),
        "options": {"expires": 3600},
    },
    "export": {"task": "generation.tasks.export", "schedule": schedule(60.0), "options": {"expires": 60}},
    "look": {"task": "generation.tasks.look", "schedule": schedule(60.0), "options": {"expires": 50}},
    "tell": {"task": "eggapi.tasks.tell", "schedule": schedule(60.0), "options": {"expires": 60}},
    "mail": {"task": "eggapi.tasks.mail", "schedule": schedule(60.0), "options": {"expires": 60}},
    "warn": {"task": "billing.tasks.warn", "schedule": schedule(60.0), "options": {"expires": 60}},
    "audit": {"task": "generation.tasks.audit", "schedule": crontab(minute=7), "options": {"expires": 600}},
    "standing": {
        "task": "generation.tasks.check_providers",
        "schedule": crontab(minute=37),
        "options": {"expires": 600},
    },
}


@celeryd_init.connect
def refuse_without_broker(**_: Any) -> None:
    """For `celery worker`; the worker thread of `serve` sends no such signal."""
    refuse_to_stand_alone("celery worker")

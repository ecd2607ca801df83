from django.apps import AppConfig


class EggAPIConfig(AppConfig):
    name = "eggapi"

    def ready(self) -> None:
        from eggapi import celery, checks  # noqa: F401 - the Celery app and the system checks exist from here on

from django.apps import AppConfig


class WebhooksConfig(AppConfig):
    name = "webhooks"

    def ready(self) -> None:
        from accounts import opening
        from webhooks import secrets

        opening.also(secrets.make_first)

from django.apps import AppConfig


class BillingConfig(AppConfig):
    name = "billing"

    def ready(self) -> None:
        from accounts import opening
        from billing import ledger

        opening.also(ledger.open_wallets)

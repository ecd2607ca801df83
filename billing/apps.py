from django.apps import AppConfig


class BillingConfig(AppConfig):
    name = "billing"

    def ready(self) -> None:
        from accounts import opening
        from billing import ledger, starting

        opening.also(ledger.open_wallets)
        opening.on_verified(starting.give)

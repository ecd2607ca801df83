"""Refilling: play money for a test wallet that runs out."""

from django.db import transaction

from accounts import auditlog
from accounts.models import Account, Mode, User
from billing import ledger
from billing.models import LedgerEntry, Wallet


@transaction.atomic
def refill(account: Account, actor: User | None = None) -> int:
    """Brings what is free in the test wallet back to what it began with; how much that took, 0 if it has as much."""
    wallet_id = Wallet.id_of(account.pk, Mode.TEST)
    wallet = Wallet.objects.select_for_update().get(pk=wallet_id)  # of two refills at once, one finds it full
    missing: int = max(ledger.PLAY_MONEY - wallet.available, 0)
    if missing:
        ledger.credit(account, Mode.TEST, missing, reason="refill", counterpart=LedgerEntry.Counterpart.PROMO)
        auditlog.note("wallet.refill", str(wallet), actor, account, amount=missing)
    return missing

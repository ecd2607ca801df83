"""The ledger as submit and settle use it: one transaction per call."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from django.db import transaction

from accounts import opening
from accounts.models import Account, Mode
from billing import ledger, usage
from billing.ledger import Closing, Insufficient, Promise
from billing.models import Hold, UsageRecord, Wallet
from eggapi import clock, ids

PRICE = 10_000


def open_account(email: str = "alice@example.com", images: int = 0) -> Account:
    """An account with money for so many images in its live wallet."""
    account = opening.account_of(email)
    if images:
        ledger.credit(account, Mode.LIVE, images * PRICE, reason="test")
    return account


def wallet_of(account: Account) -> Wallet:
    return Wallet.objects.get(account=account, mode=Mode.LIVE)


def reserve(account: Account, *images: int) -> list[str]:
    """Holds money for one task per number of images; the ids of those covered."""
    wallet_id = Wallet.id_of(account.pk, Mode.LIVE)
    with transaction.atomic():
        kept = ledger.reserve([Promise(wallet_id, ids.task_id(), count * PRICE) for count in images])
        ledger.write_holds(kept, clock.now())
    return [promise.task_id for promise in kept]


def hold(account: Account, images: int = 1) -> str:
    """The id of a new task with money held for so many images. Raises Insufficient."""
    held = reserve(account, images)
    if not held:
        raise Insufficient
    return held[0]


def settle(delivered: Mapping[str, int]) -> dict[str, int]:
    """Closes the holds of tasks by the number of images each delivered; the places of their events."""
    with transaction.atomic():
        now = clock.now()
        places = ledger.close([Closing(task_id, images * PRICE) for task_id, images in delivered.items()], now)
        holds = Hold.objects.select_related("wallet").filter(task_id__in=delivered)
        usage.record([_record(hold, delivered[hold.task_id], now) for hold in holds if delivered[hold.task_id]])
    return places


def _record(hold: Hold, images: int, now: datetime) -> UsageRecord:
    return UsageRecord(
        account_id=hold.wallet.account_id,
        mode=hold.wallet.mode,
        task_id=hold.task_id,
        model="nanobanana",
        type="image_generate",
        units=images,
        unit_price=PRICE,
        cost=images * PRICE,
        created_at=now,
    )


def balances(accounts: Sequence[Account]) -> list[tuple[int, int]]:
    """(posted, held) of the live wallets."""
    wallets = Wallet.objects.filter(account__in=accounts, mode=Mode.LIVE).order_by("pk")
    return list(wallets.values_list("posted", "held"))

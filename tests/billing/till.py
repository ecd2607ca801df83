"""The ledger as submit and settle use it: one transaction per call."""

from collections.abc import Mapping, Sequence
from typing import Any

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


def promise(account: Account, images: int = 1) -> Promise:
    return Promise(Wallet.id_of(account.pk, Mode.LIVE), ids.task_id(), images * PRICE)


def reserve(*promises: Promise) -> list[str]:
    """Holds money as submit does; the ids of the tasks covered."""
    with transaction.atomic():
        kept = ledger.reserve(promises)
        ledger.write_holds(kept, clock.now())
    return [promise.task_id for promise in kept]


def hold(account: Account, images: int = 1) -> str:
    """The id of a new task with money held for so many images. Raises Insufficient."""
    held = reserve(promise(account, images))
    if not held:
        raise Insufficient
    return held[0]


def settle(delivered: Mapping[str, int]) -> dict[str, int]:
    """Closes the holds of tasks by the number of images each delivered; the places of their events."""
    with transaction.atomic():
        now = clock.now()
        places = ledger.close([Closing(task_id, images * PRICE) for task_id, images in delivered.items()], now)
        holds = Hold.objects.select_related("wallet__account").filter(task_id__in=delivered)
        usage.record(
            [record_of(h.wallet.account, h.pk, delivered[h.pk], created_at=now) for h in holds if delivered[h.pk]]
        )
    return places


def record_of(account: Account, task_id: str, images: int = 1, **changed: Any) -> UsageRecord:
    facts = {"model": "nanobanana", "type": "image_generate", "created_at": clock.now()} | changed
    return UsageRecord(
        account=account,
        mode=Mode.LIVE,
        task_id=task_id,
        units=images,
        unit_price=PRICE,
        cost=images * PRICE,
        **facts,
    )


def balances(accounts: Sequence[Account]) -> list[tuple[int, int]]:
    """(posted, held) of the live wallets."""
    wallets = Wallet.objects.filter(account__in=accounts, mode=Mode.LIVE).order_by("pk")
    return list(wallets.values_list("posted", "held"))

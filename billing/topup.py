"""Top-ups: what customers pay in at Stripe, and what is taken back there."""

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import transaction

from accounts.models import Account, Mode
from billing import ledger
from billing.models import LedgerEntry, TopUp
from eggapi import alerts, clock, ids, money
from eggapi.alerts import Raised
from eggapi.errors import NotFound, ServiceUnavailable

if TYPE_CHECKING:
    from billing.checkout import Notice, Sight

LEAST = 5_000_000  # $5.00
MOST = 1_000_000_000  # $1,000.00
OFF = "Top-ups are not switched on here; ask the operator."


def is_on() -> bool:
    return bool(settings.EGGAPI_STRIPE_SECRET_KEY and settings.EGGAPI_STRIPE_WEBHOOK_SECRET)


def order(account: Account, amount: int, email: str, back_to: str) -> tuple[TopUp, str]:
    """An order for whole cents, and the address of the page where it is paid.

    `back_to` is the page the customer comes back to. Raises NotFound where the feature is off, and
    ServiceUnavailable; the order that is left then is never paid.
    """
    if not is_on():
        raise NotFound(OFF)
    from billing import checkout  # Stripe's library takes 10 MB, which is for those who need it

    topup = TopUp.objects.create(
        order=f"top_{ids.random_text(24)}", account=account, amount=amount, created_at=clock.now()
    )
    session, url = checkout.open_session(topup.order, amount, email, back_to)
    TopUp.objects.filter(pk=topup.pk).update(session=session)
    return topup, url


def hear(body: bytes, signature: str) -> None:
    """Takes notice of an event of Stripe's, in any order and any number of times.

    Raises NotFound where the feature is off, BadRequest unless Stripe signed it, and ServiceUnavailable,
    upon which Stripe sends it again for three days.
    """
    if not is_on():
        raise NotFound(OFF)
    from billing import checkout

    if notice := checkout.hear(body, signature):
        review(notice)


def review(notice: "Notice") -> None:
    """Makes an order what Stripe's API says of it. Payments that are no order of ours are left alone."""
    from billing import checkout

    sight = checkout.look(notice)
    topup = TopUp.objects.filter(pk=sight.order, provider="stripe").select_related("account").first() if sight else None
    if not sight or not topup or not _fits(topup, sight):
        return
    if sight.payment:
        _pay(topup, sight.payment)
    elif sight.is_over:
        TopUp.objects.filter(pk=topup.pk, state=TopUp.State.OPEN).update(state=TopUp.State.EXPIRED)
    if min(sight.taken_back, topup.amount) != topup.taken_back:
        # Whoever looked at the same time may write first: what is written was seen after `topup` was read.
        _take_back(topup, checkout.look(notice))


def _fits(topup: TopUp, sight: "Sight") -> bool:
    """Whether it is what was ordered; where it is not an operator has to look."""
    facts = (sight.currency, sight.amount, topup.session or sight.session)
    if facts == ("usd", topup.amount, sight.session):
        return True
    text = (
        f"Stripe's session {sight.session} of {money.display(sight.amount)} {sight.currency} is not what"
        f" {topup.order} asked for, which is {money.display(topup.amount)} usd. Nothing was credited."
    )
    alerts.report([Raised(f"topup {topup.order}", text)])
    return False


@transaction.atomic
def _pay(topup: TopUp, payment: str) -> None:
    """Once: whoever changes the row credits the money. Even an order that was given up may be paid yet."""
    unpaid = TopUp.objects.filter(pk=topup.pk).exclude(state=TopUp.State.PAID)
    if unpaid.update(state=TopUp.State.PAID, payment=payment, paid_at=clock.now()):
        ledger.credit(
            topup.account,
            Mode.LIVE,
            topup.amount,
            reason=topup.order,
            kind=LedgerEntry.Kind.TOPUP,
            counterpart=LedgerEntry.Counterpart.TOPUP,
            reference=payment,
        )


@transaction.atomic
def _take_back(topup: TopUp, sight: "Sight | None") -> None:
    """Brings what was taken back, or given again after a dispute was won, to what Stripe says."""
    total = min(sight.taken_back, topup.amount) if sight else topup.taken_back
    unchanged = TopUp.objects.filter(pk=topup.pk, state=TopUp.State.PAID, taken_back=topup.taken_back)
    if not unchanged.update(taken_back=total):
        raise ServiceUnavailable("Two events of one payment at once; try again.")
    if (amount := total - topup.taken_back) > 0:
        ledger.take_back(topup.account, Mode.LIVE, amount, reason=f"{topup.order} refunded or disputed")
    elif amount:
        ledger.credit(
            topup.account,
            Mode.LIVE,
            -amount,
            reason=f"{topup.order} given back",
            kind=LedgerEntry.Kind.CHARGEBACK,
            counterpart=LedgerEntry.Counterpart.TOPUP,
        )

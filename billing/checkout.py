"""What is said to Stripe, and what is believed of it: an event only says where to look, the API says what is there.

Sources: docs.stripe.com/checkout/fulfillment, /webhooks, /api/checkout/sessions, /api/disputes/object, read in
November 2026. Stripe counts cents.
"""

import logging
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple, cast

import requests
import stripe
from django.conf import settings
from stripe import Charge, PaymentIntent
from stripe.checkout import Session

from eggapi import money
from eggapi.errors import BadRequest, ServiceUnavailable

log = logging.getLogger("eggapi.billing")

CURRENCY = "usd"
TOLERANCE_SECONDS = 300
CONNECT_SECONDS = 5
READ_SECONDS = 15
AWAY = "The payment provider does not answer at the moment. Nothing was charged; try again."
# In any other state the bank has taken what is disputed, for the time being or for good.
NOT_TAKEN = ("warning_", "won", "prevented")


class Notice(NamedTuple):
    """What an event is about: a Checkout session or, where that is not known, a payment. Both are ids."""

    session: str = ""
    payment: str = ""


@dataclass(frozen=True, slots=True)
class Sight:
    """A Checkout session as Stripe's API has it: `amount` and `taken_back` are micro-dollars.

    `payment` is empty until the money is there. `is_over` if it will never be, by this session.
    """

    session: str
    order: str
    currency: str
    amount: int
    payment: str
    taken_back: int
    is_over: bool


def open_session(order: str, amount: int, email: str, back_to: str) -> tuple[str, str]:
    """A page of Stripe's where the order is paid: its id and address. Raises ServiceUnavailable.

    From there the customer comes back to `back_to`, which is told in `topup` whether it was done or canceled.
    """
    price = {"currency": CURRENCY, "unit_amount": amount // money.CENT, "product_data": {"name": "EggAPI balance"}}
    wanted: Any = {
        "mode": "payment",
        "client_reference_id": order,
        "metadata": {"order": order},
        "payment_intent_data": {"metadata": {"order": order}},
        "line_items": [{"quantity": 1, "price_data": price}],
        "adaptive_pricing": {"enabled": False},  # else the customer could pay in another currency
        "customer_email": email,
        "success_url": f"{back_to}?topup=done",
        "cancel_url": f"{back_to}?topup=canceled",
    }
    try:
        session = _client().v1.checkout.sessions.create(wanted, {"idempotency_key": order})
    except stripe.StripeError as error:
        raise _away(error) from None
    return session.id, session.url or ""


def hear(body: bytes, signature: str) -> Notice | None:
    """What an event is about, None if about nothing of ours. Raises BadRequest unless Stripe signed it just now."""
    try:
        event = _client().construct_event(
            body, signature, settings.EGGAPI_STRIPE_WEBHOOK_SECRET, tolerance=TOLERANCE_SECONDS
        )
        thing = event.data.to_dict()["object"]
    except (stripe.SignatureVerificationError, ValueError, AttributeError):
        raise BadRequest("The signature does not fit.") from None
    if event.type.startswith("checkout.session."):
        return Notice(session=thing["id"])
    if event.type.startswith(("charge.", "refund.")) and (payment := thing.get("payment_intent")):
        return Notice(payment=payment)
    return None


def look(notice: Notice) -> Sight | None:
    """What the API says of it; None where it knows no such Checkout session. Raises ServiceUnavailable."""
    try:
        session_id = notice.session or _session_of(notice.payment)
        return _sight(session_id) if session_id else None
    except stripe.StripeError as error:
        if error.http_status == 404:  # of another account of Stripe's, or of its test mode
            return None
        raise _away(error) from None


def _away(error: stripe.StripeError) -> ServiceUnavailable:
    """Whatever it is, the customer can do nothing about it; the text may quote our key."""
    log.error("stripe failed", extra={"error_type": type(error).__name__, "status": error.http_status})
    return ServiceUnavailable(AWAY, retry_after=10)


def _session_of(payment: str) -> str | None:
    found = _client().v1.checkout.sessions.list({"payment_intent": payment, "limit": 1}).data
    return found[0].id if found else None


def _sight(session_id: str) -> Sight:
    session = _client().v1.checkout.sessions.retrieve(session_id, {"expand": ["payment_intent.latest_charge"]})
    intent = cast(PaymentIntent | None, session.payment_intent)
    is_paid = session.payment_status == "paid" and intent is not None and intent.status == "succeeded"
    return Sight(
        session=session.id,
        order=_order_of(session),
        currency=intent.currency if intent and is_paid else session.currency or "",
        amount=money.CENT * (intent.amount_received if intent and is_paid else session.amount_total or 0),
        payment=intent.id if intent and is_paid else "",
        taken_back=money.CENT * _taken_back(intent) if intent and is_paid else 0,
        is_over=session.status == "expired" or (session.status == "complete" and _has_failed(intent)),
    )


def _order_of(session: Session) -> str:
    """Empty for what we did not ask for: anybody may put a reference on a payment link, but nobody metadata."""
    order = session.client_reference_id or ""
    return order if session.metadata and session.metadata.to_dict().get("order") == order else ""


def _has_failed(intent: PaymentIntent | None) -> bool:
    """A bank transfer, say, that was promised and did not come."""
    return intent is not None and intent.status in ("requires_payment_method", "canceled")


def _taken_back(intent: PaymentIntent) -> int:
    charge = cast(Charge | None, intent.latest_charge)
    if charge is None:
        return 0
    disputes = _client().v1.disputes.list({"payment_intent": intent.id}).data if charge.disputed else []
    disputed = sum(each.amount for each in disputes if not each.status.startswith(NOT_TAKEN))
    return charge.amount_refunded + disputed


def _client() -> stripe.StripeClient:
    return _client_for(settings.EGGAPI_STRIPE_SECRET_KEY, settings.EGGAPI_STRIPE_URL)


@lru_cache(maxsize=1)
def _client_for(key: str, url: str) -> stripe.StripeClient:
    session = requests.Session()
    session.trust_env = False
    door = stripe.RequestsClient(timeout=(CONNECT_SECONDS, READ_SECONDS), session=session)
    return stripe.StripeClient(key, base_addresses={"api": url}, http_client=door, max_network_retries=1)

"""Proof: what was sent with an attempt and how its signatures came about, told without the secret."""

from dataclasses import dataclass

from webhooks import secrets, signing
from webhooks.models import Delivery, DeliveryAttempt


@dataclass(frozen=True, slots=True)
class Proof:
    """`headers` are empty where what they were made of is not kept any more."""

    event_id: str
    timestamp: int
    size: int
    headers: dict[str, str]

    @property
    def own(self) -> str:
        """EggAPI's own signature, as sent."""
        return self.headers.get("X-EggAPI-Signature", "")

    @property
    def standard(self) -> list[str]:
        """Those of Standard Webhooks, one for every secret that was valid."""
        return self.headers.get("webhook-signature", "").split()


def of(delivery: Delivery, attempt: DeliveryAttempt) -> Proof:
    """The same headers again: the body is frozen, and the attempt knows its time."""
    body, timestamp = bytes(delivery.event.payload), int(attempt.at.timestamp())
    known = secrets.valid_at(delivery.account_id, attempt.at) if delivery.event.emptied_at is None else []
    plain = [secret.plain for secret in known]
    headers = signing.headers(delivery.event_id, body, timestamp, plain) if plain else {}
    return Proof(delivery.event_id, timestamp, len(body), headers)

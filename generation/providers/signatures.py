"""The signatures that vendors put on their callbacks."""

import base64
import hashlib
import hmac
from collections.abc import Iterable

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from generation.providers.base import Callback

TOLERANCE_SECONDS = 300


def is_fresh(callback: Callback, header: str) -> bool:
    """Whether the Unix time in a header is about now: an old callback may be sent again by anybody who saw it."""
    sent = callback.headers.get(header, "")
    return sent.isascii() and sent.isdecimal() and len(sent) < 12 and abs(int(sent) - callback.now) <= TOLERANCE_SECONDS


def mac(key: bytes, message: bytes) -> bytes:
    return hmac.new(key, message, hashlib.sha256).digest()


def same(genuine: str, given: str) -> bool:
    return hmac.compare_digest(genuine.encode(), given.encode())


def is_standard(callback: Callback, secret: str) -> bool:
    """Standard Webhooks: any of the `v1` signatures over id, time and body. https://www.standardwebhooks.com"""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    named = f"{callback.headers.get('Webhook-Id', '')}.{callback.headers.get('Webhook-Timestamp', '')}."
    genuine = "v1," + base64.b64encode(mac(key, named.encode() + callback.body)).decode()
    given = callback.headers.get("Webhook-Signature", "").split()
    return is_fresh(callback, "Webhook-Timestamp") and any(same(genuine, one) for one in given)


def is_ed25519(keys: Iterable[str], message: bytes, signature: str) -> bool:
    """Whether any of the keys, each as a JWK has it in `x`, made the signature, which is in hexadecimal."""
    return any(_is_of_key(key, message, signature) for key in keys)


def _is_of_key(key: str, message: bytes, signature: str) -> bool:
    try:
        raw = base64.urlsafe_b64decode(f"{key}==")
        Ed25519PublicKey.from_public_bytes(raw).verify(bytes.fromhex(signature), message)
    except (InvalidSignature, ValueError):
        return False
    return True

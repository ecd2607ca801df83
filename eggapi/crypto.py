"""Digests of keys, secrets at rest and signed addresses."""

import hashlib
import hmac
from base64 import urlsafe_b64encode
from functools import lru_cache

from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings


def digest(secret: str) -> bytes:
    """HMAC-SHA256 under the pepper: 32 bytes from which the secret cannot be had back, even by guessing
    against a stolen database."""
    return hmac.digest(settings.EGGAPI_PEPPER.encode(), secret.encode(), hashlib.sha256)


def signature(purpose: str, text: str) -> str:
    """32 URL-safe characters (192 bits) that bind `text` to one purpose."""
    mac = hmac.digest(settings.SECRET_KEY.encode(), f"{purpose}\n{text}".encode(), hashlib.sha256)
    return urlsafe_b64encode(mac[:24]).decode()


def same(left: str, right: str) -> bool:
    """Compares in constant time."""
    return hmac.compare_digest(left.encode(), right.encode())


@lru_cache(maxsize=1)
def _fernet(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


def encrypt(plain: str) -> str:
    """For secrets we must read again: webhook secrets, upstream credentials."""
    return _fernet(tuple(settings.EGGAPI_FERNET_KEYS)).encrypt(plain.encode()).decode()


def decrypt(stored: str) -> str:
    """Raises cryptography.fernet.InvalidToken where no configured key fits."""
    return _fernet(tuple(settings.EGGAPI_FERNET_KEYS)).decrypt(stored.encode()).decode()

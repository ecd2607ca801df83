"""Digests of keys, secrets at rest and signed addresses."""

import hashlib
import hmac
from base64 import urlsafe_b64encode
from functools import lru_cache

from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings


def digest(secret: str) -> bytes:
    """HMAC-SHA256 under the newest pepper: 32 bytes from which the secret cannot be had back, even by guessing
    against a stolen database."""
    return digests(secret)[0]


def digests(secret: str) -> list[bytes]:
    """Under every pepper, the newest first: by these a row is found, whenever it was written."""
    return [hmac.digest(pepper.encode(), secret.encode(), hashlib.sha256) for pepper in settings.EGGAPI_PEPPERS]


def signature(purpose: str, text: str) -> str:
    """32 URL-safe characters (192 bits) that bind `text` to one purpose."""
    return _signature(settings.SECRET_KEY, purpose, text)


def is_genuine(given: str, purpose: str, text: str) -> bool:
    """Whether `given` is the signature, under any of our keys; compared in constant time."""
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return any(hmac.compare_digest(given.encode(), _signature(key, purpose, text).encode()) for key in keys)


def _signature(key: str, purpose: str, text: str) -> str:
    mac = hmac.digest(key.encode(), f"{purpose}\n{text}".encode(), hashlib.sha256)
    return urlsafe_b64encode(mac[:24]).decode()


@lru_cache(maxsize=1)
def _fernet(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


def encrypt(plain: str) -> str:
    """For secrets we must read again: webhook secrets, upstream credentials."""
    return _fernet(tuple(settings.EGGAPI_FERNET_KEYS)).encrypt(plain.encode()).decode()


def decrypt(stored: str) -> str:
    """Raises cryptography.fernet.InvalidToken where no configured key fits."""
    return _fernet(tuple(settings.EGGAPI_FERNET_KEYS)).decrypt(stored.encode()).decode()

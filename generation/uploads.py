"""Uploads: pictures that somebody of an account gave us to edit, kept for a day at an address of ours.

A task names one by that address, like any other picture. Whoever fetches it reads our storage instead of calling
ourselves, and only for the account that gave it.
"""

import logging
import re
import shutil
import time
from datetime import datetime, timedelta
from typing import BinaryIO
from urllib.parse import parse_qs, unquote, urlsplit

from django.core.files import File
from django.core.files.storage import default_storage

from eggapi import clock, ids
from eggapi.errors import ServiceUnavailable
from eggapi.fields import Fault
from generation import storage

log = logging.getLogger("eggapi.uploads")

FOLDER = "uploads"
KEPT = timedelta(days=1)
LARGEST = storage.LARGEST_REFERENCE
MOST_PIXELS = 25_000_000
HOUR = "%Y%m%d%H"
TIME = re.compile("[0-9]{1,11}")
# The account is in the path, so that the signature binds it.
PATH = re.compile(rf"{FOLDER}/[0-9]{{10}}/(?P<account>[0-9]+)-[a-z0-9]{{25}}\.(png|jpg|webp)")


def keep(account_id: int, file: BinaryIO, base_url: str) -> str:
    """Stores a picture; returns its address, good for a day.

    Raises Fault for what is no PNG, JPEG or WebP of at most 10 MiB and 25 megapixels, and ServiceUnavailable while
    the storage is away.
    """
    if file.seek(0, 2) > LARGEST:
        raise Fault(f"is larger than {LARGEST // 1024**2} MiB")
    file.seek(0)
    try:
        extension, _, _ = storage.inspect(file, MOST_PIXELS)
    except storage.TooManyPixels:
        raise Fault(f"has more than {MOST_PIXELS // 1_000_000} megapixels") from None
    except storage.NotAnImage:
        raise Fault("is not a PNG, JPEG or WebP picture") from None
    now = clock.now()
    path = f"{FOLDER}/{now.strftime(HOUR)}/{account_id}-{ids.path_token()}.{extension}"
    try:
        default_storage.save(path, File(file))
    except Exception as error:  # the storage is ours to choose, and so are the exceptions it raises
        log.warning("upload not stored", exc_info=error)
        raise ServiceUnavailable("Pictures cannot be stored at the moment.", retry_after=60) from None
    return storage.signed_url_of(path, now + KEPT, base_url)


def path_of(url: str) -> str | None:
    """Where the upload with this address is stored; None for an address that we did not make, or that has lapsed.

    The host does not matter, as nobody else can sign: we may have been called by another name.
    """
    try:
        parts = urlsplit(url)
        path = unquote(parts.path).removeprefix("/files/")
        query = parse_qs(parts.query)
        expires, signature = query.get("expires", [""])[0], query.get("signature", [""])[0]
        looks_right = PATH.fullmatch(path) and TIME.fullmatch(expires)
        return path if looks_right and storage.may_read(path, expires, signature, time.time()) else None
    except ValueError:  # a broken URL, or a text that is none
        return None


def is_of(path: str, account_id: int) -> bool:
    found = PATH.fullmatch(path)
    return found is not None and int(found["account"]) == account_id


def copy(path: str, into: BinaryIO) -> None:
    """Raises FileNotFoundError once it is gone, and whatever the storage raises when it is away."""
    with default_storage.open(path) as file:
        shutil.copyfileobj(file, into)


def purge(now: datetime) -> None:
    """Removes what was given more than a day ago, an hour's uploads at a time."""
    last = (now - KEPT - timedelta(hours=1)).strftime(HOUR)
    try:
        hours, _ = default_storage.listdir(FOLDER)
        for hour in hours:
            if hour <= last:
                storage.remove_folder(f"{FOLDER}/{hour}")
    except FileNotFoundError:
        return  # nobody has given any yet
    except Exception as error:  # the storage is ours to choose, and so are the exceptions it raises
        log.warning("uploads not removed", exc_info=error)

"""Pictures: verified by decoding, kept in our storage, handed out under signed addresses."""

import threading
import warnings
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote, urlencode

from django.conf import settings
from django.core.files import File
from django.core.files.storage import FileSystemStorage, default_storage
from PIL import Image

from eggapi import crypto

LARGEST_RESULT = 25 * 1024 * 1024
LARGEST_REFERENCE = 10 * 1024 * 1024
MOST_PIXELS = 50_000_000
DECODED_AT_ONCE = 8
FORMATS = ["PNG", "JPEG", "WEBP"]
# A JPEG of several pictures, as phones take them, is told apart by the decoder alone: its first is all that is seen.
EXTENSIONS = {"PNG": "png", "JPEG": "jpg", "MPO": "jpg", "WEBP": "webp"}
CONTENT_TYPES = {"png": "image/png", "jpg": "image/jpeg", "webp": "image/webp"}
PURPOSE = "file"

# Whoever decodes a picture holds one of these meanwhile: that takes up to 200 MB.
benches = threading.BoundedSemaphore(DECODED_AT_ONCE)


class NotAnImage(ValueError):
    """The bytes do not decode as a PNG, JPEG or WebP picture of sane size."""


class TooManyPixels(NotAnImage):
    """They may well be a picture, but of no sane size."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A stored image, as Purchase.images and Output hold it."""

    index: int
    path: str
    content_type: str
    bytes: int
    width: int
    height: int

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def inspect(file: BinaryIO, most_pixels: int = MOST_PIXELS) -> tuple[str, int, int]:
    """(extension, width, height) of a picture that really decodes. Raises NotAnImage (TooManyPixels).

    The number of pixels is read from the header before anything is decoded, so that a small file
    cannot unfold into gigabytes.
    """
    try:
        with benches, warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(file, formats=FORMATS) as image:
                if image.width * image.height > most_pixels:
                    raise TooManyPixels(f"{image.width} x {image.height}")
                image.load()
                return EXTENSIONS[str(image.format)], image.width, image.height
    except NotAnImage:
        raise
    except Image.DecompressionBombError as error:
        raise TooManyPixels(type(error).__name__) from error
    except Exception as error:  # broken bytes make a decoder stumble in ways that it does not name
        raise NotAnImage(type(error).__name__) from error
    finally:
        file.seek(0)


def store(task_id: str, token: str, index: int, file: BinaryIO) -> Picture:
    """Verifies a picture and puts it where only its address leads. Storing it again overwrites it.

    Raises NotAnImage, and whatever the storage raises when it is away.
    """
    extension, width, height = inspect(file)
    path = f"{folder_of(task_id, token)}/{index}.{extension}"
    size = file.seek(0, 2)
    file.seek(0)
    default_storage.save(path, File(file))
    return Picture(index, path, CONTENT_TYPES[extension], size, width, height)


def folder_of(task_id: str, token: str) -> str:
    return f"images/{task_id}/{token}"


def remove(task_id: str, token: str) -> None:
    """Removes whatever was stored for a task; what is gone already is no fault. Raises whatever the storage raises."""
    remove_folder(folder_of(task_id, token))
    if isinstance(default_storage, FileSystemStorage):  # an object store has no folders
        default_storage.delete(f"images/{task_id}")


def remove_folder(folder: str) -> None:
    """Like `remove`, for one without folders in it."""
    try:
        _, names = default_storage.listdir(folder)
    except FileNotFoundError:
        return
    for name in names:
        default_storage.delete(f"{folder}/{name}")
    if isinstance(default_storage, FileSystemStorage):
        default_storage.delete(folder)


def url_of(path: str, expires_at: datetime, base_url: str) -> str:
    """The public address of a stored file, the same until `expires_at`."""
    if settings.EGGAPI_S3_PUBLIC_URL:
        return f"{settings.EGGAPI_S3_PUBLIC_URL}/{quote(path)}"
    return signed_url_of(path, expires_at, base_url)


def signed_url_of(path: str, expires_at: datetime, base_url: str) -> str:
    """One of ours even where the bucket is public: it ends with its time."""
    expires = int(expires_at.timestamp())
    query = urlencode({"expires": expires, "signature": crypto.signature(PURPOSE, f"{path}\n{expires}")})
    return f"{base_url}/files/{quote(path)}?{query}"


def url_here(path: str, expires_at: datetime | None, now: datetime) -> str:
    """The same for our own pages; empty where the file is gone or its time is over."""
    return url_of(path, expires_at, "") if path and expires_at and expires_at > now else ""


def thumbnail_url_here(path: str, expires_at: datetime | None, now: datetime) -> str:
    """The same, small: always one of ours, as no bucket makes it."""
    return f"{signed_url_of(path, expires_at, '')}&small=1" if path and expires_at and expires_at > now else ""


def may_read(path: str, expires: str, signature: str, now: float) -> bool:
    """Whether an address made by `url_of` is genuine and has not expired; `now` in Unix seconds."""
    genuine = crypto.is_genuine(signature, PURPOSE, f"{path}\n{expires}")
    return genuine and int(expires) > now


def content_type_of(path: str) -> str:
    return CONTENT_TYPES.get(Path(path).suffix[1:], "application/octet-stream")

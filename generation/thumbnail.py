"""Thumbnails: small pictures for our own lists, made when first looked at and kept for a day."""

from io import BytesIO

from django.core.cache import cache
from django.core.files.storage import default_storage
from PIL import Image

SIZE = (192, 192)
KEPT_SECONDS = 24 * 3600
CONTENT_TYPE = "image/webp"


def of(path: str) -> bytes:
    """A stored picture as a WebP of a few kilobytes. Raises FileNotFoundError once the picture is gone."""
    name = f"thumbnail:{path}"
    small: bytes | None = cache.get(name)
    if small is None:
        small = _made(path)
        cache.set(name, small, KEPT_SECONDS)
    return small


def _made(path: str) -> bytes:
    with default_storage.open(path) as file, Image.open(file) as image:
        image.thumbnail(SIZE)
        small = BytesIO()
        image.convert("RGB").save(small, "WEBP", quality=70)
    return small.getvalue()

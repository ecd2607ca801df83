"""Thumbnails: small pictures for our own lists, made when first looked at and kept for a day."""

from collections.abc import Sequence
from datetime import datetime
from io import BytesIO
from typing import BinaryIO

from django.core.cache import cache
from django.core.files.storage import default_storage
from PIL import Image

from generation import storage
from generation.models import Output, Status, Task

SIZE = (192, 192)
KEPT_SECONDS = 24 * 3600
CONTENT_TYPE = "image/webp"


def addresses(tasks: Sequence[Task], now: datetime) -> dict[str, str]:
    """Task -> where its first picture can be seen small, empty where there is none. One query."""
    completed = [task.pk for task in tasks if task.status == Status.COMPLETED]
    paths = dict(Output.objects.filter(task__in=completed, index=0).values_list("task", "path"))
    return {task.pk: storage.thumbnail_url_here(paths.get(task.pk, ""), task.expires_at, now) for task in tasks}


def of(path: str) -> bytes:
    """A stored picture as a WebP of a few kilobytes. Raises FileNotFoundError once the picture is gone."""
    name = f"thumbnail:{path}"
    small: bytes | None = cache.get(name)
    if small is None:
        with default_storage.open(path) as file:
            whole = BytesIO(file.read())  # before a bench is taken: the storage may be slow
        small = shrunk(whole, SIZE, quality=70)
        cache.set(name, small, KEPT_SECONDS)
    return small


def shrunk(file: BinaryIO, size: tuple[int, int], quality: int) -> bytes:
    """A picture that `storage.inspect` let pass, as a WebP that fits into `size`."""
    with storage.benches, Image.open(file) as image:
        image.thumbnail(size)
        small = BytesIO()
        image.convert("RGB").save(small, "WEBP", quality=quality)
    return small.getvalue()

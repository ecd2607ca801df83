"""The customer's own pictures: fetched to local files and checked before anything is bought."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from eggapi.fetch import fetch
from eggapi.http import HttpFailed
from generation.providers.base import Reference
from generation.storage import CONTENT_TYPES, LARGEST_REFERENCE, NotAnImage, inspect

FETCH_SECONDS = 20.0

# Of their own, because a customer's slow host must not take the threads that name look-ups and storage need.
_threads = ThreadPoolExecutor(max_workers=9, thread_name_prefix="references")


class BadReference(Exception):
    """A picture cannot be used; the text tells the customer which and why."""


@asynccontextmanager
async def fetched(urls: Sequence[str]) -> AsyncIterator[tuple[Reference, ...]]:
    """Local copies of the pictures, in order, for as long as the block runs. Raises BadReference."""
    if not urls:
        yield ()
        return
    with TemporaryDirectory(prefix="egg-") as folder:
        places = [Path(folder, str(index)) for index in range(len(urls))]
        loop = asyncio.get_running_loop()
        fetches = [loop.run_in_executor(_threads, _fetch, url, place) for url, place in zip(urls, places, strict=True)]
        yield tuple(await asyncio.gather(*fetches))


def _fetch(url: str, place: Path) -> Reference:
    index = place.name
    try:
        with place.open("w+b") as file:
            fetch(url, file, cap=LARGEST_REFERENCE, timeout=FETCH_SECONDS)
            file.seek(0)
            extension, _, _ = inspect(file)
    except HttpFailed as error:
        raise BadReference(f"image_urls[{index}]: {error}") from error
    except NotAnImage:
        raise BadReference(f"image_urls[{index}]: not a PNG, JPEG or WebP image") from None
    return Reference(path=str(place), content_type=CONTENT_TYPES[extension], url=url)

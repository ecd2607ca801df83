"""The customer's own pictures: fetched to local files and checked before anything is bought."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO
from weakref import WeakValueDictionary

from eggapi.fetch import fetch
from eggapi.http import HttpFailed
from generation import uploads
from generation.models import Task
from generation.providers.base import Reference
from generation.storage import CONTENT_TYPES, LARGEST_REFERENCE, MOST_PIXELS, NotAnImage, TooManyPixels, inspect

FETCH_SECONDS = 20.0
AT_ONCE, OF_ONE_ACCOUNT = 72, 9

# Of their own, because a customer's slow host must not take the threads that name look-ups and storage need.
_threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="references")


class BadReference(Exception):
    """A picture cannot be used; the text tells the customer which and why."""


class Fetcher:
    """At most OF_ONE_ACCOUNT pictures of an account are fetched at a time: slow hosts of one hold up no other."""

    def __init__(self) -> None:
        self._turns: WeakValueDictionary[int, asyncio.Semaphore] = WeakValueDictionary()

    @asynccontextmanager
    async def fetched(self, task: Task) -> AsyncIterator[tuple[Reference, ...]]:
        """Local copies of a task's pictures, in order, for as long as the block runs. Raises BadReference."""
        if not task.image_urls:
            yield ()
            return
        turns = self._turns.setdefault(task.account_id, asyncio.Semaphore(OF_ONE_ACCOUNT))
        with TemporaryDirectory(prefix="egg-") as folder:
            places = [Path(folder, str(index)) for index in range(len(task.image_urls))]
            fetches = [
                asyncio.ensure_future(_in_turn(turns, task.account_id, url, place))
                for url, place in zip(task.image_urls, places, strict=True)
            ]
            try:
                yield tuple(await asyncio.gather(*fetches))
            finally:
                for fetch in fetches:  # those that nobody waits for any more, because another failed
                    fetch.cancel()


async def _in_turn(turns: asyncio.Semaphore, account_id: int, url: str, place: Path) -> Reference:
    """The turn lasts as long as the thread does, which goes on when nobody waits for the picture any more."""
    await turns.acquire()
    work = asyncio.get_running_loop().run_in_executor(_threads, _fetch, account_id, url, place)
    work.add_done_callback(lambda _: turns.release())
    return await asyncio.shield(work)


def _fetch(account_id: int, url: str, place: Path) -> Reference:
    index = place.name
    try:
        with place.open("w+b") as file:
            _read(account_id, url, file)
            file.seek(0)
            extension, _, _ = inspect(file)
    except HttpFailed as error:
        raise BadReference(f"image_urls[{index}]: {error}") from error
    except FileNotFoundError:
        raise BadReference(f"image_urls[{index}]: the uploaded picture is gone") from None
    except TooManyPixels:
        raise BadReference(f"image_urls[{index}]: more than {MOST_PIXELS // 1_000_000} megapixels") from None
    except NotAnImage:
        raise BadReference(f"image_urls[{index}]: not a PNG, JPEG or WebP image") from None
    return Reference(path=str(place), content_type=CONTENT_TYPES[extension], url=url, bytes=place.stat().st_size)


def _read(account_id: int, url: str, into: BinaryIO) -> None:
    """An upload of the account's own comes from our storage, and everything else from where it says."""
    path = uploads.path_of(url)
    if path and uploads.is_of(path, account_id):
        uploads.copy(path, into)
    else:
        fetch(url, into, cap=LARGEST_REFERENCE, timeout=FETCH_SECONDS)

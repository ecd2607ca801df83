"""Collect: bring finished images home, verify them, store them."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from tempfile import TemporaryFile
from typing import Any

from eggapi import alerts
from eggapi.alerts import Raised
from eggapi.http import AddressRefused, BadStatus, HttpFailed, TooLarge
from generation import storage
from generation.models import Task
from generation.providers.base import Image
from generation.storage import NotAnImage, Picture
from generation.transport import Transport

log = logging.getLogger("eggapi.collect")

LONG_EDGE = {"1k": 1024, "2k": 2048, "4k": 3840}
AT_ONCE = 8
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 15.0
PASSING = {408, 425, 429}
STORAGE = "storage"

# Not the event loop's own threads, which look up the names of vendors: a storage may hang.
_benches = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="store")


class Collector:
    """At most AT_ONCE images of a vendor are on their way at a time, and as many of all are decoded.

    So memory does not grow with the backlog, and a vendor whose files are slow holds up nobody but itself.
    """

    def __init__(self, transport: Transport, call: Callable[..., Awaitable[Any]]) -> None:
        self._transport = transport
        self._call = call
        self._is_away = False
        self._turns: defaultdict[tuple[str, ...], asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(AT_ONCE))

    async def collect(self, task: Task, homes: tuple[str, ...], images: Sequence[Image], first: int) -> list[Picture]:
        """Stores the images that decode, numbered from `first`; those that do not are left out.

        A vendor's host or a storage that is away is tried again until the caller's deadline cancels this.
        """
        kept = await asyncio.gather(
            *(self._collect(task, homes, image, first + offset) for offset, image in enumerate(images))
        )
        return [picture for picture in kept if picture]

    async def _collect(self, task: Task, homes: tuple[str, ...], image: Image, index: int) -> Picture | None:
        pause = FIRST_PAUSE
        while True:
            try:
                async with self._turns[homes]:
                    picture = await self._bring(task, homes, image, index)
                await self._storage_is_away("")
                return picture
            except NotAnImage as error:
                log.warning("result does not decode", extra={"task": task.id, "index": index, "why": str(error)})
                return None
            except (AddressRefused, TooLarge) as error:
                log.warning("result is out of bounds", extra={"task": task.id, "index": index, "why": str(error)})
                return None
            except BadStatus as error:
                if error.status < 500 and error.status not in PASSING:
                    log.warning("result is gone", extra={"task": task.id, "index": index, "status": error.status})
                    return None
                why: Exception = error
            except HttpFailed as error:
                why = error
            except Exception as error:  # the storage is ours to choose, and so are the exceptions it raises
                why = error
                await self._storage_is_away(type(error).__name__)
            log.warning("collecting again", extra={"task": task.id, "index": index}, exc_info=why)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _storage_is_away(self, why: str) -> None:
        """Operators hear of it, and when it is back (empty `why`)."""
        if why:
            await self._call(alerts.report, Raised(STORAGE, f"Pictures cannot be stored: {why}."))
        elif self._is_away:
            await self._call(alerts.end, STORAGE)
        self._is_away = bool(why)

    async def _bring(self, task: Task, homes: tuple[str, ...], image: Image, index: int) -> Picture | None:
        with TemporaryFile() as file:
            await self._transport.fetch(homes, image, file)
            file.seek(0)
            loop = asyncio.get_running_loop()
            picture = await loop.run_in_executor(_benches, storage.store, task.id, task.path_token, index, file)
        return picture if _large_enough(task, picture) else None


def _large_enough(task: Task, picture: Picture) -> bool:
    """Less than half of the resolution that was asked for counts as not delivered."""
    asked = LONG_EDGE[task.resolution] if task.resolution_asked else 0
    return max(picture.width, picture.height) * 2 >= asked

"""Collect: bring finished images home, verify them, store them."""

import asyncio
import logging
from collections.abc import Sequence
from tempfile import TemporaryFile

from eggapi.http import BadStatus
from generation import storage
from generation.models import Task
from generation.providers.base import Image, Provider
from generation.storage import NotAnImage, Picture
from generation.transport import Transport

log = logging.getLogger("eggapi.collect")

LONG_EDGE = {"1k": 1024, "2k": 2048, "4k": 3840}
AT_ONCE = 8
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 15.0
PASSING = {408, 425, 429}


class Collector:
    """At most AT_ONCE images are on their way at a time, so that memory does not grow with the backlog."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def collect(self, task: Task, provider: Provider, images: Sequence[Image], first: int) -> list[Picture]:
        """Stores the images that decode, numbered from `first`; those that do not are left out.

        A vendor's host or a storage that is away is tried again until the caller's deadline cancels this.
        """
        kept = await asyncio.gather(
            *(self._collect(task, provider, image, first + offset) for offset, image in enumerate(images))
        )
        return [picture for picture in kept if picture]

    async def _collect(self, task: Task, provider: Provider, image: Image, index: int) -> Picture | None:
        pause = FIRST_PAUSE
        while True:
            try:
                async with self._turns:
                    return await self._bring(task, provider, image, index)
            except NotAnImage as error:
                log.warning("result does not decode", extra={"task": task.id, "index": index, "why": str(error)})
                return None
            except BadStatus as error:
                if error.status < 500 and error.status not in PASSING:
                    log.warning("result is gone", extra={"task": task.id, "index": index, "status": error.status})
                    return None
                why: Exception = error
            except Exception as error:  # the storage is ours to choose, and so are the exceptions it raises
                why = error
            log.warning("collecting again", extra={"task": task.id, "index": index}, exc_info=why)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _bring(self, task: Task, provider: Provider, image: Image, index: int) -> Picture | None:
        with TemporaryFile() as file:
            await self._transport.fetch(provider, image, file)
            file.seek(0)
            picture = await asyncio.to_thread(storage.store, task.id, task.path_token, index, file)
        return picture if _large_enough(task, picture) else None


def _large_enough(task: Task, picture: Picture) -> bool:
    """Less than half of the resolution that was asked for counts as not delivered."""
    asked = LONG_EDGE[task.resolution] if task.resolution_asked else 0
    return max(picture.width, picture.height) * 2 >= asked

"""A thread that works off due rows: claims them in batches and drives each in a coroutine of its own."""

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Generic, Protocol, TypeVar

from eggapi.desk import Desk

log = logging.getLogger("eggapi.loop")

IDLE_SECONDS = 1.0
CLAIM_GAP_SECONDS = 0.02
CLAIM_AT_ONCE = 200
RENEW_SECONDS = 15.0
SUSPECTS_SECONDS = 30.0
ALONE_SECONDS = 5.0  # twice that is how late what is due may be claimed: long before submissions are refused for it

T = TypeVar("T")


class Work(Protocol[T]):
    """What a loop works on. The batch functions run on the desk, `drive` on the event loop.

    `claim([room])` returns [items]: at most `room` due rows, leased to this process. `claim_suspect` takes
    one row whose earlier claims never came to anything: it is driven alone. `drive` returns the seconds
    until the row is due again, or None; it must keep `cancel` safe at every await unless `must_finish`.
    """

    name: str
    capacity: int

    def claim(self, room: list[int]) -> Sequence[Sequence[T]]: ...
    def claim_suspect(self, room: list[int]) -> Sequence[Sequence[T]]: ...
    def renew(self, items: list[T]) -> Sequence[object]: ...
    def release(self, items: list[T]) -> Sequence[object]: ...
    def give_back(self, items: list[T]) -> Sequence[object]: ...
    def must_finish(self, item: T) -> bool: ...
    async def open(self, loop: "Loop[T]") -> None: ...
    async def close(self) -> None: ...
    async def drive(self, item: T) -> float | None: ...


class Loop(threading.Thread, Generic[T]):
    """One thread, one event loop, one desk. `wake` may be called from any thread, any number of times."""

    desk: Desk

    def __init__(self, work: Work[T]) -> None:
        super().__init__(name=work.name, daemon=True)
        self.work = work
        self.stopping = False
        self._drain_seconds = 0.0
        self._ready = threading.Event()
        self._open = False
        self._driving: dict[asyncio.Task[None], T] = {}

    # -- from other threads ----------------------------------------------------------------------

    def start(self) -> None:
        """Raises RuntimeError if the loop cannot be opened; the log says why."""
        super().start()
        self._ready.wait()
        if not self._open:
            raise RuntimeError(f"{self.name} did not start")

    def wake(self) -> None:
        if not self.stopping:
            self._loop.call_soon_threadsafe(self._bell.set)

    def stop(self, drain_seconds: float) -> None:
        """Claims and buys nothing more, drops what can be dropped, waits for the rest, gives leases back."""
        self._drain_seconds = drain_seconds
        self.stopping = True
        self._loop.call_soon_threadsafe(self._bell.set)
        self.join()

    # -- on the loop's own thread ----------------------------------------------------------------

    def run(self) -> None:
        try:
            asyncio.run(self._main())
        finally:
            self._ready.set()

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._bell = asyncio.Event()
        self._suspects_at = self._loop.time() + SUSPECTS_SECONDS
        self.desk = Desk(self.name, self._loop)
        try:
            await self.work.open(self)
            try:
                await self._work_off()
            finally:
                await self.work.close()
        finally:
            await asyncio.to_thread(self.desk.close)

    async def _work_off(self) -> None:
        renewal = asyncio.create_task(self._keep_leases())
        self._open = True
        self._ready.set()
        while not self.stopping:
            if not await self._claim():
                await self._wait()
        renewal.cancel()
        await self._drain()

    async def _claim(self) -> bool:
        """Starts driving what is due; True if there may be more."""
        try:
            if not self._driving or self._loop.time() >= self._suspects_at:
                await self._quietly(self._drive_suspect())
            room = min(CLAIM_AT_ONCE, self.work.capacity - len(self._driving))
            items = await self._ask(self.work.claim, room) if room > 0 else []
        except Exception as error:  # the database comes back, and the loop must still be there
            log.error("cannot claim", extra={"loop": self.name}, exc_info=error)
            await asyncio.sleep(IDLE_SECONDS)
            return False
        for item in items:
            self._start(item)
        return bool(items) and len(items) == room

    async def _drive_suspect(self) -> None:
        """Alone if the others end within seconds, else beside them; a busy loop must come to it as well.

        Nothing is claimed meanwhile, and so a busy loop works for longer than that before it comes to the next.
        """
        try:
            for item in await self._ask(self.work.claim_suspect, 1):
                await self._until_idle(ALONE_SECONDS)
                self._start(item)
                await self._until_idle(ALONE_SECONDS)
        finally:
            self._suspects_at = self._loop.time() + SUSPECTS_SECONDS

    async def _until_idle(self, seconds: float) -> None:
        until = self._loop.time() + seconds
        while self._driving and not self.stopping and self._loop.time() < until:
            await asyncio.wait(self._driving, timeout=IDLE_SECONDS)

    async def _ask(self, claim: Callable[[list[int]], Sequence[Sequence[T]]], room: int) -> Sequence[T]:
        return await self.desk.call(claim, room)

    def _start(self, item: T) -> None:
        task = asyncio.create_task(self._drive(item))
        self._driving[task] = item
        task.add_done_callback(self._driving.pop)

    async def _wait(self) -> None:
        """Until somebody rings, or a second has passed; rings close together count as one."""
        await asyncio.sleep(CLAIM_GAP_SECONDS)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._bell.wait(), IDLE_SECONDS)
        self._bell.clear()

    async def _drive(self, item: T) -> None:
        try:
            due_in = await self.work.drive(item)
        except Exception as error:  # one item's fault must not stop the others
            log.error("driving failed", extra={"loop": self.name, "item": str(item)}, exc_info=error)
            await self._quietly(self.desk.call(self.work.give_back, item))
            return
        if due_in is not None:
            self._loop.call_later(due_in, self._bell.set)

    async def _keep_leases(self) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            await self._quietly(asyncio.gather(*(self.desk.call(self.work.renew, i) for i in self._driving.values())))

    async def _drain(self) -> None:
        for task, item in list(self._driving.items()):
            if not self.work.must_finish(item):
                task.cancel()
        items = list(self._driving.values())
        if self._driving:
            await asyncio.wait(self._driving, timeout=self._drain_seconds)
        for task in list(self._driving):
            task.cancel()
        await self._quietly(asyncio.gather(*(self.desk.call(self.work.release, item) for item in items)))

    async def _quietly(self, awaitable: Awaitable[object]) -> None:
        """A lost lease or an absent database heals by itself: the row falls due again."""
        try:
            await awaitable
        except Exception as error:  # see above
            log.error("bookkeeping failed", extra={"loop": self.name}, exc_info=error)

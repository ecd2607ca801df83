"""A claim: a task in the hands of this process, and all that driving it takes."""

import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from generation.catalog import RouteEntry
from generation.models import Attempt, Task
from generation.providers.base import Reference


@dataclass(slots=True)
class Claim:
    """A task leased to this process, as it stood at `now` (the database's time, read at `started`).

    `paying` from before a purchase is written until what came of it is saved: such a claim is not dropped.
    """

    task: Task
    attempts: list[Attempt]
    routes: dict[int, RouteEntry]
    now: datetime
    started: float = field(default_factory=time.monotonic)
    paying: bool = False
    pictures: tuple[Reference, ...] | None = None

    def __str__(self) -> str:
        return self.task.id

    @property
    def time(self) -> datetime:
        """The database's time, as far as this process can tell without asking."""
        return self.now + timedelta(seconds=time.monotonic() - self.started)

    @property
    def seconds_left(self) -> float:
        return max(0.0, (self.task.deadline_at - self.time).total_seconds())

    @property
    def live(self) -> Attempt | None:
        return next((attempt for attempt in self.attempts if attempt.state == Attempt.State.LIVE), None)

"""What the demo's customer asked for, hour by hour, and what became of it. The same dice make the same month."""

from bisect import bisect
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from io import BytesIO
from itertools import accumulate
from random import Random
from typing import Any

from accounts.models import ApiKey, Mode
from eggapi.serving import history
from eggapi.serving.history import Life
from generation import cancel, catalog, process, storage
from generation.catalog import ModelEntry, RouteEntry
from generation.models import Attempt, Purchase, Task
from generation.providers.base import Outcome
from generation.sandbox import art
from generation.settle import Ending
from generation.storage import Picture
from generation.submit import default_deadline
from webhooks.models import DeliveryAttempt
from webhooks.verdict import WAITS

DAYS = 30
LATEST = timedelta(minutes=11)  # since the last task: even one that times out has ended by now
HOURS = (2, 1, 1, 1, 1, 2, 4, 7, 10, 13, 14, 14, 12, 13, 15, 15, 14, 12, 9, 8, 7, 6, 5, 3)  # of a day, UTC
WEEKDAYS = (1.0, 1.1, 1.15, 1.1, 0.95, 0.45, 0.4)
BLOCK = 120  # tasks among which the fates are dealt
RESOLUTIONS = {"1k": 3, "2k": 5, "4k": 2}
MEDIAN_SECONDS = {"1k": 4.2, "2k": 7.5, "4k": 15.0}
EDITED = 0.12  # of the tasks
WITHOUT_KEY = 0.12  # those made in the dashboard
HOOK = "https://example.com/hook"
EXHAUSTED, FAILING = timedelta(hours=100), timedelta(hours=60)  # ages of the two webhooks that do not arrive
OTHERS_KEPT_DAYS = 1  # pictures of tasks without files of their own
FALLBACKS = (
    (Outcome.RETRYABLE, "too many requests", Purchase.State.REJECTED),
    (Outcome.RETRYABLE, "internal error", Purchase.State.FAILED),
    (Outcome.NO_IMAGE, "no image that decodes", Purchase.State.FAILED),
    (Outcome.UNKNOWN, "no answer", Purchase.State.UNKNOWN),
)
TRIES = {
    "refused": ((Outcome.REFUSED, "prompt contains prohibited content", Purchase.State.REJECTED),),
    "invalid": (),
    "no_image": (FALLBACKS[2], FALLBACKS[2]),
    "unavailable": (FALLBACKS[0], (Outcome.ROUTE_DOWN, "model is not available", Purchase.State.REJECTED)),
    "deadline": (("", "Timed out.", Purchase.State.ACCEPTED),),
    "canceled": (("", cancel.ERROR, Purchase.State.ACCEPTED),),
}
ENDS = {
    "refused": ("refused", process.REFUSED),
    "invalid": ("invalid", "image_urls[0]: not a PNG, JPEG or WebP image"),
    "no_image": process.NO_IMAGE,
    "unavailable": process.UNAVAILABLE,
    "canceled": (cancel.ENDED, cancel.ERROR),
}


@dataclass(slots=True)
class Writer:
    """Whoever asks: a key with its share of the tasks, and the budget row of each month it spends in."""

    key: ApiKey | None
    share: float
    calls_back: bool = False
    budgets: Mapping[tuple[int, int], int] = field(default_factory=dict)


@dataclass(slots=True)
class Month:
    """All that decides the tasks: `count` of them by `writers`, the newest `pictured` with real pictures."""

    account_id: int
    mode: Mode
    count: int
    pictured: int
    now: datetime
    random: Random
    writers: Sequence[Writer]
    story: Mapping[str, Any]
    _fates: deque[str] = field(default_factory=deque)
    _untold: list[timedelta] = field(default_factory=lambda: [EXHAUSTED, FAILING])

    def lives(self) -> Iterator[Life]:
        """In the order they were asked for."""
        for n, at in enumerate(moments(self.count, self.now, self.random)):
            yield self._life(at, is_pictured=n >= self.count - self.pictured)

    def _life(self, at: datetime, is_pictured: bool) -> Life:
        fate = self._fate()
        task, model = self._task(at, fate, is_pictured)
        writer = self._writer(at)
        task.key_id = writer.key.pk if writer.key else None
        task.webhook_url = HOOK if writer.calls_back else ""
        life = Life(task, history.text(self.random, "msg_"), budget=writer.budgets.get((at.year, at.month), 0))
        self._work(life, model, fate)
        self._finish(life, fate, is_pictured)
        if task.webhook_url:
            self._call_back(life)
        return life

    def _fate(self) -> str:
        """Dealt like cards, so that every kind comes up however few tasks there are."""
        if not self._fates:
            special = [fate for fate, times in self.story["fates"].items() for _ in range(times)]
            block = special + [""] * (BLOCK - len(special))
            self.random.shuffle(block)
            self._fates.extend(block)
        return self._fates.popleft()

    def _writer(self, at: datetime) -> Writer:
        if self._is_to_fail(at):
            return next(writer for writer in self.writers if writer.calls_back)
        (writer,) = self.random.choices(self.writers, [writer.share for writer in self.writers])
        return writer

    def _task(self, at: datetime, fate: str, is_pictured: bool) -> tuple[Task, ModelEntry]:
        random = self.random
        models = list(catalog.current().models.values())
        (model,) = random.choices(models, [3 if n == 0 else 2 for n in range(len(models))])
        offered = [each for each in model.resolutions if each != "4k" or not is_pictured]
        (resolution,) = random.choices(offered, [RESOLUTIONS.get(each, 1) for each in offered])
        (images,) = random.choices([1, 2, 4], [14, 5, 1])
        ratio = "16:9" if random.random() < 0.7 else "9:16"
        is_edit = fate == "invalid" or random.random() < EDITED
        seconds = default_deadline(model.name, resolution)
        task = Task(
            id=history.text(random, "gen_"),
            path_token=history.text(random, "", 25),
            account_id=self.account_id,
            mode=self.mode,
            request_digest=b"",
            model=model.name,
            type=Task.Type.IMAGE_EDIT if is_edit else Task.Type.IMAGE_GENERATE,
            prompt=random.choice(self.story["prompts"][ratio]),
            aspect_ratio=ratio,
            resolution=resolution,
            num_outputs=max(images, 2) if fate == "partial" else images,
            seed=random.randrange(2**31) if random.random() < 0.2 else None,
            image_urls=[f"https://example.com/photos/{random.randint(1000, 9999)}.jpg"] if is_edit else [],
            metadata={"order": f"A-{random.randint(10_000, 99_999)}"} if random.random() < 0.3 else None,
            unit_price=model.prices[resolution],
            price_id=model.price_ids[resolution],
            created_at=at,
            deadline_seconds=seconds,
            deadline_at=at + timedelta(seconds=seconds),
        )
        return task, model

    # -- what was tried ------------------------------------------------------------------------------

    def _work(self, life: Life, model: ModelEntry, fate: str) -> None:
        """One attempt after the other, the last of them delivering unless the task is to fail."""
        routes = [route for route in model.routes if route.mode == self.mode] or list(model.routes)
        failures = TRIES.get(fate, ())
        if fate == "fallback" and len(routes) > 1:
            failures = (self.random.choice(FALLBACKS),)
        at, attempts = life.task.created_at + timedelta(seconds=self.random.uniform(0.03, 0.4)), []
        for n, route in enumerate(routes[: len(failures) + (fate not in ENDS and fate != "deadline")]):
            attempt = self._attempt(life.task, n + 1, route, at)
            if n < len(failures):
                _fail(attempt, failures[n])
            if fate == "deadline":
                attempt.ended_at = life.task.deadline_at
            attempts.append(attempt)
            at = attempt.ended_at or at
        life.attempts = attempts

    def _attempt(self, task: Task, n: int, route: RouteEntry, at: datetime) -> Attempt:
        median = MEDIAN_SECONDS.get(task.resolution, 5.0) * (1 + 0.15 * task.num_outputs)
        attempt = Attempt(
            id=Attempt.id_of(task.id, n),
            task_id=task.id,
            n=n,
            route_id=route.id,
            state=Attempt.State.DONE,
            started_at=at,
            ended_at=at + timedelta(seconds=median * self.random.lognormvariate(0, 0.35)),
        )
        cost = route.cost_of(task.resolution, len(task.image_urls))
        attempt.bought = history.bought(
            attempt, task.num_outputs, route.capabilities.images_per_call, cost, self.random
        )
        return attempt

    # -- what came of it -----------------------------------------------------------------------------

    def _finish(self, life: Life, fate: str, is_pictured: bool) -> None:
        task, last = life.task, life.attempts[-1] if life.attempts else None
        at = last.ended_at if last and last.ended_at else task.created_at + timedelta(seconds=1.3)
        if not is_pictured:
            task.retention_days = OTHERS_KEPT_DAYS
        if last and last.state == Attempt.State.DONE:
            images = task.num_outputs - (fate == "partial")
            life.ending = Ending(
                task, "completed", pictures=[self._picture(task, n, is_pictured) for n in range(images)]
            )
            at += timedelta(seconds=0.2)
        else:
            ended, error = ENDS.get(fate, (fate, f"Timed out after {task.deadline_seconds} seconds."))
            life.ending = Ending(task, ended, error)
        history.end(task, life.ending, life.attempts[0].started_at if life.attempts else at, at)
        if not is_pictured:
            task.purge_at = None
            task.expires_at = task.expires_at and min(task.expires_at, self.now)

    def _picture(self, task: Task, index: int, is_pictured: bool) -> Picture:
        if is_pictured:
            drawn = art.Picture(task.prompt, "", task.aspect_ratio, task.resolution, seed=task.seed, index=index)
            return storage.store(task.id, task.path_token, index, BytesIO(art.render(drawn)))
        width, height = art.dimensions(task.aspect_ratio, task.resolution)
        path = f"{storage.folder_of(task.id, task.path_token)}/{index}.png"
        size = int(width * height * self.random.uniform(0.3, 0.6))
        return Picture(index, path, "image/png", size, width, height)

    # -- the webhook ---------------------------------------------------------------------------------

    def _call_back(self, life: Life) -> None:
        """Most arrive at once and some at the second attempt; one never did, and one has not yet."""
        since = life.ended_at
        if self._is_to_fail(life.task.created_at):
            self._untold.pop(0)
            fails = len(WAITS) + 1
        else:
            fails = int(self.random.random() < 0.04)
        at = since + timedelta(seconds=self.random.uniform(0.1, 0.9))
        calls: list[DeliveryAttempt] = []
        while at < self.now and len(calls) <= len(WAITS):
            calls.append(self._call(len(calls) + 1, at, arrives=len(calls) == fails))
            if len(calls) > fails:
                break
            at += WAITS[len(calls) - 1] if len(calls) <= len(WAITS) else timedelta()
        life.calls = calls
        life.next_call_at = at if at >= self.now else None

    def _is_to_fail(self, at: datetime) -> bool:
        """Whether the webhook of a task that was asked for then is one of the two."""
        return bool(self._untold) and self.now - at < self._untold[0]

    def _call(self, n: int, at: datetime, arrives: bool) -> DeliveryAttempt:
        if arrives:
            took = int(self.random.lognormvariate(4.6, 0.5))
            return DeliveryAttempt(n=n, at=at, status=200, milliseconds=took, reply='{"received": true}')
        if self.random.random() < 0.25:
            return DeliveryAttempt(n=n, at=at, error="timeout", milliseconds=15_000)
        took = int(self.random.lognormvariate(5.5, 0.5))
        return DeliveryAttempt(n=n, at=at, status=503, milliseconds=took, reply="upstream connect error")


def moments(count: int, now: datetime, random: Random) -> Iterator[datetime]:
    """When each task was asked for, in order: more by day than by night, on workdays, and from week to week."""
    since = now - LATEST - timedelta(days=DAYS)
    hours = [since + timedelta(hours=n) for n in range(DAYS * 24)]
    weights = [
        HOURS[hour.hour] * WEEKDAYS[hour.weekday()] * (0.6 + 0.4 * n / len(hours)) * random.uniform(0.6, 1.4)
        for n, hour in enumerate(hours)
    ]
    ends = list(accumulate(weights))
    for n in range(count):
        place = (n + random.random()) / count * ends[-1]
        hour = min(bisect(ends, place), len(ends) - 1)
        yield hours[hour] + timedelta(hours=1 - (ends[hour] - place) / weights[hour])


def _fail(attempt: Attempt, failure: tuple[str, str, str]) -> None:
    attempt.state = Attempt.State.FAILED
    attempt.outcome, attempt.message, state = failure
    for purchase in attempt.bought:
        purchase.state, purchase.outcome, purchase.message = state, attempt.outcome, attempt.message
        if state == Purchase.State.REJECTED:
            purchase.cost = purchase.polls = 0
        purchase.leak = purchase.cost

"""Submit: validate, price, hold, write the row, wake a worker."""

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import OperationalError, transaction

from accounts.caller import Caller
from billing import ledger
from billing.ledger import Promise
from billing.models import Wallet
from eggapi import clock, errors, rows
from eggapi.batch import GroupCommit
from eggapi.doorbell import ring
from generation import catalog, fields
from generation.catalog import ModelEntry
from generation.fields import Submission
from generation.models import Task

DEADLINE_SECONDS = 300
DEADLINE_SECONDS_4K = 600
IDEMPOTENCY_KEY = re.compile(r"[\x20-\x7e]{1,255}")

Name = tuple[int, str, str]  # account, mode, and what tells the request from others


@dataclass(frozen=True, slots=True)
class Refused:
    """Why `write` made no task: makes the exception for this one caller."""

    error: Callable[[], errors.ApiError]


def submit(caller: Caller, body: dict[str, Any], idempotency_key: str | None = None) -> tuple[Task, bool]:
    """Accepts a request for images: returns its task, and whether it is the replay of an earlier one.

    When this returns, the task, the money held for it and the work to be done are committed together.
    Raises ValidationFailed, InsufficientBalance, IdempotencyMismatch, IdempotencyInFlight and
    ServiceUnavailable; after any of them nothing was created and nothing is held.
    """
    digest = b""
    if idempotency_key is not None:
        if not IDEMPOTENCY_KEY.fullmatch(idempotency_key):
            raise errors.ValidationFailed({"Idempotency-Key": "must be 1 to 255 printable ASCII characters"})
        digest = digest_of(body)
        if earlier := _earlier(caller, idempotency_key):
            return _replay(earlier, digest), True
    task = _task(caller, fields.read(body))
    task.idempotency_key, task.request_digest = idempotency_key, digest
    try:
        written = write(task)
    except OperationalError:
        if idempotency_key is None:
            raise
        raise errors.IdempotencyInFlight(retry_after=1) from None
    if isinstance(written, Refused):
        raise written.error()
    return (written, False) if written is task else (_replay(written, digest), True)


def digest_of(body: dict[str, Any]) -> bytes:
    """SHA-256 of the body in a canonical spelling, so that white space and key order do not matter."""
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).digest()


def _earlier(owner: Caller | Task, idempotency_key: str) -> Task | None:
    """The task that the owner's account has under this key, if any."""
    same_key = Task.objects.filter(account_id=owner.account_id, mode=owner.mode, idempotency_key=idempotency_key)
    task: Task | None = same_key.first()
    return task


def _replay(earlier: Task, digest: bytes) -> Task:
    if bytes(earlier.request_digest) != digest:
        raise errors.IdempotencyMismatch
    return earlier


def _task(caller: Caller, submission: Submission) -> Task:
    """The row to be: priced, and checked against what is on sale and can be bought at all."""
    model = catalog.current().models.get(submission.model)
    if model is None:
        raise errors.ValidationFailed({"model": f"must be one of {', '.join(catalog.current().models)}"})
    resolution = submission.resolution or model.default_resolution
    if resolution not in model.resolutions:
        raise errors.ValidationFailed({"resolution": f"must be one of {', '.join(model.resolutions)} for {model.name}"})
    _check_routes(model, submission, resolution, caller.mode)
    kind = Task.Type.IMAGE_EDIT if submission.image_urls else Task.Type.IMAGE_GENERATE
    return Task(
        account_id=caller.account_id,
        mode=caller.mode,
        key_id=caller.key_id,
        model=model.name,
        type=kind,
        prompt=submission.prompt,
        negative_prompt=submission.negative_prompt,
        aspect_ratio=submission.aspect_ratio,
        resolution=resolution,
        resolution_asked=bool(submission.resolution),
        num_outputs=submission.num_outputs,
        seed=submission.seed,
        image_urls=list(submission.image_urls),
        webhook_url=submission.webhook_url,
        unit_price=model.prices[resolution],
        deadline_seconds=submission.deadline_seconds or _default_deadline(model.name, resolution),
    )


def _default_deadline(model: str, resolution: str) -> int:
    return DEADLINE_SECONDS_4K if (model, resolution) == ("nanobanana-pro", "4k") else DEADLINE_SECONDS


def _check_routes(model: ModelEntry, submission: Submission, resolution: str, mode: str) -> None:
    """Raises ValidationFailed where no route can ever serve this, ServiceUnavailable where none can now."""
    routes = [route for route in model.routes if route.mode == mode]
    if not routes:
        raise errors.ServiceUnavailable(f"No provider serves {model.name} at the moment.", retry_after=60)
    able = [route.capabilities for route in routes]
    checks = {
        "resolution": any(not c.resolutions or resolution in c.resolutions for c in able),
        "aspect_ratio": any(not c.aspect_ratios or submission.aspect_ratio in c.aspect_ratios for c in able),
        "image_urls": any(len(submission.image_urls) <= c.max_references for c in able),
        "prompt": any(len(submission.prompt) <= c.prompt_characters for c in able),
    }
    if faults := {name: f"no route of {model.name} can serve this" for name, fits in checks.items() if not fits}:
        raise errors.ValidationFailed(faults)


def _write(tasks: list[Task]) -> Sequence[Task | Refused]:
    """Takes the money and writes the rows of many tasks in one transaction; the answer is per task.

    Of those that share an idempotency key the first stands for all. The wallet goes first here: once
    its row is locked no other request of the account is half-way, so an idempotency key that is not
    there now will not be there at the commit either. New rows that nobody else can know of yet cannot
    deadlock, whatever is locked before them.
    """
    now = clock.now()
    for task in tasks:
        task.created_at = task.next_run_at = now
        task.deadline_at = now + timedelta(seconds=task.deadline_seconds)
    firsts = {_name(task): task for task in reversed(tasks)}
    promises = {
        name: Promise(Wallet.id_of(task.account_id, task.mode), task.id, task.held) for name, task in firsts.items()
    }
    covered = {promise.task_id for promise in ledger.reserve(list(promises.values()))}
    answers: dict[Name, Task | Refused] = {}
    for name, task in firsts.items():
        earlier = _earlier(task, task.idempotency_key) if task.idempotency_key else None
        if earlier and task.id in covered:
            ledger.unreserve(promises[name])
        answers[name] = earlier or (task if task.id in covered else _refused(promises[name]))
    fresh = {name: task for name, task in firsts.items() if answers[name] is task}
    rows.insert(fresh.values())
    ledger.write_holds([promises[name] for name in fresh], now)
    transaction.on_commit(lambda: ring("generation.tasks.advance"))
    return [answers[_name(task)] for task in tasks]


def _refused(promise: Promise) -> Refused:
    return Refused(_too_many_open if ledger.is_crowded(promise.wallet_id) else errors.InsufficientBalance)


def _too_many_open() -> errors.RateLimited:
    most = settings.EGGAPI_OPEN_TASKS
    return errors.RateLimited(f"This account has {most} unfinished tasks; wait until one has ended.", retry_after=1)


def _name(task: Task) -> Name:
    """What a request has in common with itself sent again: its idempotency key, or nothing but the id."""
    return task.account_id, task.mode, task.idempotency_key or task.id


write: GroupCommit[Task, Task | Refused] = GroupCommit(_write)

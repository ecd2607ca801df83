"""Submit: validate, price, hold, write the row, wake a worker."""

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db import OperationalError, transaction

from accounts.caller import Caller, Terms
from accounts.models import ApiKey, Mode
from accounts.terms import require_model
from billing import budgets, ledger
from billing.budgets import WHOLE_ACCOUNT, Cap
from billing.ledger import Promise
from billing.models import Wallet
from eggapi import clock, errors, money, rows
from eggapi.batch import GroupCommit
from eggapi.doorbell import ring
from generation import backlog, catalog, drain, fields, uploads
from generation.fields import Submission
from generation.models import Task

DEADLINE_SECONDS = 300
DEADLINE_SECONDS_4K = 600
IDEMPOTENCY_KEY = re.compile(r"[\x20-\x7e]{1,255}")

Name = tuple[int, str, str]  # account, mode, and what tells the request from others


@dataclass(frozen=True, slots=True)
class Order:
    """A task to be, and what its key and account may do."""

    task: Task
    terms: Terms


@dataclass(frozen=True, slots=True)
class Refused:
    """Why `write` made no task: makes the exception for this one caller."""

    error: Callable[[], errors.ApiError]


def submit(caller: Caller, body: dict[str, Any], idempotency_key: str | None = None) -> tuple[Task, bool]:
    """Accepts a request for images: returns its task, and whether it is the replay of an earlier one.

    When this returns, the task, the money held for it and the work to be done are committed together.
    Raises ValidationFailed, Forbidden, InsufficientBalance, IdempotencyMismatch, IdempotencyInFlight and
    ServiceUnavailable; after any of them nothing was created and nothing is held.
    """
    digest = b""
    if idempotency_key is not None:
        if not IDEMPOTENCY_KEY.fullmatch(idempotency_key):
            raise errors.ValidationFailed({"Idempotency-Key": "must be 1 to 255 printable ASCII characters"})
        digest = digest_of(body)
        if earlier := _earlier(caller, idempotency_key):
            return _replay(earlier, digest), True
    task = drafted(caller, body)
    task.idempotency_key, task.request_digest = idempotency_key, digest
    drain.check()
    backlog.check()
    try:
        written = write(Order(task, caller.terms))
    except OperationalError:
        if idempotency_key is None:
            raise
        raise errors.IdempotencyInFlight(retry_after=1) from None
    if isinstance(written, Refused):
        raise written.error()
    return (written, False) if written is task else (_replay(written, digest), True)


def drafted(caller: Caller, body: dict[str, Any]) -> Task:
    """The task that a request would make, were there money for it. Raises as `submit` does."""
    submission = fields.read(body)
    task = draft(caller, submission)
    if submission.max_cost is not None and task.held > submission.max_cost:
        raise errors.ValidationFailed({"max_cost": f"is less than the price of {money.display(task.held)}"})
    _check_routes(task)
    return task


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


def draft(caller: Caller, submission: Submission) -> Task:
    """The row to be, priced; nothing is written.

    Raises ValidationFailed for what is not on sale, Forbidden for a model that the key is not for.
    """
    model = catalog.current().models.get(submission.model)
    if model is None:
        raise errors.ValidationFailed({"model": f"must be one of {', '.join(catalog.current().models)}"})
    require_model(caller, model.name)
    resolution = submission.resolution or model.default_resolution
    if resolution not in model.resolutions:
        raise errors.ValidationFailed({"resolution": f"must be one of {', '.join(model.resolutions)} for {model.name}"})
    _check_uploads(caller, submission)
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
        strategy=submission.strategy,
        image_urls=list(submission.image_urls),
        metadata=submission.metadata,
        webhook_url=submission.webhook_url,
        unit_price=model.prices[resolution],
        price_id=model.price_ids[resolution],
        retention_days=caller.terms.retention_days or settings.EGGAPI_RETENTION_DAYS,
        zero_retention=caller.terms.zero_retention,
        deadline_seconds=submission.deadline_seconds or default_deadline(model.name, resolution),
    )


def _check_uploads(caller: Caller, submission: Submission) -> None:
    """Raises ValidationFailed for a picture that somebody uploaded for another account."""
    paths = filter(None, map(uploads.path_of, submission.image_urls))
    if not all(uploads.is_of(path, caller.account_id) for path in paths):
        raise errors.ValidationFailed({"image_urls": "names a picture that another account uploaded"})


def default_deadline(model: str, resolution: str) -> int:
    return DEADLINE_SECONDS_4K if (model, resolution) == ("nanobanana-pro", "4k") else DEADLINE_SECONDS


def _check_routes(task: Task) -> None:
    """Raises ValidationFailed where no route can ever serve this, ServiceUnavailable where none can now."""
    model = catalog.current().models[task.model]
    routes = [route for route in model.routes if route.mode == task.mode]
    if not routes:
        raise errors.ServiceUnavailable(f"No provider serves {model.name} at the moment.", retry_after=60)
    misfits = [set(route.misfits(task)) for route in routes]
    if all(misfits):
        # What no route at all can serve; else every part of a combination that none can.
        faults = set.intersection(*misfits) or set.union(*misfits)
        raise errors.ValidationFailed(dict.fromkeys(sorted(faults), f"no route of {model.name} can serve this"))


def _write(orders: list[Order]) -> Sequence[Task | Refused]:
    """Takes the money and writes the rows of many tasks in one transaction; the answer is per order.

    Of those that share an idempotency key the first stands for all. The wallet goes first here: once
    its row is locked no other request of the account is half-way, so an idempotency key that is not
    there now will not be there at the commit either. New rows that nobody else can know of yet cannot
    deadlock, whatever is locked before them.
    """
    now = clock.now()
    for order in orders:
        task = order.task
        task.created_at = task.next_run_at = now
        task.deadline_at = now + timedelta(seconds=task.deadline_seconds)
    firsts = {_name(order.task): order for order in reversed(orders)}
    promises = {name: _promise(order.task) for name, order in firsts.items()}
    covered = {promise.task_id for promise in ledger.reserve(list(promises.values()))}
    answers: dict[Name, Task | Refused] = {}
    fresh: list[Promise] = []
    for name, order in firsts.items():
        task, promise = order.task, promises[name]
        earlier = _earlier(task, task.idempotency_key) if task.idempotency_key else None
        if task.id not in covered:
            answers[name] = earlier or _refused(promise)
            continue
        answers[name] = earlier or _limits(order, promise, fresh, now) or task
        if answers[name] is task:
            fresh.append(promise)
        else:
            ledger.unreserve(promise)
    rows.insert(order.task for name, order in firsts.items() if answers[name] is order.task)
    ledger.write_holds(fresh, now)
    transaction.on_commit(lambda: ring("generation.tasks.advance"))
    return [answers[_name(order.task)] for order in orders]


def _promise(task: Task) -> Promise:
    return Promise(Wallet.id_of(task.account_id, task.mode), task.id, task.held, key=task.key_id or 0)


def _limits(order: Order, promise: Promise, fresh: Sequence[Promise], now: datetime) -> Refused | None:
    """Takes the task's part of its key's and its account's budgets, or says which limit is in the way.

    `fresh` are the promises of this batch that are kept.
    """
    task, terms = order.task, order.terms
    if terms.concurrency is not None:
        here = sum(other.key == promise.key for other in fresh)
        if ledger.open_holds_of(promise.key) + here >= terms.concurrency:
            return Refused(partial(_too_many_of_key, terms.concurrency))
    if terms.budget is not None:
        cap = Cap(promise.key, terms.budget, terms.budget_period)
        taken = budgets.take(task.account_id, task.mode, cap, promise.amount, now)
        if taken is None:
            return Refused(
                partial(errors.InsufficientBalance, "The budget of this API key does not cover this request.")
            )
        promise.key_budget = taken
    if terms.monthly_cap is not None and task.mode == Mode.LIVE:
        cap = Cap(WHOLE_ACCOUNT, terms.monthly_cap, ApiKey.Period.MONTH)
        taken = budgets.take(task.account_id, task.mode, cap, promise.amount, now)
        if taken is None:
            budgets.give_back([(promise.key_budget, promise.amount)])
            return Refused(
                partial(errors.InsufficientBalance, "The account's monthly cap does not cover this request.")
            )
        promise.account_budget = taken
    return None


def _refused(promise: Promise) -> Refused:
    if owed := ledger.debt_of(promise.wallet_id):
        return Refused(partial(_in_debt, owed))
    return Refused(_too_many_open if ledger.is_crowded(promise.wallet_id) else errors.InsufficientBalance)


def _in_debt(owed: int) -> errors.InsufficientBalance:
    return errors.InsufficientBalance(f"A payment was taken back at the bank, and {money.display(owed)} is still owed.")


def _too_many_of_key(most: int) -> errors.RateLimited:
    return errors.RateLimited(f"This key has {most} unfinished tasks; wait until one has ended.", retry_after=1)


def _too_many_open() -> errors.RateLimited:
    most = settings.EGGAPI_OPEN_TASKS
    return errors.RateLimited(f"This account has {most} unfinished tasks; wait until one has ended.", retry_after=1)


def _name(task: Task) -> Name:
    """What a request has in common with itself sent again: its idempotency key, or nothing but the id."""
    return task.account_id, task.mode, task.idempotency_key or task.id


write: GroupCommit[Order, Task | Refused] = GroupCommit(_write)

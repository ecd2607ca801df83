"""Fills an account with a month of plausible usage. Every batch is a transaction after which the books agree."""

import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from operator import attrgetter
from pathlib import Path
from random import Random

from django.db import transaction

from accounts import auditlog, keys
from accounts.models import Account, ApiKey, AuditEntry, Mode
from billing import budgets
from billing.models import Budget
from eggapi import clock
from eggapi.money import MICROS, usd
from eggapi.serving import history
from eggapi.serving.demo import scenery
from eggapi.serving.demo.lives import DAYS, WITHOUT_KEY, Month, Writer
from eggapi.serving.history import Life
from generation import catalog

STORY = tomllib.loads(Path(__file__).with_name("story.toml").read_text())
DEED = "account.demo"
PICTURED = 24
BATCH = 500
OLDEST = timedelta(days=64)
UNUSED = timedelta(days=40)
LEAST_BALANCE = 10 * MICROS
REFILL = 50 * MICROS  # for every so many tasks
REFILL_TASKS = 2000
BUDGET_STEP = 5 * MICROS


class Refused(Exception):
    """Why the account is not filled, as a sentence."""


@dataclass(slots=True)
class Purse:
    """Pays for the tasks: play money in test mode, a redeemed code and top-ups in live mode."""

    account: Account
    mode: Mode
    refill: int
    random: Random
    left: int = 0
    spent: int = field(default=0, init=False)

    def cover(self, batch: Sequence[Life]) -> None:
        """Pays in what is missing, just before the batch begins."""
        cost = sum(life.captured for life in batch)
        while self.left < cost + LEAST_BALANCE:
            self.left += scenery.pay_in(self.account, self.mode, self.refill, batch[0].task.created_at, self.random)
        self.left -= cost
        self.spent += cost


def fill(account: Account, mode: Mode, count: int) -> int:
    """Writes `count` tasks and all around them; returns what they cost, in micro-dollars. Raises Refused.

    What belongs to the installation, such as incidents, is written with the first account that is filled.
    """
    catalog.seed()
    models = catalog.current().models.values()
    if not models or not all(model.routes for model in models):
        raise Refused("Every model on sale needs a route first.")
    now = clock.now()
    random = Random(f"demo {account.pk} {mode}")
    with transaction.atomic():
        Account.objects.select_for_update(of=("self",)).get(pk=account.pk)  # of two at once, one comes second
        if AuditEntry.objects.filter(account=account, action=DEED, target=mode).exists():
            raise Refused(f"{account} has its month of {mode} usage already.")
        is_first = not AuditEntry.objects.filter(action=DEED).exists()
        auditlog.note(DEED, mode, account=account, tasks=count)
        writers = _writers(account, mode, now)
        purse = Purse(account, mode, REFILL * -(-count // REFILL_TASKS), random)
        purse.left = scenery.welcome(account, mode, now, random)
        if is_first:
            scenery.set_up(STORY, now, random)
    month = Month(account.pk, mode, count, PICTURED, now, random, writers, STORY)
    for batch in _batches(month.lives()):
        with transaction.atomic():
            purse.cover(batch)
            history.write(sorted(batch, key=attrgetter("ended_at")))
    _look_back(account, writers, now)
    return purse.spent


def _batches(lives: Iterator[Life]) -> Iterator[list[Life]]:
    while batch := list(islice(lives, BATCH)):
        yield batch


# -- the keys --------------------------------------------------------------------------------------


def _writers(account: Account, mode: Mode, now: datetime) -> list[Writer]:
    """The keys, older than all that was done with them; what they are called is not kept anywhere."""
    since = now - OLDEST
    Account.objects.filter(pk=account.pk, created_at__gt=since).update(created_at=since)
    writers = [Writer(None, 100 * WITHOUT_KEY)]
    for n, entry in enumerate(STORY["keys"]):
        key, _ = keys.mint(account, mode, entry["name"])
        made_at = since + timedelta(days=2 * n, hours=3 * n)
        ApiKey.objects.filter(pk=key.pk).update(created_at=made_at, last_used_at=now - UNUSED)
        AuditEntry.objects.create(at=made_at, account=account, action="key.make", target=str(key))
        used = _budgets(account, mode, key, now) if entry.get("budgeted") else {}
        writers.append(Writer(key, entry["share"], entry.get("calls_back", False), used))
    return writers


def _budgets(account: Account, mode: Mode, key: ApiKey, now: datetime) -> dict[tuple[int, int], int]:
    """A row for each month that the tasks may fall into; its limit follows from what will have been used."""
    made = {}
    for at in (now - timedelta(days=DAYS + 1), now):
        start = budgets.period_start(ApiKey.Period.MONTH, at)
        row, _ = Budget.objects.get_or_create(
            account=account, mode=mode, key=key.pk, period_start=start, defaults={"limit": BUDGET_STEP}
        )
        made[start.year, start.month] = row.pk
    return made


def _look_back(account: Account, writers: Sequence[Writer], now: datetime) -> None:
    """Gives every key the time of its last task, and the one with a budget a limit it has nearly reached."""
    for writer in writers:
        if writer.key is None or not writer.share:
            continue
        last = writer.key.task_set.order_by("-created_at").values_list("created_at", flat=True).first()
        own = ApiKey.objects.filter(pk=writer.key.pk)
        own.update(last_used_at=last)
        if writer.budgets:
            rows = Budget.objects.filter(pk__in=writer.budgets.values())
            used = max(rows.values_list("used", flat=True))
            limit = BUDGET_STEP * (used * 5 // 4 // BUDGET_STEP + 1)
            rows.update(limit=usd(limit))
            own.update(budget=limit, budget_period=ApiKey.Period.MONTH)

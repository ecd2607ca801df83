"""Selection: which of its tasks an account wants to see, as the address of the list says it."""

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db import connection
from django.db.models import CharField, Exists, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Cast, Concat, Substr

from accounts.caller import Caller
from eggapi import money
from eggapi.money import usd
from generation.models import Attempt, Status, Task

NO_KEY = 0  # what usage calls the tasks made in the dashboard
DAY = re.compile(r"2[0-9]{3}-[0-9]{2}-[0-9]{2}")
START_OF_ID = re.compile(r"gen_[a-z0-9]{1,24}")
ONE_DAY = timedelta(days=1)
USUAL_DAYS, MOST_DAYS = 30, 92
MOST_COUNTED = 50_000


@dataclass(frozen=True, slots=True)
class Selection:
    """`since` and `until` are days in UTC, both inclusive; `cost` is the least, in micro-dollars.

    `key` NO_KEY stands for tasks made in the dashboard. `faults` says what of the address was not understood.
    """

    status: str = ""
    model: str = ""
    type: str = ""
    key: int | None = None
    since: date | None = None
    until: date | None = None
    cost: int | None = None
    fallback: bool = False
    start_of_id: str = ""
    faults: tuple[str, ...] = ()

    @property
    def is_everything(self) -> bool:
        return Selection(faults=self.faults) == self

    def of(self, caller: Caller) -> QuerySet[Task]:
        """The caller's tasks that are meant, newest first."""
        own: QuerySet[Task] = Task.objects.filter(account_id=caller.account_id, mode=caller.mode)
        return own.filter(*self._conditions()).order_by("-created_at", "-id")

    def _conditions(self) -> list[Any]:
        same = {name: value for name in ("status", "model", "type") if (value := getattr(self, name))}
        found: list[Any] = [Q(**same)] if same else []
        if self.key is not None:
            found.append(Q(key_id=self.key or None))
        if self.since:
            found.append(Q(created_at__gte=start_of(self.since)))
        if self.until:
            found.append(Q(created_at__lt=start_of(self.until + ONE_DAY)))
        if self.cost is not None:
            found.append(Q(cost__gte=usd(self.cost)))
        if self.fallback:
            # By the attempt's own id, which is a look into an index for each task.
            found.append(Exists(Attempt.objects.filter(pk=Concat(OuterRef("pk"), Value(".2")))))
        if self.start_of_id:
            found.append(Q(pk__startswith=self.start_of_id))
        return found

    def days(self, today: date) -> list[date]:
        """The days to show at a glance, oldest first: those chosen, at most MOST_DAYS, else the last USUAL_DAYS."""
        last = min(self.until or today, today)
        first = self.since or last - timedelta(days=USUAL_DAYS - 1)
        first = max(first, last - timedelta(days=MOST_DAYS - 1))
        first = min(first, last)
        return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def start_of(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


# -- reading the address ---------------------------------------------------------------------------


def read(query: Mapping[str, str], models: Collection[str], keys: Collection[int]) -> Selection:
    """What the address asks for; what it says in vain is a fault and changes nothing."""
    chosen: dict[str, Any] = {}
    faults = []
    readers: dict[str, tuple[str, Callable[[str], Any]]] = {
        "status": ("status", lambda text: _one_of(text, Status.values)),
        "model": ("model", lambda text: _one_of(text, models)),
        "type": ("type", lambda text: _one_of(text, Task.Type.values)),
        "key": ("key", lambda text: _key(text, keys)),
        "from": ("since", _day),
        "to": ("until", _day),
        "cost": ("cost", _cost),
        "fallback": ("fallback", lambda text: _one_of(text, ["1"]) == "1"),
        "q": ("start_of_id", _start_of_id),
    }
    for parameter, (name, reader) in readers.items():
        if text := query.get(parameter, "").strip():
            try:
                chosen[name] = reader(text)
            except ValueError as fault:
                faults.append(f"{parameter} {fault}")
    if "since" in chosen and "until" in chosen and chosen["since"] > chosen["until"]:
        faults.append("to must not be before from")
        del chosen["until"]
    return Selection(**chosen, faults=tuple(faults))


def _one_of(text: str, words: Collection[str]) -> str:
    if text not in words:
        raise ValueError(f"must be one of {', '.join(words)}")
    return text


def _key(text: str, keys: Collection[int]) -> int:
    is_number = text.isascii() and text.isdecimal() and len(text) < 19
    if not is_number or (number := int(text)) not in {NO_KEY, *keys}:
        raise ValueError("must be one of this account's keys in this mode")
    return number


def _day(text: str) -> date:
    try:
        if DAY.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise ValueError("must be a day such as 2026-05-08")


def _cost(text: str) -> int:
    try:
        amount = money.parse(text)
    except ValueError:
        amount = -1
    if amount < 0:
        raise ValueError("must be dollars such as 0.05")
    return amount


def _start_of_id(text: str) -> str:
    if not START_OF_ID.fullmatch(text):
        raise ValueError("must be the id of a task, or its beginning: gen_...")
    return text


# -- counting --------------------------------------------------------------------------------------


def count_days(tasks: QuerySet[Task], days: list[date]) -> dict[tuple[str, str], int]:
    """How many of the tasks were made on each day and came to which status, by (day as text, status).

    No more than the newest MOST_COUNTED are looked at, so that it never takes long.
    """
    # Text is the one thing that both databases cut a day from quickly; the connection's time zone is UTC.
    day = Substr(Cast("created_at", CharField()), 1, 10)
    within = tasks.filter(created_at__gte=start_of(days[0]), created_at__lt=start_of(days[-1] + ONE_DAY))
    newest = within.annotate(day=day).values("day", "status")[:MOST_COUNTED]
    sql, values = newest.query.sql_with_params()
    counted: dict[tuple[str, str], int] = defaultdict(int)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT day, status, COUNT(*) FROM ({sql}) AS newest GROUP BY day, status", values)
        for text, status, number in cursor.fetchall():
            counted[text, status] = number
    return counted

"""Selection: which of its tasks an account wants to see, as the address of the list says it."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db import connection
from django.db.models import CharField, Exists, OuterRef, Q, QuerySet, Sum, Value
from django.db.models.functions import Cast, Concat, Substr

from accounts.caller import Caller
from billing.models import DailyUsage
from eggapi import money
from eggapi.money import usd
from generation.models import UNFINISHED, Attempt, Status, Task

NO_KEY = 0  # what usage calls the tasks made in the dashboard
DAY = re.compile(r"2[0-9]{3}-[0-9]{2}-[0-9]{2}")
START_OF_ID = re.compile(r"gen_[a-z0-9]{1,24}")
ONE_DAY = timedelta(days=1)
USUAL_DAYS, MOST_DAYS = 30, 92
MOST_COUNTED = 50_000
MOST_TRIED = 20_000


@dataclass(frozen=True, slots=True)
class Selection:
    """`since` and `until` are days in UTC, both inclusive; `cost` is the least, in micro-dollars.

    `key` NO_KEY stands for tasks made in the dashboard; those that fell back are sought among the newest MOST_TRIED.
    `faults` says what of the address was not understood.
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

    @property
    def is_countable(self) -> bool:
        """Whether `count_days` knows of all that is asked for."""
        return self.cost is None and not self.fallback and not self.start_of_id

    def same(self, *names: str) -> dict[str, str]:
        """Those of the choices that are made, as filters."""
        return {name: value for name in names if (value := getattr(self, name))}

    def of(self, caller: Caller) -> QuerySet[Task]:
        """The caller's tasks that are meant, newest first."""
        own: QuerySet[Task] = Task.objects.filter(account_id=caller.account_id, mode=caller.mode)
        own = own.order_by("-created_at", "-id")
        if self.fallback and (oldest := own.values_list("created_at", flat=True)[MOST_TRIED : MOST_TRIED + 1].first()):
            own = own.filter(created_at__gt=oldest)
        return own.filter(*self._conditions())

    def _conditions(self) -> list[Any]:
        same = self.same("status", "model", "type")
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

    def days(self, today: date) -> Sequence[date]:
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


def count_days(chosen: Selection, caller: Caller, days: Sequence[date]) -> Counter[tuple[date, str]]:
    """How many tasks came to which status, by (day, status): completed ones on the day they did, others on that
    of their making. Only for a selection that `is_countable`.

    Of those that are not completed no more than the newest MOST_COUNTED are counted, so that it never takes long.
    """
    counted: Counter[tuple[date, str]] = Counter()
    if chosen.status in ("", Status.COMPLETED):
        for day, number in _completed(chosen, caller, days):
            counted[day, Status.COMPLETED] = number
    if chosen.status != Status.COMPLETED:
        for text, status, number in _others(chosen, caller, days):
            counted[date.fromisoformat(text), status] = number
    return counted


def _completed(chosen: Selection, caller: Caller, days: Sequence[date]) -> Iterable[tuple[date, int]]:
    """From the sums per day, which are few where the tasks are many."""
    own = DailyUsage.objects.filter(account_id=caller.account_id, mode=caller.mode, **chosen.same("model", "type"))
    if chosen.key is not None:
        own = own.filter(key=chosen.key)
    within = own.filter(day__gte=days[0], day__lte=days[-1])
    return within.values_list("day").annotate(number=Sum("requests"))


def _others(chosen: Selection, caller: Caller, days: Sequence[date]) -> list[tuple[str, str, int]]:
    # Text is the one thing that both databases cut a day from quickly; the connection's time zone is UTC.
    day = Substr(Cast("created_at", CharField()), 1, 10)
    within = chosen.of(caller).filter(created_at__gte=start_of(days[0]), created_at__lt=start_of(days[-1] + ONE_DAY))
    statuses = [chosen.status] if chosen.status else [Status.FAILED, *UNFINISHED]
    # Unordered, or SQLite would go through all tasks in their order.
    newest = within.order_by().filter(status__in=statuses).annotate(day=day).values("day", "status")[:MOST_COUNTED]
    sql, values = newest.query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT day, status, COUNT(*) FROM ({sql}) AS newest GROUP BY day, status", values)
        return list(cursor.fetchall())

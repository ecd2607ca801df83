"""Pages of a list: `page` and `per_page`, and the `pagination` object that goes with the items."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db.models import QuerySet
from django.utils.dateparse import parse_datetime

from eggapi.errors import ValidationFailed

PER_PAGE = 20
MOST_PER_PAGE = 100
DEEPEST_OFFSET = 10_000
EXACT_TOTAL = 10_000
MOST_DIGITS = 10
LARGEST = 10**MOST_DIGITS - 1


@dataclass(frozen=True, slots=True)
class Page:
    number: int
    size: int

    @property
    def slice(self) -> slice:
        start = (self.number - 1) * self.size
        return slice(start, start + self.size)

    def body(self, items: list[Any], total: int) -> dict[str, Any]:
        return {
            "items": items,
            "pagination": {
                "page": self.number,
                "per_page": self.size,
                "total": total,
                "total_pages": -(-total // self.size),
            },
        }


def read(query: Mapping[str, str]) -> Page:
    """The page asked for. Raises ValidationFailed naming the parameter at fault.

    Far into a list a database has to count its way; `created_before` gets there directly.
    """
    page = Page(_whole(query, "page", 1), at_most(query, "per_page", MOST_PER_PAGE, PER_PAGE))
    if page.slice.start > DEEPEST_OFFSET:
        raise ValidationFailed({"page": f"starts beyond {DEEPEST_OFFSET}; go on with created_before"})
    return page


@dataclass(frozen=True, slots=True)
class Leaf:
    """A page of a list as people turn it: without a total, which is dear to count and nobody reads."""

    rows: list[Any]
    number: int
    has_next: bool

    @property
    def has_previous(self) -> bool:
        return self.number > 1

    @property
    def has_other_pages(self) -> bool:
        return self.has_previous or self.has_next

    @property
    def next_page_number(self) -> int:
        return self.number + 1

    @property
    def previous_page_number(self) -> int:
        return self.number - 1


def turn(rows: QuerySet, query: Mapping[str, str], size: int = 25) -> Leaf:
    """The page that `page` in the query names, in one query; the first for anything that is no page."""
    text = query.get("page", "1")
    number = int(text) if text.isdecimal() and len(text) < 6 else 1
    number = min(max(number, 1), DEEPEST_OFFSET // size)
    start = (number - 1) * size
    found = list(rows[start : start + size + 1])
    return Leaf(found[:size], number, len(found) > size)


def period(query: Mapping[str, str]) -> dict[str, datetime]:
    """`created_after` and `created_before` as filters, both exclusive. Raises ValidationFailed."""
    lookups = {"created_after": "created_at__gt", "created_before": "created_at__lt"}
    return {lookup: _moment(name, text) for name, lookup in lookups.items() if (text := query.get(name))}


def count(rows: QuerySet) -> int:
    """How many there are, exact to EXACT_TOTAL: to count a million takes longer than to read a page of them."""
    return rows[:EXACT_TOTAL].count()


def at_most(query: Mapping[str, str], name: str, most: int, default: int) -> int:
    """How many are asked for; more than `most` is taken for that. Raises ValidationFailed."""
    return min(_whole(query, name, default), most)


def _whole(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) <= MOST_DIGITS and int(text) >= 1):
        raise ValidationFailed({name: "must be a whole number of at least 1"})
    return int(text)


def _moment(name: str, text: str) -> datetime:
    try:
        moment = parse_datetime(text)
        if moment and moment.tzinfo:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise ValidationFailed({name: "must be a time with zone such as 2026-05-08T10:30:00Z"})

"""Pages of a list: `page` and `per_page`, and the `pagination` object that goes with the items."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from eggapi.errors import ValidationFailed

PER_PAGE = 20
MOST_PER_PAGE = 100
DEEPEST_OFFSET = 10_000


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
    page = Page(_whole(query, "page", 1), min(_whole(query, "per_page", PER_PAGE), MOST_PER_PAGE))
    if page.slice.start > DEEPEST_OFFSET:
        raise ValidationFailed({"page": f"starts beyond {DEEPEST_OFFSET}; go on with created_before"})
    return page


def _whole(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdecimal()) or not 1 <= int(text[:12]) <= 10**9:
        raise ValidationFailed({name: "must be a whole number of at least 1"})
    return int(text)

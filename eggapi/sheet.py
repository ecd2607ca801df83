"""Sheets: lines of CSV that a spreadsheet may open without taking what customers wrote for formulas."""

import csv
import io
from collections.abc import Iterable
from typing import Any

FORMULA = ("=", "+", "-", "@", "\t", "\r")


def line(cells: Iterable[Any]) -> str:
    """One line of cells that may be anything."""
    return row(map(as_text, cells))


def as_text(cell: Any) -> Any:
    """Text that would be a formula gets an apostrophe; numbers stay what they are."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell


def row(cells: Iterable[Any]) -> str:
    """One line of cells as they are, for those that none but us wrote: a negative amount begins like a formula."""
    out = io.StringIO()
    csv.writer(out).writerow(cells)
    return out.getvalue()

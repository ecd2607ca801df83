"""Sheets: lines of CSV that a spreadsheet may open without taking what customers wrote for formulas."""

import csv
import io
from collections.abc import Sequence
from typing import Any

FORMULA = ("=", "+", "-", "@", "\t", "\r")


def line(cells: Sequence[Any]) -> str:
    """One line. Text that would be a formula gets an apostrophe; numbers stay what they are."""
    out = io.StringIO()
    csv.writer(out).writerow(
        [f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell for cell in cells]
    )
    return out.getvalue()

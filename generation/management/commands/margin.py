"""manage.py margin [--days 30]"""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from eggapi import money
from eggapi.command import OperatorCommand
from generation import margin
from generation.margin import Margin

COLUMNS = ("route", "tasks", "images", "revenue", "cost", "leak", "margin")
MOST_DAYS = 3660


class Command(OperatorCommand):
    help = "Prints what every live route brought and cost; the one that lost most comes first."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--days", type=int, default=30, metavar="30", help="how far to look back")

    def handle(self, *args: Any, days: int, **options: Any) -> str:
        if not 1 <= days <= MOST_DAYS:
            raise CommandError(f"--days must be from 1 to {MOST_DAYS}.")
        found = margin.by_route(days)
        table = [COLUMNS, *map(cells, found)]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        losses = [False, *(row.left < 0 for row in found)]
        return "\n".join(aligned(row, widths, loss) for row, loss in zip(table, losses, strict=True))


def cells(row: Margin) -> tuple[str, ...]:
    name = f"{row.route} {row.route.upstream_model}"
    amounts = (row.revenue, row.cost, row.leak, row.left)
    return name, str(row.tasks), str(row.images), *map(money.display, amounts)


def aligned(row: tuple[str, ...], widths: list[int], loss: bool) -> str:
    name, *numbers = (
        cell.ljust(width) if n == 0 else cell.rjust(width)
        for n, (cell, width) in enumerate(zip(row, widths, strict=True))
    )
    return "  ".join([name, *numbers, *(["loses money"] if loss else [])])

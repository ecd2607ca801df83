"""A statement on paper: A4, as PDF."""

import io
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import groupby

from reportlab.lib.pagesizes import A4
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas

from billing.models import LedgerEntry
from billing.statement import Line, Statement, Totals
from eggapi import money

LEFT, RIGHT = 40, A4[0] - 40
TOP, BOTTOM = A4[1] - 50, 50
TEXT, AMOUNT = LEFT + 100, RIGHT - 90
SIZE, LEADING = 8, 12
WESTERN, EASTERN = "Helvetica", "STSong-Light"  # every reader of PDF has them, or their like

pdfmetrics.registerFont(UnicodeCIDFont(EASTERN))


class Paper:
    """Writes from the top of a page to its bottom, and on on the next."""

    def __init__(self, title: str) -> None:
        self._file = io.BytesIO()
        self._canvas = Canvas(self._file, pagesize=A4)
        self._canvas.setTitle(title)
        self._title, self._page = title, 0
        self._turn()

    def write(self, left: str = "", text: str = "", amount: str = "", balance: str = "") -> None:
        if self._y < BOTTOM:
            self._canvas.showPage()
            self._turn()
        end = AMOUNT - 70 if amount or balance else RIGHT
        for x, cell in ((LEFT, left), (TEXT, fitting(text, end - TEXT))):
            self._canvas.setFont(font_of(cell), SIZE)
            self._canvas.drawString(x, self._y, cell)
        self._canvas.setFont(WESTERN, SIZE)
        self._canvas.drawRightString(AMOUNT, self._y, amount)
        self._canvas.drawRightString(RIGHT, self._y, balance)
        self._y -= LEADING

    def done(self) -> bytes:
        self._canvas.save()
        return self._file.getvalue()

    def _turn(self) -> None:
        self._page += 1
        self._y = TOP
        self._canvas.setFont(WESTERN, SIZE)
        self._canvas.drawRightString(RIGHT, BOTTOM - 20, f"{self._title}, page {self._page}")


def print_out(statement: Statement) -> bytes:
    """The tasks of a day that follow one another share a line."""
    paper = Paper(statement.name)
    for name, value in statement.facts():
        paper.write(name, value)
    paper.write()
    paper.write("Time (UTC)", "Description", "Amount (USD)", "Balance (USD)")
    paper.write(_minute(statement.start), "Opening balance", "", money.bare(statement.opening))
    totals = Totals(statement.opening)
    for line in by_day(totals.watch(statement.lines)):
        paper.write(_minute(line.at), line.text, money.bare(line.amount), money.bare(line.balance))
    paper.write()
    for name, amount in totals.facts():
        paper.write("", name, "", money.bare(amount))
    return paper.done()


def _minute(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}"


def by_day(lines: Iterable[Line]) -> Iterator[Line]:
    for (_, kind), same in groupby(lines, key=lambda line: (line.at.date(), line.kind)):
        if kind != LedgerEntry.Kind.CAPTURE:
            yield from same
            continue
        count = total = 0
        for line in same:
            count, total, last = count + 1, total + line.amount, line
        yield Line(last.at, kind, f"{count} {'task' if count == 1 else 'tasks'}", total, last.balance)


def font_of(text: str) -> str:
    try:
        text.encode("cp1252")
    except UnicodeEncodeError:
        return EASTERN
    return WESTERN


def fitting(text: str, width: float) -> str:
    while pdfmetrics.stringWidth(text, font_of(text), SIZE) > width:
        text = text[:-2] + "…"
    return text

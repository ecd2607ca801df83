"""Statements: the month of an account, line by line, from its opening to its closing balance."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db.models import QuerySet, Sum

from accounts.models import Account, Mode
from billing.models import LedgerEntry, Wallet
from eggapi import clock, money, sheet
from eggapi.errors import NotFound

MONTH = re.compile(r"[0-9]{4}-[0-9]{2}")
PAGE = 1000
WORDS = {
    LedgerEntry.Kind.CAPTURE: "Task",
    LedgerEntry.Kind.CREDIT: "Credit",
    LedgerEntry.Kind.REFUND: "Refund of task",
    LedgerEntry.Kind.REDEEM: "Redeemed",
    LedgerEntry.Kind.TOPUP: "Top-up",
    LedgerEntry.Kind.CHARGEBACK: "Payment taken back",
}


@dataclass(frozen=True, slots=True)
class Line:
    """A movement of money, in micro-dollars, and the balance after it."""

    at: datetime
    kind: str
    text: str
    amount: int
    balance: int


@dataclass(frozen=True, slots=True)
class Statement:
    """`lines` can be gone through once: there may be a million. The period is [start, end), in UTC."""

    account: Account
    mode: Mode
    start: datetime
    end: datetime
    opening: int
    lines: Iterable[Line]

    @property
    def name(self) -> str:
        return f"eggapi-{self.mode}-{self.start:%Y-%m}"

    def facts(self) -> list[tuple[str, str]]:
        """What stands above the lines."""
        return [
            ("Statement", f"EggAPI, {self.start:%B %Y}"),
            ("Period", f"{clock.iso(self.start)} to {clock.iso(self.end)}, time zone UTC"),
            ("Account", self.account.name),
            ("Billing name", self.account.billing_name),
            ("VAT number", self.account.vat_number),
            ("Balance", "live, US dollars" if self.mode == Mode.LIVE else "test, play money"),
        ]


@dataclass(slots=True)
class Totals:
    """What the lines gone through so far come to."""

    closing: int
    paid_in: int = 0
    spent: int = 0

    def watch(self, lines: Iterable[Line]) -> Iterator[Line]:
        for line in lines:
            self.closing = line.balance
            self.paid_in += max(line.amount, 0)
            self.spent += min(line.amount, 0)
            yield line

    def facts(self) -> list[tuple[str, int]]:
        return [("Total in", self.paid_in), ("Total out", self.spent), ("Closing balance", self.closing)]


def of(account: Account, mode: Mode, month: str) -> Statement:
    """`month` is written 2026-11; that of today ends with what has happened so far. Raises NotFound."""
    start, end = period_of(month)
    if start > clock.now():
        raise NotFound("This month has not begun.")
    entries = LedgerEntry.objects.filter(wallet_id=Wallet.id_of(account.pk, mode))
    opening = entries.filter(created_at__lt=start).aggregate(total=Sum("amount"))["total"] or 0
    own = _pages(entries.filter(created_at__gte=start, created_at__lt=end).order_by("pk"))
    return Statement(account, mode, start, end, int(opening), running(int(opening), own))


def period_of(month: str) -> tuple[datetime, datetime]:
    """Raises NotFound."""
    try:
        if not MONTH.fullmatch(month):
            raise ValueError
        start = datetime(int(month[:4]), int(month[5:]), 1, tzinfo=UTC)
        return start, start.replace(year=start.year + start.month // 12, month=start.month % 12 + 1)
    except ValueError:
        raise NotFound("A statement is of a month, such as 2026-11.") from None


def running(opening: int, entries: Iterable[LedgerEntry]) -> Iterator[Line]:
    balance = opening
    for entry in entries:
        balance += entry.amount
        words = [WORDS[LedgerEntry.Kind(entry.kind)], entry.task_id, entry.reason, entry.reference]
        yield Line(entry.created_at, entry.kind, " ".join(filter(None, words)), entry.amount, balance)


def as_csv(statement: Statement) -> Iterator[str]:
    """Line by line; amounts have six decimals."""
    return map(sheet.row, rows(statement))


def rows(statement: Statement) -> Iterator[list[str]]:
    yield from ([name, sheet.as_text(value)] for name, value in statement.facts())
    yield []
    yield ["Time (UTC)", "Kind", "Description", "Amount (USD)", "Balance (USD)"]
    yield [clock.iso(statement.start), "", "Opening balance", "", money.bare(statement.opening)]
    totals = Totals(statement.opening)
    for line in totals.watch(statement.lines):
        text = sheet.as_text(line.text)
        yield [clock.iso(line.at), line.kind, text, money.bare(line.amount), money.bare(line.balance)]
    yield [clock.iso(statement.end), "", "Closing balance", "", money.bare(totals.closing)]
    yield ["", "", "Total in", money.bare(totals.paid_in), ""]
    yield ["", "", "Total out", money.bare(totals.spent), ""]


def _pages(entries: QuerySet[LedgerEntry]) -> Iterator[LedgerEntry]:
    """In short queries, so that nothing is held open while somebody downloads slowly."""
    last = 0
    while page := list(entries.filter(pk__gt=last)[:PAGE]):
        yield from page
        last = page[-1].pk

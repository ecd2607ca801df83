"""Statements: the lines of a month sum from its opening to its closing balance, to the micro-dollar."""

import csv
import io
import re
import zlib
from base64 import a85decode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import Account, Mode
from billing import ledger, paper, statement
from billing.models import LedgerEntry, Wallet
from billing.statement import Statement, running
from eggapi import clock
from eggapi.errors import NotFound
from eggapi.ratelimit import Limit
from tests.billing.till import PRICE, hold, open_account, settle, wallet_of
from tests.customer import Customer

NOVEMBER = datetime(2026, 11, 1, tzinfo=UTC)
DECEMBER = datetime(2026, 12, 1, tzinfo=UTC)
MICRO = timedelta(microseconds=1)

amounts = st.integers(-(10**15), 10**15).filter(bool)
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=40)


def entry(amount: int, at: datetime = NOVEMBER, **facts: Any) -> LedgerEntry:
    return LedgerEntry(**{"kind": "credit", "amount": amount, "created_at": at} | facts)


def november(opening: int, entries: list[LedgerEntry], account: Account | None = None) -> Statement:
    account = account or Account(name="alice@example.com")
    return Statement(account, Mode.LIVE, NOVEMBER, DECEMBER, opening, running(opening, entries))


def table(lines: Iterator[str]) -> tuple[dict[str, str], list[list[str]]]:
    """What stands above the lines, and the lines without their heading."""
    rows = list(csv.reader(io.StringIO("".join(lines))))
    gap = rows.index([])
    return dict(rows[:gap]), rows[gap + 2 :]


def micros(text: str) -> int:
    assert re.fullmatch(r"-?[0-9]+\.[0-9]{6}", text)
    return int(Decimal(text) * 1_000_000)


class TestSums:
    @given(opening=st.integers(0, 10**15), moved=st.lists(amounts, max_size=30), reason=texts)
    def test_every_line_follows_from_the_one_before(self, opening: int, moved: list[int], reason: str) -> None:
        _, rows = table(statement.as_csv(november(opening, [entry(amount, reason=reason) for amount in moved])))
        first, *lines, last, paid_in, spent = rows
        balance = micros(first[4])
        assert balance == opening
        for (_, _, _, amount, after), expected in zip(lines, moved, strict=True):
            balance += micros(amount)
            assert (micros(amount), micros(after)) == (expected, balance)
        assert micros(last[4]) == balance == opening + micros(paid_in[3]) + micros(spent[3])
        assert micros(paid_in[3]) >= 0 >= micros(spent[3])

    @given(moved=st.lists(st.tuples(amounts, st.integers(0, 29), st.sampled_from(LedgerEntry.Kind)), max_size=60))
    def test_tasks_of_a_day_come_to_the_same_in_one_line(self, moved: list[tuple[int, int, LedgerEntry.Kind]]) -> None:
        ordered = sorted(moved, key=lambda each: each[1])
        entries = [entry(amount, NOVEMBER + timedelta(days=day), kind=kind) for amount, day, kind in ordered]
        lines, folded = list(running(7, entries)), list(paper.by_day(running(7, entries)))
        assert sum(line.amount for line in folded) == sum(line.amount for line in lines)
        balance = 7
        for line in folded:
            balance += line.amount
            assert line.balance == balance
        others = [line for line in lines if line.kind != "capture"]
        assert [line for line in folded if line.kind != "capture"] == others


class TestCells:
    @pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
    def test_no_text_is_a_formula(self, start: str) -> None:
        account = Account(name=f"{start}cmd|' /C calc'!A0", billing_name=f"{start}1+1", vat_number=f"{start}SUM(A1)")
        facts, _ = table(statement.as_csv(november(0, [], account)))
        assert [facts[name][:2] for name in ("Account", "Billing name", "VAT number")] == [f"'{start}"] * 3

    def test_amounts_stay_numbers(self) -> None:
        _, rows = table(statement.as_csv(november(0, [entry(-1)])))
        assert rows[1][3:] == ["-0.000001", "-0.000001"]

    def test_commas_quotes_and_lines_stay_in_their_cell(self) -> None:
        _, rows = table(statement.as_csv(november(0, [entry(1, reason='a, "b"\nc')])))
        assert rows[1][2] == 'Credit a, "b"\nc'


@pytest.mark.django_db
class TestMonths:
    def test_it_works(self) -> None:
        account = open_account(images=10)
        Account.objects.filter(pk=account.pk).update(billing_name="Alice & Co", vat_number="IE1234567AB")
        account.refresh_from_db()
        task_id = hold(account, 4)
        settle({task_id: 3})
        ledger.refund(task_id, PRICE, reason="blank")
        now = clock.now()
        found = statement.of(account, Mode.LIVE, f"{now:%Y-%m}")
        assert found.start <= now < found.end
        facts, rows = table(statement.as_csv(found))
        assert facts == {
            "Statement": f"EggAPI, {now:%B %Y}",
            "Period": f"{clock.iso(found.start)} to {clock.iso(found.end)}, time zone UTC",
            "Account": "alice@example.com",
            "Billing name": "Alice & Co",
            "VAT number": "IE1234567AB",
            "Balance": "live, US dollars",
        }
        assert [row[1:] for row in rows] == [
            ["", "Opening balance", "", "0.000000"],
            ["credit", "Credit test", "0.100000", "0.100000"],
            ["capture", f"Task {task_id}", "-0.030000", "0.070000"],
            ["refund", f"Refund of task {task_id} blank", "0.010000", "0.080000"],
            ["", "Closing balance", "", "0.080000"],
            ["", "Total in", "0.110000", ""],
            ["", "Total out", "-0.030000", ""],
        ]
        assert micros(rows[-3][4]) == wallet_of(account).posted

    def test_a_month_ends_where_the_next_begins(self) -> None:
        account = open_account()
        wallet_id = Wallet.id_of(account.pk, Mode.LIVE)
        for amount, at in [(1, NOVEMBER - MICRO), (20, NOVEMBER), (300, DECEMBER - MICRO), (4000, DECEMBER)]:
            entry(amount, at, wallet_id=wallet_id, counterpart="adjustment").save()
        for month, opening, moved in [("2026-10", 0, [1]), ("2026-11", 1, [20, 300])]:
            found = statement.of(account, Mode.LIVE, month)
            assert (found.opening, [line.amount for line in found.lines]) == (opening, moved)

    def test_many_entries_are_read_in_pages(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(statement, "PAGE", 3)
        account = open_account()
        for amount in range(1, 11):
            ledger.credit(account, Mode.LIVE, amount, reason="test")
        found = statement.of(account, Mode.LIVE, f"{clock.now():%Y-%m}")
        assert [line.balance for line in found.lines] == [1, 3, 6, 10, 15, 21, 28, 36, 45, 55]

    @pytest.mark.parametrize(
        "month", ["2026-13", "2026-00", "0000-01", "9999-12", "26-11", "2026-1", "november", "२०२६-११"]
    )
    def test_what_is_no_month_has_no_statement(self, month: str) -> None:
        with pytest.raises(NotFound):
            statement.of(open_account(), Mode.LIVE, month)


class TestPaper:
    def test_it_goes_on_on_the_next_page(self) -> None:
        entries = [entry(PRICE, reason=f"number {n}") for n in range(200)]
        pages = pages_of(paper.print_out(november(5, entries)))
        assert len(pages) == 4
        assert [page.count("Credit number") for page in pages] == [53, 62, 62, 23]
        assert all(f"eggapi-live-2026-11, page {n}" in page for n, page in enumerate(pages, 1))
        assert "2.000005" in pages[-1]

    def test_it_says_who_and_when(self) -> None:
        account = Account(name="alice@example.com", billing_name="Zoë's Œuvre (Ltd)", vat_number="IE1234567AB")
        (page,) = pages_of(paper.print_out(november(5, [], account)))
        for text in ("Zoë's Œuvre (Ltd)", "IE1234567AB", "November 2026", "time zone UTC", "0.000005"):
            assert text in page

    @pytest.mark.parametrize("name", ["蛋有限公司", "Яйцо", "🥚", "a" * 200, "蛋" * 200, "\u202e<b>&amp;</b>"])
    def test_any_name_can_be_printed(self, name: str) -> None:
        account = Account(name=name, billing_name=name)
        assert paper.print_out(november(0, [entry(1, reason=name)], account)).startswith(b"%PDF")


@pytest.mark.django_db
class TestDownload:
    @pytest.fixture
    def alice(self) -> Customer:
        alice = Customer(mode="live")
        alice.leave(5_000_000)
        alice.sign_in()
        return alice

    @pytest.fixture
    def month(self, db: None) -> str:
        return f"{clock.now():%Y-%m}"

    def get(self, customer: Customer, path: str, mode: str = "live") -> Any:
        session = customer.http.session
        session["mode"] = mode
        session.save()
        return customer.http.get(path)

    def test_csv(self, alice: Customer, month: str) -> None:
        response = self.get(alice, f"/v1/statements/{month}.csv")
        assert (response.status_code, response["Content-Type"], response["Cache-Control"]) == (
            200,
            "text/csv",
            "no-store",
        )
        assert response["Content-Disposition"] == f'attachment; filename="eggapi-live-{month}.csv"'
        _, rows = table(iter([response.getvalue().decode()]))
        assert rows[-3][4] == "5.000000"

    def test_pdf(self, alice: Customer, month: str) -> None:
        response = self.get(alice, f"/v1/statements/{month}.pdf")
        assert (response.status_code, response["Content-Type"]) == (200, "application/pdf")
        assert response["Content-Disposition"] == f'attachment; filename="eggapi-live-{month}.pdf"'
        assert response.content.startswith(b"%PDF")

    def test_it_is_of_the_mode_chosen(self, alice: Customer, month: str) -> None:
        response = self.get(alice, f"/v1/statements/{month}.csv", mode="test")
        facts, rows = table(iter([response.getvalue().decode()]))
        assert (facts["Balance"], rows[-3][4]) == ("test, play money", "100.000000")

    def test_ten_a_minute_are_enough(self, alice: Customer, month: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Limit, "interval", property(lambda _: 3_600_000_000))  # nothing refills meanwhile
        forms = ("csv", "pdf") * 5 + ("csv",)
        statuses = [self.get(alice, f"/v1/statements/{month}.{form}").status_code for form in forms]
        assert statuses == [200] * 10 + [429]

    def test_it_is_nobody_elses(self, alice: Customer, month: str) -> None:
        bob = Customer("bob@example.com", mode="live")
        bob.leave(77)
        bob.sign_in()
        response = self.get(bob, f"/v1/statements/{month}.csv")
        assert b"5.000000" not in response.getvalue()
        assert b"alice" not in response.getvalue()

    def test_it_requires_somebody_signed_in(self, alice: Customer, month: str) -> None:
        for form in ("csv", "pdf"):
            assert alice.get(f"/v1/statements/{month}.{form}").refusal == (401, "UNAUTHORIZED")

    @pytest.mark.parametrize("name", ["2999-01.csv", "2026-13.pdf", "nonsense.csv", "2026-11.xls", f"gen_{24 * 'x'}"])
    def test_anything_else_is_not_there(self, alice: Customer, name: str) -> None:
        answer = alice.get(f"/v1/statements/{name}", Authorization="")
        assert answer.refusal == (404, "NOT_FOUND")


def pages_of(pdf: bytes) -> list[str]:
    """What is written in Western letters on each page."""
    encoded = re.findall(rb">>\s+stream\r?\n(.*?~>)", pdf, re.DOTALL)
    streams = [zlib.decompress(a85decode(each, adobe=True)) for each in encoded]
    return [" ".join(map(unescaped, re.findall(rb"\(((?:[^()\\]|\\.)*)\) Tj", stream))) for stream in streams]


def unescaped(text: bytes) -> str:
    octal = re.sub(rb"\\([0-7]{3})", lambda match: bytes([int(match[1], 8)]), text)
    return re.sub(rb"\\(.)", rb"\1", octal).decode("cp1252")

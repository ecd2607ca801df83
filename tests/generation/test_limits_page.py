"""/limits: where everybody stands, what was refused, and what may be spent."""

from typing import Any

import pytest
from django.core.cache import cache
from pytest_django import Settings

from accounts import keyring, limits, refusals
from accounts.caller import Caller
from accounts.fields import NewKey
from accounts.models import Account, ApiKey, AuditEntry
from billing.budgets import WHOLE_ACCOUNT, period_start
from billing.models import Budget, Wallet
from eggapi import clock
from eggapi.ratelimit import Limit
from tests.customer import Customer
from tests.member import SCRIPT, Person

pytestmark = pytest.mark.django_db


@pytest.fixture
def program(on_sale: None) -> Customer:
    """Alice's program: it has a key that may submit twice a minute, and two tasks at once."""
    program = Customer()
    ApiKey.objects.update(rate=2, rate_seconds=60, concurrency=2)
    return program


@pytest.fixture
def alice(program: Customer) -> Person:
    return Person("alice@example.com")


def gauges(person: Person) -> dict[str, Any]:
    context = person.http.get("/limits").context
    rows = {row.key.name: row for row in context["rows"]}
    return {"rows": rows, "submits": context["submits"], "refused": context["refused"]}


class TestStanding:
    def test_it_works(self, alice: Person, program: Customer) -> None:
        program.generate()
        row = gauges(alice)["rows"]["program"]
        assert (row.submits.used, row.submits.burst, row.submits.per) == (1, 2, "minute")
        assert (row.open_tasks, row.key.concurrency) == (1, 2)
        assert "1 of 1,000" in alice.read("/limits")

    @pytest.mark.parametrize(("role", "buttons"), [("developer", 1), ("billing", 0), ("reader", 0)])
    def test_a_key_is_made_by_those_who_may(self, alice: Person, role: str, buttons: int) -> None:
        ApiKey.objects.all().delete()
        page = Person("bob@example.com", alice.account, role).source("/limits")
        assert "there is no working key of this mode yet" in page
        assert page.count('href="/keys/new"') == buttons

    def test_looking_counts_nothing(self, alice: Person, program: Customer) -> None:
        for _ in range(3):
            alice.read("/limits")
        assert [program.generate().status for _ in range(3)] == [202, 202, 429]

    def test_without_a_rate_of_its_own_it_is_the_accounts(
        self, alice: Person, program: Customer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(limits, "SUBMITS", Limit(60, 3600, burst=10, name="submit"))
        ApiKey.objects.update(rate=None)
        for _ in range(3):
            limits._take(f"account-{alice.account.pk}", limits.SUBMITS, "")
        found = gauges(alice)
        assert (found["submits"].used, found["submits"].burst) == (3, 10)
        assert found["rows"]["program"].submits == found["submits"]

    def test_a_full_bucket_is_full(self, alice: Person, program: Customer) -> None:
        program.generate(), program.generate()
        row = gauges(alice)["rows"]["program"]
        assert (row.submits.verdict.remaining, row.submits.percent) == (0, 100)


class TestRefusals:
    def test_it_works(self, alice: Person, program: Customer) -> None:
        answers = [program.generate().status for _ in range(5)]
        assert answers == [202, 202, 429, 429, 429]
        found = gauges(alice)
        assert (found["rows"]["program"].refused, found["refused"]) == (3, 3)
        assert "Refused requests an hour (UTC) as a table" in alice.read("/limits")

    def test_too_many_tasks_at_once_count_too(self, alice: Person, program: Customer) -> None:
        ApiKey.objects.update(rate=None, concurrency=1)
        assert [program.generate().status for _ in range(2)] == [202, 429]
        assert gauges(alice)["refused"] == 1

    def test_a_browser_session_counts_as_the_dashboard(self, alice: Person) -> None:
        for _ in range(2):
            refusals.note(Caller(alice.account.pk, "test"))
        assert "dashboard" in alice.read("/limits")
        assert gauges(alice)["refused"] == 2

    def test_the_worst_five_have_a_colour_of_their_own(self, alice: Person) -> None:
        for n in range(7):
            key, _ = keyring.make(alice.account, "test", NewKey(f"key {n}"))
            for _ in range(n + 1):
                refusals.note(Caller(alice.account.pk, "test", key.pk))
        assert "others" in alice.read("/limits")
        assert gauges(alice)["refused"] == 28

    def test_an_hour_is_forgotten_after_a_day(self, alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
        refusals.note(Caller(alice.account.pk, "test"))
        this_hour = refusals._this_hour()
        counts = []
        for hours in (0, 23, 24):
            monkeypatch.setattr(refusals, "_this_hour", lambda hours=hours: this_hour + hours)
            counts.append(refusals.read(alice.account.pk, [refusals.DASHBOARD])[refusals.DASHBOARD])
        assert [count.count(1) for count in counts] == [1, 1, 0]
        assert (counts[0][-1], counts[1][0]) == (1, 1)

    def test_a_cache_that_is_away_stops_nobody(
        self, alice: Person, program: Customer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def away(*_: Any, **__: Any) -> None:
            raise ConnectionError

        for name in ("add", "incr", "get_many"):
            monkeypatch.setattr(type(cache._connections["default"]), name, away)  # type: ignore[attr-defined]
        assert [program.generate().status for _ in range(3)] == [202, 202, 429]
        assert "Nothing was refused." in alice.read("/limits")

    def test_a_stranger_sees_none_of_it(self, alice: Person, program: Customer) -> None:
        for _ in range(3):
            program.generate()
        assert gauges(Person("bob@example.com"))["refused"] == 0


class TestSpending:
    def test_it_works(self, alice: Person) -> None:
        assert "Saved." in alice.send("/limits", {"monthly_cap": "$50", "low_balance": "5.5"})
        account = Account.objects.get(pk=alice.account.pk)
        assert (account.monthly_cap, account.low_balance) == (50_000_000, 5_500_000)
        assert AuditEntry.objects.get(action="account.change").detail == {
            "monthly_cap": "none → $50.0000", "low_balance": "none → $5.5000"
        }  # fmt: skip

    def test_empty_takes_it_away(self, alice: Person) -> None:
        Account.objects.update(monthly_cap=1, low_balance=2)
        alice.send("/limits", {"monthly_cap": "", "low_balance": ""})
        account = Account.objects.get(pk=alice.account.pk)
        assert (account.monthly_cap, account.low_balance) == (None, None)

    def test_another_low_balance_is_told_anew(self, alice: Person) -> None:
        Account.objects.update(low_balance=1_000_000, low_balance_told_at=clock.now())
        alice.send("/limits", {"low_balance": "1.00", "monthly_cap": "3"})
        assert Account.objects.get(pk=alice.account.pk).low_balance_told_at
        alice.send("/limits", {"low_balance": "2.00", "monthly_cap": "3"})
        assert Account.objects.get(pk=alice.account.pk).low_balance_told_at is None

    def test_the_cap_shows_what_is_used_of_it(self, alice: Person) -> None:
        Account.objects.update(monthly_cap=10_000_000)
        start = period_start("month", clock.now())
        Budget.objects.create(
            account=alice.account, mode="live", key=WHOLE_ACCOUNT, period_start=start, limit=1, used=8_000_000
        )
        assert "$8.0000 of $10.0000" in alice.read("/limits")

    @pytest.mark.parametrize("amount", ["much", "-1", "0", "0.0000001", "1e30"])
    def test_it_rejects(self, alice: Person, amount: str) -> None:
        page = alice.refused("/limits", {"monthly_cap": amount, "low_balance": amount})
        assert page.count("amount of dollars") + page.count("This must be from") == 2
        assert Account.objects.get(pk=alice.account.pk).monthly_cap is None

    @pytest.mark.parametrize("role", ["admin", "billing", "developer", "reader"])
    def test_roles(self, alice: Person, role: str) -> None:
        member, status = Person("bob@example.com", alice.account, role), 302 if role in ("admin", "billing") else 403
        assert member.status("/limits", {"monthly_cap": "1"}) == status
        assert ('<form method="post" novalidate>' in member.source("/limits")) is (status == 302)


def test_names_are_text(alice: Person) -> None:
    key, _ = keyring.make(alice.account, "test", NewKey(SCRIPT, budget=1))
    refusals.note(Caller(alice.account.pk, "test", key.pk))
    assert SCRIPT not in alice.source("/limits")
    assert SCRIPT in alice.read("/limits")


def test_it_asks_the_same_number_of_queries_for_many(alice: Person) -> None:
    keyring.make(alice.account, "test", NewKey("one", budget=1))
    few = alice.queries("/limits")
    for n in range(20):
        keyring.make(alice.account, "test", NewKey(f"key {n}", budget=1, rate=(1, 60)))
    assert alice.queries("/limits") == few


def test_the_number_of_open_tasks_is_the_modes(alice: Person, settings: Settings) -> None:
    settings.EGGAPI_OPEN_TASKS = 7
    Wallet.objects.filter(account=alice.account, mode="live").update(open_holds=3)
    assert "0 of 7" in alice.read("/limits")
    assert "3 of 7" in Person("bob@example.com", alice.account, mode="live").read("/limits")

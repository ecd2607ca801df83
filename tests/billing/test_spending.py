"""Owners hear of what is spent: at 50, 80 and 100 % of a budget, in a dear hour, below a low balance; once each."""

from datetime import datetime, timedelta

import pytest
from django.core import mail as outbox
from django.db.models import F

from accounts.fields import NewKey
from accounts.keyring import make
from accounts.models import Account, ApiKey, Mode
from billing import budgets, ledger, spending
from billing.budgets import Cap
from billing.models import Budget, UsageRecord
from eggapi import clock, ids, mail
from eggapi.celery import app
from eggapi.models import Letter
from tests.billing.till import open_account, promise, record_of, reserve, settle
from tests.customer import at_once

pytestmark = pytest.mark.django_db

DOLLAR = 1_000_000
CENT = 10_000


@pytest.fixture
def account() -> Account:
    return open_account()


def told() -> list[str]:
    """The subjects of what the owners were sent since the last question."""
    spending.warn()
    mail.send()
    subjects = [str(letter.subject) for letter in outbox.outbox]
    outbox.outbox.clear()
    return subjects


class TestBudget:
    @pytest.fixture
    def key(self, account: Account) -> ApiKey:
        return make(account, Mode.LIVE, NewKey("server", budget=DOLLAR, budget_period="day"))[0]

    def spend(self, key: ApiKey, amount: int) -> None:
        cap = Cap(key.pk, key.budget or 0, key.budget_period)
        assert budgets.take(key.account_id, key.mode, cap, amount, clock.now())

    def test_it_works(self, key: ApiKey) -> None:
        open_account("bob@example.com")
        heard = []
        for amount in (49 * CENT, CENT, 29 * CENT, CENT, 19 * CENT, CENT):
            self.spend(key, amount)
            heard.append(told())
        news = "{} % of the budget of your API key " + key.display + " is used"
        assert heard == [[], [news.format(50)], [], [news.format(80)], [], [news.format(100)]]
        assert told() == []

    def test_a_letter_says_what_and_until_when(self, key: ApiKey) -> None:
        self.spend(key, DOLLAR)
        spending.warn()
        letter = Letter.objects.get()
        assert letter.to == "alice@example.com"
        assert letter.text == (
            f"The API key {key} of alice@example.com has used $1.00 of its $1.00,\n"
            "running tasks included. Requests with it are refused until there is some left.\n\n"
            "The budget begins anew at 00:00 UTC.\n"
        )

    def test_a_leap_is_one_letter(self, key: ApiKey) -> None:
        self.spend(key, 85 * CENT)
        assert told() == [f"80 % of the budget of your API key {key.display} is used"]
        budgets.give_back([(Budget.objects.get().pk, 85 * CENT)])
        self.spend(key, 55 * CENT)
        assert told() == []

    def test_a_raised_limit_is_told_of_again(self, key: ApiKey) -> None:
        news = f"50 % of the budget of your API key {key.display} is used"
        self.spend(key, 50 * CENT)
        assert told() == [news]
        key.budget = 2 * DOLLAR
        self.spend(key, 49 * CENT)
        assert told() == []
        self.spend(key, CENT)
        assert told() == [news]

    def test_a_threshold_is_exact(self, account: Account) -> None:
        key, _ = make(account, Mode.LIVE, NewKey("odd", budget=7, budget_period="day"))
        self.spend(key, 3)
        assert told() == []
        self.spend(key, 1)
        assert len(told()) == 1

    def test_the_next_period_is_told_of_again(self, key: ApiKey) -> None:
        self.spend(key, DOLLAR)
        assert len(told()) == 1
        Budget.objects.update(period_start=F("period_start") - timedelta(days=1))
        self.spend(key, 60 * CENT)
        assert told() == [f"50 % of the budget of your API key {key.display} is used"]

    def test_a_budget_without_period_and_one_of_test_money_count_too(self, account: Account) -> None:
        key, _ = make(account, Mode.TEST, NewKey("laptop", budget=DOLLAR))
        self.spend(key, 50 * CENT)
        spending.warn()
        assert "begins anew" not in Letter.objects.get().text

    def test_the_monthly_cap_is_one_as_well(self, account: Account) -> None:
        assert budgets.take(account.pk, Mode.LIVE, Cap(0, DOLLAR, "month"), 80 * CENT, clock.now())
        assert told() == ["80 % of the monthly cap of alice@example.com is used"]

    def test_a_limit_of_nothing_is_no_news(self, account: Account) -> None:
        assert budgets.take(account.pk, Mode.LIVE, Cap(0, 0, "month"), CENT, clock.now()) is None
        assert Budget.objects.exists()
        assert told() == []

    @pytest.mark.django_db(transaction=True)
    def test_of_many_at_once_one_writes(self, key: ApiKey) -> None:
        self.spend(key, 80 * CENT)
        at_once(4, lambda _: spending.warn())
        assert Letter.objects.count() == 1


class TestDearHour:
    def use(self, account: Account, cost: int, hours_ago: float) -> None:
        """So long before the hour began; in it, with 0."""
        at = spending.hour_of(clock.now()) - timedelta(hours=hours_ago)
        record = record_of(account, ids.task_id(), created_at=at)
        record.cost = cost
        record.save()
        account.wallets.update(task_count=F("task_count") + 1)

    def test_it_works(self, account: Account) -> None:
        bob = open_account("bob@example.com")
        for hours_ago, cost in [(24, 10 * CENT), (23, 30 * CENT), (22.5, 10 * CENT)]:  # two hours of 25 cents
            self.use(account, cost, hours_ago)
            self.use(bob, cost, hours_ago)
        self.use(account, 249 * CENT, 0)
        assert told() == []
        self.use(account, CENT, 0)
        assert told() == ["alice@example.com has spent $2.50 in an hour"]
        self.use(account, DOLLAR, 0)
        assert told() == []

    def test_it_is_told_of_again_in_another_hour(self, account: Account) -> None:
        self.use(account, 10 * CENT, 48)
        self.use(account, 2 * DOLLAR, 0)
        Account.objects.update(dear_hour_told_at=spending.hour_of(clock.now()) - timedelta(hours=1))
        assert len(told()) == 1

    def test_two_looks_that_overlap_tell_of_it_once(self, account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
        self.use(account, 10 * CENT, 24)
        self.use(account, 2 * DOLLAR, 0)
        usual_hour = spending._usual_hour

        def meanwhile(account_id: int, hour: datetime) -> int:
            monkeypatch.undo()
            spending.warn()
            return usual_hour(account_id, hour)

        monkeypatch.setattr(spending, "_usual_hour", meanwhile)
        assert len(told()) == 1

    @pytest.mark.parametrize(("usual", "spent"), [(CENT, 99 * CENT), (0, 50 * DOLLAR), (11 * CENT, DOLLAR)])
    def test_less_is_no_news(self, account: Account, usual: int, spent: int) -> None:
        if usual:
            self.use(account, usual, 24)
        self.use(account, DOLLAR, 24 * 7 + 1)  # too long ago to count
        self.use(account, spent, 0)
        assert told() == []

    def test_play_money_is_no_news(self, account: Account) -> None:
        self.use(account, CENT, 24)
        self.use(account, 9 * DOLLAR, 0)
        UsageRecord.objects.update(mode=Mode.TEST)
        assert told() == []


class TestLowBalance:
    def test_it_is_told_once_until_it_has_been_above_again(self, account: Account) -> None:
        Account.objects.update(low_balance=DOLLAR)
        open_account("bob@example.com")
        ledger.credit(account, Mode.LIVE, DOLLAR, reason="test")
        assert told() == []
        (task_id,) = reserve(promise(account))
        spending.warn()
        assert "\nhttp://127.0.0.1:8000/billing\n" in Letter.objects.get().text
        assert told() == ["The balance of alice@example.com is $0.99"]
        settle({task_id: 1})
        assert told() == []
        ledger.credit(account, Mode.LIVE, CENT, reason="test")
        assert told() == []
        reserve(promise(account, images=2))
        assert told() == ["The balance of alice@example.com is $0.98"]

    def test_nobody_is_told_who_did_not_ask(self, account: Account) -> None:
        assert told() == []

    @pytest.mark.django_db(transaction=True)
    def test_of_many_at_once_one_writes(self, account: Account) -> None:
        Account.objects.update(low_balance=DOLLAR)
        at_once(4, lambda _: spending.warn())
        assert Letter.objects.count() == 1


def test_beat_looks_every_minute(account: Account) -> None:
    app.loader.import_default_modules()
    Account.objects.update(low_balance=DOLLAR)
    app.tasks[str(app.conf.beat_schedule["warn"]["task"])].apply()
    assert Letter.objects.count() == 1

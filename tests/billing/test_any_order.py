"""Whatever happens to the ledger, in whatever order: a plain dictionary knows what must come out."""

from collections.abc import Callable
from itertools import count
from typing import Any, ClassVar

import pytest
from django.db import connection, transaction
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from accounts.models import Account, Mode
from billing import ledger, topup
from billing.audit import audit
from billing.checkout import Sight
from billing.ledger import Insufficient, NotRefundable, Settled
from billing.models import TopUp
from eggapi import clock
from eggapi.errors import ServiceUnavailable
from tests.billing.till import PRICE, balances, open_account, promise, reserve, settle, wallet_of

EMAILS = ("alice@example.com", "bob@example.com")
email = st.sampled_from(EMAILS)
images = st.integers(1, 4)
ORDERS = count()


class Crash(Exception):
    pass


def crash_at(statement: int) -> Callable[..., Any]:
    """Watches statements go by and crashes once; what is rolled back then goes by again."""
    numbers = count()

    def watch(execute: Callable[..., Any], *args: Any) -> Any:
        if next(numbers) == statement:
            raise Crash
        return execute(*args)

    return watch


class Ledger(RuleBasedStateMachine):
    """Amounts are counted in images here. An example's changes are rolled back at its end."""

    accounts: ClassVar[dict[str, Account]]

    def __init__(self) -> None:
        super().__init__()
        self.posted = dict.fromkeys(EMAILS, 0)
        self.held: dict[str, tuple[str, int]] = {}  # by open task
        self.owed = dict.fromkeys(EMAILS, 0)
        self.paid: dict[str, int] = {}  # by order, not taken back
        self.charged: dict[str, tuple[str, int]] = {}  # by task that was not refunded
        self.closed: list[str] = []
        self.example = transaction.atomic()
        self.example.__enter__()

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.example.__exit__(None, None, None)

    def free(self, email: str) -> int:
        return self.posted[email] - sum(amount for owner, amount in self.held.values() if owner == email)

    @initialize()
    def begin(self) -> None:
        for email in EMAILS:
            self.credit(email, 20)

    @rule(email=email, amount=st.integers(-6, 10).filter(bool))
    def credit(self, email: str, amount: int) -> None:
        try:
            ledger.credit(self.accounts[email], Mode.LIVE, amount * PRICE, reason="test")
        except Insufficient:
            assert self.free(email) + amount < 0
        else:
            self.move(email, amount)
            assert self.free(email) >= 0

    def move(self, email: str, amount: int) -> None:
        """What is owed is paid from what is free then."""
        self.posted[email] += amount
        paid = min(self.owed[email], self.free(email))
        self.posted[email] -= paid
        self.owed[email] -= paid

    @rule(email=email, amount=images)
    def pay(self, email: str, amount: int) -> None:
        order = f"top_{next(ORDERS)}"
        TopUp.objects.create(
            order=order,
            account=self.accounts[email],
            amount=amount * PRICE,
            session=f"cs_{order}",
            created_at=clock.now(),
        )
        sight = self.sight(order, amount)
        for _ in range(2):
            topup._pay(TopUp.objects.select_related("account").get(pk=order), sight.payment)
        self.paid[order] = amount
        self.move(email, amount)

    @precondition(lambda self: self.paid)
    @rule(data=st.data())
    def take_back(self, data: st.DataObject) -> None:
        order = data.draw(st.sampled_from(list(self.paid)))
        row = TopUp.objects.select_related("account").get(pk=order)
        amount = self.paid.pop(order)
        topup._take_back(row, self.sight(order, amount, taken_back=amount))
        with pytest.raises(ServiceUnavailable):
            topup._take_back(row, self.sight(order, amount, taken_back=amount))
        self.owed[row.account.name] += amount
        self.move(row.account.name, 0)

    def sight(self, order: str, amount: int, taken_back: int = 0) -> Sight:
        return Sight(f"cs_{order}", order, "usd", amount * PRICE, f"pi_{order}", taken_back * PRICE, False)

    @precondition(lambda self: self.charged)
    @rule(data=st.data(), more=st.integers(0, 1))
    def refund(self, data: st.DataObject, more: int) -> None:
        task = data.draw(st.sampled_from(list(self.charged)))
        email, charged = self.charged[task]
        amount = data.draw(st.integers(1, charged)) + more * charged
        if amount > charged:
            with pytest.raises(NotRefundable):
                ledger.refund(task, amount * PRICE, reason="test")
            return
        ledger.refund(task, amount * PRICE, reason="test")
        with pytest.raises(NotRefundable):
            ledger.refund(task, PRICE, reason="test")
        del self.charged[task]
        self.move(email, amount)

    @rule(asked=st.lists(st.tuples(email, images), min_size=1, max_size=6))
    def reserve(self, asked: list[tuple[str, int]]) -> None:
        promises = [promise(self.accounts[email], number) for email, number in asked]
        covered = reserve(*promises)
        for (email, number), one in zip(asked, promises, strict=True):
            assert (one.task_id in covered) == (number <= self.free(email) and not self.owed[email])
            if one.task_id in covered:
                self.held[one.task_id] = email, number

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def settle(self, data: st.DataObject) -> None:
        delivered = self.some_delivered(data)
        assert settle(delivered).keys() == delivered.keys()
        for task, number in delivered.items():
            email, _ = self.held.pop(task)
            self.posted[email] -= number
            if number:
                self.charged[task] = email, number
        self.closed += delivered

    @precondition(lambda self: self.held)
    @rule(data=st.data(), wrong=st.sampled_from(["more than held", "closed before", "unknown"]), more=images)
    def refuse(self, data: st.DataObject, wrong: str, more: int) -> None:
        """One that cannot be closed spoils the batch."""
        delivered = self.some_delivered(data)
        if wrong == "more than held":
            task = data.draw(st.sampled_from(list(delivered)))
            delivered[task] = self.held[task][1] + more
        else:
            before = self.closed if wrong == "closed before" and self.closed else ["gen_unknown"]
            delivered[data.draw(st.sampled_from(before))] = data.draw(st.integers(0, 4))
        with pytest.raises(Settled):
            settle(delivered)

    @precondition(lambda self: self.held)
    @rule(data=st.data(), email=email, statements=st.integers(0, 20))
    def crash(self, data: st.DataObject, email: str, statements: int) -> None:
        """Before any statement, or between the last one and the commit."""
        with pytest.raises(Crash):
            self.do_everything_but_commit(email, self.some_delivered(data), crash_at(statements))

    @transaction.atomic
    def do_everything_but_commit(self, email: str, delivered: dict[str, int], watch: Callable[..., Any]) -> None:
        with connection.execute_wrapper(watch):
            ledger.credit(self.accounts[email], Mode.LIVE, PRICE, reason="test")
            settle(delivered)
            ledger.take_back(self.accounts[email], Mode.LIVE, PRICE, reason="test")
            reserve(promise(self.accounts[email]))
        raise Crash

    def some_delivered(self, data: st.DataObject) -> dict[str, int]:
        """Open tasks, each with as many images as were asked for, or fewer."""
        chosen = data.draw(st.lists(st.sampled_from(list(self.held)), unique=True, min_size=1, max_size=5))
        return {task: data.draw(st.integers(0, self.held[task][1])) for task in chosen}

    @invariant()
    def the_books_agree(self) -> None:
        assert audit() == []
        assert balances(list(self.accounts.values())) == [
            (self.posted[email] * PRICE, (self.posted[email] - self.free(email)) * PRICE) for email in EMAILS
        ]
        assert [wallet_of(account).owed for account in self.accounts.values()] == [
            self.owed[email] * PRICE for email in EMAILS
        ]


@pytest.mark.django_db
@pytest.mark.timeout(360)  # to find the shortest way to a failure takes its time
def test_it_works() -> None:
    Ledger.accounts = {email: open_account(email) for email in EMAILS}
    thorough = settings(max_examples=60, stateful_step_count=30, deadline=None, database=None)
    run_state_machine_as_test(Ledger, settings=thorough)

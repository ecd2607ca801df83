"""An account, receivers it trusts, and the courier that runs between them."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from itertools import count

import pytest
from django.db import transaction
from django.db.models import F
from pytest_django import Settings

from accounts.models import Account
from accounts.opening import account_of
from eggapi import clock
from tests.kit.conftest import allow, authority, names  # noqa: F401 - fixtures
from tests.webhooks.receiver import Receiver, Say
from webhooks import delivery
from webhooks.events import NewEvent, publish
from webhooks.models import Delivery, DeliveryAttempt, Event, Origin, Secret

Receive = Callable[..., Receiver]
_seq = count(1)


@pytest.fixture
def account(transactional_db: None) -> Account:
    return account_of("alice@example.com")


@pytest.fixture
def receive(settings: Settings) -> Iterator[Receive]:
    """Starts receivers that the operator admits."""
    with ExitStack() as stack:

        def start(*answers: Say, admitted: bool = True) -> Receiver:
            receiver = stack.enter_context(Receiver(*answers))
            if admitted:
                settings.EGGAPI_PRIVATE_HOSTS_ALLOWED |= {receiver.host}
            return receiver

        yield start


@pytest.fixture
def courier(account: Account) -> Iterator[None]:
    """A courier at work."""
    delivery.courier()
    yield
    delivery.stop(0)


def post(account: Account, url: str, payload: bytes = b'{"event":"task.completed"}') -> Delivery:
    """Publishes an event for the courier to deliver, and returns its delivery as it was before it was taken."""
    with transaction.atomic():
        queue(account, url, payload=payload)
        newest: Delivery = Delivery.objects.latest("pk")
    delivery.wake()
    return newest


def queue(account: Account, url: str, number: int = 1, payload: bytes = b"{}") -> None:
    """Publishes events with nobody there yet to deliver them."""
    numbers = [next(_seq) for _ in range(number)]
    publish(
        [NewEvent(account.pk, "test", n, "task.completed", f"gen_{n:024}", payload, url) for n in numbers], clock.now()
    )


def due_now(one: Delivery) -> timedelta:
    """Moves a waiting delivery's time to now; returns how long it would have waited."""
    assert one.next_run_at
    wait = one.next_run_at - clock.now()
    Delivery.objects.filter(pk=one.pk).update(next_run_at=F("next_run_at") - wait)
    delivery.wake()
    return wait


def pass_time(passed: timedelta) -> None:
    """Moves everything that is written down back, as if so much later; not under a courier's hands."""
    moved = False
    while not moved:
        time.sleep(0.01)
        with transaction.atomic():
            list(Delivery.objects.select_for_update().values_list("pk"))
            if moved := not Delivery.objects.exclude(lease_until=None).exists():
                _move_back(passed)


def _move_back(passed: timedelta) -> None:
    for model, columns in {
        Delivery: ["created_at", "next_run_at", "lease_until", "delivered_at"],
        DeliveryAttempt: ["at"],
        Event: ["created_at"],
        Origin: ["first_failure_at", "last_failure_at", "disabled_at"],
        Secret: ["created_at", "expires_at"],
    }.items():
        model._default_manager.update(**{column: F(column) - passed for column in columns})


def after_attempt(one: Delivery, n: int, seconds: float = 20) -> Delivery:
    """The row once its nth attempt is written down."""
    until(lambda: one.log.count() >= n, seconds)
    one.refresh_from_db()
    return one


def until(true: Callable[[], bool], seconds: float = 20) -> None:
    give_up_at = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < give_up_at, "it did not come to pass"
        time.sleep(0.01)

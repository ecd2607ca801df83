"""Starting credit: real money for an address that was confirmed, once."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from pytest_django import Settings

from accounts.models import Account, Membership, User
from accounts.opening import account_of
from billing import starting
from billing.models import LedgerEntry, StartingCredit, Wallet
from eggapi import clock
from tests.accounts.door import confirm, letters, sign_up

pytestmark = pytest.mark.django_db
FIVE = 5_000_000


@pytest.fixture(autouse=True)
def _five_dollars(settings: Settings) -> None:
    settings.EGGAPI_SIGNUP_CREDIT = FIVE
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def person(email: str) -> User:
    account_of(email)
    return User.objects.get(email=email)


def balance(email: str) -> int:
    return int(Wallet.objects.get(account__name=email, mode="live").posted)


def test_it_works(client: Client) -> None:
    sign_up(client)
    assert "Then $5.0000 of starting credit is yours" in letters()[0].text
    assert balance("alice@example.com") == 0
    confirm(client)
    assert balance("alice@example.com") == FIVE
    entry = LedgerEntry.objects.get(wallet__mode="live")
    assert (entry.kind, entry.counterpart, entry.reason) == ("credit", "promo", "starting credit")


def test_there_is_none_unless_it_is_set(client: Client, settings: Settings) -> None:
    settings.EGGAPI_SIGNUP_CREDIT = 0
    sign_up(client)
    confirm(client)
    assert balance("alice@example.com") == 0
    assert "starting credit" not in letters()[0].text


@pytest.mark.parametrize("again", ["alice@example.com", "ALICE@example.com", "alice+two@example.com"])
def test_an_address_has_it_once(again: str) -> None:
    starting.give(person("alice@example.com"), "192.0.2.1")
    User.objects.filter(email="alice@example.com").update(email="gone@example.com")
    other = person(again.lower().replace("alice@", "alice+back@"))
    assert not starting.give(other, "192.0.2.2")
    assert StartingCredit.objects.count() == 1


def test_an_account_has_it_once() -> None:
    alice, bob = person("alice@example.com"), User.objects.create_user("bob@example.com")
    Membership.objects.create(account=alice.accounts.get(), user=bob)
    assert [starting.give(each, "192.0.2.1") for each in (alice, bob)] == [True, False]
    assert balance("alice@example.com") == FIVE


def test_who_only_joined_has_none() -> None:
    owner, bob = person("alice@example.com"), User.objects.create_user("bob@example.com")
    Membership.objects.create(account=owner.accounts.get(), user=bob, role="admin")
    assert not starting.give(bob, "192.0.2.1")
    assert balance("alice@example.com") == 0


def test_a_network_has_it_so_often_a_day(settings: Settings) -> None:
    settings.EGGAPI_SIGNUP_CREDITS_PER_IP = 2
    people = [person(f"{number}@example.com") for number in range(4)]
    assert [starting.give(each, "192.0.2.1") for each in people[:3]] == [True, True, False]
    assert starting.give(people[3], "192.0.2.2")
    StartingCredit.objects.update(at=clock.now() - timedelta(days=1))
    assert starting.give(people[2], "192.0.2.1")


def test_a_network_of_ipv6_is_what_one_customer_has(settings: Settings) -> None:
    settings.EGGAPI_SIGNUP_CREDITS_PER_IP = 1
    for number in (1, 2):
        client = Client(REMOTE_ADDR=f"2001:db8::{number}")
        sign_up(client, f"{number}@example.com")
        confirm(client, f"{number}@example.com")
    assert [balance("1@example.com"), balance("2@example.com")] == [FIVE, 0]


def test_the_address_is_not_kept() -> None:
    starting.give(person("alice@example.com"), "192.0.2.1")
    kept = StartingCredit.objects.get()
    assert b"alice" not in bytes(kept.address)
    assert len(bytes(kept.address)) == 32


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("emails", [["a@example.com"] * 6, [f"a{number}@example.com" for number in range(6)]])
def test_of_many_at_once_as_many_have_it_as_may(emails: list[str], settings: Settings) -> None:
    settings.EGGAPI_SIGNUP_CREDITS_PER_IP = 1
    people = [person(email) for email in emails]
    start = threading.Barrier(6)

    def come(user: User) -> bool:
        start.wait()
        try:
            return starting.give(user, "192.0.2.1")
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as threads:
        assert sum(threads.map(come, people)) == 1
    assert StartingCredit.objects.count() == 1
    assert sum(Wallet.objects.filter(mode="live").values_list("posted", flat=True)) == FIVE


@pytest.mark.django_db(transaction=True)
def test_confirming_twice_at_once_gives_it_once() -> None:
    client = Client()
    sign_up(client)
    start = threading.Barrier(4)

    def come(_: int) -> None:
        start.wait()
        try:
            confirm(Client(raise_request_exception=False))
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(come, range(4)))
    assert (Account.objects.count(), balance("alice@example.com")) == (1, FIVE)

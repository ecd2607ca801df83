"""With a new secret in front of the old one everything that was made before goes on working."""

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.fernet import Fernet
from django.test import Client
from pytest_django import Settings

from accounts import links
from accounts.models import Mode
from accounts.opening import verified
from billing import redeem
from billing.models import LedgerEntry, StartingCredit
from eggapi import clock, crypto
from generation import storage
from tests.customer import Customer

pytestmark = [pytest.mark.django_db, pytest.mark.once]
DOLLAR = 1_000_000


@pytest.fixture
def alice(on_sale: None) -> Customer:
    return Customer(mode="live")


def renew(settings: Settings, *, keep: bool = True) -> None:
    """As `EGGAPI_SECRET_KEY=new,old`, and so on, would; without the old ones if not `keep`."""
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY] if keep else []
    settings.SECRET_KEY = "a new one"
    settings.EGGAPI_PEPPERS = ["a new one", *(settings.EGGAPI_PEPPERS if keep else [])]
    settings.EGGAPI_FERNET_KEYS = [Fernet.generate_key().decode(), *(settings.EGGAPI_FERNET_KEYS if keep else [])]


@pytest.mark.parametrize("keep", [True, False])
def test_a_key_works(alice: Customer, settings: Settings, keep: bool) -> None:
    renew(settings, keep=keep)
    assert alice.get("/v1/tasks").status == (200 if keep else 401)
    assert Customer("bob@example.com").get("/v1/tasks").status == 200


@pytest.mark.parametrize("keep", [True, False])
def test_an_address_of_a_file_works(settings: Settings, keep: bool) -> None:
    asked = parse_qs(urlsplit(storage.signed_url_of("a/0.png", clock.now() + timedelta(hours=1), "")).query)
    token = f"purchase.{crypto.signature('callback', 'purchase')}"
    renew(settings, keep=keep)
    assert storage.may_read("a/0.png", asked["expires"][0], asked["signature"][0], 0) is keep
    assert crypto.is_genuine(token.partition(".")[2], "callback", "purchase") is keep


@pytest.mark.parametrize("keep", [True, False])
def test_somebody_stays_signed_in_and_a_link_works(alice: Customer, settings: Settings, keep: bool) -> None:
    person = alice.account.members.get()
    client, path = Client(), urlsplit(links.make(person)).path
    client.force_login(person)
    renew(settings, keep=keep)
    assert client.get("/home").status_code == (200 if keep else 302)
    assert Client().get(path).status_code == (302 if keep else 410)


def test_a_code_is_worth_something(alice: Customer, settings: Settings) -> None:
    (code,) = redeem.make("spring", DOLLAR, 1, uses=1, expires=None)
    renew(settings)
    assert redeem.redeem(alice.account, code).amount == DOLLAR


def test_nobody_gets_a_second_starting_credit(settings: Settings) -> None:
    settings.EGGAPI_SIGNUP_CREDIT = DOLLAR
    for email in ("carol@example.com", "carol+again@example.com"):
        verified(Customer(email).account.members.get(), "192.0.2.1")
        renew(settings)
    assert (StartingCredit.objects.count(), LedgerEntry.objects.filter(wallet__mode=Mode.LIVE).count()) == (1, 1)


def test_what_is_encrypted_can_be_read(alice: Customer, settings: Settings) -> None:
    secret = alice.account.webhook_secrets.get().plain
    renew(settings)
    assert alice.account.webhook_secrets.get().plain == secret

"""The key that an account begins with: ready when somebody has signed up, and shown until it is put away."""

from urllib.parse import urlsplit

import pytest
from django.test import Client

from accounts import firstkey, invitations
from accounts.models import Account, ApiKey, Membership
from accounts.opening import account_of
from eggapi import clock, crypto
from tests.accounts.door import sign_up

pytestmark = pytest.mark.django_db


def test_it_works(client: Client) -> None:
    sign_up(client)
    account = Account.objects.get()
    text = firstkey.shown(client.session, account)
    key = ApiKey.objects.get()
    assert (key.account, key.mode, key.name, key.digest) == (account, "test", "First key", crypto.digest(text))


def test_it_is_kept_nowhere_in_clear(client: Client) -> None:
    sign_up(client)
    assert "egg_test_" not in str(dict(client.session))


def test_it_can_be_put_away(client: Client) -> None:
    sign_up(client)
    session = client.session
    firstkey.put_away(session)
    assert firstkey.shown(session, Account.objects.get()) == ""


def test_it_is_shown_for_an_hour(client: Client) -> None:
    sign_up(client)
    ApiKey.objects.update(created_at=clock.now() - firstkey.SHOWN_FOR)
    assert firstkey.shown(client.session, Account.objects.get()) == ""


def test_another_account_is_shown_none(client: Client) -> None:
    sign_up(client)
    assert firstkey.shown(client.session, account_of("bob@example.com")) == ""


def test_what_no_key_of_ours_encrypted_is_none(client: Client) -> None:
    session = client.session
    session[firstkey.SLOT] = "nonsense"
    assert firstkey.shown(session, account_of("bob@example.com")) == ""


def test_who_was_invited_into_an_account_gets_none(client: Client) -> None:
    owner = account_of("owner@example.com")
    path = urlsplit(invitations.invite("alice@example.com", owner.members.get(), owner, Membership.Role.DEVELOPER)).path
    client.get(path)
    sign_up(client)
    assert Membership.objects.get(user__email="alice@example.com").account == owner
    assert not ApiKey.objects.exists()

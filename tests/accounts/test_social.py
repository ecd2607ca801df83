"""Signing up and in with GitHub, where its application is set up."""

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.providers import registry
from allauth.socialaccount.providers.github.provider import GitHubProvider
from allauth.socialaccount.providers.github.views import GitHubOAuth2Adapter
from django.test import Client
from pytest_django import Settings

from accounts import legal
from accounts.models import Account, User
from accounts.opening import account_of
from accounts.signup import is_verified
from billing.models import Wallet
from tests.accounts.door import EMAIL, letters, reauthenticate, sign_up, signed_in_as
from tests.emulators.github import GitHub

pytestmark = pytest.mark.django_db
NAME = "<b>Alice</b>"


@pytest.fixture
def set_up(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.SOCIALACCOUNT_PROVIDERS = {"github": {"APPS": [{"client_id": "id", "secret": "secret"}]}}
    settings.ROOT_URLCONF = "tests.accounts.social_urls"
    settings.EGGAPI_SIGNUP_CREDIT = 5_000_000
    monkeypatch.setitem(registry.provider_map, "github", GitHubProvider)


def answer_from(github: GitHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GitHubOAuth2Adapter, "access_token_url", f"{github.url}/login/oauth/access_token")
    monkeypatch.setattr(GitHubOAuth2Adapter, "profile_url", f"{github.url}/user")
    monkeypatch.setattr(GitHubOAuth2Adapter, "emails_url", f"{github.url}/user/emails")


@pytest.fixture
def github(set_up: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[GitHub]:
    with GitHub(NAME, EMAIL) as running:
        answer_from(running, monkeypatch)
        yield running


def come_from_github(client: Client, process: str = "login") -> str:
    """Where somebody is led who presses the button and agrees there."""
    there = urlsplit(client.post(f"/accounts/github/login/?process={process}")["Location"])
    assert there.netloc == "github.com"
    state = parse_qs(there.query)["state"][0]
    return str(client.get("/accounts/github/login/callback/", {"code": "abc", "state": state})["Location"])


def test_it_works(client: Client, github: GitHub) -> None:
    assert come_from_github(client) == "/accounts/3rdparty/signup/"
    form = client.get("/accounts/3rdparty/signup/").content.decode()
    assert f'value="{EMAIL}"' in form
    client.post("/accounts/3rdparty/signup/", {"email": EMAIL, "terms": "on"})
    assert signed_in_as(client) == EMAIL
    user = User.objects.get()
    assert (user.terms_version, user.has_usable_password()) == (legal.version(), False)
    assert Account.objects.get().memberships.get().role == "owner"
    other = Client()
    assert come_from_github(other) == "/home"
    assert signed_in_as(other) == EMAIL


def test_an_address_that_github_saw_confirmed_is(client: Client, github: GitHub) -> None:
    come_from_github(client)
    client.post("/accounts/3rdparty/signup/", {"email": EMAIL, "terms": "on"})
    assert is_verified(User.objects.get())
    assert letters() == []
    assert Wallet.objects.get(mode="live").posted == 5_000_000


def test_one_that_it_did_not_is_asked_for(client: Client, set_up: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with GitHub("alice", EMAIL, verified=False) as running:
        answer_from(running, monkeypatch)
        come_from_github(client)
        client.post("/accounts/3rdparty/signup/", {"email": EMAIL, "terms": "on"})
    assert not is_verified(User.objects.get())
    assert Wallet.objects.get(mode="live").posted == 0
    assert len(letters()) == 1


def test_an_address_typed_instead_counts_for_nothing(client: Client, github: GitHub) -> None:
    come_from_github(client)
    client.post("/accounts/3rdparty/signup/", {"email": "other@example.com", "terms": "on"})
    assert not EmailAddress.objects.filter(email="other@example.com", verified=True).exists()


def test_it_requires_the_terms(client: Client, github: GitHub) -> None:
    come_from_github(client)
    page = client.post("/accounts/3rdparty/signup/", {"email": EMAIL})
    assert b"Please accept them to sign up." in page.content
    assert not User.objects.exists()


def test_it_does_not_open_somebody_elses_account(client: Client, github: GitHub) -> None:
    account_of(EMAIL)
    come_from_github(client)
    page = client.post("/accounts/3rdparty/signup/", {"email": EMAIL, "terms": "on"})
    assert b"already" in page.content
    assert signed_in_as(client) is None


def test_it_lets_nobody_in_where_sign_up_is_closed(client: Client, github: GitHub, settings: Settings) -> None:
    settings.EGGAPI_SIGNUP = "closed"
    there = urlsplit(client.post("/accounts/github/login/?process=login")["Location"])
    state = parse_qs(there.query)["state"][0]
    page = client.get("/accounts/github/login/callback/", {"code": "abc", "state": state})
    assert b"Sign-up is closed" in page.content
    assert not User.objects.exists()


def test_it_is_connected_to_an_account_one_has(client: Client, github: GitHub) -> None:
    sign_up(client)
    reauthenticate(client)
    assert come_from_github(client, "connect") == "/accounts/3rdparty/"
    page = client.get("/accounts/3rdparty/").content.decode()
    assert "&lt;b&gt;Alice&lt;/b&gt;" in page
    assert NAME not in page
    other = Client()
    come_from_github(other)
    assert signed_in_as(other) == EMAIL


class TestButtons:
    def test_they_are_shown(self, client: Client, set_up: None) -> None:
        for path in ("/accounts/login/", "/accounts/signup/"):
            assert b"Continue with GitHub" in client.get(path).content

    def test_they_are_hidden_where_nothing_is_set_up(self, client: Client) -> None:
        for path in ("/accounts/login/", "/accounts/signup/"):
            assert b"Continue with" not in client.get(path).content
        sign_up(client)
        assert b"Connections</a>" not in client.get("/accounts/sessions/").content

"""Signing up: who may, what comes with it, and what the terms were."""

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from pytest_django import Settings

from accounts import invitations, legal
from accounts.models import Account, User
from accounts.opening import account_of
from accounts.signup import is_verified
from eggapi import settings as ours
from tests.accounts.door import EMAIL, PASSWORD, confirm, letters, link, sign_in, sign_up, signed_in_as

pytestmark = pytest.mark.django_db
EVIL = "<script>alert(1)</script>"


class TestSignUp:
    def test_it_works(self, client: Client) -> None:
        response = sign_up(client, "Alice@Example.com")
        assert (response.status_code, response["Location"]) == (302, "/home")
        assert signed_in_as(client) == EMAIL

    def test_it_opens_an_account_with_all_that_comes_with_one(self, client: Client) -> None:
        sign_up(client)
        account = Account.objects.get()
        assert [(member.user.email, member.role) for member in account.memberships.all()] == [(EMAIL, "owner")]
        assert {wallet.mode: wallet.posted for wallet in account.wallets.all()} == {"live": 0, "test": 100_000_000}
        assert account.webhook_secrets.count() == 1

    def test_it_needs_no_mail_server(
        self, client: Client, settings: Settings, caplog: pytest.LogCaptureFixture
    ) -> None:
        settings.EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
        sign_up(client)
        assert signed_in_as(client) == EMAIL
        (letter,) = letters()
        assert letter.due_at is None
        (logged,) = [vars(record)["links"] for record in caplog.records if record.name == "eggapi.mail"]
        assert logged == [f"{settings.EGGAPI_LOCAL_URL}{link('/confirm-email/')}"]

    def test_it_rejects_a_taken_address(self, client: Client) -> None:
        account_of(EMAIL)
        assert sign_up(client).status_code == 200
        assert signed_in_as(client) is None
        assert Account.objects.count() == 1

    @pytest.mark.parametrize("password", ["short", "alice@example.com", "password123", ""])
    def test_it_rejects_a_weak_password(self, client: Client, password: str) -> None:
        assert sign_up(client, password=password).status_code == 200
        assert not Account.objects.exists()

    @pytest.mark.parametrize("email", [f"{EVIL}@example.com", f'"{EVIL}"@example.com'])
    def test_what_is_typed_is_never_markup(self, client: Client, email: str) -> None:
        assert EVIL not in sign_up(client, email, password="short").content.decode()
        assert EVIL not in client.get("/accounts/signup/", {"email": email, "next": EVIL}).content.decode()

    def test_nothing_is_left_of_an_account_that_cannot_be_opened(
        self, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(_: Account) -> None:
            raise RuntimeError

        monkeypatch.setattr("accounts.opening._also", [fail])
        client.raise_request_exception = False
        assert sign_up(client).status_code == 500
        assert not User.objects.exists()


class TestAddress:
    def test_it_works(self, client: Client) -> None:
        sign_up(client)
        assert letters()[0].subject == "Welcome to EggAPI: confirm your e-mail address"
        assert b"Open the link in your mail to confirm alice@example.com" in client.get("/home").content
        assert confirm(client)["Location"] == "/home"
        assert is_verified(User.objects.get())
        assert b"Open the link in your mail" not in client.get("/home").content

    def test_looking_at_the_link_confirms_nothing(self, client: Client) -> None:
        sign_up(client)
        assert b"Yes, confirm it" in client.get(link("/confirm-email/")).content
        assert not is_verified(User.objects.get())

    def test_a_stranger_cannot_confirm_it_by_guessing(self, client: Client) -> None:
        sign_up(client)
        parts = link("/confirm-email/").split("/")
        key = parts[-2][:-1] + ("A" if parts[-2][-1] != "A" else "B")
        page = Client().get(f"/accounts/confirm-email/{key}/")
        assert b"This link is no good" in page.content
        assert Client().post(f"/accounts/confirm-email/{key}/").status_code == 404
        assert not is_verified(User.objects.get())

    def test_it_can_be_changed_and_counts_once_it_is_confirmed(self, client: Client) -> None:
        sign_up(client)
        confirm(client)
        client.post("/accounts/reauthenticate/", {"password": PASSWORD})
        client.post("/accounts/email/", {"email": "new@example.com", "action_add": ""})
        assert User.objects.get().email == EMAIL
        confirm(client, "new@example.com")
        assert User.objects.get().email == "new@example.com"
        assert "changed from alice@example.com to new@example.com" in letters()[-1].text
        assert sign_in(Client(), "new@example.com")["Location"] == "/home"

    def test_changing_it_asks_for_the_password_first(self, client: Client) -> None:
        sign_up(client)
        response = client.post("/accounts/email/", {"email": "new@example.com", "action_add": ""})
        assert response["Location"].startswith("/accounts/reauthenticate/")
        assert letters("new@example.com") == []


class TestTerms:
    def test_it_works(self, client: Client) -> None:
        sign_up(client)
        user = User.objects.get()
        assert (user.terms_version, user.terms_at is not None) == (legal.version(), True)
        assert b"The terms have changed." not in client.get("/home").content

    def test_signing_up_requires_them(self, client: Client) -> None:
        response = client.post("/accounts/signup/", {"email": EMAIL, "password1": PASSWORD})
        assert b"Please accept them to sign up." in response.content
        assert not User.objects.exists()

    def test_new_ones_are_asked_for_and_kept(self, client: Client) -> None:
        sign_up(client)
        User.objects.update(terms_version="2020-01-01")
        assert b"The terms have changed." in client.get("/home").content
        assert client.post("/legal/accept", {"next": "/home?page=2"})["Location"] == "/home?page=2"
        assert User.objects.get().terms_version == legal.version()
        assert b"The terms have changed." not in client.get("/home").content

    def test_a_stranger_cannot_accept_them(self, client: Client) -> None:
        assert client.post("/legal/accept")["Location"] == "/accounts/login/?next=/legal/accept"
        assert client.get("/legal/accept").status_code == 405


class TestMode:
    def test_closed_lets_nobody_in(self, client: Client, settings: Settings) -> None:
        settings.EGGAPI_SIGNUP = "closed"
        assert b"Sign-up is closed" in client.get("/accounts/signup/").content
        assert b"Sign-up is closed" in sign_up(client).content
        assert not User.objects.exists()

    @pytest.mark.parametrize("page", ["/", "/models", "/accounts/login/"])
    def test_only_where_strangers_are_taken_they_are_asked_in(
        self, client: Client, settings: Settings, page: str
    ) -> None:
        for mode, asked in (("open", True), ("invite", False), ("closed", False)):
            settings.EGGAPI_SIGNUP = mode
            text = client.get(page).content.decode()
            assert ('href="/accounts/signup/' in text, "/accounts/login/" in text) == (asked, True)

    def test_by_invitation_lets_nobody_else_in(self, client: Client, settings: Settings) -> None:
        settings.EGGAPI_SIGNUP = "invite"
        invitations.invite("bob@example.com", User.objects.create_superuser("ops@example.com"))
        assert b"Sign-up is closed" in sign_up(client, "bob@example.com").content
        assert not User.objects.filter(email="bob@example.com").exists()

    def test_an_unknown_mode_does_not_start(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("EGGAPI_SIGNUP", "opne")
        with pytest.raises(ImproperlyConfigured, match="must be one of open, invite, closed, not 'opne'"):
            ours.choice("EGGAPI_SIGNUP", "open", ("open", "invite", "closed"))

    @pytest.mark.parametrize("amount", ["-1", "a lot", "0.0000001"])
    def test_a_credit_that_is_no_amount_does_not_start(self, monkeypatch: pytest.MonkeyPatch, amount: str) -> None:
        monkeypatch.setenv("EGGAPI_SIGNUP_CREDIT", amount)
        with pytest.raises(ImproperlyConfigured, match="EGGAPI_SIGNUP_CREDIT"):
            ours.dollars("EGGAPI_SIGNUP_CREDIT")

"""The ways in: sign-up, password, forgotten password, one-time link."""

import logging
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from smtplib import SMTPServerDisconnected
from typing import Any

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.db import connection
from django.test import Client
from pytest_django import Settings

from accounts import links
from accounts.models import Account, LoginLink, User
from accounts.opening import account_of
from eggapi import clock
from eggapi.requestlog import JSONFormatter

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"


def sign_up(client: Client, email: str = "alice@example.com", password: str = PASSWORD) -> Any:
    return client.post("/accounts/signup/", {"email": email, "password1": password, "password2": password})


def sign_in(client: Client, email: str = "alice@example.com", password: str = PASSWORD, **more: str) -> Any:
    return client.post("/accounts/login/", {"login": email, "password": password, **more})


def signed_in_as(client: Client) -> str | None:
    response = client.get("/home")
    return response.context["request"].user.email if response.status_code == 200 else None


class TestSignUp:
    def test_it_works(self, client: Client) -> None:
        response = sign_up(client, "Alice@Example.com")
        assert (response.status_code, response["Location"]) == (302, "/home")
        assert signed_in_as(client) == "alice@example.com"

    def test_it_opens_an_account_with_all_that_comes_with_one(self, client: Client) -> None:
        sign_up(client)
        account = Account.objects.get()
        assert [(member.user.email, member.role) for member in account.memberships.all()] == [
            ("alice@example.com", "owner")
        ]
        assert {wallet.mode: wallet.posted for wallet in account.wallets.all()} == {"live": 0, "test": 100_000_000}
        assert account.webhook_secrets.count() == 1

    def test_it_asks_to_confirm_the_address(self, client: Client) -> None:
        sign_up(client)
        assert [message.to for message in mail.outbox] == [["alice@example.com"]]

    def test_a_mail_server_that_is_away_keeps_nobody_out(self, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        def away(*_: object) -> int:
            raise SMTPServerDisconnected

        monkeypatch.setattr(EmailBackend, "send_messages", away)
        sign_up(client)
        assert signed_in_as(client) == "alice@example.com"

    def test_it_rejects_a_taken_address(self, client: Client) -> None:
        account_of("alice@example.com")
        assert sign_up(client).status_code == 200
        assert signed_in_as(client) is None
        assert Account.objects.count() == 1

    @pytest.mark.parametrize("password", ["short", "alice@example.com", "password123", ""])
    def test_it_rejects_a_weak_password(self, client: Client, password: str) -> None:
        assert sign_up(client, password=password).status_code == 200
        assert not Account.objects.exists()

    def test_nothing_is_left_of_an_account_that_cannot_be_opened(
        self, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(_: Account) -> None:
            raise RuntimeError

        monkeypatch.setattr("accounts.opening._also", [fail])
        client.raise_request_exception = False
        assert sign_up(client).status_code == 500
        assert not User.objects.exists()


class TestPassword:
    @pytest.fixture(autouse=True)
    def _alice(self) -> None:
        User.objects.create_user("alice@example.com", PASSWORD)

    def test_it_works(self, client: Client) -> None:
        assert sign_in(client)["Location"] == "/home"
        assert signed_in_as(client) == "alice@example.com"

    def test_it_ends_with_signing_out(self, client: Client) -> None:
        sign_in(client)
        client.post("/accounts/logout/")
        assert signed_in_as(client) is None

    def test_it_rejects_a_wrong_one(self, client: Client) -> None:
        assert sign_in(client, password="wrong horse battery").status_code == 200
        assert signed_in_as(client) is None

    def test_it_rejects_a_suspended_person(self, client: Client) -> None:
        User.objects.update(is_active=False)
        sign_in(client)
        assert signed_in_as(client) is None

    def test_guessing_is_stopped(self, client: Client) -> None:
        for number in range(6):
            sign_in(client, password=f"guess number {number}")
        sign_in(client)
        assert signed_in_as(client) is None

    def test_guessing_is_stopped_from_many_addresses_too(self) -> None:
        for number in range(6):
            sign_in(Client(REMOTE_ADDR=f"192.0.2.{number}"), password=f"guess number {number}")
        another = Client(REMOTE_ADDR="192.0.2.77")
        sign_in(another)
        assert signed_in_as(another) is None

    @pytest.mark.parametrize("elsewhere", ["//evil.example.com", "https://evil.example.com/", "javascript:alert(1)"])
    def test_it_never_leads_elsewhere(self, client: Client, elsewhere: str) -> None:
        assert sign_in(client, next=elsewhere)["Location"] == "/home"

    def test_it_leads_back_to_where_somebody_came_from(self, client: Client) -> None:
        assert client.get("/home")["Location"] == "/accounts/login/?next=/home"
        assert sign_in(client, next="/accounts/email/")["Location"] == "/accounts/email/"

    def test_the_admin_is_entered_by_the_same_door(self, client: Client) -> None:
        assert client.get("/admin/login/")["Location"].startswith("/accounts/login/?next=")
        sign_in(client)
        assert client.get("/admin/login/").status_code == 403
        User.objects.update(is_staff=True, is_superuser=True)
        assert client.get("/admin/").status_code == 200


def test_somebody_without_a_password_chooses_one_by_mail(client: Client) -> None:
    account_of("alice@example.com")
    client.post("/accounts/password/reset/", {"email": "alice@example.com"})
    (link,) = re.findall(r"http://testserver(/accounts/password/reset/key/\S+)", str(mail.outbox[0].body))
    form = client.get(link)["Location"]
    assert client.get(form).status_code == 200
    client.post(form, {"password1": PASSWORD, "password2": PASSWORD})
    sign_in(client)
    assert signed_in_as(client) == "alice@example.com"


class TestLink:
    @pytest.fixture
    def path(self) -> str:
        account_of("alice@example.com")
        return links.make(User.objects.get()).removeprefix("http://127.0.0.1:8000")

    def test_it_works(self, client: Client, path: str) -> None:
        response = client.get(path)
        assert (response.status_code, response["Location"]) == (302, "/home")
        assert signed_in_as(client) == "alice@example.com"
        assert "no-store" in response["Cache-Control"]

    def test_its_token_is_not_logged(self, client: Client, path: str, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.INFO, "eggapi.request"):
            client.get(path)
        assert '"path": "/start/[secret]"' in JSONFormatter().format(caplog.records[-1])

    def test_it_works_once(self, client: Client, path: str) -> None:
        client.get(path)
        second = Client()
        assert second.get(path).status_code == 410
        assert signed_in_as(second) is None

    def test_it_works_for_ten_minutes(self, client: Client, path: str) -> None:
        LoginLink.objects.update(expires_at=clock.now() + timedelta(seconds=5))
        assert client.get(path).status_code == 302
        assert client.get(links.make(User.objects.get()).partition("8000")[2]).status_code == 302
        late = links.make(User.objects.get()).partition("8000")[2]
        expires_at = LoginLink.objects.get(used_at=None).expires_at
        assert abs(expires_at - clock.now() - timedelta(minutes=10)) < timedelta(seconds=5)
        LoginLink.objects.update(expires_at=clock.now() - timedelta(seconds=1))
        assert Client().get(late).status_code == 410

    def test_it_rejects_another_token_and_another_method(self, client: Client, path: str) -> None:
        assert client.get("/start/" + "0" * 32).status_code == 410
        assert client.head(path).status_code == 405
        assert client.post(path).status_code == 405
        assert client.get(path).status_code == 302

    def test_it_rejects_a_person_who_was_shut_out(self, client: Client, path: str) -> None:
        User.objects.update(is_active=False)
        assert client.get(path).status_code == 410

    def test_its_token_is_stored_nowhere_and_old_links_are_tidied_away(self, path: str) -> None:
        LoginLink.objects.update(expires_at=clock.now() - timedelta(seconds=1))
        links.make(User.objects.get())
        assert LoginLink.objects.count() == 1
        assert path.removeprefix("/start/").encode() not in bytes(LoginLink.objects.get().digest)

    @pytest.mark.django_db(transaction=True)
    def test_of_many_who_come_at_once_one_gets_in(self, path: str) -> None:
        start, token = threading.Barrier(8), path.removeprefix("/start/")

        def come(_: int) -> bool:
            start.wait()
            try:
                return links.redeem(token) is not None
            finally:
                connection.close()

        with ThreadPoolExecutor(8) as threads:
            assert sum(threads.map(come, range(8))) == 1


class TestPages:
    @pytest.mark.parametrize(
        "path", ["/accounts/login/", "/accounts/signup/", "/accounts/password/reset/", "/start/nothing"]
    )
    def test_they_work_without_scripts_and_from_this_server_alone(self, client: Client, path: str) -> None:
        page = client.get(path).content.decode()
        assert page.startswith('<!doctype html>\n<html lang="en">')
        assert re.findall(r"<script|<style|\sstyle=|\son[a-z]+=|https?://", page) == []
        assert re.findall(r'<link rel="stylesheet" href="([^"]+)"', page) == ["/static/eggapi/base.css"]

    @pytest.mark.parametrize(
        "path",
        ["/home", "/accounts/email/", "/accounts/password/change/", "/accounts/logout/", "/accounts/reauthenticate/"],
    )
    def test_those_behind_the_door_come_in_the_same_frame(self, client: Client, path: str) -> None:
        sign_up(client)
        page = client.get(path).content.decode()
        assert "Sign out</button>" in page
        assert re.findall(r'<link rel="stylesheet" href="([^"]+)"', page) == ["/static/eggapi/base.css"]

    def test_every_field_has_a_label(self, client: Client) -> None:
        for path in ("/accounts/login/", "/accounts/signup/", "/accounts/password/reset/"):
            page = client.get(path).content.decode()
            fields = re.findall(r'<input type="(?:email|password|text|checkbox)"[^>]*\bid="([^"]+)"', page)
            assert fields
            assert set(fields) <= set(re.findall(r'<label[^>]*\bfor="([^"]+)"', page))

    def test_the_style_sheet_is_served(self, client: Client) -> None:
        response = client.get("/static/eggapi/base.css")
        assert response.status_code == 200
        assert b"prefers-color-scheme: dark" in b"".join(response.streaming_content)  # type: ignore[attr-defined]

    def test_too_many_attempts_get_a_page(self, client: Client, settings: Settings) -> None:
        settings.ACCOUNT_RATE_LIMITS = {"signup": "1/m/ip"}
        sign_up(client, "a@example.com")
        response = sign_up(Client(), "b@example.com")
        assert response.status_code == 429
        assert b"Too many attempts" in response.content

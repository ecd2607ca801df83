"""The ways in: password, forgotten password, one-time link."""

import logging
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from pytest_django import Settings

from accounts import links
from accounts.models import LoginLink, User
from accounts.opening import account_of
from eggapi import clock
from eggapi.requestlog import JSONFormatter
from tests.accounts.door import EMAIL, PASSWORD, letters, link, sign_in, sign_up, signed_in_as

pytestmark = pytest.mark.django_db


class TestPassword:
    @pytest.fixture(autouse=True)
    def _alice(self) -> None:
        account_of(EMAIL)
        user = User.objects.get()
        user.set_password(PASSWORD)
        user.save()

    def test_it_works(self, client: Client) -> None:
        assert sign_in(client)["Location"] == "/home"
        assert signed_in_as(client) == EMAIL

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
        part = client.get("/home/arrival?seen=none", headers={"HX-Request": "true"})
        assert (part.status_code, part.headers["HX-Refresh"], part.content) == (200, "true", b"")
        assert sign_in(client, next="/accounts/email/")["Location"] == "/accounts/email/"

    def test_the_admin_is_entered_by_the_same_door(self, client: Client, settings: Settings) -> None:
        settings.EGGAPI_EMBEDDED = True  # where no second factor is asked for
        assert client.get("/admin/login/")["Location"].startswith("/accounts/login/?next=")
        sign_in(client)
        assert client.get("/admin/login/").status_code == 403
        User.objects.update(is_staff=True, is_superuser=True)
        assert client.get("/admin/").status_code == 200


class TestForgotten:
    def test_it_works(self, client: Client) -> None:
        account_of(EMAIL)
        client.post("/accounts/password/reset/", {"email": EMAIL})
        form = client.get(link("/password/reset/key/"))["Location"]
        assert b"Choose a new password" in client.get(form).content
        client.post(form, {"password1": PASSWORD, "password2": PASSWORD})
        sign_in(client)
        assert signed_in_as(client) == EMAIL

    def test_it_is_told(self, client: Client) -> None:
        sign_up(client)
        stranger = Client()
        stranger.post("/accounts/password/reset/", {"email": EMAIL})
        form = stranger.get(link("/password/reset/key/"))["Location"]
        stranger.post(form, {"password1": "another horse battery", "password2": "another horse battery"})
        assert "Your password was changed, by a link in a mail." in letters()[-1].text

    def test_a_stranger_cannot_say_where_its_link_leads(self, client: Client, settings: Settings) -> None:
        account_of(EMAIL)
        path, asked = "/accounts/password/reset/", {"email": EMAIL}
        client.post(path, asked, headers={"Host": "evil.example"})
        client.post(path, asked, headers={"Host": "localhost:8111"})
        settings.ALLOWED_HOSTS = ["eggs.example"]
        client.post(path, asked, headers={"Host": "eggs.example"})
        settings.EGGAPI_PUBLIC_URL = "https://api.eggs.example"
        settings.ALLOWED_HOSTS = ["*"]
        client.post(path, asked, headers={"Host": "evil.example"})
        led = [re.search(r"(https?://[^/\s]+)/accounts/password/reset/key/", each.text) for each in letters()]
        assert [found and found[1] for found in led] == [
            *(settings.EGGAPI_LOCAL_URL, "http://localhost:8111", "http://eggs.example", "https://api.eggs.example")
        ]

    def test_its_link_works_once(self, client: Client) -> None:
        account_of(EMAIL)
        client.post("/accounts/password/reset/", {"email": EMAIL})
        form = client.get(link("/password/reset/key/"))["Location"]
        client.post(form, {"password1": PASSWORD, "password2": PASSWORD})
        assert b"This link is no good" in Client().get(link("/password/reset/key/")).content

    def test_it_tells_nobody_who_has_an_account(self, client: Client) -> None:
        account_of(EMAIL)
        answers = [client.post("/accounts/password/reset/", {"email": each}) for each in (EMAIL, "bob@example.com")]
        assert {(answer.status_code, answer["Location"]) for answer in answers} == {
            (302, "/accounts/password/reset/done/")
        }
        assert letters("bob@example.com")[0].subject == "There is no account for this address"


class TestLink:
    @pytest.fixture
    def path(self) -> str:
        account_of(EMAIL)
        return links.make(User.objects.get()).removeprefix("http://127.0.0.1:8000")

    def test_it_works(self, client: Client, path: str) -> None:
        response = client.get(path)
        assert (response.status_code, response["Location"]) == (302, "/home")
        assert signed_in_as(client) == EMAIL
        assert "no-store" in response["Cache-Control"]

    @pytest.mark.parametrize(("is_embedded", "page"), [(True, "/admin/"), (False, "/accounts/2fa/")])
    def test_an_operator_in_no_account_is_led_to_the_admin(
        self, client: Client, settings: Settings, is_embedded: bool, page: str
    ) -> None:
        """As `createsuperuser` makes one; outside of the embedded mode a second factor is added first."""
        settings.EGGAPI_EMBEDDED = is_embedded
        link = links.make(User.objects.create_superuser("ops@example.com"))
        reply = client.get(link.partition("8000")[2], follow=True)
        assert (reply.status_code, reply.redirect_chain[-1]) == (200, (page, 302))
        assert b"You are in no account, so there is no dashboard for you." in reply.content
        assert client.get("/accounts/2fa/totp/activate/").status_code == 200

    def test_anybody_else_in_no_account_is_told_so(self, client: Client, path: str) -> None:
        User.objects.get().memberships.all().delete()
        reply = client.get(path, follow=True, headers={"Accept": "text/html"})
        assert (reply.status_code, b"You are in no account. Ask for an invitation." in reply.content) == (403, True)

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

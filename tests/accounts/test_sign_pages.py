"""The pages of the door: all ours, whole without scripts of anybody else."""

import re

import pytest
from django.test import Client
from pytest_django import Settings

from accounts import links
from accounts.models import User
from accounts.opening import account_of
from tests.accounts.door import add_app, confirm, reauthenticate, sign_in, sign_up

pytestmark = [pytest.mark.django_db, pytest.mark.once]
OUTSIDE = (
    *("login/", "signup/", "password/reset/", "password/reset/done/", "password/reset/key/done/", "inactive/"),
    *("password/reset/key/1-abc/", "confirm-email/", "confirm-email/abc/"),
    *("3rdparty/login/cancelled/", "3rdparty/login/error/"),
)
INSIDE = (
    *("email/", "password/change/", "2fa/", "2fa/totp/activate/", "2fa/webauthn/", "2fa/webauthn/add/", "sessions/"),
    *("3rdparty/", "2fa/recovery-codes/", "2fa/recovery-codes/generate/", "2fa/totp/deactivate/"),
)
ALSO_INSIDE = ("logout/", "reauthenticate/", "2fa/reauthenticate/")
INLINE = re.compile(
    r"<style|\sstyle=|\son[a-z]+=|<script(?! (?:type=\"module\" |id=\"webauthn-options\" |)(?:src=|type=))"
)


def sheets(page: str) -> set[str]:
    return set(re.findall(r'<link rel="stylesheet" href="([^"]+)"', page))


@pytest.mark.parametrize("path", OUTSIDE)
def test_those_at_the_door_are_ours(client: Client, path: str) -> None:
    page = client.get(f"/accounts/{path}").content.decode()
    assert '<body class="site door">' in page
    assert "/static/eggapi/door.css" in sheets(page)
    assert INLINE.findall(page) == []
    assert re.findall(r"""(?:src|href|action)=["']https?:""", page) == []


def test_those_behind_it_are_ours(client: Client) -> None:
    sign_up(client)
    confirm(client)
    reauthenticate(client)
    activate = client.get("/accounts/2fa/totp/activate/").content.decode()
    assert '<img class="qr" src="data:image/svg+xml;base64,' in activate
    assert INLINE.findall(activate) == []
    add_app(client)
    for path in INSIDE:
        response = client.get(f"/accounts/{path}", follow=True)
        page = response.content.decode()
        assert (response.status_code, '<body class="desk">' in page) == (200, True), path
        assert 'aria-label="Signing in"' in page, path
        assert INLINE.findall(page) == [], path
        assert "no-store" in response["Cache-Control"], path
    for path in ALSO_INSIDE:
        page = client.get(f"/accounts/{path}").content.decode()
        assert '<body class="site door">' in page, path
        assert INLINE.findall(page) == [], path


def test_the_second_step_is_ours(client: Client) -> None:
    sign_up(client)
    confirm(client)
    reauthenticate(client)
    add_app(client)
    client.post("/accounts/logout/")
    page = client.get(sign_in(client)["Location"]).content.decode()
    assert "<h1>One more step</h1>" in page
    assert INLINE.findall(page) == []


def test_every_field_has_a_label(client: Client) -> None:
    for path in ("login/", "signup/", "password/reset/"):
        page = client.get(f"/accounts/{path}").content.decode()
        fields = re.findall(r'<input type="(?:email|password|text|checkbox)"[^>]*\bid="([^"]+)"', page)
        assert fields
        assert set(fields) <= set(re.findall(r'<label[^>]*\bfor="([^"]+)"', page))


def test_they_open_for_a_person_without_an_account(client: Client) -> None:
    client.force_login(User.objects.create_user("alice@example.com"))
    assert b"Where you are signed in." in client.get("/accounts/sessions/").content


def test_too_many_attempts_get_a_page(client: Client, settings: Settings) -> None:
    settings.ACCOUNT_RATE_LIMITS = {"signup": "1/m/ip"}
    sign_up(client, "a@example.com")
    response = sign_up(Client(), "b@example.com")
    assert (response.status_code, b"Too many attempts" in response.content) == (429, True)


def test_a_link_that_was_used_gets_a_page(client: Client) -> None:
    account_of("alice@example.com")
    path = links.make(User.objects.get()).partition("8000")[2]
    client.get(path)
    response = Client().get(path)
    assert (response.status_code, b"This link is no good" in response.content) == (410, True)

"""Sessions: where a person is signed in, and signing out there."""

import pytest
from allauth.usersessions.models import UserSession
from django.test import Client

from accounts import links
from accounts.models import User
from accounts.templatetags.browsers import browser
from tests.accounts.door import PASSWORD, sign_in, sign_up, signed_in_as

pytestmark = pytest.mark.django_db
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Safari/604.1"
EDGE = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/140.0 Safari/537.36 Edg/140.0"


@pytest.fixture
def phone(client: Client) -> Client:
    """The same person, elsewhere."""
    sign_up(client)
    elsewhere = Client(headers={"user-agent": PHONE})
    sign_in(elsewhere)
    return elsewhere


def ids() -> list[int]:
    return list(UserSession.objects.order_by("pk").values_list("pk", flat=True))


def test_it_works(client: Client, phone: Client) -> None:
    page = client.get("/accounts/sessions/").content.decode()
    assert "Safari on iPhone" in page
    assert page.count("this one") == 1


def test_one_is_signed_out(client: Client, phone: Client) -> None:
    here, there = ids()
    assert client.post(f"/accounts/sessions/{there}/end")["Location"] == "/accounts/sessions/"
    assert (signed_in_as(client), signed_in_as(phone)) == ("alice@example.com", None)
    assert client.post(f"/accounts/sessions/{here}/end")["Location"] == "/accounts/login/"
    assert signed_in_as(client) is None


def test_all_others_are_signed_out(client: Client, phone: Client) -> None:
    client.post("/accounts/sessions/")
    assert (signed_in_as(client), signed_in_as(phone)) == ("alice@example.com", None)


def test_a_new_password_signs_out_elsewhere(client: Client, phone: Client) -> None:
    new = {"oldpassword": PASSWORD, "password1": "another horse battery", "password2": "another horse battery"}
    client.post("/accounts/password/change/", new)
    assert (signed_in_as(client), signed_in_as(phone)) == ("alice@example.com", None)


def test_a_stranger_cannot_sign_somebody_out(client: Client, phone: Client) -> None:
    mallory = Client()
    sign_up(mallory, "mallory@example.com")
    assert mallory.post(f"/accounts/sessions/{ids()[0]}/end").status_code == 404
    assert b"iPhone" not in mallory.get("/accounts/sessions/").content
    assert signed_in_as(client) == "alice@example.com"


def test_one_by_a_link_is_listed_too(client: Client) -> None:
    user = User.objects.create_user("alice@example.com")
    client.get(links.make(user).partition("8000")[2])
    assert client.get("/accounts/sessions/").content.count(b"this one") == 1


def test_a_browser_without_an_address_gets_in(client: Client) -> None:
    sign_up(Client(REMOTE_ADDR=""))
    assert UserSession.objects.get().ip == "0.0.0.0"


def test_what_a_browser_calls_itself_is_never_markup(client: Client) -> None:
    sign_up(Client(headers={"user-agent": "<script>alert(1)</script>"}))
    sign_in(client)
    assert b"<script>alert" not in client.get("/accounts/sessions/").content


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [(PHONE, "Safari on iPhone"), (EDGE, "Edge on Windows"), ("curl/8.0", "curl/8.0"), ("", "unknown")],
)
def test_browsers_are_named(user_agent: str, name: str) -> None:
    assert browser(user_agent) == name

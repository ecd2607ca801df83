"""The second factor: an app on a telephone, and codes for the day it is lost."""

import re
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.test import Client

from accounts.models import User
from tests.accounts.door import add_app, code, confirm, letters, reauthenticate, sign_in, sign_up, signed_in_as

pytestmark = pytest.mark.django_db
EMAIL = "alice@example.com"


@pytest.fixture
def alice(client: Client) -> Client:
    """Signed in, with an address confirmed and a password given just now."""
    sign_up(client)
    confirm(client)
    reauthenticate(client)
    return client


def step(client: Client, answer: str) -> None:
    assert sign_in(client)["Location"].startswith("/accounts/2fa/authenticate/")
    assert signed_in_as(client) is None
    client.post("/accounts/2fa/authenticate/", {"code": answer})


class TestApp:
    def test_it_works(self, alice: Client) -> None:
        secret, other = add_app(alice), Client()
        step(other, code(secret))
        assert signed_in_as(other) == EMAIL

    def test_it_is_told(self, alice: Client, django_capture_on_commit_callbacks: Any) -> None:
        with django_capture_on_commit_callbacks(execute=True):
            add_app(alice)
        assert "An authenticator app was added." in "".join(letter.text for letter in letters())

    def test_it_rejects_a_wrong_code(self, alice: Client) -> None:
        secret, other = add_app(alice), Client()
        step(other, "000000" if code(secret) != "000000" else "111111")
        assert signed_in_as(other) is None

    def test_a_code_works_once(self, alice: Client) -> None:
        secret, other, another = add_app(alice), Client(), Client()
        used = code(secret)
        step(other, used)
        step(another, used)
        assert (signed_in_as(other), signed_in_as(another)) == (EMAIL, None)

    def test_guessing_is_stopped(self, alice: Client) -> None:
        secret, other = add_app(alice), Client()
        sign_in(other)
        for number in range(6):
            other.post("/accounts/2fa/authenticate/", {"code": f"{number:06d}"})
        other.post("/accounts/2fa/authenticate/", {"code": code(secret, 1)})
        assert signed_in_as(other) is None

    def test_its_secret_is_stored_encrypted(self, alice: Client) -> None:
        secret = add_app(alice)
        stored = Authenticator.objects.get(type="totp").data["secret"]
        assert secret not in stored
        assert stored.startswith("gAAAA")

    def test_it_can_be_removed(self, alice: Client) -> None:
        add_app(alice)
        alice.post("/accounts/2fa/totp/deactivate/")
        other = Client()
        assert sign_in(other)["Location"] == "/home"

    def test_adding_it_requires_the_password_once_more(self, client: Client) -> None:
        sign_up(client)
        confirm(client)
        response = client.get("/accounts/2fa/totp/activate/")
        assert response["Location"].startswith("/accounts/reauthenticate/")

    def test_adding_it_requires_a_confirmed_address(self, client: Client) -> None:
        sign_up(client)
        page = client.get("/accounts/2fa/totp/activate/", follow=True).content.decode()
        assert "Confirm your e-mail address first" in page
        assert not Authenticator.objects.exists()

    def test_a_stranger_cannot_remove_it(self, alice: Client) -> None:
        add_app(alice)
        mallory = Client()
        sign_up(mallory, "mallory@example.com")
        assert mallory.post("/accounts/2fa/totp/deactivate/").status_code == 404
        assert Authenticator.objects.filter(user__email=EMAIL, type="totp").exists()


class TestRecoveryCodes:
    @pytest.fixture
    def codes(self, alice: Client) -> list[str]:
        add_app(alice)
        page = alice.get("/accounts/2fa/recovery-codes/").content.decode()
        return re.findall(r"<li>(\d{8})</li>", page)

    def test_it_works_once_each(self, codes: list[str]) -> None:
        assert len(codes) == 10
        first, second, third = Client(), Client(), Client()
        step(first, codes[0])
        assert signed_in_as(first) == EMAIL
        step(second, codes[0])
        assert signed_in_as(second) is None
        step(third, codes[1])
        assert signed_in_as(third) == EMAIL

    def test_they_can_be_copied(self, alice: Client, codes: list[str]) -> None:
        page = alice.get("/accounts/2fa/recovery-codes/").content.decode()
        assert re.findall(r'data-copy="([^"]+)"', page) == ["\n".join(codes)]

    def test_they_can_be_kept_as_a_file(self, alice: Client, codes: list[str]) -> None:
        response = alice.get("/accounts/2fa/recovery-codes/download/")
        assert response.content.decode().split() == codes
        assert "attachment" in response["Content-Disposition"]

    def test_new_ones_take_their_place(self, alice: Client, codes: list[str]) -> None:
        alice.post("/accounts/2fa/recovery-codes/generate/")
        other = Client()
        step(other, codes[0])
        assert signed_in_as(other) is None

    def test_they_are_stored_encrypted(self, codes: list[str]) -> None:
        stored = str(Authenticator.objects.get(type="recovery_codes").data)
        assert [each for each in codes if each in stored] == []


def test_operators_come_in_by_the_same_steps(alice: Client) -> None:
    secret, other = add_app(alice), Client()
    User.objects.update(is_staff=True, is_superuser=True)
    sign_in(other, next="/admin/")
    assert other.get("/admin/").status_code == 302
    assert other.post("/accounts/2fa/authenticate/", {"code": code(secret)})["Location"] == "/admin/"

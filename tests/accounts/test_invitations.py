"""Invitations: to an account, or to sign up."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from django.db import connection
from django.test import Client
from pytest_django import Settings

from accounts import invitations
from accounts.invitations import InvitationRefused, Role
from accounts.models import Account, AuditEntry, Invitation, Membership, User
from accounts.opening import account_of
from eggapi import clock
from tests.accounts.door import PASSWORD, letters, sign_in, sign_up, signed_in_as

pytestmark = pytest.mark.django_db
BOB = "bob@example.com"


@pytest.fixture
def account() -> Account:
    return account_of("alice@example.com")


@pytest.fixture
def alice(account: Account) -> User:
    return User.objects.get(email="alice@example.com")


@pytest.fixture
def path(alice: User, account: Account) -> str:
    return urlsplit(invitations.invite(" Bob@Example.com", alice, account, Role.BILLING)).path


def roles() -> dict[str, str]:
    return dict(Membership.objects.filter(user__email=BOB).values_list("account__name", "role"))


class TestStranger:
    def test_it_works(self, client: Client, path: str) -> None:
        assert path in letters(BOB)[0].text
        assert client.get(path)["Location"] == "/accounts/signup/"
        assert "You join alice@example.com, as billing." in client.get("/accounts/signup/").content.decode()
        sign_up(client, BOB)
        assert signed_in_as(client) == BOB
        assert roles() == {"alice@example.com": "billing"}
        assert AuditEntry.objects.filter(action="invitation.accept", target=BOB).count() == 1

    def test_another_address_does_not_come_in_with_it(self, client: Client, path: str) -> None:
        client.get(path)
        sign_up(client, "mallory@example.com")
        assert set(User.objects.values_list("email", flat=True)) == {"alice@example.com", BOB}

    def test_it_works_once(self, client: Client, path: str) -> None:
        client.get(path)
        sign_up(client, BOB)
        again = Client().get(path)
        assert (again.status_code, b"This invitation is no good" in again.content) == (410, True)

    def test_it_works_for_seven_days(self, client: Client, path: str) -> None:
        left = Invitation.objects.get().expires_at - clock.now()
        assert abs(left - timedelta(days=7)) < timedelta(minutes=1)
        client.get(path)
        Invitation.objects.update(expires_at=clock.now() - timedelta(seconds=1))
        assert client.get(path).status_code == 410
        sign_up(client, BOB)
        assert roles() == {BOB: "owner"}

    def test_one_that_was_taken_back_is_no_good(self, client: Client, path: str) -> None:
        assert invitations.revoke(Invitation.objects.get())
        assert client.get(path).status_code == 410

    def test_a_newer_one_takes_its_place(self, client: Client, path: str, alice: User, account: Account) -> None:
        newer = urlsplit(invitations.invite(BOB, alice, account, Role.READER)).path
        assert client.get(path).status_code == 410
        client.get(newer)
        sign_up(client, BOB)
        assert roles() == {"alice@example.com": "reader"}

    def test_its_token_is_stored_nowhere(self, client: Client, path: str) -> None:
        token = path.rpartition("/")[2]
        client.get(path)
        assert token.encode() not in bytes(Invitation.objects.get().digest)
        assert token not in str(dict(client.session))


class TestSignedIn:
    @pytest.fixture
    def bob(self) -> Client:
        account_of(BOB)
        client = Client()
        client.force_login(User.objects.get(email=BOB))
        return client

    def test_it_works(self, bob: Client, path: str) -> None:
        page = bob.get(path).content.decode()
        assert "to the account alice@example.com, as billing." in page
        assert roles() == {BOB: "owner"}
        assert bob.post(path)["Location"] == "/home"
        assert roles() == {BOB: "owner", "alice@example.com": "billing"}
        assert bob.get("/home").context["member"].account.name == "alice@example.com"

    def test_who_is_not_signed_in_yet_signs_in_first(self, bob: Client, path: str) -> None:
        page = Client().get(path).content.decode()
        assert f"/accounts/login/?next={path}" in page

    def test_it_is_for_one_address(self, path: str) -> None:
        account_of("mallory@example.com")
        mallory = Client()
        mallory.force_login(User.objects.get(email="mallory@example.com"))
        for response in (mallory.get(path), mallory.post(path)):
            assert response.status_code == 410
            assert b"This invitation is for somebody else" in response.content
        assert Membership.objects.filter(user__email="mallory@example.com").count() == 1

    @pytest.mark.django_db(transaction=True)
    def test_of_many_who_accept_at_once_one_gets_in(self, path: str) -> None:
        user, invitation = User.objects.create_user(BOB), Invitation.objects.get()
        start = threading.Barrier(6)

        def come(_: int) -> bool:
            start.wait()
            try:
                return invitations.accept(invitation, user)
            finally:
                connection.close()

        with ThreadPoolExecutor(6) as threads:
            assert sum(threads.map(come, range(6))) == 1
        assert Membership.objects.filter(user=user).count() == 1


class TestInviting:
    def test_a_name_is_never_markup(self, client: Client, alice: User, account: Account) -> None:
        Account.objects.update(name="<b>Eggs</b>")
        account.refresh_from_db()
        User.objects.create_user(BOB)
        page = client.get(urlsplit(invitations.invite(BOB, alice, account)).path).content.decode()
        assert "Join &lt;b&gt;Eggs&lt;/b&gt;" in page
        assert "<b>Eggs</b> on EggAPI" in letters(BOB)[0].subject

    def test_it_rejects_a_member(self, alice: User, account: Account) -> None:
        with pytest.raises(InvitationRefused, match="in this account already"):
            invitations.invite("alice@example.com", alice, account)

    def test_it_rejects_too_many(self, alice: User, account: Account) -> None:
        for number in range(20):
            invitations.invite(f"{number}@example.com", alice, account)
        with pytest.raises(InvitationRefused, match="in an hour"):
            invitations.invite("20@example.com", alice, account)

    def test_one_to_sign_up_opens_an_account_of_their_own(
        self, client: Client, alice: User, settings: Settings
    ) -> None:
        settings.EGGAPI_SIGNUP = "invite"
        client.get(urlsplit(invitations.invite(BOB, alice)).path)
        sign_up(client, BOB)
        assert roles() == {BOB: "owner"}
        assert Invitation.objects.get().used_at is not None

    def test_it_does_not_open_what_is_closed(self, client: Client, path: str, settings: Settings) -> None:
        settings.EGGAPI_SIGNUP = "closed"
        client.get(path)
        assert b"Sign-up is closed" in sign_up(client, BOB).content
        assert roles() == {}

    def test_who_signed_in_comes_back_to_it(self, client: Client, path: str) -> None:
        User.objects.create_user(BOB, PASSWORD)
        assert sign_in(client, BOB, next=path)["Location"] == path


def test_one_that_nobody_followed_is_forgotten(alice: User, account: Account) -> None:
    for name, days in (("waits", -1), ("expired", 29), ("long-gone", 31)):
        invitations.invite(f"{name}@example.com", alice, account)
        expired_at = clock.now() - timedelta(days=days)
        Invitation.objects.filter(email=f"{name}@example.com").update(expires_at=expired_at)
    invitations.purge(clock.now())
    assert set(Invitation.objects.values_list("email", flat=True)) == {"waits@example.com", "expired@example.com"}

"""/team: who belongs to an account, and what each may do."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection

from accounts import team
from accounts.member import Member
from accounts.models import AuditEntry, Invitation, Membership, User
from eggapi import clock
from eggapi.errors import BadRequest
from eggapi.models import Letter
from tests.member import SCRIPT, Person

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> Person:
    return Person("alice@example.com")


def join(owner: Person, email: str, role: str) -> Person:
    return Person(email, owner.account, role)


def role_of(person: Person) -> str:
    return Membership.objects.get(user=person.user, account=person.account).role


class TestPage:
    def test_it_works(self, alice: Person) -> None:
        join(alice, "bob@example.com", "billing")
        page = alice.read("/team")
        assert "alice@example.com you" in page
        assert "bob@example.com" in page
        assert "reader look, and nothing else" in page
        assert "billing top up, set caps and what stands on statements" in page

    def test_a_stranger_sees_none_of_it(self, alice: Person) -> None:
        alice.send("/team", {"email": "new@example.com", "role": "reader"})
        page = Person("mallory@example.com").read("/team")
        assert "alice@example.com" not in page
        assert "new@example.com" not in page

    @pytest.mark.parametrize("role", ["developer", "billing", "reader"])
    def test_who_may_not_manage_it_sees_no_buttons_but_leave(self, alice: Person, role: str) -> None:
        alice.send("/team", {"email": "new@example.com", "role": "reader"})
        page = join(alice, "bob@example.com", role).source("/team")
        assert re.findall(r'action="/team[^"]*"', page) == [
            f'action="/team/{Membership.objects.get(user__email="bob@example.com").pk}/remove"'
        ]

    def test_names_are_text(self, alice: Person) -> None:
        type(alice.account).objects.filter(pk=alice.account.pk).update(name=SCRIPT)
        assert SCRIPT not in alice.source("/team")
        assert SCRIPT in alice.read("/team")

    def test_it_asks_the_same_number_of_queries_for_many(self, alice: Person) -> None:
        def add(name: str) -> None:
            user = User.objects.create_user(f"{name}@example.com")
            Membership.objects.create(account=alice.account, user=user, role="reader")
            Invitation.objects.create(
                email=f"new-{name}@example.com", account=alice.account, digest=name.encode(), invited_by=user,
                created_at=clock.now(), expires_at=clock.now(),
            )  # fmt: skip

        add("first")
        few = alice.queries("/team")
        for n in range(20):
            add(f"member-{n}")
        assert alice.queries("/team") == few


class TestInvite:
    def test_it_works(self, alice: Person) -> None:
        page = alice.send("/team", {"email": "New@Example.com", "role": "billing"})
        invitation = Invitation.objects.get()
        assert (invitation.email, invitation.role) == ("new@example.com", "billing")
        assert "/join/" in page
        assert Letter.objects.get().to == "new@example.com"
        assert AuditEntry.objects.get(account=alice.account, action="invitation.send").actor == alice.user

    def test_its_link_is_shown_once(self, alice: Person) -> None:
        alice.send("/team", {"email": "new@example.com", "role": "reader"})
        assert "/join/" not in alice.read("/team")

    @pytest.mark.parametrize(
        ("fields", "said"),
        [
            ({"email": "nobody", "role": "reader"}, "Enter a valid email address."),
            ({"email": "", "role": "reader"}, "This field is required."),
            ({"email": "new@example.com", "role": "king"}, "not one of the available choices"),
            ({"email": "alice@example.com", "role": "reader"}, "is in this account already"),
        ],
    )
    def test_it_rejects(self, alice: Person, fields: dict[str, str], said: str) -> None:
        assert said in alice.refused("/team", fields)
        assert not Invitation.objects.exists()

    def test_only_owners_make_owners(self, alice: Person) -> None:
        bob = join(alice, "bob@example.com", "admin")
        assert "not one of the available choices" in bob.refused("/team", {"email": "n@example.com", "role": "owner"})
        bob.send("/team", {"email": "n@example.com", "role": "admin"})
        alice.send("/team", {"email": "o@example.com", "role": "owner"})
        assert bob.status(f"/team/invitations/{Invitation.objects.get(role='owner').pk}/again", {}) == 403

    def test_it_is_sent_again(self, alice: Person) -> None:
        alice.send("/team", {"email": "new@example.com", "role": "reader"})
        first = Invitation.objects.get()
        Invitation.objects.update(expires_at=clock.now() - timedelta(days=1))
        assert "expired" in alice.read("/team")
        alice.send(f"/team/invitations/{first.pk}/again")
        second = Invitation.objects.get()
        assert second.digest != first.digest
        assert (second.email, second.role, second.expires_at > clock.now()) == ("new@example.com", "reader", True)

    def test_it_is_revoked(self, alice: Person) -> None:
        alice.send("/team", {"email": "new@example.com", "role": "reader"})
        page = alice.send(f"/team/invitations/{Invitation.objects.get().pk}/revoke")
        assert "The invitation of new@example.com is revoked." in page
        assert not Invitation.objects.exists()

    def test_a_stranger_cannot(self, alice: Person) -> None:
        alice.send("/team", {"email": "new@example.com", "role": "reader"})
        path = f"/team/invitations/{Invitation.objects.get().pk}"
        mallory = Person("mallory@example.com")
        assert [mallory.status(f"{path}/{deed}", {}) for deed in ("again", "revoke")] == [404, 404]
        assert Invitation.objects.get().email == "new@example.com"


class TestRoles:
    def test_it_works(self, alice: Person) -> None:
        bob = join(alice, "bob@example.com", "reader")
        assert "bob@example.com is admin from now on." in alice.send(
            f"/team/{bob.membership.pk}/role", {"role": "admin"}
        )
        entry = AuditEntry.objects.get(action="team.role")
        assert (entry.actor, entry.target, entry.detail) == (
            alice.user, "bob@example.com", {"before": "reader", "after": "admin"}
        )  # fmt: skip

    def test_it_rejects_a_role_that_is_none(self, alice: Person) -> None:
        bob = join(alice, "bob@example.com", "reader")
        assert "A role must be one of" in alice.send(f"/team/{bob.membership.pk}/role", {"role": "king"})
        assert role_of(bob) == "reader"

    def test_the_last_owner_stays_one(self, alice: Person) -> None:
        bob = join(alice, "bob@example.com", "admin")
        assert "An account needs an owner." in alice.send(f"/team/{alice.membership.pk}/role", {"role": "admin"})
        assert "An account needs an owner." in alice.send(f"/team/{alice.membership.pk}/remove")
        assert (role_of(alice), role_of(bob)) == ("owner", "admin")

    @pytest.mark.parametrize("role", ["owner", "reader"])
    def test_an_admin_cannot_touch_owners_or_make_them(self, alice: Person, role: str) -> None:
        bob, carol = join(alice, "bob@example.com", "admin"), join(alice, "carol@example.com", "reader")
        assert bob.status(f"/team/{carol.membership.pk}/role", {"role": "owner"}) == 403
        assert bob.status(f"/team/{alice.membership.pk}/remove", {}) == 403
        if role == "reader":
            assert bob.status(f"/team/{alice.membership.pk}/role", {"role": role}) == 403
        assert (role_of(alice), role_of(carol)) == ("owner", "reader")

    @pytest.mark.parametrize("role", ["developer", "billing", "reader"])
    def test_others_cannot(self, alice: Person, role: str) -> None:
        bob, carol = join(alice, "bob@example.com", role), join(alice, "carol@example.com", "reader")
        assert bob.status(f"/team/{bob.membership.pk}/role", {"role": "owner"}) == 403
        assert bob.status(f"/team/{carol.membership.pk}/remove", {}) == 403
        assert bob.status("/team", {"email": "new@example.com", "role": "reader"}) == 403
        assert (role_of(bob), role_of(carol), Invitation.objects.count()) == (role, "reader", 0)

    def test_a_stranger_cannot(self, alice: Person) -> None:
        mallory = Person("mallory@example.com")
        for path in (f"/team/{alice.membership.pk}/role", f"/team/{alice.membership.pk}/remove"):
            assert mallory.status(path, {"role": "reader"}) == 404
        assert role_of(alice) == "owner"


class TestGoing:
    def test_an_owner_removes_somebody(self, alice: Person) -> None:
        bob = join(alice, "bob@example.com", "developer")
        assert "bob@example.com is in this account no more." in alice.send(f"/team/{bob.membership.pk}/remove")
        assert list(alice.account.members.all()) == [alice.user]
        assert AuditEntry.objects.get(action="team.remove").target == "bob@example.com"
        assert bob.status("/team") == 403

    @pytest.mark.parametrize("role", ["owner", "developer", "reader"])
    def test_everybody_may_leave(self, alice: Person, role: str) -> None:
        bob = join(alice, "bob@example.com", role)
        assert bob.status(f"/team/{bob.membership.pk}/remove", {}) == 302
        assert list(alice.account.members.all()) == [alice.user]
        assert AuditEntry.objects.get(action="team.leave").actor == bob.user

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.postgres_only
    def test_two_owners_cannot_leave_at_once(self, alice: Person) -> None:
        bob = join(alice, "bob@example.com", "owner")
        start = threading.Barrier(2)

        def leave(person: Person) -> bool:
            start.wait()
            try:
                team.remove(person.membership, Member(person.user, person.account, "owner", "test"))
            except BadRequest:
                return False
            finally:
                connection.close()
            return True

        with ThreadPoolExecutor(2) as threads:
            assert sorted(threads.map(leave, [alice, bob])) == [False, True]
        assert Membership.objects.filter(account=alice.account, role="owner").count() == 1

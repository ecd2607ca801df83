"""/settings: names, privacy, export, and the end of an account."""

from datetime import timedelta

import pytest
from pytest_django import Settings

from accounts.caller import Caller
from accounts.models import Account, AuditEntry, Export
from eggapi import clock
from generation import export
from generation.submit import submit
from tests.customer import EGG
from tests.member import SCRIPT, Person

pytestmark = pytest.mark.django_db
NAMES = {"name": "Alice & Co", "billing_name": "Alice Ltd", "vat_number": "GB123"}


@pytest.fixture
def alice(on_sale: None) -> Person:
    return Person("alice@example.com")


def now_is(person: Person) -> Account:
    account: Account = Account.objects.get(pk=person.account.pk)
    return account


class TestNames:
    def test_it_works(self, alice: Person) -> None:
        assert "Saved." in alice.send("/settings/names", NAMES)
        account = now_is(alice)
        assert {name: getattr(account, name) for name in NAMES} == NAMES
        entry = AuditEntry.objects.get(action="account.change")
        assert (entry.actor, entry.detail["vat_number"]) == (alice.user, "none → GB123")

    def test_saving_them_as_they_are_changes_nothing(self, alice: Person) -> None:
        alice.send("/settings/names", {"name": alice.account.name})
        assert not AuditEntry.objects.filter(action="account.change").exists()

    @pytest.mark.parametrize(("field", "value"), [("name", " "), ("name", "x" * 255), ("vat_number", "x" * 41)])
    def test_it_rejects(self, alice: Person, field: str, value: str) -> None:
        assert "This field is required." in (page := alice.refused("/settings/names", NAMES | {field: value})) or (
            "has at most" in page or "at most" in page
        )
        assert now_is(alice).name == "alice@example.com"

    def test_they_are_text(self, alice: Person) -> None:
        alice.send("/settings/names", dict.fromkeys(("name", "billing_name", "vat_number"), SCRIPT))
        assert SCRIPT not in alice.source("/settings")
        reader = Person("bob@example.com", alice.account, "reader")
        assert SCRIPT not in reader.source("/settings")
        assert reader.read("/settings").count(SCRIPT) >= 3


class TestPrivacy:
    def test_it_works(self, alice: Person) -> None:
        alice.send("/settings/privacy", {"retention_days": "3", "zero_retention": "on"})
        account = now_is(alice)
        assert (account.retention_days, account.zero_retention) == (3, True)
        assert AuditEntry.objects.get(action="account.change").detail == {
            "retention_days": "none → 3", "zero_retention": "no → yes"
        }  # fmt: skip

    def test_the_next_task_is_kept_no_longer(self, alice: Person) -> None:
        alice.send("/settings/privacy", {"retention_days": "3", "zero_retention": "on"})
        member = alice.http.get("/settings").context["member"]
        task, _ = submit(member.caller, EGG)
        assert (task.retention_days, task.zero_retention) == (3, True)

    def test_empty_is_what_the_installation_does(self, alice: Person) -> None:
        Account.objects.update(retention_days=3, zero_retention=True)
        alice.send("/settings/privacy", {"retention_days": ""})
        assert (now_is(alice).retention_days, now_is(alice).zero_retention) == (None, False)

    @pytest.mark.parametrize(("days", "said"), [("0", "greater than or equal to 1"), ("16", "less than or equal to 15"),
                                                ("soon", "Enter a whole number.")])  # fmt: skip
    def test_it_rejects(self, alice: Person, days: str, said: str) -> None:
        assert said in alice.refused("/settings/privacy", {"retention_days": days, "zero_retention": "on"})
        assert (now_is(alice).retention_days, now_is(alice).zero_retention) == (None, False)

    def test_what_the_operator_allowed_can_stay(self, alice: Person, settings: Settings) -> None:
        Account.objects.update(retention_days=60)
        alice.send("/settings/privacy", {"retention_days": "60", "zero_retention": "on"})
        assert now_is(alice).retention_days == 60


class TestExport:
    def test_it_works(self, alice: Person) -> None:
        page = alice.send("/settings/export")
        assert "Your export is being made." in page
        assert "pending" in page
        export.make_due()
        source = alice.source("/settings")
        path = Export.objects.get().path
        assert f"/files/{path}?expires=" in source
        assert AuditEntry.objects.get(action="account.export").actor == alice.user

    def test_asking_again_within_an_hour_is_noted_once(self, alice: Person) -> None:
        alice.send("/settings/export")
        alice.send("/settings/export")
        assert AuditEntry.objects.filter(action="account.export").count() == 1

    def test_one_that_is_over_is_not_offered(self, alice: Person) -> None:
        past = clock.now() - timedelta(days=2)
        Export.objects.create(account=alice.account, requested_at=past, made_at=past, expires_at=past)
        assert "/files/exports/" not in alice.source("/settings")

    @pytest.mark.parametrize("role", ["admin", "developer", "billing", "reader"])
    def test_only_owners_see_it(self, alice: Person, role: str) -> None:
        now = clock.now()
        Export.objects.create(account=alice.account, requested_at=now, made_at=now, expires_at=now + timedelta(days=1))
        assert "/files/exports/" in alice.source("/settings")
        assert "/files/exports/" not in Person("bob@example.com", alice.account, role).source("/settings")

    def test_a_stranger_sees_none_of_it(self, alice: Person) -> None:
        alice.send("/settings/export")
        assert "pending" not in Person("bob@example.com").read("/settings")


class TestEnd:
    def test_it_works(self, alice: Person) -> None:
        page = alice.send("/settings/delete", {"name": "alice@example.com"})
        assert "This account is closed." in page
        assert now_is(alice).delete_at == pytest.approx(clock.now() + timedelta(days=7), abs=timedelta(minutes=1))
        assert "Its keys work again." in alice.send("/settings/keep")
        assert now_is(alice).delete_at is None
        assert [entry.action for entry in AuditEntry.objects.order_by("pk")] == ["account.close", "account.reopen"]

    def test_it_asks_for_the_name(self, alice: Person) -> None:
        assert "Nothing was deleted" in alice.send("/settings/delete", {"name": "Alice"})
        assert now_is(alice).delete_at is None

    def test_after_seven_days_it_is_too_late(self, alice: Person) -> None:
        Account.objects.update(delete_at=clock.now())
        assert "The seven days are over." in alice.send("/settings/keep")
        assert now_is(alice).delete_at


DEEDS = {
    "names": (NAMES, {"owner", "admin", "billing"}),
    "privacy": ({"zero_retention": "on"}, {"owner"}),
    "export": ({}, {"owner"}),
    "delete": ({"name": "alice@example.com"}, {"owner"}),
    "keep": ({}, {"owner"}),
}


@pytest.mark.parametrize("form", ["names", "privacy"])
def test_another_theme_is_chosen_beside_a_faulty_form(alice: Person, form: str) -> None:
    address = f"/settings/{form}"
    assert f'name="next" value="{address}"' in alice.http.post(address, {"name": "", "retention_days": "0"}).text
    reply = alice.http.post("/theme", {"theme": "dark", "next": address}, follow=True)
    assert (reply.status_code, reply.redirect_chain[-1]) == (200, ("/settings", 302))


@pytest.mark.parametrize("role", ["owner", "admin", "developer", "billing", "reader"])
def test_roles(alice: Person, role: str) -> None:
    Account.objects.filter(pk=alice.account.pk).update(delete_at=clock.now() + timedelta(days=1))
    member = Person("bob@example.com", alice.account, role)
    for deed, (fields, roles) in reversed(DEEDS.items()):
        form = f'action="/settings/{deed}"'
        shown, status = form in member.source("/settings"), member.status(f"/settings/{deed}", fields)
        assert (deed, shown, status) == (deed, role in roles, 302 if role in roles else 403)
    account = now_is(alice)
    assert (account.zero_retention, Export.objects.exists()) == (role == "owner", role == "owner")


def test_links_lead_to_the_pages_of_the_sign_in(alice: Person) -> None:
    source = alice.source("/settings")
    for path in ("/accounts/email/", "/accounts/password/change/", "/accounts/2fa/", "/accounts/sessions/"):
        assert f'href="{path}"' in source


def test_a_caller_is_what_the_page_says(alice: Person) -> None:
    alice.send("/limits", {"monthly_cap": "5"})
    member = alice.http.get("/settings").context["member"]
    assert isinstance(member.caller, Caller)
    assert member.caller.terms.monthly_cap == 5_000_000

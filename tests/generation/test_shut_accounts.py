"""The dashboard of an account that is suspended, or that its owner has closed."""

import re
from datetime import timedelta

import pytest

from accounts import keyring
from accounts.fields import NewKey
from accounts.models import Account, Mode
from eggapi import clock
from eggapi.serving.demo import fill
from generation.models import Task
from tests.member import Person
from webhooks.models import Delivery

pytestmark = pytest.mark.django_db
PAGES = ("/home", "/playground", "/tasks", "/usage", "/keys", "/webhooks", "/limits", "/billing", "/team", "/settings")
# What a person does for themselves; at the playground every button is disabled.
STILL = re.compile(r"/mode|/theme|/legal/accept|/accounts/logout/|/playground|/team/\d+/remove")
SUSPENDED = "This account is suspended:"


@pytest.fixture
def alice(on_sale: None, monkeypatch: pytest.MonkeyPatch) -> Person:
    """The owner of an account that has something of everything."""
    monkeypatch.setattr(fill, "PICTURED", 0)
    alice = Person("alice@example.com")
    fill.fill(alice.account, Mode.TEST, 5)
    keyring.make(alice.account, "test", NewKey("server"))
    Person("bob@example.com", alice.account, "reader")
    return alice


def pages_of(alice: Person) -> list[str]:
    key = alice.account.keys.latest("pk").pk
    task = Task.objects.filter(account=alice.account, wiped_at=None).latest("created_at").pk
    deliveries = Delivery.objects.filter(account=alice.account).values_list("event_id", flat=True)[:1]
    return [*PAGES, f"/keys/{key}", f"/tasks/{task}", *(f"/webhooks/{event}" for event in deliveries)]


def forms_of(alice: Person, path: str) -> set[str]:
    """Where what is filled in there goes, beside what everybody may always send."""
    found = re.findall(r'<form[^>]*method="post"[^>]*>', alice.source(path))
    sent_to = {(re.findall(r'action="([^"]*)"', form) or [path])[0].partition("#")[0] for form in found}
    return {address for address in sent_to if not STILL.fullmatch(address)}


def test_a_suspended_account_is_told_so_and_offered_nothing(alice: Person) -> None:
    pages = pages_of(alice)
    assert all(SUSPENDED not in alice.read(path) for path in pages)
    offered = {path: forms_of(alice, path) for path in pages}
    assert f"/team/{alice.membership.pk}/role" in offered["/team"]
    assert "/settings/names" in offered["/settings"]
    Account.objects.update(suspended_at=clock.now())
    assert {path: forms_of(alice, path) for path in pages} == {path: set() for path in pages}
    assert all(SUSPENDED in alice.read(path) for path in pages)
    playground = alice.source("/playground")
    assert len(re.findall(r'<button[^>]*name="do"[^>]*>', playground)) == 2
    assert all(" disabled" in button for button in re.findall(r'<button[^>]*name="do"[^>]*>', playground))
    assert "Your role" not in playground


def test_a_closed_account_says_until_when_it_can_be_taken_back(alice: Person) -> None:
    until = clock.now() + timedelta(days=7)
    Account.objects.update(delete_at=until)
    for path in pages_of(alice):
        page = alice.read(path)
        assert page.count("This account is closed.") == 1
        assert f"{until:%Y-%m-%d}" in page
    assert "/settings/keep" in forms_of(alice, "/settings")

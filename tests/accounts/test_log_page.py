"""/settings/log: who did what in an account, for its owners."""

import pytest

from accounts import auditlog, keyring
from accounts.fields import NewKey
from accounts.models import AuditEntry
from tests.member import SCRIPT, Person

pytestmark = [pytest.mark.django_db, pytest.mark.once]


@pytest.fixture
def alice() -> Person:
    return Person("alice@example.com")


def test_it_works(alice: Person) -> None:
    auditlog.note("key.roll", "server (egg_test_...abcd)", alice.user, alice.account, until="noon", changed=["a", "b"])
    auditlog.note("account.suspend", "alice", None, alice.account)
    page = alice.read("/settings/log")
    assert "alice@example.com key.roll server (egg_test_...abcd) changed: a, b; until: noon" in page
    assert "EggAPI account.suspend alice" in page
    assert page.index("account.suspend") < page.index("key.roll")


def test_it_says_from_where(alice: Person) -> None:
    alice.http.post("/keys/new", {"name": "laptop"}, REMOTE_ADDR="192.0.2.7")
    assert "alice@example.com 192.0.2.7 key.make laptop" in alice.read("/settings/log")
    auditlog.note("key.make", "by a command", None, alice.account)
    assert AuditEntry.objects.get(target="by a command").ip is None


def test_it_does_not_say_where_a_stranger_was(alice: Person) -> None:
    """Whoever reports a key that was found is no member: operators alone see from where."""
    _, text = keyring.make(alice.account, "test", NewKey("lost"))
    alice.http.post("/v1/keys/report", {"key": text}, "application/json", REMOTE_ADDR="192.0.2.66")
    assert AuditEntry.objects.get(action="key.report").ip == "192.0.2.66"
    page = alice.read("/settings/log")
    assert ("key.report" in page, "192.0.2.66" in page) == (True, False)


def test_it_shows_fifty_and_then_older_ones(alice: Person) -> None:
    for n in range(51):
        auditlog.note("key.make", f"key-{n}.", alice.user, alice.account)
    assert ("key-50." in alice.read("/settings/log"), "key-0." in alice.read("/settings/log")) == (True, False)
    assert "key-0." in alice.read("/settings/log?page=2")


def test_a_stranger_sees_none_of_it(alice: Person) -> None:
    auditlog.note("key.make", "secret project", alice.user, alice.account)
    assert "secret project" not in Person("bob@example.com").read("/settings/log")


@pytest.mark.parametrize("role", ["admin", "developer", "billing", "reader"])
def test_it_is_for_owners(alice: Person, role: str) -> None:
    assert Person("bob@example.com", alice.account, role).status("/settings/log") == 403


def test_what_was_written_is_text(alice: Person) -> None:
    auditlog.note(SCRIPT, SCRIPT, alice.user, alice.account, **{SCRIPT: SCRIPT})
    assert SCRIPT not in alice.source("/settings/log")
    assert alice.read("/settings/log").count(SCRIPT) == 4


def test_it_asks_the_same_number_of_queries_for_many(alice: Person) -> None:
    auditlog.note("key.make", "first", alice.user, alice.account)
    few = alice.queries("/settings/log")
    for n in range(30):
        auditlog.note("key.make", f"key {n}", alice.user, alice.account)
    assert alice.queries("/settings/log") == few

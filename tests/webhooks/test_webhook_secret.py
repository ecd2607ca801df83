"""manage.py webhook_secret, and how secrets are kept."""

from base64 import b64decode
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from accounts.models import Account, AuditEntry
from accounts.opening import account_of
from eggapi import clock
from tests.customer import at_once
from webhooks import secrets

pytestmark = pytest.mark.django_db


def webhook_secret(email: str) -> str:
    out = StringIO()
    call_command("webhook_secret", email, stdout=out)
    return out.getvalue()


def live(account: Account, hours: int = 0) -> list[str]:
    found = secrets.live([account.pk], clock.now() + timedelta(hours=hours))
    return [secret.plain for secret in found[account.pk]]


def test_it_works() -> None:
    printed = webhook_secret("alice@example.com")
    secret = printed.removesuffix("\n")
    assert printed == f"{secret}\n"
    assert len(b64decode(secret.removeprefix("whsec_"), validate=True)) == 32
    assert live(account_of("alice@example.com"))[0] == secret
    assert Account.objects.count() == 1


def test_it_rotates() -> None:
    account = account_of("alice@example.com")
    (first,) = live(account)
    second = webhook_secret("Alice@example.com").strip()
    assert live(account) == [second, first]
    assert live(account, hours=23) == [second, first]
    assert live(account, hours=25) == [second]


@pytest.mark.parametrize(("overlap", "hours"), [("now", 0), ("24h", 24), ("7d", 168)])
def test_the_older_signs_along_for_as_long_as_asked(overlap: str, hours: int) -> None:
    account = account_of("alice@example.com")
    (first,) = live(account)
    second = secrets.rotate(account, overlap)
    assert live(account) == ([second, first] if hours else [second])
    assert live(account, hours=max(hours - 1, 0)) == ([second, first] if hours else [second])
    assert live(account, hours=hours + 1) == [second]


def test_one_that_was_replaced_does_not_come_back() -> None:
    """As it would if the one that replaced it expired first."""
    account = account_of("alice@example.com")
    secrets.rotate(account, "7d")
    third = secrets.rotate(account, "24h")
    assert live(account, hours=25) == [third]


def test_a_rotation_is_written_down_without_the_secret() -> None:
    account = account_of("alice@example.com")
    alice = account.members.get()
    secret = secrets.rotate(account, "7d", alice)
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.actor, entry.account, entry.detail) == (
        "webhook_secret.rotate", alice, account, {"overlap": "7d"},
    )  # fmt: skip
    assert secret.removeprefix("whsec_") not in str(vars(entry))


@pytest.mark.postgres_only
@pytest.mark.django_db(transaction=True)
def test_of_rotations_at_once_two_secrets_are_left() -> None:
    account = account_of("alice@example.com")
    made = at_once(8, lambda n: secrets.rotate(account))
    assert account.webhook_secrets.filter(expires_at=None).count() == 1
    assert len(live(account)) == 2
    assert set(live(account)) <= set(made)


def test_two_sign_at_most() -> None:
    account = account_of("alice@example.com")
    second, third = (webhook_secret("alice@example.com").strip() for _ in range(2))
    assert live(account) == [third, second]


def test_accounts_do_not_share_secrets() -> None:
    alice, bob = account_of("alice@example.com"), account_of("bob@example.com")
    webhook_secret("bob@example.com")
    found = secrets.live([alice.pk, bob.pk], clock.now())
    assert [len(found[alice.pk]), len(found[bob.pk])] == [1, 2]
    assert {secret.account_id for secret in found[alice.pk]} == {alice.pk}


def test_no_secret_is_stored_in_clear() -> None:
    account = account_of("alice@example.com")
    stored = account.webhook_secrets.get()
    assert stored.plain.startswith("whsec_")
    assert stored.plain.removeprefix("whsec_") not in stored.encrypted


def test_it_rejects_what_is_no_address() -> None:
    with pytest.raises(CommandError, match=r"'alice' is not an e-mail address\."):
        webhook_secret("alice")
    assert Account.objects.count() == 0

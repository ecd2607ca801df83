"""manage.py credit"""

import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from accounts.models import Account, AuditEntry, Membership, User
from accounts.opening import account_of
from billing.models import LedgerEntry, Wallet
from tests.billing.till import PRICE, hold, open_account

pytestmark = pytest.mark.django_db
ALICE = "alice@example.com"


def credit(email: str, amount: str, mode: str = "live", reason: str = "a test") -> str:
    out = StringIO()
    call_command("credit", email, amount, "--mode", mode, "--reason", reason, stdout=out)
    return out.getvalue()


def posted(mode: str = "live") -> int:
    posted: int = Wallet.objects.get(account=account_of(ALICE), mode=mode).posted
    return posted


def test_it_works() -> None:
    open_account(ALICE)
    assert (
        credit("Alice@example.com", "5", reason=" paid by wire ") == "alice@example.com now has $5.0000 free in live.\n"
    )
    entry = LedgerEntry.objects.latest("pk")
    assert (entry.amount, entry.kind, entry.counterpart, entry.reason) == (
        5_000_000,
        "credit",
        "adjustment",
        "paid by wire",
    )
    assert (posted("live"), posted("test"), Account.objects.count()) == (5_000_000, 100_000_000, 1)


def test_it_opens_an_account_for_a_new_address() -> None:
    assert credit(ALICE, "0.50", mode="test") == "alice@example.com now has $100.5000 free in test.\n"
    assert (posted("live"), posted("test")) == (0, 100_500_000)


def test_it_takes_back_what_is_free() -> None:
    account = open_account(ALICE, images=10)
    hold(account, 4)
    assert credit(ALICE, "-0.06") == "alice@example.com now has $0.00 free in live.\n"
    assert posted() == 4 * PRICE


def test_it_rejects_to_take_back_more() -> None:
    account = open_account(ALICE, images=10)
    hold(account, 4)
    with pytest.raises(CommandError, match=r"^Nothing changed: alice@example.com has only \$0.0600 free in live\.$"):
        credit(ALICE, "-0.07")
    assert posted() == 10 * PRICE


@pytest.mark.parametrize("amount", ["0", "five", "0.0000001", "NaN", "1e13"])
def test_it_rejects_what_is_no_amount(amount: str) -> None:
    with pytest.raises(CommandError, match=r"^Nothing changed: .*\.$"):
        credit(ALICE, amount)
    assert Account.objects.count() == 0


def test_it_rejects_more_than_a_wallet_can_hold() -> None:
    credit(ALICE, "9223372036854")
    with pytest.raises(CommandError, match=r"^Nothing changed: a wallet cannot hold so much\.$"):
        credit(ALICE, "1")
    assert posted() == 9_223_372_036_854_000_000


@pytest.mark.parametrize("reason", ["", "  ", "x" * 201])
def test_it_requires_a_reason_that_fits(reason: str) -> None:
    with pytest.raises(CommandError, match=r"^The reason must have 1 to 200 characters\.$"):
        credit(ALICE, "5", reason=reason)
    assert Account.objects.count() == 0


def test_it_rejects_what_is_no_address() -> None:
    with pytest.raises(CommandError, match=r"^'alice' is not an e-mail address\.$"):
        credit("alice", "5")


@pytest.mark.once
@pytest.mark.django_db(transaction=True)
def test_errors_are_one_sentence_and_exit_code_1(database_url: str) -> None:
    manage = [sys.executable, str(Path(__file__).parents[2] / "manage.py"), "credit", ALICE]
    done = subprocess.run([*manage, "-1.50", "--mode", "live", "--reason", "test"], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (
        1,
        "",
        "Nothing changed: alice@example.com has only $0.00 free in live.\n",
    )
    assert Account.objects.count() == 0


def test_it_pays_to_nobody_elses_account() -> None:
    """Whoever only belongs to an account of somebody else gets one of their own."""
    guest, alices = User.objects.create_user("guest@example.com"), open_account(ALICE)
    Membership.objects.create(account=alices, user=guest, role=Membership.Role.READER)
    assert credit("guest@example.com", "5") == "guest@example.com now has $5.0000 free in live.\n"
    assert (posted(), guest.accounts.count()) == (0, 2)


def test_it_stands_in_the_audit_log() -> None:
    open_account(ALICE)
    credit(ALICE, "5", reason="invoice 17")
    noted = AuditEntry.objects.get()
    assert (noted.action, noted.actor, noted.account) == ("wallet.credit", None, account_of(ALICE))
    assert noted.detail == {"amount": 5_000_000, "reason": "invoice 17"}

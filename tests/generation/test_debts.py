"""While something is owed nothing is accepted, and the answer says why."""

import pytest

from accounts.models import Mode
from billing import ledger
from generation.cancel import cancel
from generation.models import Task
from tests.customer import Customer

pytestmark = pytest.mark.django_db
DOLLAR = 1_000_000


def test_what_is_owed_is_paid_first(on_sale: None) -> None:
    alice = Customer()
    alice.leave(5 * DOLLAR)
    running = alice.generate(num_outputs=4).data["id"]
    ledger.take_back(alice.account, Mode.TEST, 6 * DOLLAR, reason="disputed")
    assert (alice.wallet.posted, alice.wallet.held, alice.wallet.owed) == (40_000, 40_000, 1_040_000)
    refused = alice.generate()
    assert refused.refusal == (403, "INSUFFICIENT_BALANCE")
    assert refused.error["message"] == "A payment was taken back at the bank, and $1.0400 is still owed."
    assert Task.objects.get().id == running
    ledger.credit(alice.account, Mode.TEST, 2 * DOLLAR, reason="paid")
    assert (alice.wallet.available, alice.wallet.owed) == (960_000, 0)
    assert alice.generate().status == 202


def test_what_a_failed_task_gives_back_pays_it(on_sale: None) -> None:
    alice = Customer()
    alice.leave(5 * DOLLAR)
    running = Task.objects.get(pk=alice.generate(num_outputs=4).data["id"])
    ledger.take_back(alice.account, Mode.TEST, 5 * DOLLAR, reason="disputed")
    assert (alice.wallet.posted, alice.wallet.held, alice.wallet.owed) == (40_000, 40_000, 40_000)
    assert cancel(running)
    assert (alice.wallet.posted, alice.wallet.held, alice.wallet.owed) == (0, 0, 0)

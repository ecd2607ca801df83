"""A worker killed at every boundary of its work, with every kind of vendor: nothing is paid twice, nothing is lost."""

import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db.models import F

from accounts.caller import Caller
from billing.models import Wallet
from eggapi.loop import Loop
from generation.models import Purchase, Route, Task
from generation.submit import submit
from tests.emulators.upstream import Upstream
from tests.emulators.vendor import SpeaksAndFinds, Vendor
from tests.emulators.vendors import BY_NAME
from tests.forks import Fork
from tests.generation import worker
from tests.generation.conftest import DOLLAR, ended
from tests.generation.worker import DEATHS

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres_only]

POLLED = {"before-pause", "after-pause", "before-poll", "after-poll"}
FALLING_BACK = {"before-end-attempt", "after-end-attempt"}


@dataclass(frozen=True)
class Kind:
    """A kind of vendor, by one of them; `look-up` is the vendor that can be asked for a purchase by our reference."""

    name: str
    adapter: str
    synchronous: bool = False

    def __str__(self) -> str:
        return self.name


KINDS = (
    Kind("polled", "kie"),
    Kind("polled-then-fetched", "fal"),
    Kind("synchronous", "gemini", synchronous=True),
    Kind("look-up", SpeaksAndFinds.name),
)
CASES = [(kind, death) for kind in KINDS for death in DEATHS if not (kind.synchronous and death in POLLED)]


@pytest.fixture
def first(kind: Kind, sell: Callable[..., Route], add_route: Callable[..., Route]) -> Iterator[Upstream | Vendor]:
    """The vendor that the worker dies upon."""
    with Vendor() if kind.adapter == SpeaksAndFinds.name else BY_NAME[kind.adapter].emulator() as running:
        if isinstance(running, Vendor):
            add_route(running.url, SpeaksAndFinds)
        else:
            sell(running, kind.adapter, BY_NAME[kind.adapter].fast)
        yield running


def die(death: str) -> None:
    assert Fork(worker.main, death).wait(40) == -signal.SIGKILL


def let_leases_lapse() -> None:
    """What the clock would do, without waiting for it."""
    by = timedelta(seconds=61)
    Task.objects.filter(lease_until__isnull=False).update(lease_until=F("lease_until") - by)
    Task.objects.filter(next_run_at__isnull=False).update(next_run_at=F("created_at"))
    Purchase.objects.update(sent_at=F("sent_at") - by)


def fault(kind: Kind, death: str) -> str:
    if death in FALLING_BACK:
        return "vendor:e503" if kind.adapter == SpeaksAndFinds.name else "fault:e429-3600"
    if death == "during-call":
        return "vendor:hold" if kind.adapter == SpeaksAndFinds.name else "fault:drip"
    return ""


@pytest.mark.parametrize(("kind", "death"), CASES, ids=lambda value: str(value))
def test_it_is_paid_once(
    kind: Kind,
    death: str,
    first: Upstream | Vendor,
    alice: Caller,
    add_route: Callable[..., Route],
    request: pytest.FixtureRequest,
) -> None:
    with Vendor() as second:
        add_route(second.url)
        task, _ = submit(alice, {"model": "nanobanana", "prompt": f"an egg {fault(kind, death)}"})
        die(death)
        first.overrides = {"fault": "ok" if isinstance(first, Vendor) else ""}
        second.overrides = {"fault": "ok"}
        first.release.set()
        let_leases_lapse()
        engine: Loop[object] = request.getfixturevalue("engine")
        engine.wake()
        ended(task, 30)
        billed = [sum(vendor.billed.values()) for vendor in (first, second)]
    assert (task.status, task.cost) == ("completed", 10_000)
    assert max(billed) == 1
    if sum(billed) == 2:  # nobody could know, and what may have been paid for nothing is on the books
        assert Purchase.objects.filter(leak=5000).count() == 1
    wallet = Wallet.objects.get(pk=Wallet.id_of(alice.account_id, alice.mode))
    assert (wallet.posted, wallet.held) == (DOLLAR - 10_000, 0)
    call_command("audit_ledger")

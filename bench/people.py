"""Whom and what a run needs in the database: accounts with money and keys, a route to a vendor."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.core.management import call_command
from django.db import connection, transaction
from django.db.models import F

from accounts import keys, opening
from accounts.models import Account, Mode
from bench import ground
from bench.vendor import ADAPTER, HOSTS, register
from billing import ledger
from generation import catalog
from generation.models import TERMINAL, ImageModel, Provider, Route, Task
from tests.servers import free_port
from webhooks.models import Delivery

MONEY = 10**12


def settle_in(count: int) -> tuple[list[str], range]:
    """Test keys of `count` new accounts, and the range of the accounts' ids."""
    call_command("migrate", verbosity=0)
    catalog.seed()
    with transaction.atomic():
        accounts = [opening.account_of(f"bench{n}@example.com") for n in range(count)]
        texts = [_furnish(account, Mode.TEST) for account in accounts]
    connection.close()
    return texts, range(accounts[0].pk, accounts[-1].pk + 1)


def _furnish(account: Account, mode: Mode) -> str:
    ledger.credit(account, mode, MONEY, reason="bench")
    return keys.mint(account, mode, "bench")[1]


@contextmanager
def vendor_and_receivers() -> Iterator[list[str]]:
    """A vendor without latency; yields the addresses of as many webhook receivers as there are customers.

    Live keys are routed to the vendor. Receivers differ by host, because at most four deliveries are under
    way to any one host.
    """
    # What was submitted so far was only to be accepted; nobody shall work on it now.
    Task.objects.update(next_run_at=F("next_run_at") + timedelta(days=1))
    port = free_port()
    pairs = [f"{host}:{port}" for host in HOSTS]
    register()
    provider = Provider.objects.create(name="bench", adapter=ADAPTER, base_url=f"http://{pairs[0]}")
    model = ImageModel.objects.get(name="nanobanana")
    Route.objects.create(model=model, provider=provider, upstream_model="fast", label="Route A")
    catalog.changed()
    allowed = ground.environment(EGGAPI_PRIVATE_HOSTS_ALLOWED=",".join(pairs))
    with allowed, ground.process([sys.executable, "-m", "bench.vendor", str(port)]):
        ground.wait_for(f"http://{pairs[0]}/jobs/0")
        yield [f"http://{pair}/hook" for pair in pairs]


def live_keys() -> list[str]:
    """One for each receiver."""
    return [_furnish(account, Mode.LIVE) for account in Account.objects.order_by("pk")[: len(HOSTS)]]


def wait_until_done(count: int, seconds: float = 120) -> None:
    """Until every live task is terminal and its webhook delivered."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        ended = Task.objects.filter(mode=Mode.LIVE, status__in=TERMINAL).count()
        told = Delivery.objects.filter(state=Delivery.State.DELIVERED).count()
        if min(ended, told) >= count:
            return
        time.sleep(0.2)
    raise SystemExit(f"only {ended} of {count} tasks ended and {told} webhooks were delivered")

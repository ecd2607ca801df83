"""The page that says whether the books agree."""

from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import F
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from accounts.models import Account, AuditEntry, User
from billing.models import Hold, Wallet
from eggapi import clock
from eggapi.operating import reconciliation
from generation import audit
from tests.billing.till import hold, open_account, wallet_of

pytestmark = pytest.mark.django_db
PAGE = "/admin/billing/wallet/reconciliation/"


@pytest.fixture
def account() -> Account:
    return open_account(images=10)


def text(client: Client) -> str:
    answer = client.get(PAGE)
    assert answer.status_code == 200
    return answer.content.decode()


def test_it_works(admin_client: Client, account: Account) -> None:
    assert "No audit is on record." in text(admin_client)
    audit.watch()
    page = text(admin_client)
    assert "2 wallets with $100.1000" in page
    wanted = ("agree", "Nobody owes anything.", "every task that holds money")
    assert [word for word in wanted if word not in page] == []


def test_it_shows_what_drifts(admin_client: Client, account: Account) -> None:
    Wallet.objects.filter(pk=wallet_of(account).pk).update(posted=F("posted") + 1)
    audit.watch()
    page = text(admin_client)
    assert f"wallet {wallet_of(account).pk} has $0.100001, but its entries sum to $0.1000" in page
    assert "/docs/operations#alert-audit_ledger" in page


def test_it_names_long_holds_and_debtors(admin_client: Client, account: Account) -> None:
    old, new = hold(account, 1), hold(account, 1)
    Hold.objects.filter(pk=old).update(created_at=clock.now() - timedelta(hours=2))
    Wallet.objects.filter(pk=wallet_of(account).pk).update(owed=1_250_000)
    page = text(admin_client)
    assert (old in page, new in page, "$1.2500" in page) == (True, False, True)


def test_leaks_are_summed_by_provider() -> None:
    margins = [
        audit.RouteMargin("a", "kie", 10, 4, 1),
        audit.RouteMargin("b", "kie", 10, 20, 2),
        audit.RouteMargin("c", "fal", 1, 9, 9),
    ]
    found = [(one.name, one.revenue, one.cost, one.leak, one.left) for one in reconciliation._by_provider(margins)]
    assert found == [("fal", 1, 9, 9, -8), ("kie", 20, 24, 3, -4)]


def test_it_is_run_by_a_worker(
    admin_client: Client, admin_user: User, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    rung: list[str] = []
    monkeypatch.setattr(reconciliation, "ring", rung.append)
    assert admin_client.post(PAGE).headers["Location"] == PAGE
    assert rung == ["generation.tasks.audit"]
    noted = AuditEntry.objects.get()
    assert (noted.action, noted.actor) == ("ledger.audit", admin_user)


def test_it_takes_as_many_queries_for_many_rows_as_for_one(admin_client: Client, account: Account) -> None:
    counts = []
    for number in (1, 4):
        for _ in range(number):
            hold(account, 1)
        Hold.objects.update(created_at=clock.now() - timedelta(hours=2))
        with CaptureQueriesContext(connection) as queries:
            text(admin_client)
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_a_stranger_gets_nothing(client: Client, account: Account, settings: Settings) -> None:
    assert client.get(PAGE).status_code == 302
    settings.EGGAPI_EMBEDDED = True
    client.force_login(User.objects.create_user("clerk@example.com", is_staff=True))
    assert [client.get(PAGE).status_code, client.post(PAGE).status_code] == [403, 403]

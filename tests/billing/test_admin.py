"""What operators see of money, and that they cannot change it."""

import pytest
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Account
from billing.models import DailyUsage, Hold, LedgerEntry, UsageRecord, Wallet
from tests.billing.till import hold, open_account, settle

pytestmark = pytest.mark.django_db
MODELS: list[type[Model]] = [Wallet, LedgerEntry, Hold, UsageRecord, DailyUsage]


@pytest.fixture
def account() -> Account:
    account = open_account(images=10)
    settle({hold(account, 4): 3})
    hold(account, 2)
    return account


@pytest.mark.parametrize(
    ("model", "one", "shown"),
    [
        (Wallet, {"mode": "live"}, ["alice@example.com", "$0.0700", "$0.0200", "$0.0500"]),
        (LedgerEntry, {"kind": "capture"}, ["alice@example.com live", "-$0.0300", "Capture", "Revenue"]),
        (Hold, {"state": "captured"}, ["alice@example.com live", "$0.0400", "$0.0300", "Captured"]),
        (UsageRecord, {}, ["alice@example.com", "$0.0300", "$0.0100", "nanobanana"]),
        (DailyUsage, {}, ["alice@example.com", "$0.0300", "nanobanana"]),
    ],
)
def test_it_works(
    admin_client: Client, account: Account, model: type[Model], one: dict[str, str], shown: list[str]
) -> None:
    row = model._default_manager.get(**one)
    name = f"admin:billing_{model.__name__.lower()}"
    for page in (reverse(f"{name}_changelist"), reverse(f"{name}_change", args=[row.pk])):
        response = admin_client.get(page)
        assert response.status_code == 200
        assert [text for text in shown if text not in response.content.decode()] == []


@pytest.mark.parametrize("model", [LedgerEntry, Hold, UsageRecord])
def test_it_finds_by_task(admin_client: Client, account: Account, model: type[Model]) -> None:
    task_id = Hold.objects.get(state="captured").pk
    page = reverse(f"admin:billing_{model.__name__.lower()}_changelist")
    assert [len(admin_client.get(page, {"q": text}).context["cl"].result_list) for text in (task_id, "gen_x")] == [1, 0]


@pytest.mark.parametrize("model", MODELS)
def test_a_list_takes_as_many_queries_for_many_rows_as_for_one(
    admin_client: Client, account: Account, model: type[Model]
) -> None:
    page = reverse(f"admin:billing_{model.__name__.lower()}_changelist")
    counts = []
    for number in (1, 3):
        for n in range(number):
            other = open_account(f"{number}-{n}@example.com", images=5)
            settle({hold(other, 2): 1})
        with CaptureQueriesContext(connection) as queries:
            assert admin_client.get(page).status_code == 200
        counts.append(len(queries))
        assert not any("COUNT(" in query["sql"] for query in queries)
    assert counts[0] == counts[1]


@pytest.mark.parametrize("model", MODELS)
def test_it_changes_nothing(admin_client: Client, account: Account, model: type[Model]) -> None:
    before = list(model._default_manager.order_by("pk").values())
    name, pk = f"admin:billing_{model.__name__.lower()}", model._default_manager.earliest("pk").pk
    assert admin_client.post(reverse(f"{name}_add"), {"posted": 1}).status_code == 403
    assert admin_client.post(reverse(f"{name}_change", args=[pk]), {"posted": 1}).status_code == 403
    assert admin_client.post(reverse(f"{name}_delete", args=[pk]), {"post": "yes"}).status_code == 403
    delete = {"action": "delete_selected", "_selected_action": [pk], "post": "yes"}
    admin_client.post(reverse(f"{name}_changelist"), delete)
    assert list(model._default_manager.order_by("pk").values()) == before


def test_it_requires_an_operator(client: Client, account: Account) -> None:
    assert client.get(reverse("admin:billing_wallet_changelist")).status_code == 302

"""An operator looks at somebody's dashboard: with a reason, for an hour, and without changing anything."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from accounts.models import Account, ApiKey, AuditEntry, Membership, User
from accounts.opening import account_of
from eggapi import clock
from tests.customer import Customer
from tests.generation.past import add_task

pytestmark = [pytest.mark.django_db, pytest.mark.once]


@pytest.fixture
def customer(db: None) -> Customer:
    return Customer()


@pytest.fixture
def operator(db: None, settings: Settings) -> Client:
    settings.EGGAPI_EMBEDDED = True  # where no second factor is asked for
    account_of("boss@example.com")
    User.objects.filter(email="boss@example.com").update(is_staff=True, is_superuser=True)
    client = Client()
    client.force_login(User.objects.get(email="boss@example.com"))
    return client


def begin(client: Client, account: Account, reason: str = "ticket 7") -> str:
    """Where the dialog leads; empty where it leads nowhere."""
    path = reverse("admin:accounts_account_see_as_they_do", args=[account.pk])
    answer = client.post(path, {"_form_submitted": "True", "reason": reason})
    return answer.headers.get("HX-Redirect", "")


def test_it_works(operator: Client, customer: Customer) -> None:
    task = add_task(customer, "completed")
    assert task.pk not in operator.get("/tasks").content.decode()
    assert begin(operator, customer.account) == "/home"
    page = operator.get("/tasks").content.decode()
    assert task.pk in page
    assert f"You see the dashboard of <strong>{customer.account.name}</strong> as an operator" in page
    noted = AuditEntry.objects.get()
    assert (noted.action, noted.account, noted.actor, noted.detail) == (
        "account.visit",
        customer.account,
        User.objects.get(email="boss@example.com"),
        {"reason": "ticket 7"},
    )
    ended = operator.post("/visit/end")
    assert ended["Location"] == f"/admin/accounts/account/{customer.account.pk}/change/"
    assert task.pk not in operator.get("/tasks").content.decode()


def test_it_requires_a_reason(operator: Client, customer: Customer) -> None:
    assert begin(operator, customer.account, " ") == ""
    assert "as an operator" not in operator.get("/home").content.decode()
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/keys/new", {"name": "mine"}),
        ("/playground", {"do": "generate", "model": "nanobanana", "prompt": "an egg"}),
        ("/billing/redeem", {"code": "EGG-1"}),
        ("/webhooks/secret/reveal", {}),
        ("/home/key", {}),
        ("/settings/delete", {}),
    ],
)
def test_it_changes_nothing(operator: Client, customer: Customer, path: str, body: dict[str, str]) -> None:
    begin(operator, customer.account)
    keys = set(ApiKey.objects.values_list("pk", flat=True))
    assert operator.post(path, body).status_code == 403
    assert set(ApiKey.objects.values_list("pk", flat=True)) == keys
    assert not customer.account.task_set.exists()


def test_it_changes_nothing_by_the_api(operator: Client, customer: Customer) -> None:
    begin(operator, customer.account)
    assert operator.get("/v1/tasks").status_code == 200
    body = {"model": "nanobanana", "prompt": "an egg"}
    assert operator.post("/v1/generate", body, content_type="application/json").status_code == 403
    assert operator.post("/v1/keys/revoke_all").status_code == 403
    assert not ApiKey.objects.exclude(revoked_at=None).exists()


def test_it_is_over_after_an_hour(operator: Client, customer: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    begin(operator, customer.account)
    later = clock.now() + timedelta(hours=1)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert "as an operator" not in operator.get("/home").content.decode()


def test_it_is_over_for_who_is_no_operator_any_more(operator: Client, customer: Customer) -> None:
    begin(operator, customer.account)
    User.objects.filter(email="boss@example.com").update(is_staff=False)
    assert "as an operator" not in operator.get("/home").content.decode()


def test_a_stranger_cannot_begin_one(customer: Customer) -> None:
    account = account_of("mallory@example.com")
    mallory = account.members.get()
    for is_staff in (False, True):  # neither a customer nor staff who may not change accounts
        User.objects.filter(pk=mallory.pk).update(is_staff=is_staff)
        client = Client()
        client.force_login(mallory)
        assert begin(client, customer.account) == ""
        assert "as an operator" not in client.get("/home").content.decode()
    assert not AuditEntry.objects.exists()
    assert Membership.objects.get(user=mallory).account == account

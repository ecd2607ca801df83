"""What operators see of money, and that they cannot change it."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django import Settings

from accounts.models import Account, AuditEntry, User
from billing import ledger, redeem
from billing.audit import audit
from billing.models import DailyUsage, Hold, LedgerEntry, RedeemBatch, TopUp, UsageRecord, Wallet
from eggapi import clock
from tests.billing.till import PRICE, balances, hold, open_account, settle, wallet_of

pytestmark = pytest.mark.django_db
MODELS: list[type[Model]] = [Wallet, LedgerEntry, Hold, UsageRecord, DailyUsage, RedeemBatch, TopUp]


@pytest.fixture
def account() -> Account:
    account = open_account(images=10)
    settle({hold(account, 4): 3})
    hold(account, 2)
    RedeemBatch.objects.create(name="spring", amount=5_000_000, uses=1, created_at=clock.now())
    TopUp.objects.create(order="top_1", account=account, amount=20_000_000, created_at=clock.now())
    return account


@pytest.mark.parametrize(
    ("model", "one", "shown"),
    [
        (Wallet, {"mode": "live"}, ["alice@example.com", "$0.0700", "$0.0200", "$0.0500"]),
        (LedgerEntry, {"kind": "capture"}, ["alice@example.com live", "-$0.0300", "Capture", "Revenue"]),
        (Hold, {"state": "captured"}, ["alice@example.com live", "$0.0400", "$0.0300", "Captured"]),
        (UsageRecord, {}, ["alice@example.com", "$0.0300", "$0.0100", "nanobanana"]),
        (DailyUsage, {}, ["alice@example.com", "$0.0300", "nanobanana"]),
        (RedeemBatch, {}, ["spring", "$5.0000"]),
        (TopUp, {}, ["alice@example.com", "top_1", "$20.0000", "Open"]),
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


def test_who_tries_to_change_an_entry_is_written_down(admin_client: Client, admin_user: User, account: Account) -> None:
    pk = LedgerEntry.objects.get(kind="capture").pk
    assert admin_client.post(reverse("admin:billing_ledgerentry_change", args=[pk]), {"amount": 1}).status_code == 403
    assert admin_client.post(reverse("admin:billing_ledgerentry_delete", args=[pk]), {"post": "yes"}).status_code == 403
    noted = AuditEntry.objects.order_by("pk").values_list("action", "target", "actor")
    assert list(noted) == [
        ("entry.change_refused", f"entry {pk}", admin_user.pk),
        ("entry.delete_refused", f"entry {pk}", admin_user.pk),
    ]


class TestMoving:
    """The dialogs that an operator moves money with."""

    def send(self, client: Client, name: str, row: Model, **fields: str) -> int:
        path = reverse(f"admin:billing_{name}", args=[row.pk])
        form = {"amount": "5", "reason": "goodwill", "once": "a", "_form_submitted": "True"} | fields
        assert client.get(path).status_code == 200
        return client.post(path, form).status_code

    def test_a_credit(self, admin_client: Client, admin_user: User, account: Account) -> None:
        wallet = wallet_of(account)
        assert self.send(admin_client, "wallet_credit", wallet, amount="5") == 200
        assert self.send(admin_client, "wallet_credit", wallet, amount="-0.03", once="b") == 200
        entries = LedgerEntry.objects.filter(wallet=wallet, reason="goodwill").order_by("pk")
        assert list(entries.values_list("kind", "counterpart", "amount")) == [
            ("credit", "adjustment", 5_000_000),
            ("credit", "adjustment", -30_000),
        ]
        noted = AuditEntry.objects.earliest("pk")
        assert (noted.action, noted.actor, noted.account, noted.detail) == (
            "wallet.credit",
            admin_user,
            account,
            {"amount": 5_000_000, "reason": "goodwill"},
        )
        assert audit() == []

    def test_a_form_sent_twice_credits_once(self, admin_client: Client, account: Account) -> None:
        for _ in range(2):
            self.send(admin_client, "wallet_credit", wallet_of(account))
        assert wallet_of(account).posted == 5_000_000 + 7 * PRICE
        assert AuditEntry.objects.count() == 1

    def test_a_refund(self, admin_client: Client, admin_user: User, account: Account) -> None:
        entry = LedgerEntry.objects.get(kind="capture")
        for _ in range(2):
            assert self.send(admin_client, "ledgerentry_refund", entry, amount="0.02") == 200
        assert balances([account]) == [(9 * PRICE, 2 * PRICE)]
        noted = AuditEntry.objects.get()
        assert (noted.action, noted.target, noted.actor) == ("task.refund", entry.task_id, admin_user)
        assert audit() == []

    @pytest.mark.parametrize("wrong", [{"amount": "much"}, {"amount": ""}, {"reason": " "}, {"reason": "a" * 201}])
    def test_what_is_wrong_is_refused(self, admin_client: Client, account: Account, wrong: dict[str, str]) -> None:
        assert self.send(admin_client, "wallet_credit", wallet_of(account), **wrong) == 200
        assert self.send(admin_client, "ledgerentry_refund", LedgerEntry.objects.get(kind="capture"), **wrong) == 200
        assert balances([account]) == [(7 * PRICE, 2 * PRICE)]
        assert not AuditEntry.objects.exists()

    @pytest.mark.parametrize("amount", ["0", "-0.050001", "99999999999999"])
    def test_what_cannot_be_moves_nothing(self, admin_client: Client, account: Account, amount: str) -> None:
        self.send(admin_client, "wallet_credit", wallet_of(account), amount=amount)
        self.send(admin_client, "ledgerentry_refund", LedgerEntry.objects.get(kind="capture"), amount=amount)
        assert balances([account]) == [(7 * PRICE, 2 * PRICE)]
        assert not AuditEntry.objects.exists()

    def test_who_only_looks_may_not(self, client: Client, account: Account, settings: Settings) -> None:
        settings.EGGAPI_EMBEDDED = True  # without a second factor
        user = User.objects.create_user("clerk@example.com", is_staff=True)
        user.user_permissions.add(*Permission.objects.filter(codename__startswith="view_"))
        client.force_login(user)
        for path in (
            reverse("admin:billing_wallet_credit", args=[wallet_of(account).pk]),
            reverse("admin:billing_ledgerentry_refund", args=[LedgerEntry.objects.get(kind="capture").pk]),
        ):
            assert client.post(path, {"amount": "5", "reason": "x", "_form_submitted": "True"}).status_code == 403
        assert balances([account]) == [(7 * PRICE, 2 * PRICE)]


class TestCodes:
    """Redeem codes are made in the admin, shown once, and revoked."""

    def make(self, client: Client, **fields: str) -> Any:
        form = {"name": "autumn", "amount": "5", "count": "3", "uses": "2", "days": "30"} | fields
        return client.post(reverse("admin:billing_redeembatch_make"), form)

    def test_it_works(self, admin_client: Client, admin_user: User, account: Account) -> None:
        assert admin_client.get(reverse("admin:billing_redeembatch_make")).status_code == 200
        answer = self.make(admin_client)
        heading, *codes = answer.content.decode().splitlines()
        assert (answer["Content-Type"], heading, len(codes)) == ("text/csv", "code", 3)
        assert "no-store" in answer["Cache-Control"]
        batch = RedeemBatch.objects.get(name="autumn")
        assert batch.expires_at
        assert (batch.amount, batch.uses, (batch.expires_at - batch.created_at).days) == (5_000_000, 2, 30)
        assert redeem.redeem(account, codes[0]).amount == 5_000_000
        noted = AuditEntry.objects.get(action="redeem.make", target="autumn")
        assert (noted.actor, noted.detail) == (admin_user, {"codes": 3, "amount": 5_000_000, "uses": 2})

    def test_a_batch_is_revoked_and_others_are_not(
        self, admin_client: Client, admin_user: User, account: Account
    ) -> None:
        _, *codes = self.make(admin_client).content.decode().splitlines()
        chosen = {"action": "revoke", "_selected_action": RedeemBatch.objects.get(name="autumn").pk}
        admin_client.post(reverse("admin:billing_redeembatch_changelist"), chosen)
        with pytest.raises(redeem.Refused, match="withdrawn"):
            redeem.redeem(account, codes[0])
        assert RedeemBatch.objects.get(name="spring").revoked_at is None
        noted = AuditEntry.objects.get(action="redeem.revoke")
        assert (noted.target, noted.actor, noted.detail) == ("autumn", admin_user, {"codes": 3})

    @pytest.mark.parametrize(
        "wrong", [{"amount": "0"}, {"amount": "10001"}, {"amount": "much"}, {"count": "0"}, {"uses": ""}, {"days": "0"}]
    )
    def test_it_rejects_what_is_wrong(self, admin_client: Client, account: Account, wrong: dict[str, str]) -> None:
        answer = self.make(admin_client, **wrong)
        assert answer["Content-Type"].startswith("text/html")
        assert list(RedeemBatch.objects.values_list("name", flat=True)) == ["spring"]


def test_entries_show_what_made_up_for_them(admin_client: Client, account: Account) -> None:
    entry = LedgerEntry.objects.get(kind="capture")
    ledger.refund(entry.task_id, 20_000, reason="<script>alert(1)</script>")
    for page in (
        reverse("admin:billing_ledgerentry_change", args=[entry.pk]),
        reverse("admin:billing_wallet_change", args=[entry.wallet_id]),
    ):
        text = admin_client.get(page).content.decode()
        assert "refund $0.0200 &lt;script&gt;alert(1)&lt;/script&gt;" in text
        assert "<script>alert(" not in text


def test_accounts_show_their_balances(admin_client: Client, account: Account) -> None:
    page = admin_client.get(reverse("admin:accounts_account_changelist")).content.decode()
    assert [text for text in ("$0.0500", "$100.0000") if text not in page] == []


def test_it_requires_an_operator(client: Client, account: Account) -> None:
    assert client.get(reverse("admin:billing_wallet_changelist")).status_code == 302

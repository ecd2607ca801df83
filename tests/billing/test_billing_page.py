"""/billing: what is there, what has moved it, and how more comes in."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.html import escape
from pytest_django import Settings

from accounts.models import Account, AuditEntry, Membership, Mode, User
from billing import ledger, mix, redeem
from billing.models import LedgerEntry, TopUp, Wallet
from eggapi import clock
from tests.billing.test_topups import stripe  # noqa: F401 - a fixture
from tests.billing.till import hold, open_account, settle, wallet_of
from tests.emulators.stripe import Stripe

pytestmark = [pytest.mark.django_db, pytest.mark.once]
DOLLAR = 1_000_000
ROLES = Membership.Role
POSTS = ["redeem", "topup", "refill", "warning"]


@pytest.fixture(autouse=True)
def cheapest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mix, "_cheapest", [lambda: 10_000])


@pytest.fixture
def alice() -> Account:
    return open_account(images=500)  # $5.00


@pytest.fixture
def client(alice: Account) -> Client:
    return signed_in(alice.members.get())


def signed_in(person: User, mode: str = "live") -> Client:
    client = Client()
    client.force_login(person)
    client.post("/mode", {"mode": mode})
    return client


def of_role(account: Account, role: str) -> Client:
    person = User.objects.create_user(f"{role}@example.com")
    Membership.objects.create(account=account, user=person, role=role)
    return signed_in(person)


def page(client: Client, query: str = "", status: int = 200) -> str:
    response = client.get(f"/billing{query}")
    assert response.status_code == status
    return response.content.decode()


def tile(text: str, label: str) -> str:
    """What stands in the tile of this label."""
    found = re.search(rf'<span class="label">{label}[^<]*</span>\s*<span class="value">([^<]*)</span>', text)
    assert found, label
    return found[1]


def ledger_rows(text: str) -> list[tuple[str, str, str]]:
    """(kind, amount, balance after) as they stand there."""
    body = re.findall(r"<tr>\s*<td class=\"nowrap\"><time.*?</tr>", text, re.DOTALL)
    cells = [[re.sub("<.*?>", "", cell) for cell in re.findall(r"<td.*?</td>", row, re.DOTALL)] for row in body]
    return [(row[1], row[3], row[4]) for row in cells]


class TestBalance:
    def test_it_works(self, client: Client, alice: Account) -> None:
        settle({hold(alice, 2): 2})
        hold(alice, 3)
        text = page(client)
        assert [tile(text, label) for label in ("Available", "Images left", "Held", "Spent in 30 days")] == [
            "$4.9500", "about 495", "$0.0300", "$0.0200",
        ]  # fmt: skip
        assert "at your mix of the last 30 days, $0.0100 each" in text
        assert ledger_rows(text) == [("Task", "-$0.0200", "$4.9800"), ("Credit", "+$5.0000", "$5.0000")]

    def test_without_usage_the_lowest_price_counts(self, client: Client) -> None:
        text = page(client)
        assert (tile(text, "Images left"), "the lowest price" in text) == ("about 500", True)

    def test_every_figure_is_of_the_mode(self, client: Client, alice: Account) -> None:
        client.post("/mode", {"mode": "test"})
        text = page(client)
        assert (tile(text, "Available"), ledger_rows(text)) == (
            "$100.0000", [("Credit", "+$100.0000", "$100.0000")],
        )  # fmt: skip
        assert "$5.0000" not in text

    def test_what_is_owed_is_said(self, client: Client, alice: Account) -> None:
        assert "is owed" not in page(client)
        hold(alice, 500)
        ledger.take_back(alice, Mode.LIVE, 3 * DOLLAR, reason="dispute")
        assert "<strong>$3.0000 is owed.</strong>" in page(client)

    def test_a_stranger_sees_their_own(self, alice: Account) -> None:
        ledger.credit(alice, Mode.LIVE, DOLLAR, reason="a secret of alice")
        text = page(signed_in(open_account("bob@example.com").members.get()))
        assert (tile(text, "Available"), ledger_rows(text), "alice" in text) == ("$0.00", [], False)

    def test_nobody_sees_it_without_signing_in(self) -> None:
        response = Client().get("/billing")
        assert (response.status_code, response["Location"]) == (302, "/accounts/login/?next=/billing")


class TestLedger:
    def test_the_balances_are_exact_on_every_page(self, client: Client, alice: Account) -> None:
        for n in range(1, 61):
            ledger.credit(alice, Mode.LIVE, n * 10_000 if n % 3 else -n * 5_000, reason=f"entry {n}")
        found = [row for number in (1, 2, 3) for row in ledger_rows(page(client, f"?page={number}"))]
        entries = LedgerEntry.objects.filter(wallet=wallet_of(alice)).order_by("pk")
        balance, expected = 0, []
        for entry in entries:
            balance += entry.amount
            expected.append(f"${balance / DOLLAR:.4f}")
        assert [after for _, _, after in found] == expected[::-1]
        assert len(found) == 61
        assert page(client, "?page=nonsense").count("<tr>") == page(client).count("<tr>")

    def test_filtered_entries_keep_their_balances(self, client: Client, alice: Account) -> None:
        settle({hold(alice): 1})
        ledger.credit(alice, Mode.LIVE, DOLLAR, reason="gift")
        settle({hold(alice): 1})
        assert ledger_rows(page(client, "?kind=capture")) == [
            ("Task", "-$0.0100", "$5.9800"), ("Task", "-$0.0100", "$4.9900"),
        ]  # fmt: skip

    def test_days_are_chosen_in_utc_and_inclusive(self, client: Client, alice: Account) -> None:
        today = clock.now().date()
        yesterday, tomorrow = today - timedelta(days=1), today + timedelta(days=1)
        for query, count in [
            (f"since={today}&until={today}", 1), (f"until={yesterday}", 0), (f"since={tomorrow}", 0),
            ("since=0001-01-01&until=9999-12-31", 1),
        ]:  # fmt: skip
            assert len(ledger_rows(page(client, f"?{query}"))) == count, query
        assert "No entry here is like that" in page(client, f"?until={yesterday}")

    @pytest.mark.parametrize("query", ["kind=%00", "kind=bribe", "since=yesterday", "until=2026-02-30", "page=-1"])
    def test_nonsense_is_named_and_ignored(self, client: Client, query: str) -> None:
        text = page(client, f"?{query}")
        assert (len(ledger_rows(text)), "Ignored:" in text) == (1, "page" not in query)

    def test_it_links_tasks_and_months(self, client: Client, alice: Account) -> None:
        task_id = hold(alice)
        settle({task_id: 1})
        text, month = page(client), f"{clock.now():%Y-%m}"
        assert f'href="/tasks/{task_id}"' in text
        for path in (f"/v1/statements/{month}.csv", f"/v1/statements/{month}.pdf"):
            assert f'href="{path}"' in text
            assert client.get(path).status_code == 200

    def test_what_an_operator_wrote_is_text(self, client: Client, alice: Account) -> None:
        ledger.credit(alice, Mode.LIVE, DOLLAR, reason="<script>alert(1)</script>")
        text = page(client)
        assert ("<script>alert" in text, escape("<script>alert(1)</script>") in text) == (False, True)

    def test_its_queries_do_not_grow(self, client: Client, alice: Account, django_assert_num_queries: Any) -> None:
        page(client)
        with CaptureQueriesContext(connection) as few:
            page(client)
        for n in range(50):
            ledger.credit(alice, Mode.LIVE, DOLLAR, reason=f"entry {n}")
        with django_assert_num_queries(len(few)):
            assert len(ledger_rows(page(client))) == 25


class TestRedeem:
    def test_it_works(self, client: Client, alice: Account) -> None:
        (code,) = redeem.make("fair", 2 * DOLLAR, 1, 1, None)
        response = client.post("/billing/redeem", {"code": code.lower()}, follow=True)
        assert response.redirect_chain == [("/billing", 302)]
        assert "$2.0000 added to the live balance." in response.content.decode()
        assert wallet_of(alice).posted == 7 * DOLLAR

    @pytest.mark.parametrize("code", ["", "EGG-0000-0000-0000-0000", "<b>", "x" * 65, "a\0b"])
    def test_it_rejects(self, client: Client, alice: Account, code: str) -> None:
        response = client.post("/billing/redeem", {"code": code})
        assert (response.status_code, list(response.context["redeem_form"].errors)) == (400, ["code"])
        assert "<b>" not in response.content.decode()
        assert wallet_of(alice).posted == 5 * DOLLAR

    def test_nobody_guesses_for_long(self, client: Client) -> None:
        codes = [f"EGG-0000-0000-0000-00{n:02}" for n in range(11)]
        texts = [client.post("/billing/redeem", {"code": code}).content.decode() for code in codes]
        assert ["Too many requests" in text for text in texts] == [False] * 10 + [True]


class TestTopUp:
    def test_it_works(self, client: Client, alice: Account, stripe: Stripe) -> None:  # noqa: F811
        assert "Pay with Stripe" in page(client)
        response = client.post("/billing/topup", {"amount": "$25"})
        topup = TopUp.objects.get()
        assert (response.status_code, response["Location"]) == (302, stripe.sessions[topup.session]["url"])
        assert (topup.amount, topup.account) == (25 * DOLLAR, alice)
        assert stripe.sessions[topup.session]["cancel_url"] == "http://testserver/billing?topup=canceled"

    @pytest.mark.parametrize("amount", ["", "4.99", "1000.01", "5.001", "many", "-5", "1e400", "5\0"])
    def test_it_rejects(self, client: Client, stripe: Stripe, amount: str) -> None:  # noqa: F811
        response = client.post("/billing/topup", {"amount": amount})
        assert (response.status_code, list(response.context["topup_form"].errors)) == (400, ["amount"])
        assert not TopUp.objects.exists()

    def test_without_stripe_an_operator_is_asked(self, client: Client) -> None:
        text = page(client)
        assert ("Ask your operator" in text, "Pay with Stripe" in text) == (True, False)
        response = client.post("/billing/topup", {"amount": "20"})
        assert "Top-ups are not switched on here" in str(response.context["topup_form"].errors)

    def test_coming_back_waits_for_the_money(self, client: Client, alice: Account) -> None:
        TopUp.objects.create(order="top_1", account=alice, amount=DOLLAR, created_at=clock.now())
        assert "hx-trigger" not in page(client)
        assert "Nothing was charged" in page(client, "?topup=canceled")
        text = page(client, "?topup=done")
        assert ("as soon as the payment is confirmed" in text, 'hx-get="/billing/balance?topup=done"' in text) == (
            True,
            True,
        )
        TopUp.objects.update(created_at=clock.now() - timedelta(minutes=6))
        assert "hx-get" not in client.get("/billing/balance?topup=done").content.decode()
        TopUp.objects.update(state=TopUp.State.PAID)
        partial = client.get("/billing/balance?topup=done").content.decode()
        assert ("$1.0000 is in your balance" in partial, "hx-get" in partial, "<html" in partial) == (
            True,
            False,
            False,
        )


class TestRefill:
    def test_it_works(self, client: Client, alice: Account) -> None:
        client.post("/mode", {"mode": "test"})
        ledger.credit(alice, Mode.TEST, -99 * DOLLAR, reason="spent")
        text = client.post("/billing/refill", follow=True).content.decode()
        assert ("$99.0000 of play money added." in text, tile(text, "Available")) == (True, "$100.0000")
        assert AuditEntry.objects.get(action="wallet.refill").actor == alice.members.get()
        assert "Nothing to refill" in client.post("/billing/refill", follow=True).content.decode()


class TestWarning:
    def test_it_works(self, client: Client, alice: Account) -> None:
        Account.objects.update(low_balance_told_at=clock.now())
        client.post("/billing/warning", {"amount": "$7.50"})
        alice.refresh_from_db()
        assert (alice.low_balance, alice.low_balance_told_at) == (7_500_000, None)
        assert 'value="$7.50"' in page(client)
        client.post("/billing/warning", {"amount": ""})
        alice.refresh_from_db()
        assert alice.low_balance is None
        noted = AuditEntry.objects.filter(action="account.change", account=alice).order_by("pk")
        assert [entry.detail["low_balance"] for entry in noted] == ["none → $7.5000", "$7.5000 → none"]

    def test_the_same_again_is_not_told_anew(self, client: Client, alice: Account) -> None:
        Account.objects.update(low_balance=7_500_000, low_balance_told_at=clock.now())
        client.post("/billing/warning", {"amount": "7.5"})
        alice.refresh_from_db()
        assert alice.low_balance_told_at
        assert not AuditEntry.objects.filter(action="account.change").exists()

    @pytest.mark.parametrize("amount", ["0", "-1", "soon", "1000000000.01", "1" * 30])
    def test_it_rejects(self, client: Client, alice: Account, amount: str) -> None:
        response = client.post("/billing/warning", {"amount": amount})
        assert (response.status_code, list(response.context["warning_form"].errors)) == (400, ["amount"])
        alice.refresh_from_db()
        assert alice.low_balance is None


@pytest.mark.parametrize("role", [ROLES.DEVELOPER, ROLES.READER])
def test_others_look_and_move_nothing(alice: Account, role: str) -> None:
    (code,) = redeem.make("fair", DOLLAR, 1, 1, None)
    ledger.credit(alice, Mode.TEST, -DOLLAR, reason="spent")
    client, sent = of_role(alice, role), {"code": code, "amount": "20"}
    assert tile(page(client), "Available") == "$5.0000"
    assert [client.post(f"/billing/{path}", sent).status_code for path in POSTS] == [403] * 4
    assert 'action="/billing/' not in page(client)
    assert (wallet_of(alice).posted, Wallet.objects.get(account=alice, mode=Mode.TEST).posted) == (
        5 * DOLLAR, 99 * DOLLAR,
    )  # fmt: skip


@pytest.mark.parametrize("role", [ROLES.ADMIN, ROLES.BILLING])
def test_these_roles_move_money(alice: Account, role: str) -> None:
    (code,) = redeem.make("fair", DOLLAR, 1, 1, None)
    assert of_role(alice, role).post("/billing/redeem", {"code": code}).status_code == 302
    assert wallet_of(alice).posted == 6 * DOLLAR


@pytest.mark.parametrize("path", POSTS)
def test_what_changes_anything_is_a_post_of_our_own_page(client: Client, alice: Account, path: str) -> None:
    if path == "refill":
        assert client.get(f"/billing/{path}").status_code == 405
    else:
        assert client.get(f"/billing/{path}", {"amount": "20"})["Location"] == "/billing"
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(alice.members.get())
    assert strict.post(f"/billing/{path}", {"amount": "20"}).status_code == 403


def test_a_suspended_account_moves_nothing(client: Client, settings: Settings) -> None:
    Account.objects.update(suspended_at=clock.now())
    assert client.post("/billing/refill").status_code == 403

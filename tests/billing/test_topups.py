"""Top-ups: what was paid at Stripe is credited once, and what is taken back there is taken back here."""

import random
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from accounts.models import Mode
from billing import ledger
from billing.audit import audit
from billing.models import LedgerEntry, TopUp
from eggapi.models import Alert
from tests.billing.till import hold, settle, wallet_of
from tests.customer import Answer, Customer, at_once
from tests.emulators.stripe import KEY, SECRET, Event, Stripe, signed

pytestmark = pytest.mark.django_db
DOLLAR = 1_000_000


@pytest.fixture
def stripe(settings: Settings) -> Iterator[Stripe]:
    with Stripe() as running:
        settings.EGGAPI_STRIPE_URL = running.url
        settings.EGGAPI_STRIPE_SECRET_KEY, settings.EGGAPI_STRIPE_WEBHOOK_SECRET = KEY, SECRET
        yield running


@pytest.fixture
def alice() -> Customer:
    alice = Customer(mode="live")
    alice.sign_in()
    return alice


@pytest.fixture
def session(stripe: Stripe, alice: Customer) -> str:
    """The id of one for twenty dollars."""
    assert order(alice).status == 201
    return TopUp.objects.get().session


@pytest.fixture
def payment(stripe: Stripe, session: str) -> str:
    """The id of one of twenty dollars that has been credited."""
    assert send(stripe.pay(session)) == 200
    return TopUp.objects.get().payment


def order(customer: Customer, amount: Any = "20.00") -> Answer:
    headers = {"Authorization": "", "X_CSRFToken": customer.csrf_token}
    return customer.send("POST", "/v1/topups", {"amount": amount}, **headers)


def send(event: Event, **how: Any) -> int:
    body, signature = signed(event, **how)
    return deliver(body, signature)


def deliver(body: bytes, signature: str) -> int:
    client = Client(raise_request_exception=False, enforce_csrf_checks=True)
    headers = {"Stripe-Signature": signature}
    return client.post("/stripe/webhook", body, "application/json", headers=headers).status_code


def entries() -> list[tuple[str, int]]:
    return list(LedgerEntry.objects.filter(wallet__mode="live").order_by("pk").values_list("kind", "amount"))


class TestPaying:
    def test_it_works(self, stripe: Stripe, alice: Customer) -> None:
        answer = order(alice)
        topup = TopUp.objects.get()
        assert (answer.status, answer.data) == (
            201,
            {
                "id": topup.order,
                "amount": "$20.0000",
                "state": "open",
                "url": f"https://checkout.stripe.test/c/pay/{topup.session}",
                "created_at": answer.data["created_at"],
            },
        )
        session = stripe.sessions[topup.session]
        assert (session["client_reference_id"], session["currency"], session["amount_total"]) == (
            topup.order,
            "usd",
            2000,
        )
        assert session["customer_email"] == "alice@example.com"
        assert session["success_url"] == "http://testserver/billing?topup=done"
        assert session["cancel_url"] == "http://testserver/billing?topup=canceled"
        assert wallet_of(alice.account).posted == 0

        assert send(stripe.pay(topup.session)) == 200
        topup.refresh_from_db()
        assert (topup.state, topup.payment, topup.paid_at is None) == ("paid", session["payment_intent"], False)
        entry = LedgerEntry.objects.get(kind="topup")
        assert (entry.amount, entry.counterpart, entry.reference, entry.wallet) == (
            20 * DOLLAR,
            "topup",
            topup.payment,
            wallet_of(alice.account),
        )
        assert wallet_of(alice.account).posted == 20 * DOLLAR
        assert audit() == []

    def test_the_same_event_twice_credits_once(self, stripe: Stripe, session: str) -> None:
        event = stripe.pay(session)
        assert [send(event), send(event), send(stripe.pay(session))] == [200, 200, 200]
        assert entries() == [("topup", 20 * DOLLAR)]

    @pytest.mark.django_db(transaction=True)
    def test_the_same_event_many_times_at_once_credits_once(self, stripe: Stripe, session: str) -> None:
        event = stripe.pay(session)
        assert at_once(8, lambda _: send(event)) == [200] * 8
        assert entries() == [("topup", 20 * DOLLAR)]
        assert audit() == []

    def test_a_bank_transfer_counts_when_it_has_come(self, stripe: Stripe, session: str) -> None:
        assert send(stripe.promise(session)) == 200
        assert (entries(), TopUp.objects.get().state) == ([], "open")
        assert send(stripe.keep_promise(session)) == 200
        assert (entries(), TopUp.objects.get().state) == ([("topup", 20 * DOLLAR)], "paid")

    def test_a_bank_transfer_may_never_come(self, stripe: Stripe, session: str) -> None:
        stripe.promise(session)
        assert send(stripe.break_promise(session)) == 200
        assert (entries(), TopUp.objects.get().state) == ([], "expired")

    def test_an_order_expires(self, stripe: Stripe, session: str) -> None:
        assert send(stripe.expire(session)) == 200
        assert (entries(), TopUp.objects.get().state) == ([], "expired")

    def test_an_event_is_not_believed(self, stripe: Stripe, session: str) -> None:
        """It says paid, and a thousand dollars; the API says neither."""
        lie = stripe.event(
            "checkout.session.completed",
            stripe.sessions[session] | {"payment_status": "paid", "status": "complete", "amount_total": 100_000},
        )
        assert send(lie) == 200
        assert (entries(), TopUp.objects.get().state) == ([], "open")

    @pytest.mark.parametrize("changed", [{"amount_received": 1999}, {"currency": "cop"}, {"amount_received": 200_000}])
    def test_what_was_not_ordered_is_for_an_operator(
        self, stripe: Stripe, session: str, changed: dict[str, Any]
    ) -> None:
        assert send(stripe.pay(session, **changed)) == 200
        assert (entries(), TopUp.objects.get().state) == ([], "open")
        assert "Nothing was credited" in Alert.objects.get(cause=f"topup {TopUp.objects.get().order}").text

    def test_another_session_does_not_pay_an_order(self, stripe: Stripe, alice: Customer, session: str) -> None:
        """Somebody else's payment that names our order, such as one by a payment link."""
        named = stripe.sessions[session]["client_reference_id"]
        strange = {"id": "cs_link", "client_reference_id": named, "metadata": {}}
        stripe.sessions["cs_link"] = stripe.sessions[session] | strange
        assert send(stripe.pay("cs_link")) == 200
        stripe.sessions["cs_copy"] = stripe.sessions[session] | {"id": "cs_copy", "payment_intent": None}
        assert send(stripe.pay("cs_copy")) == 200
        assert (entries(), TopUp.objects.get().state) == ([], "open")

    def test_sessions_and_payments_of_other_shops_are_left_alone(self, stripe: Stripe, session: str) -> None:
        stripe.sessions["cs_shop"] = stripe.sessions[session] | {"id": "cs_shop", "client_reference_id": None}
        assert send(stripe.pay("cs_shop")) == 200
        charge = {"id": "ch_1", "object": "charge", "payment_intent": "pi_nobodys"}
        for event in (
            stripe.event("charge.refunded", charge),
            stripe.event("charge.refunded", charge | {"payment_intent": None}),
            stripe.event("customer.created", {"id": "cus_1", "object": "customer"}),
            stripe.event("checkout.session.completed", {"id": "cs_elsewhere", "object": "checkout.session"}),
        ):
            assert send(event) == 200
        assert entries() == []

    def test_an_order_whose_answer_was_lost_can_still_be_paid(self, stripe: Stripe, session: str) -> None:
        TopUp.objects.update(session="")
        assert send(stripe.pay(session)) == 200
        assert entries() == [("topup", 20 * DOLLAR)]


class TestTakingBack:
    def test_a_refund_takes_the_free_balance(self, stripe: Stripe, alice: Customer, payment: str) -> None:
        assert send(stripe.refund(payment, 500)) == 200
        assert send(stripe.refund(payment, 1500)) == 200
        assert entries() == [("topup", 20 * DOLLAR), ("chargeback", -5 * DOLLAR), ("chargeback", -15 * DOLLAR)]
        assert (wallet_of(alice.account).posted, wallet_of(alice.account).owed) == (0, 0)
        assert TopUp.objects.get().taken_back == 20 * DOLLAR
        assert audit() == []

    def test_the_same_event_twice_takes_once(self, stripe: Stripe, alice: Customer, payment: str) -> None:
        event = stripe.refund(payment, 500)
        assert [send(event) for _ in range(3)] == [200] * 3
        assert wallet_of(alice.account).posted == 15 * DOLLAR

    @pytest.mark.django_db(transaction=True)
    def test_the_same_event_many_times_at_once_takes_once(self, stripe: Stripe, alice: Customer, payment: str) -> None:
        event = stripe.refund(payment, 500)
        answers = at_once(8, lambda _: send(event))
        assert {*answers} <= {200, 503}
        assert answers.count(200) >= 1
        assert wallet_of(alice.account).posted == 15 * DOLLAR
        assert audit() == []

    def test_what_is_not_free_is_owed_and_blocks_new_tasks(self, stripe: Stripe, alice: Customer, payment: str) -> None:
        hold(alice.account, 800)  # $8.00
        ledger.credit(alice.account, Mode.LIVE, -5 * DOLLAR, reason="spent")
        assert send(stripe.dispute(payment, 2000)) == 200
        wallet = wallet_of(alice.account)
        assert (wallet.posted, wallet.held, wallet.owed) == (8 * DOLLAR, 8 * DOLLAR, 13 * DOLLAR)
        assert audit() == []

        # What comes next pays the debt first.
        ledger.credit(alice.account, Mode.LIVE, 10 * DOLLAR, reason="goodwill")
        wallet = wallet_of(alice.account)
        assert (wallet.available, wallet.owed) == (0, 3 * DOLLAR)
        with pytest.raises(ledger.Insufficient):
            hold(alice.account)
        ledger.credit(alice.account, Mode.LIVE, 5 * DOLLAR, reason="goodwill")
        wallet = wallet_of(alice.account)
        assert (wallet.available, wallet.owed) == (2 * DOLLAR, 0)
        hold(alice.account)
        assert audit() == []

    def test_what_a_hold_gives_back_pays_the_debt(self, stripe: Stripe, alice: Customer, payment: str) -> None:
        running = hold(alice.account, 500)  # $5.00
        send(stripe.dispute(payment, 2000))
        assert wallet_of(alice.account).owed == 5 * DOLLAR
        settle({running: 200})  # $2.00
        wallet = wallet_of(alice.account)
        assert (wallet.posted, wallet.held, wallet.owed) == (0, 0, 2 * DOLLAR)
        assert audit() == []

    def test_a_later_top_up_pays_the_debt(self, stripe: Stripe, alice: Customer, payment: str) -> None:
        ledger.credit(alice.account, Mode.LIVE, -20 * DOLLAR, reason="spent")
        send(stripe.refund(payment, 2000))
        assert wallet_of(alice.account).owed == 20 * DOLLAR
        order(alice, "25.00")
        send(stripe.pay(TopUp.objects.get(state="open").session))
        assert (wallet_of(alice.account).available, wallet_of(alice.account).owed) == (5 * DOLLAR, 0)
        assert audit() == []

    def test_a_dispute_that_is_won_gives_it_again(self, stripe: Stripe, alice: Customer, payment: str) -> None:
        ledger.credit(alice.account, Mode.LIVE, -15 * DOLLAR, reason="spent")
        for status in ("needs_response", "under_review", "lost"):
            assert send(stripe.dispute(payment, 2000, status)) == 200
            assert (wallet_of(alice.account).posted, wallet_of(alice.account).owed) == (0, 15 * DOLLAR)
        assert send(stripe.dispute(payment, 2000, "won")) == 200
        assert (wallet_of(alice.account).posted, wallet_of(alice.account).owed) == (5 * DOLLAR, 0)
        assert TopUp.objects.get().taken_back == 0
        assert audit() == []

    def test_an_inquiry_takes_nothing(self, stripe: Stripe, alice: Customer, payment: str) -> None:
        for status in ("warning_needs_response", "warning_under_review", "warning_closed", "prevented"):
            assert send(stripe.dispute(payment, 2000, status)) == 200
        assert wallet_of(alice.account).posted == 20 * DOLLAR

    def test_refund_and_dispute_take_no_more_than_was_paid(self, stripe: Stripe, alice: Customer, payment: str) -> None:
        stripe.refund(payment, 1000)
        assert send(stripe.dispute(payment, 2000)) == 200
        assert (wallet_of(alice.account).posted, wallet_of(alice.account).owed) == (0, 0)
        assert TopUp.objects.get().taken_back == 20 * DOLLAR

    def test_events_may_come_in_any_order(self, stripe: Stripe, alice: Customer, session: str) -> None:
        paid = stripe.pay(session)
        payment = stripe.sessions[session]["payment_intent"]
        events = [paid, stripe.refund(payment, 500), stripe.dispute(payment, 700), stripe.refund(payment, 300)]
        random.Random(7).shuffle(events)
        assert [send(event) for event in reversed(events)] == [200] * 4
        assert wallet_of(alice.account).posted == 5 * DOLLAR
        assert audit() == []

    def test_it_is_nobody_elses_money(self, stripe: Stripe, payment: str) -> None:
        bob = Customer("bob@example.com", mode="live")
        bob.leave(3 * DOLLAR)
        send(stripe.refund(payment, 2000))
        assert (wallet_of(bob.account).posted, wallet_of(bob.account).owed) == (3 * DOLLAR, 0)


class TestRefused:
    @pytest.mark.parametrize(
        "amount", [None, "4.99", "1000.01", "20.001", "-20", "0", "NaN", "1e9", True, ["20"], {}, "9" * 400]
    )
    def test_amounts(self, stripe: Stripe, alice: Customer, amount: Any) -> None:
        assert order(alice, amount).faults == ["amount"]
        assert not TopUp.objects.exists()
        assert stripe.calls == {}

    @pytest.mark.parametrize("amount", ["5", "5.00", 5, 5.5, "$1000.00"])
    def test_other_amounts_are_fine(self, stripe: Stripe, alice: Customer, amount: Any) -> None:
        assert order(alice, amount).status == 201

    def test_keys_cannot_order(self, stripe: Stripe, alice: Customer) -> None:
        assert alice.send("POST", "/v1/topups", {"amount": "20"}).refusal == (401, "UNAUTHORIZED")
        assert alice.send("POST", "/v1/topups", {"amount": "20"}, Authorization="").refusal == (403, "FORBIDDEN")

    @pytest.mark.parametrize("missing", ["EGGAPI_STRIPE_SECRET_KEY", "EGGAPI_STRIPE_WEBHOOK_SECRET"])
    def test_without_a_secret_it_is_off(
        self, stripe: Stripe, alice: Customer, session: str, settings: Settings, missing: str
    ) -> None:
        event = stripe.pay(session)
        setattr(settings, missing, "")
        answer = order(alice)
        assert answer.refusal == (404, "NOT_FOUND")
        assert answer.error["message"] == "Top-ups are not switched on here; ask the operator."
        assert send(event) == send(event, secret="") == 404
        assert entries() == []

    @pytest.mark.parametrize("how", [{"secret": "whsec_other"}, {"age": 301}, {"secret": KEY}])
    def test_events_that_stripe_did_not_sign_just_now(self, stripe: Stripe, session: str, how: dict[str, Any]) -> None:
        stripe.pay(session)
        assert send(stripe.pay(session), **how) == 400
        assert entries() == []

    def test_events_that_were_changed_on_their_way(self, stripe: Stripe, session: str) -> None:
        body, signature = signed(stripe.pay(session))
        bad = [(body + b" ", signature), (body, ""), (body, "t=1"), (body, "v1=2"), (b"\xff", signature), (b"", "x")]
        assert {deliver(*each) for each in bad} == {400}
        junk: list[Any] = [[], {}, {"data": 5}, "x"]
        assert {deliver(*signed(each)) for each in junk} == {400}
        assert entries() == []


class TestStripeAway:
    @pytest.mark.parametrize("fault", ["e500", "drop", "401"])
    def test_an_order_can_be_tried_again(self, stripe: Stripe, alice: Customer, fault: str) -> None:
        stripe.fault = fault
        answer = order(alice)
        assert answer.refusal == (503, "SERVICE_UNAVAILABLE")
        assert answer.headers["Retry-After"] == "10"
        assert KEY not in answer.body.decode()
        stripe.fault = ""
        assert order(alice).status == 201

    def test_a_repeated_order_is_the_same_order(self, stripe: Stripe, alice: Customer) -> None:
        """The library repeats a call that broke off, with the same key."""
        stripe.fault = "e500"
        order(alice)
        assert stripe.calls == {"POST /v1/checkout/sessions": 2}
        stripe.fault = ""
        order(alice)
        assert list(stripe.created.values()) == [1]

    @pytest.mark.parametrize("fault", ["e500", "drop"])
    def test_an_event_is_sent_again(self, stripe: Stripe, session: str, fault: str) -> None:
        event = stripe.pay(session)
        stripe.fault = fault
        assert send(event) == 503
        stripe.fault = ""
        assert send(event) == 200
        assert entries() == [("topup", 20 * DOLLAR)]

    def test_it_does_not_wait_for_ever(self, stripe: Stripe, alice: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("billing.checkout.READ_SECONDS", 0.2)
        stripe.fault = "hang"
        assert order(alice).refusal == (503, "SERVICE_UNAVAILABLE")

"""GET /v1/balance: what there is to spend."""

import pytest
from pytest_django import DjangoAssertNumQueries

from billing.models import Wallet
from tests.customer import Customer

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> Customer:
    return Customer()


def test_it_works(alice: Customer) -> None:
    Wallet.objects.filter(pk=alice.wallet.pk).update(posted=5_000_000, held=26_000)
    assert list(alice.get("/v1/balance").data.items()) == [
        ("mode", "test"),
        ("available", "$4.9740"),
        ("held", "$0.0260"),
    ]


def test_each_mode_has_its_own(alice: Customer) -> None:
    live = Customer(mode="live")
    assert alice.get("/v1/balance").data == {"mode": "test", "available": "$100.0000", "held": "$0.00"}
    assert live.get("/v1/balance").data == {"mode": "live", "available": "$0.00", "held": "$0.00"}


def test_it_is_nobody_elses(alice: Customer) -> None:
    alice.leave(1)
    assert Customer("bob@example.com").get("/v1/balance").data["available"] == "$100.0000"
    assert alice.get("/v1/balance").data["available"] == "$0.000001"


def test_it_requires_a_key(alice: Customer) -> None:
    alice.sign_in()
    assert alice.get("/v1/balance", Authorization="").refusal == (401, "UNAUTHORIZED")


def test_it_takes_two_queries(alice: Customer, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    alice.get("/v1/balance")
    with django_assert_num_queries(2):
        alice.get("/v1/balance")


def test_it_is_only_read_here(alice: Customer) -> None:
    answer = alice.send("PUT", "/v1/balance", {"available": "$1000000.00"})
    assert (answer.refusal, answer.headers["Allow"]) == ((405, "METHOD_NOT_ALLOWED"), "GET, HEAD, OPTIONS")

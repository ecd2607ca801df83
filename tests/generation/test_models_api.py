"""GET /v1/models: what is on sale, for anybody."""

from datetime import timedelta

import pytest
from pytest_django import DjangoAssertNumQueries

from eggapi import clock
from generation import catalog
from generation.models import CatalogueVersion, ImageModel, Price, Provider, Route
from tests.customer import Customer

pytestmark = pytest.mark.django_db


@pytest.fixture
def anybody(on_sale: None) -> Customer:
    anybody = Customer()
    anybody.secret = ""
    return anybody


def shown_prices(customer: Customer, model: str = "nanobanana") -> dict[str, str]:
    catalog._forget()
    (entry,) = [entry for entry in customer.get("/v1/models", Authorization="").data if entry["id"] == model]
    prices: dict[str, str] = entry["prices"]
    return prices


def test_it_works(anybody: Customer) -> None:
    answer = anybody.get("/v1/models", Authorization="")
    shared = {
        "types": ["image_generate", "image_edit"],
        "aspect_ratios": ["16:9", "9:16"],
        "limits": {"prompt": 2000, "negative_prompt": 1000, "num_outputs": 4, "image_urls": 9},
    }
    assert (answer.status, answer.data) == (
        200,
        [
            {
                "id": "nanobanana",
                "description": "Fast image generation and editing.",
                "resolutions": ["1k"],
                "prices": {"1k": "$0.0100"},
                **shared,
            },
            {
                "id": "nanobanana-pro",
                "description": "Professional-grade image generation and editing with enhanced detail, up to 4K.",
                "resolutions": ["1k", "2k", "4k"],
                "prices": {"1k": "$0.0160", "2k": "$0.0160", "4k": "$0.0320"},
                **shared,
            },
        ],
    )


def test_the_vendors_stay_unnamed(anybody: Customer) -> None:
    Provider.objects.create(name="SecretVendor", adapter="sandbox", base_url="https://vendor.example")
    Route.objects.update(upstream_model="secret-upstream", label="Secret label", cost=123_456)
    catalog._forget()
    body = anybody.get("/v1/models", Authorization="").body.lower()
    assert [word for word in (b"secret", b"sandbox", b"vendor", b"route", b"123456") if word in body] == []


def test_what_is_not_sold_is_not_shown(anybody: Customer) -> None:
    ImageModel.objects.filter(name="nanobanana").update(enabled=False)
    ImageModel.objects.create(name="without-price", description="", resolutions=["1k"])
    catalog._forget()
    assert [model["id"] for model in anybody.get("/v1/models", Authorization="").data] == ["nanobanana-pro"]


def test_a_price_counts_from_its_day_on(anybody: Customer) -> None:
    model, now = ImageModel.objects.get(name="nanobanana"), clock.now()
    Price.objects.create(model=model, resolution="1k", amount=90_000, since=now + timedelta(days=1))
    Price.objects.create(model=model, resolution="1k", amount=5_000, since=now - timedelta(days=1))
    assert shown_prices(anybody) == {"1k": "$0.0100"}
    Price.objects.create(model=model, resolution="1k", amount=12_500, since=now)
    assert shown_prices(anybody) == {"1k": "$0.0125"}


def test_a_change_is_seen_within_two_seconds(anybody: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown_prices(anybody) == {"1k": "$0.0100"}
    Price.objects.filter(model__name="nanobanana").update(amount=20_000)
    CatalogueVersion.objects.update(number=99)  # as another process would
    monkeypatch.setattr(catalog._shelf, "checked_at", catalog._shelf.checked_at - 1)
    (entry, _) = anybody.get("/v1/models", Authorization="").data
    assert entry["prices"] == {"1k": "$0.0200"}


def test_a_key_makes_no_difference(anybody: Customer) -> None:
    public = anybody.get("/v1/models", Authorization="").body
    assert [anybody.get("/v1/models", Authorization=header).body for header in ("Bearer nonsense", "x")] == [public] * 2


def test_it_asks_the_database_nothing_within_a_second(
    anybody: Customer, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    anybody.get("/v1/models", Authorization="")
    with django_assert_num_queries(0):
        assert anybody.get("/v1/models", Authorization="").status == 200


def test_it_is_only_read_here(anybody: Customer) -> None:
    answer = anybody.send("POST", "/v1/models", {}, Authorization="")
    assert (answer.refusal, answer.headers["Allow"]) == ((405, "METHOD_NOT_ALLOWED"), "GET, HEAD, OPTIONS")
    assert anybody.get("/v1/models/", Authorization="").refusal == (404, "NOT_FOUND")


class Forgetful(catalog._Shelf):
    """Somebody changes the catalogue at the worst moment."""

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value)
        if name == "checked_at":
            self.catalogue = None


def test_a_catalogue_forgotten_while_it_is_read_is_there_nonetheless(
    anybody: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog, "_shelf", Forgetful())
    assert len(anybody.get("/v1/models", Authorization="").data) == 2

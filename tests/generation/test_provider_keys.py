"""EGGAPI_PROVIDER_<NAME>_KEY: from a vendor's credential to the first real picture."""

import re
import tomllib
from pathlib import Path

import pytest
from pytest_django import Settings

from billing.models import LedgerEntry
from eggapi.serving import firstrun
from generation import catalog, chainfile, vendors
from generation.models import Provider, Route
from generation.providers import ADAPTERS
from tests.emulators.kie import Kie
from tests.emulators.vendors import VENDORS, Vendor
from tests.serving.installation import Installation

LOSSES = [
    "Warning: nanobanana via kie google/nano-banana has a negative margin:"
    " a 1k image costs $0.0200 and sells for $0.0100.",
    "Warning: nanobanana-pro via kie nano-banana-pro has a negative margin:"
    " a 1k image costs $0.1340 and sells for $0.0160, a 2k image costs $0.1340 and sells for $0.0160,"
    " a 4k image costs $0.2400 and sells for $0.0320.",
]


@pytest.fixture
def kie(on_sale: None, settings: Settings) -> Provider:
    """As the first start with its key makes it."""
    settings.EGGAPI_PROVIDER_KEYS = {"kie": "first-key"}
    assert vendors.set_up() == ["kie is set up, from EGGAPI_PROVIDER_KIE_KEY.", *LOSSES]
    return Provider.objects.get(name="kie")


@pytest.mark.django_db
class TestSetUp:
    def test_it_works(self, kie: Provider) -> None:
        catalog._forget()
        assert kie.credential == "first-key"
        for model, upstream_model in (("nanobanana", "google/nano-banana"), ("nanobanana-pro", "nano-banana-pro")):
            [route] = [route for route in catalog.current().models[model].routes if route.provider == "kie"]
            assert (route.upstream_model, route.label, route.mode) == (upstream_model, "Route C", "live")

    def test_another_start_changes_nothing(self, kie: Provider) -> None:
        kie.routes.filter(upstream_model="nano-banana-pro").update(enabled=False, priority=1)
        before = [*Provider.objects.values(), *Route.objects.values()]
        assert vendors.set_up() == []
        assert [*Provider.objects.values(), *Route.objects.values()] == before

    def test_the_credential_follows_the_variable(self, kie: Provider, settings: Settings) -> None:
        settings.EGGAPI_PROVIDER_KEYS = {"kie": "second-key"}
        assert vendors.set_up() == ["kie has a new credential, from EGGAPI_PROVIDER_KIE_KEY."]
        kie.refresh_from_db()
        assert kie.credential == "second-key"

    def test_a_provider_of_the_operators_own_keeps_its_routes(self, kie: Provider) -> None:
        kie.routes.exclude(upstream_model="nano-banana-pro").delete()
        assert vendors.set_up() == []
        assert kie.routes.count() == 1

    def test_it_warns_of_a_name_nobody_knows(self, on_sale: None, settings: Settings) -> None:
        settings.EGGAPI_PROVIDER_KEYS = {"bing": "key", "sandbox": "key"}
        known = ", ".join(sorted(ADAPTERS.keys() - {"sandbox"}))
        assert vendors.set_up() == [
            f"EGGAPI_PROVIDER_BING_KEY is ignored: there is no adapter bing, only {known}.",
            f"EGGAPI_PROVIDER_SANDBOX_KEY is ignored: there is no adapter sandbox, only {known}.",
        ]
        assert set(Provider.objects.values_list("adapter", flat=True)) == {"sandbox"}

    def test_it_leaves_a_provider_that_only_has_the_name(self, kie: Provider) -> None:
        Provider.objects.filter(pk=kie.pk).update(adapter="apixo")
        assert vendors.set_up() == ["EGGAPI_PROVIDER_KIE_KEY is ignored: the provider kie has the adapter apixo."]

    @pytest.mark.parametrize("vendor", VENDORS, ids=str)
    def test_every_vendor_serves_both_models(self, vendor: Vendor, on_sale: None, settings: Settings) -> None:
        settings.EGGAPI_PROVIDER_KEYS = {vendor.adapter: "key"}
        vendors.set_up()
        routes = Route.objects.filter(provider__name=vendor.adapter)
        assert set(routes.values_list("model__name", flat=True)) == {"nanobanana", "nanobanana-pro"}
        assert set(routes.values_list("upstream_model", flat=True)) <= vendor.emulator.models
        assert all(route.cost > 0 for route in routes)
        assert {route.official for route in routes} == {vendor.adapter in {"gemini", "openai", "vertex"}}


def test_every_adapter_has_default_routes_that_apply_would_take() -> None:
    listed = tomllib.loads(catalog.SEED.read_text())["vendor"]
    assert {vendor["adapter"] for vendor in listed} >= ADAPTERS.keys() - {"sandbox"}
    assert len({vendor["priority"] for vendor in listed}) == len(listed)
    for number, route in enumerate(route for vendor in listed for route in vendor["route"]):
        chainfile.read_route(route | {"provider": "any"}, number)


@pytest.mark.django_db
class TestLiveKey:
    def test_it_is_made_once_with_a_dollar(self, kie: Provider) -> None:
        _, account = firstrun.first_account("alice@example.com")
        assert firstrun.live_key(account).startswith("egg_live_")
        assert firstrun.live_key(account) == ""
        assert list(
            LedgerEntry.objects.filter(wallet__account=account, wallet__mode="live").values_list("amount", "reason")
        ) == [(1_000_000, "starting credit")]

    def test_there_is_none_without_a_provider(self, on_sale: None, settings: Settings) -> None:
        _, account = firstrun.first_account("alice@example.com")
        assert firstrun.live_key(account) == ""
        settings.EGGAPI_PROVIDER_KEYS = {"bing": "key"}
        vendors.set_up()
        assert firstrun.live_key(account) == ""


@pytest.mark.once
def test_a_key_is_all_a_real_picture_needs(tmp_path: Path) -> None:
    """And 'routes apply' turns the running server to wherever else the vendor is."""
    with Kie() as upstream:
        egg = Installation(tmp_path / "home", EGGAPI_PROVIDER_KIE_KEY=upstream.key, EGGAPI_PROVIDER_BING_KEY="x")
        try:
            egg.start()
            printed = egg.printed.read_text()
            assert "kie is set up, from EGGAPI_PROVIDER_KIE_KEY." in printed
            assert "EGGAPI_PROVIDER_BING_KEY is ignored" in printed
            assert upstream.key not in egg.log
            key = re.findall(r"^Live key +(egg_live_\w+)", printed, re.MULTILINE)[0]
            exported = egg.manage("routes", "export").stdout
            (tmp_path / "chain.toml").write_text(
                exported.replace('adapter = "kie"', f'adapter = "kie"\nbase_url = "{upstream.base_url}"')
            )
            applied = egg.manage("routes", "apply", str(tmp_path / "chain.toml"))
            assert applied.stdout.splitlines()[0] == f'~ provider kie: base url none -> "{upstream.base_url}"'
            assert egg.manage("providers", "check").stdout == "kie: ok, balance 100.0\n"
            egg.wait_for(lambda: "First picture" in egg.printed.read_text())  # and 2 s have passed
            _, task = egg.call("POST", "/v1/generate", {"model": "nanobanana", "prompt": "an egg"}, key)
            egg.wait_for(lambda: egg.call("GET", f"/v1/tasks/{task['id']}", key=key)[1]["status"] == "completed")
            assert egg.call("GET", "/v1/balance", key=key)[1]["available"] == "$0.9900"
            egg.stop()
            egg.start()
            assert egg.printed.read_text().count("Live key") == 1
        finally:
            egg.kill()

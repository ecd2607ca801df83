"""manage.py routes: the live chain as a file."""

import re
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from accounts.models import AuditEntry
from eggapi import alerts, clock
from eggapi.alerts import Raised
from eggapi.models import Alert
from generation import catalog
from generation.models import Breaker, CatalogueVersion, ImageModel, Price, Provider, Route, Task
from generation.providers import ADAPTERS
from tests.customer import Customer
from tests.emulators.kie import Kie
from tests.emulators.vendor import Speaks
from tests.generation.conftest import ended

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).parents[2]
KIE = """
[[provider]]
name = "kie"
adapter = "kie"
credential = "a-most-secret-key"
"""
FAST = """
[[route]]
model = "nanobanana"
provider = "kie"
upstream_model = "google/nano-banana"
cost_usd = "0.005"
"""
FULL = """
[[provider]]
name = "main"
adapter = "kie"
base_url = "http://127.0.0.1:9/api/v1"
credential = "a-most-secret-key"
callback_secret = "another-secret"
concurrency = 20
result_hosts = ["cdn.example.com", "10.0.0.7:9000"]
low_balance = 12.5

[[route]]
model = "nanobanana-pro"
provider = "main"
upstream_model = "nano-banana-pro"
priority = -1
weight = 3
cost_usd = "0.01"
cost_4k_usd = "0.02"
cost_per_reference_usd = "0.001"
official = true
require_margin = true
when = { resolution = ["2k", "4k"], type = ["image_edit"], aspect_ratio = ["16:9", "auto"], output_format = ["png"] }
label = "Studio \\"B\\" é"
"""


@pytest.fixture
def apply(on_sale: None, tmp_path: Path) -> Callable[[str], list[str]]:
    """Applies a text; returns the lines that were printed."""

    def apply_text(text: str) -> list[str]:
        path = tmp_path / "chain.toml"
        path.write_text(text)
        return printed("apply", str(path)).splitlines()

    return apply_text


def printed(*arguments: str) -> str:
    out = StringIO()
    call_command("routes", *arguments, stdout=out)
    return out.getvalue()


def live(model: str = "nanobanana") -> list[tuple[str, str]]:
    """(provider, upstream model) of the routes that live keys are served by, as the engine sees them."""
    catalog._forget()
    routes = catalog.current().models[model].routes
    return [(route.provider, route.upstream_model) for route in routes if route.mode == "live"]


def rows() -> list[Any]:
    return [*Provider.objects.order_by("pk").values(), *Route.objects.order_by("pk").values()]


Apply = Callable[[str], list[str]]


class TestApply:
    def test_it_works(self, apply: Apply) -> None:
        assert apply(KIE + FAST) == [
            "+ provider kie, adapter kie",
            "+ nanobanana via kie google/nano-banana (Route C): $0.0050 an image, priority 10",
        ]
        assert live() == [("kie", "google/nano-banana")]
        assert Provider.objects.get(name="kie").credential == "a-most-secret-key"

    def test_it_takes_every_key(self, apply: Apply) -> None:
        apply(FULL)
        provider = Provider.objects.get(name="main")
        route = provider.routes.get()
        assert (provider.base_url, provider.concurrency, str(provider.low_balance)) == (
            "http://127.0.0.1:9/api/v1",
            20,
            "12.50",
        )
        assert (provider.result_hosts, provider.callback_secret) == (
            ["cdn.example.com", "10.0.0.7:9000"],
            "another-secret",
        )
        assert (route.priority, route.weight, route.cost, route.cost_4k, route.cost_per_reference) == (
            -1,
            3,
            10_000,
            20_000,
            1_000,
        )
        assert (route.official, route.require_margin, route.label) == (True, True, 'Studio "B" é')
        assert route.conditions["type"] == ["image_edit"]

    def test_twice_changes_nothing(self, apply: Apply) -> None:
        apply(KIE + FAST + FULL)
        before = rows()
        assert apply(KIE + FAST + FULL) == ["Nothing changes."]
        assert rows() == before

    def test_it_tells_what_changes(self, apply: Apply) -> None:
        apply(KIE + FAST)
        changed = KIE.replace("a-most-secret-key", "a-new-key") + "concurrency = 5\n" + FAST
        changed = changed.replace('"0.005"', '"0.006"') + 'when = { resolution = ["1k"] }\nlabel = "Fast"\n'
        assert apply(changed) == [
            "~ provider kie: concurrency none -> 5, credential changed",
            "~ nanobanana via kie google/nano-banana (Fast):"
            ' label "Route C" -> "Fast", cost $0.0050 -> $0.0060, conditions none -> { resolution = ["1k"] }',
        ]
        assert Provider.objects.get(name="kie").credential == "a-new-key"

    def test_what_the_file_leaves_out_is_the_default_again(self, apply: Apply) -> None:
        apply(KIE + "concurrency = 5\n" + FAST + "priority = 3\n")
        assert apply(KIE + FAST) == [
            "~ provider kie: concurrency 5 -> none",
            "~ nanobanana via kie google/nano-banana (Route C): priority 3 -> 10",
        ]

    def test_other_live_routes_are_switched_off_and_back_on(self, apply: Apply) -> None:
        apply(KIE + FAST)
        other = FAST.replace("google/nano-banana", "nano-banana-2")
        assert apply(KIE + other) == [
            "+ nanobanana via kie nano-banana-2 (Route D): $0.0050 an image, priority 10",
            "- nanobanana via kie google/nano-banana (Route C): switched off",
        ]
        assert live() == [("kie", "nano-banana-2")]
        assert apply(KIE + FAST)[0].startswith("+ nanobanana via kie google/nano-banana (Route C)")
        assert live() == [("kie", "google/nano-banana")]
        assert Route.objects.filter(provider__name="kie").count() == 2

    def test_it_leaves_other_models_and_the_sandbox_alone(self, apply: Apply) -> None:
        pro = FAST.replace('"nanobanana"', '"nanobanana-pro"')
        apply(KIE + FAST + pro)
        before = Route.objects.filter(provider__adapter="sandbox").values()
        apply(KIE + FAST.replace("google/nano-banana", "nano-banana-2"))
        assert live("nanobanana-pro") == [("kie", "google/nano-banana")]
        assert list(Route.objects.filter(provider__adapter="sandbox").values()) == list(before)
        assert len(before) == 4

    def test_a_provider_that_is_off_comes_on_with_the_routes_of_the_file_alone(self, apply: Apply) -> None:
        apply(KIE + FAST + FAST.replace('"nanobanana"', '"nanobanana-pro"'))
        Provider.objects.filter(name="kie").update(enabled=False)
        assert apply(KIE + FAST) == ["~ provider kie: switched on"]
        assert live() == [("kie", "google/nano-banana")]
        assert live("nanobanana-pro") == []

    def test_credentials_come_from_the_environment_and_are_never_printed(
        self, apply: Apply, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("KIE_KEY", "from-the-environment")
        monkeypatch.setenv("KIE_SECRET", "for-callbacks")
        text = KIE.replace(
            'credential = "a-most-secret-key"', 'credential_env = "KIE_KEY"\ncallback_secret_env = "KIE_SECRET"'
        )
        shown = apply(text + FAST)
        provider = Provider.objects.get(name="kie")
        assert (provider.credential, provider.callback_secret) == ("from-the-environment", "for-callbacks")
        monkeypatch.setenv("KIE_KEY", "another-one")
        shown += apply(text + FAST)
        assert shown[-1] == "~ provider kie: credential changed"
        assert "from-the" not in str(shown)

    def test_a_provider_keeps_the_credential_the_file_does_not_give(self, apply: Apply) -> None:
        apply(KIE + FAST)
        assert apply(KIE.replace("credential", "# credential") + FAST) == ["Nothing changes."]
        assert Provider.objects.get(name="kie").credential == "a-most-secret-key"

    def test_it_warns_of_a_negative_margin(self, apply: Apply) -> None:
        dear = FAST.replace('"nanobanana"', '"nanobanana-pro"').replace("google/nano-banana", "nano-banana-pro")
        warning = (
            "Warning: nanobanana-pro via kie nano-banana-pro has a negative margin:"
            " a 1k image costs $0.0300 and sells for $0.0160, a 2k image costs $0.0300 and sells for $0.0160."
        )
        assert apply(KIE + dear.replace("0.005", "0.03"))[-1] == warning
        assert apply(KIE + dear.replace("0.005", "0.03")) == ["Nothing changes.", warning]
        assert not apply(KIE + dear.replace("0.005", "0.03") + 'when = { resolution = ["4k"] }')[-1].startswith(
            "Warning"
        )

    def test_labels_are_the_next_free_ones(self, apply: Apply) -> None:
        model = ImageModel.objects.get(name="nanobanana")
        sandbox = Provider.objects.get(name="sandbox-a")
        for letter in "CDEFGHIJKLMNOPQRSTUVWXYZ":
            Route.objects.create(model=model, provider=sandbox, upstream_model=letter, label=f"Route {letter}")
        named = FAST.replace("google/nano-banana", "nano-banana-2") + 'label = "Route AA"\n'
        apply(KIE + FAST + named)
        assert Route.objects.get(upstream_model="google/nano-banana").label == "Route AB"

    def test_it_takes_the_documented_file(self, apply: Apply, monkeypatch: pytest.MonkeyPatch) -> None:
        page = (ROOT / "docs/operations.md").read_text()
        text = page.partition("```toml\n")[2].partition("```")[0]
        for variable in re.findall('_env = "([A-Z_]+)"', text):
            monkeypatch.setenv(variable, "a-key")
        lines = apply(text)
        assert [line[0] for line in lines] == ["+", "+", "+", "+", "W"]

    def test_a_running_server_sees_it(self, apply: Apply) -> None:
        before = CatalogueVersion.objects.get().number
        apply(KIE + FAST)
        assert CatalogueVersion.objects.get().number == before + 1


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (KIE + FAST.replace("nanobanana", "veo"), "There is no model veo."),
        (KIE.replace('"kie"', '"bing"'), r"[[provider]] 1 (bing): adapter must be one of "),
        (KIE.replace('adapter = "kie"', 'adapter = "sandbox"'), "[[provider]] 1 (kie): adapter must be one of "),
        (KIE.replace('name = "kie"', 'name = "sandbox-a"'), "Provider sandbox-a has the adapter sandbox;"),
        (KIE + "speed = 3", "[[provider]] 1 (kie) has no speed; it can have name, "),
        (KIE + FAST + "resolution = '4k'", "[[route]] 1 (nanobanana via kie) has no resolution; it can have model, "),
        (KIE + FAST + "[settings]\na = 1", "There is no settings in a chain, only [[provider]] and [[route]]."),
        ("[provider]\nname = 'kie'", "Write [[provider]] above each provider."),
        ("route = [7]", "Write [[route]] above each route."),
        (KIE + KIE, "There are two providers of the name kie."),
        (KIE + FAST + FAST, "There are two routes for nanobanana via kie google/nano-banana."),
        (KIE.replace("credential", "credential_env"), "(kie): credential_env must be the name of an environment"),
        (KIE.replace('= "a-most-secret-key"', '= "X"\ncallback_secret_env = "NO_KEY"'), "_env names NO_KEY, which is"),
        (KIE + 'credential_env = "HOME"', "[[provider]] 1 (kie): give credential or credential_env, not both."),
        (KIE.replace("credential", "# credential"), "Provider kie is new and has neither credential nor "),
        (KIE + FAST.replace("cost_usd", "# "), "[[route]] 1 (nanobanana via kie): cost_usd is missing."),
        (KIE + FAST.replace('"0.005"', "0.005"), '(nanobanana via kie): cost_usd must be a text such as "0.03".'),
        (KIE + FAST.replace('"0.005"', '"free"'), "cost_usd is wrong: 'free' is not an amount of dollars"),
        (KIE + FAST.replace('"0.005"', '"-1"'), "cost_usd must not be negative."),
        (KIE + FAST.replace('"kie"', '"fal"'), "The route for nanobanana via fal google/nano-banana has no [["),
        (KIE + FAST + "priority = '1'", "priority must be an integer."),
        (KIE + FAST + "priority = true", "priority must be an integer."),
        (KIE + FAST + "weight = -1", "weight must be from 0 to "),
        (KIE + FAST + "official = 1", "official must be true or false."),
        (KIE + FAST + "label = ''", "label must not be empty."),
        (KIE + FAST + 'label = "a\\nb"', "label must be one line of printable characters."),
        (KIE + FAST + "when = { colour = ['red'] }", "when knows resolution, aspect_ratio, type, output_format, but"),
        (KIE + FAST + "when = { resolution = '4k' }", "when must list what resolution may be."),
        (KIE + FAST + "when = { resolution = [] }", "when must list what resolution may be."),
        (KIE + FAST + "when = { resolution = ['4K'] }", "when has '4K', which resolution never is."),
        (KIE + FAST + "when = ['4k']", "when must be a table such as "),
        (KIE + "concurrency = 0", "concurrency must be from 1 to "),
        (KIE + "low_balance = -1", "low_balance must be a number"),
        (KIE + "low_balance = nan", "low_balance must be a number"),
        (KIE + "low_balance = '5'", "low_balance must be a number"),
        (KIE + "result_hosts = ['https://cdn.example.com']", "result_hosts must list hosts"),
        (KIE + "result_hosts = ['cdn.example.com:70000']", "result_hosts must list hosts"),
        (KIE + "result_hosts = ['[1:2]']", "result_hosts must list hosts"),
        (KIE + "base_url = 'sandbox:a'", "base_url must be an address such as "),
        (KIE + "base_url = 'https://user:password@host'", "base_url must be an address such as "),
        (KIE + "base_url = 'https://[host'", "base_url must be an address such as "),
        ("[[provider]]\nname = ", "This is not TOML: "),
    ],
)  # fmt: skip
def test_it_refuses(apply: Apply, text: str, sentence: str) -> None:
    before = rows()
    with pytest.raises(CommandError) as refusal:
        apply(text)
    told = str(refusal.value)
    assert told.startswith("Nothing changed: ")
    assert sentence in told
    assert told.endswith(".")
    assert "\n" not in told
    assert "most-secret" not in told
    assert rows() == before


class TestItRefuses:
    def test_a_model_without_a_price(self, apply: Apply) -> None:
        Price.objects.filter(model__name="nanobanana").update(since=clock.now() + timedelta(days=1))
        with pytest.raises(CommandError, match=r"^Nothing changed: The model nanobanana has no price\.$"):
            apply(KIE + FAST)
        assert not Provider.objects.filter(name="kie").exists()

    def test_another_adapter_for_a_provider_in_use(self, apply: Apply, monkeypatch: pytest.MonkeyPatch) -> None:
        apply(KIE + FAST)
        monkeypatch.setitem(ADAPTERS, Speaks.name, Speaks)
        with pytest.raises(CommandError, match="Provider kie has the adapter kie; one with another needs another name"):
            apply(KIE.replace('adapter = "kie"', 'adapter = "vendor"') + FAST)

    def test_a_file_that_cannot_be_read(self, tmp_path: Path) -> None:
        with pytest.raises(CommandError, match=r"none\.toml cannot be read: No such file or directory\."):
            printed("apply", str(tmp_path / "none.toml"))
        (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
        with pytest.raises(CommandError, match=r"binary\.toml is not UTF-8 text\."):
            printed("apply", str(tmp_path / "binary.toml"))


class TestExport:
    def test_it_changes_nothing_when_applied(self, apply: Apply) -> None:
        apply(KIE + FAST + FULL)
        before = rows()
        text = printed("export")
        assert apply(text) == ["Nothing changes."]
        assert rows() == before
        assert printed("export") == text

    def test_it_holds_the_live_chain_and_no_credential(self, apply: Apply) -> None:
        apply(KIE + FAST + FULL)
        Route.objects.filter(provider__name="kie").update(enabled=False)
        text = printed("export")
        assert text.count("[[route]]") == 1
        for absent in ("sandbox", "a-most-secret-key", "another-secret", "credential ="):
            assert absent not in text

    def test_a_new_installation_has_none(self, apply: Apply) -> None:
        assert apply(printed("export")) == ["Nothing changes."]

    def test_it_leaves_what_is_switched_off_alone(self, apply: Apply) -> None:
        apply(KIE + FAST + FULL.replace("nanobanana-pro", "nanobanana"))
        Provider.objects.filter(name="main").update(enabled=False)
        assert apply(printed("export")) == ["Nothing changes."]
        assert Route.objects.get(provider__name="main").enabled


class TestEnable:
    def test_it_works(self, apply: Apply) -> None:
        apply(KIE + FAST)
        provider, now = Provider.objects.get(name="kie"), clock.now()
        Provider.objects.filter(pk=provider.pk).update(enabled=False)
        provider.routes.update(enabled=False)
        Breaker.objects.create(
            provider=provider, upstream_model="google/nano-banana", opened_at=now, open_until=now, seconds=15
        )
        alerts.report([Raised("route:kie:google/nano-banana", "kie is not used")])
        assert printed("enable", "kie") == "kie is on. Its routes: 1. Breakers closed: 1.\n"
        assert live() == [("kie", "google/nano-banana")]
        assert not Breaker.objects.exists()
        assert Alert.objects.get().state == "ended"
        entries = AuditEntry.objects.order_by("pk").values_list("action", "target")[1:]  # the first is of `apply`
        ways = {"provider.enable": "kie", "chain.edit": "nanobanana", "breaker.close": "kie google/nano-banana"}
        assert dict(entries) == ways

    def test_it_rejects_a_second_route_of_the_same_label(self, apply: Apply) -> None:
        apply(KIE + FAST)
        Route.objects.filter(provider__name="kie").update(enabled=False, label="Route A")
        before = rows()
        with pytest.raises(CommandError, match=r"^Nothing changed: Two routes have the label Route A\.$"):
            printed("enable", "kie")
        assert rows() == before

    def test_it_rejects_a_name_nobody_has(self, on_sale: None) -> None:
        with pytest.raises(CommandError, match=r"^There is no provider bing\.$"):
            printed("enable", "bing")


@pytest.mark.django_db(transaction=True)
def test_pictures_come_from_where_the_file_says(apply: Apply, customer: Customer, engine: object) -> None:
    with Kie() as upstream:
        apply(KIE.replace("a-most-secret-key", upstream.key) + f'base_url = "{upstream.base_url}"\n' + FAST)
        catalog._forget()
        answer = customer.generate()
        assert answer.status == 202
        assert ended(Task.objects.get(pk=answer.data["id"]), 20).status == "completed"
        assert [ask.model for ask in upstream.asked] == ["google/nano-banana"]


@pytest.mark.once
@pytest.mark.django_db(transaction=True)
def test_errors_are_one_sentence_and_exit_code_1(on_sale: None, database_url: str, tmp_path: Path) -> None:
    (tmp_path / "chain.toml").write_text(KIE + FAST.replace("nanobanana", "veo"))
    manage = [sys.executable, str(ROOT / "manage.py"), "routes", "apply"]
    done = subprocess.run([*manage, str(tmp_path / "chain.toml")], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "Nothing changed: There is no model veo.\n")

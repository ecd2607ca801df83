"""/openapi.json: valid, complete, and true."""

import json
import re
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import URLPattern, get_resolver
from jsonschema import Draft202012Validator
from pytest_django import Settings

from billing import redeem, usage
from billing.models import UsageRecord
from eggapi import openapi
from generation import catalog
from tests.customer import EGG, Answer, Customer
from tests.emulators import stripe as stripe_emulator
from tests.emulators.stripe import Stripe
from tests.generation.past import add_task

OPTIONAL_HEADERS = {"Idempotent-Replayed", "Preference-Applied"}
METHODS = {"get", "post", "put", "patch", "delete"}


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(path, method, operation)"""
    for path, item in openapi.document()["paths"].items():
        yield from ((path, method, item[method]) for method in METHODS & item.keys())


def closed(schema: Any) -> Any:
    """The same, where what is not documented is not allowed."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {name: closed(part) for name, part in schema.items()}
    return inner | {"additionalProperties": False} if "properties" in schema else inner


def assert_fits(value: Any, schema: dict[str, Any]) -> None:
    whole = closed({**schema, "components": openapi.document()["components"]})
    Draft202012Validator(whole, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(value)


def content(described: dict[str, Any]) -> dict[str, Any]:
    only: dict[str, Any] = described["content"]["application/json"]
    return only


def test_it_is_valid_without_a_warning(tmp_path: Path) -> None:
    file = tmp_path / "openapi.json"
    call_command("spectacular", "--validate", "--fail-on-warn", "--format", "openapi-json", "--file", str(file))
    described = json.loads(file.read_text())
    assert (described["openapi"], described["paths"]) == ("3.1.0", openapi.document()["paths"])


class TestServed:
    def test_it_works(self, client: Client, settings: Settings) -> None:
        response = client.get("/openapi.json")
        assert (response.status_code, response["Content-Type"]) == (200, "application/json")
        assert response.json() == {**openapi.document(), "servers": [{"url": "http://testserver"}]}
        settings.EGGAPI_PUBLIC_URL = "https://api.example.com"
        assert client.get("/openapi.json").json()["servers"] == [{"url": "https://api.example.com"}]

    def test_the_command_prints_it(self, settings: Settings) -> None:
        settings.EGGAPI_PUBLIC_URL = "https://api.example.com"
        printed = StringIO()
        call_command("openapi", stdout=printed)
        assert json.loads(printed.getvalue()) == {**openapi.document(), "servers": [{"url": "https://api.example.com"}]}


class TestDescribed:
    def test_every_address_is(self) -> None:
        patterns = (str(each.pattern) for each in get_resolver().url_patterns if isinstance(each, URLPattern))
        served = {"/" + re.sub("<[a-z]+:([a-z_]+)>", r"{\1}", path) for path in patterns if path[:3] == "v1/"}
        assert served == {path for path, _, _ in operations()}

    def test_every_operation_is(self) -> None:
        for path, method, operation in operations():
            assert operation["operationId"], f"{method} {path}"
            assert operation["summary"]
            assert operation["description"]
            assert operation["tags"][0] in {tag["name"] for tag in openapi.document()["tags"]}
        names = [operation["operationId"] for _, _, operation in operations()]
        assert len(names) == len(set(names))

    def test_every_answer_is_enveloped_and_exemplified(self) -> None:
        for _, _, operation in operations():
            assert {"429", "500", "503"} <= operation["responses"].keys()
            for status, response in operation["responses"].items():
                if status < "300" and "application/json" not in response.get("content", {}):
                    continue  # a file, or a stream
                assert content(response)["examples"]
                assert "X-Request-Id" in response["headers"]
                for example in content(response)["examples"].values():
                    assert_fits(example["value"], content(response)["schema"])
                    assert list(example["value"]) == ["data", "error"]

    def test_every_refusal_has_its_code(self) -> None:
        (operation,) = [each for _, _, each in operations() if each["operationId"] == "generate"]
        codes = {
            status: [example["value"]["error"]["code"] for example in content(response)["examples"].values()]
            for status, response in operation["responses"].items()
            if status >= "400"
        }
        assert codes == {
            "400": ["BAD_REQUEST", "VALIDATION_ERROR"],
            "401": ["UNAUTHORIZED"],
            "403": ["INSUFFICIENT_BALANCE", "FORBIDDEN"],
            "409": ["IDEMPOTENCY_IN_FLIGHT"],
            "413": ["PAYLOAD_TOO_LARGE"],
            "415": ["UNSUPPORTED_MEDIA_TYPE"],
            "422": ["IDEMPOTENCY_MISMATCH"],
            "429": ["RATE_LIMITED"],
            "500": ["INTERNAL_ERROR"],
            "503": ["SERVICE_UNAVAILABLE"],
        }

    def test_who_may_call_is(self) -> None:
        security = {operation["operationId"]: operation.get("security", []) for _, _, operation in operations()}
        key: list[Any] = [{"key": []}]
        session: list[Any] = [{"session": []}]
        both = [*key, *session]
        assert security == {
            "generate": both,
            "get_task": both,
            "delete_task": both,
            "list_tasks": both,
            **dict.fromkeys(("cancel_task", "get_receipt", "stream_task"), both),
            "list_events": key,
            "list_models": [],
            "list_usage": key,
            "summarize_usage": key,
            "get_balance": key,
            **dict.fromkeys(("list_keys", "make_key", "roll_key", "revoke_all_keys"), session),
            **dict.fromkeys(("disable_key", "enable_key", "revoke_key"), session),
            "report_key": [],
            **dict.fromkeys(("get_export", "make_export", "delete_account", "keep_account"), session),
            **dict.fromkeys(("list_deliveries", "get_delivery", "resend_delivery", "recover_deliveries"), session),
            **dict.fromkeys(("replay_deliveries", "send_test_event", "rotate_webhook_secret"), session),
            **dict.fromkeys(("list_failing_receivers", "enable_receiver"), session),
            **dict.fromkeys(("redeem_code", "top_up", "get_statement_csv", "get_statement_pdf"), session),
        }


@pytest.mark.django_db
class TestTrue:
    """What is really answered is what is described, with nothing left out and nothing added."""

    @pytest.fixture
    def alice(self) -> Customer:
        catalog.seed()
        catalog._forget()
        return Customer()

    def assert_described(self, answer: Answer, path: str, method: str = "get") -> None:
        response = openapi.document()["paths"][path][method]["responses"][str(answer.status)]
        assert_fits(json.loads(answer.body), content(response)["schema"])
        assert response["headers"].keys() <= {name.title() for name in answer.headers} | OPTIONAL_HEADERS

    def test_submitting(self, alice: Customer) -> None:
        request = openapi.document()["paths"]["/v1/generate"]["post"]["requestBody"]
        for example in content(request)["examples"].values():
            assert_fits(example["value"], content(request)["schema"])
            self.assert_described(alice.post(example["value"]), "/v1/generate", "post")
        alice.leave(10_000)
        for body, headers in [
            (EGG, {"Idempotency_Key": "k"}),
            (EGG, {"Idempotency_Key": "k"}),
            (EGG, {}),
            ({}, {"Idempotency_Key": "k"}),
            ({}, {}),
            (b"{", {}),
            (b" " * 2**21, {}),
            (EGG, {"Content_Type": "text/plain"}),
            (EGG, {"Authorization": "Bearer x"}),
        ]:
            self.assert_described(alice.post(body, **headers), "/v1/generate", "post")

    def test_asking_first_and_knowing_after(self, alice: Customer) -> None:
        self.assert_described(alice.generate(dry_run=True), "/v1/generate", "post")
        self.assert_described(alice.generate(dry_run=True, max_cost="0.001"), "/v1/generate", "post")
        path = f"/v1/tasks/{alice.generate(metadata={'order': '1234'}, max_cost=1).data['id']}"
        self.assert_described(alice.get(f"{path}/receipt"), "/v1/tasks/{task_id}/receipt")
        self.assert_described(alice.send("POST", f"{path}/cancel"), "/v1/tasks/{task_id}/cancel", "post")
        self.assert_described(alice.get(f"{path}/receipt"), "/v1/tasks/{task_id}/receipt")
        self.assert_described(alice.get("/v1/events"), "/v1/events")
        self.assert_described(alice.get("/v1/events?after=x"), "/v1/events")
        for name in ("receipt", "events"):
            self.assert_described(alice.get(f"/v1/tasks/gen_nothing/{name}"), f"/v1/tasks/{{task_id}}/{name}")

    def test_tasks(self, alice: Customer) -> None:
        for status in ("pending", "processing", "completed", "failed"):
            task = add_task(alice, status, outputs=2)
            self.assert_described(alice.get(f"/v1/tasks/{task.id}"), "/v1/tasks/{task_id}")
        self.assert_described(alice.get("/v1/tasks/gen_nothing"), "/v1/tasks/{task_id}")
        self.assert_described(alice.get("/v1/tasks"), "/v1/tasks")
        self.assert_described(alice.get("/v1/tasks?page=x"), "/v1/tasks")

    def test_models(self, alice: Customer) -> None:
        self.assert_described(alice.get("/v1/models"), "/v1/models")

    def test_usage_and_balance(self, alice: Customer) -> None:
        task = add_task(alice, "completed")
        record = UsageRecord(
            account=alice.account,
            mode=alice.mode,
            key=alice.key,
            task_id=task.id,
            model=task.model,
            type=task.type,
            units=1,
            unit_price=task.cost,
            cost=task.cost,
            created_at=task.created_at,
        )
        usage.record([record])
        for path in ("/v1/usage", "/v1/usage/summary", "/v1/balance"):
            self.assert_described(alice.get(path), path)
            self.assert_described(alice.get(path, Authorization=""), path)
        self.assert_described(alice.get("/v1/usage?per_page=0"), "/v1/usage")

    def test_money(self, alice: Customer, settings: Settings) -> None:
        alice.sign_in()
        signed_in = {"Authorization": "", "X_CSRFToken": alice.csrf_token}
        (code,) = redeem.make("fair", 5_000_000, 1, 1, None)
        with Stripe() as stripe:
            settings.EGGAPI_STRIPE_URL, settings.EGGAPI_STRIPE_SECRET_KEY = stripe.url, stripe_emulator.KEY
            settings.EGGAPI_STRIPE_WEBHOOK_SECRET = stripe_emulator.SECRET
            for path, body, headers in [
                ("/v1/redeem", {"code": code}, signed_in),
                ("/v1/redeem", {"code": code}, signed_in),
                ("/v1/redeem", {"code": code}, {}),
                ("/v1/topups", {"amount": "20.00"}, signed_in),
                ("/v1/topups", {"amount": "1"}, signed_in),
            ]:
                self.assert_described(alice.send("POST", path, body, **headers), path, "post")
        settings.EGGAPI_STRIPE_SECRET_KEY = ""
        off = alice.send("POST", "/v1/topups", {"amount": "20.00"}, **signed_in)
        self.assert_described(off, "/v1/topups", "post")
        for form in ("csv", "pdf"):
            missing = alice.get(f"/v1/statements/2999-01.{form}", **signed_in)
            self.assert_described(missing, f"/v1/statements/{{month}}.{form}")

    def test_keys(self, alice: Customer) -> None:
        alice.sign_in()
        signed_in = {"Authorization": "", "X_CSRFToken": alice.csrf_token}
        (new_key,) = content(openapi.document()["paths"]["/v1/keys"]["post"]["requestBody"])["examples"].values()
        for body in (new_key["value"], {"name": "x"}, {}, b"{"):
            self.assert_described(alice.send("POST", "/v1/keys", body, **signed_in), "/v1/keys", "post")
        for query, headers in [("", signed_in), ("", {}), ("?page=x", signed_in)]:
            self.assert_described(alice.get(f"/v1/keys{query}", **headers), "/v1/keys")
        for verb in ("roll", "disable", "enable", "revoke"):
            for key_id, body in [(alice.key.pk, {"overlap": "7d"}), (alice.key.pk, {}), (0, {"overlap": "now"})]:
                answer = alice.send("POST", f"/v1/keys/{key_id}/{verb}", body, **signed_in)
                self.assert_described(answer, f"/v1/keys/{{key_id}}/{verb}", "post")
        for found in ({"key": alice.secret}, {}):
            self.assert_described(alice.send("POST", "/v1/keys/report", found), "/v1/keys/report", "post")
        answer = alice.send("POST", "/v1/keys/revoke_all", **signed_in)
        self.assert_described(answer, "/v1/keys/revoke_all", "post")

    def test_parameters(self, alice: Customer) -> None:
        """Every documented one is one that can be wrong, but for those any text is good for."""
        for path in ("/v1/tasks", "/v1/usage", "/v1/events"):
            for parameter in openapi.document()["paths"][path]["get"]["parameters"]:
                answer = alice.get(f"{path}?{parameter['name']}=%00")
                assert answer.faults == [parameter["name"]]

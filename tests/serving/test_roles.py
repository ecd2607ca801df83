"""Roles at /v1: whoever is signed in may do there what the pages let the role do, and nothing more."""

import json
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from accounts.api import V1View
from accounts.authentication import SessionCaller
from accounts.member import ALLOWED
from accounts.models import Account, ApiKey, Membership, User
from eggapi import errors
from generation import catalog
from generation.models import Task
from tests.customer import EGG, Customer

pytestmark = [pytest.mark.django_db, pytest.mark.once]
TASK = "gen_" + "a" * 24
# Address -> what its POST (for a task its DELETE) needs, with a body that would be right.
DEEDS: dict[str, tuple[str, dict[str, Any]]] = {
    "/v1/generate": ("generate", EGG),
    f"/v1/tasks/{TASK}": ("generate", {}),
    f"/v1/tasks/{TASK}/cancel": ("generate", {}),
    "/v1/keys": ("keys", {"name": "mine"}),
    "/v1/keys/KEY/roll": ("keys", {"overlap": "now"}),
    "/v1/keys/KEY/disable": ("keys", {}),
    "/v1/keys/KEY/enable": ("keys", {}),
    "/v1/keys/KEY/revoke": ("keys", {}),
    "/v1/keys/revoke_all": ("keys", {}),
    "/v1/redeem": ("money", {"code": "EGG-1"}),
    "/v1/topups": ("money", {"amount": "20.00"}),
    "/v1/webhooks/deliveries/evt_1/resend": ("webhooks", {}),
    "/v1/webhooks/recover": ("webhooks", {"since": "2020-01-01T00:00:00Z"}),
    "/v1/webhooks/replay": ("webhooks", {}),
    "/v1/webhooks/test": ("webhooks", {"url": "https://example.com/hook"}),
    "/v1/webhooks/secret/rotate": ("webhooks", {}),
    "/v1/webhooks/origins": ("webhooks", {"host": "example.com:443"}),
    "/v1/account/export": ("account", {}),
    "/v1/account/delete": ("account", {}),
    "/v1/account/delete/cancel": ("account", {}),
}


@pytest.fixture
def alice() -> Customer:
    catalog.seed()
    catalog.changed()
    catalog._forget()
    return Customer()


def member(account: Account, role: str) -> Client:
    """The browser of somebody in that role."""
    user = User.objects.create_user("bob@example.com")
    Membership.objects.create(account=account, user=user, role=role)
    http = Client(raise_request_exception=False)
    http.force_login(user)
    return http


def tell(http: Client, path: str, body: dict[str, Any]) -> tuple[int, str]:
    """The status and the code of the error."""
    key = ApiKey.objects.order_by("pk")[0]
    method = "DELETE" if path == f"/v1/tasks/{TASK}" else "POST"
    reply = http.generic(method, path.replace("KEY", str(key.pk)), json.dumps(body), "application/json")
    error = json.loads(reply.content)["error"]
    return reply.status_code, error["code"] if error else ""


def test_it_refuses_a_reader_everywhere(alice: Customer) -> None:
    http = member(alice.account, "reader")
    answers = {path: tell(http, path, body) for path, (_, body) in DEEDS.items()}
    assert answers == dict.fromkeys(DEEDS, (403, "FORBIDDEN"))
    assert (ApiKey.objects.count(), Task.objects.count()) == (1, 0)
    alice.key.refresh_from_db()
    alice.account.refresh_from_db()
    assert (alice.key.revoked_at, alice.key.disabled_at, alice.account.delete_at) == (None, None, None)


@pytest.mark.parametrize("role", ["owner", "admin", "developer", "billing"])
def test_it_lets_a_role_do_what_is_written(alice: Customer, role: str) -> None:
    http = member(alice.account, role)
    refused = {path for path, (_, body) in DEEDS.items() if tell(http, path, body)[0] == errors.Forbidden.status}
    assert refused == {path for path, (needed, _) in DEEDS.items() if role not in ALLOWED[needed]}


def test_a_reader_may_look(alice: Customer) -> None:
    http = member(alice.account, "reader")
    looked = [http.get(path) for path in ("/v1/keys", "/v1/tasks", "/v1/webhooks/deliveries", "/v1/webhooks/origins")]
    assert [reply.status_code for reply in looked] == [200] * 4


def test_it_says_why(alice: Customer) -> None:
    http = member(alice.account, "billing")
    error = http.post("/v1/keys", {"name": "mine"}, "application/json").json()["error"]
    assert error["message"] == "Your role in this account (billing) does not allow this."


def test_a_key_has_no_role(alice: Customer) -> None:
    assert alice.generate().status == 202


def test_no_address_was_forgotten() -> None:
    shapes = {path.replace(TASK, "<str:task_id>").replace("KEY", "<int:key_id>").replace("evt_1", "<str:event_id>")
              for path in DEEDS}  # fmt: skip
    assert {f"/{route}" for route in session_doors(get_resolver())} == shapes


def session_doors(resolver: URLResolver, before: str = "") -> set[str]:
    """Every address where somebody signed in can do more than look."""
    found: set[str] = set()
    for entry in resolver.url_patterns:
        route = before + str(entry.pattern)
        if isinstance(entry, URLResolver):
            found |= session_doors(entry, route)
        elif isinstance(entry, URLPattern):
            view = getattr(entry.callback, "cls", None)
            if view and issubclass(view, V1View) and SessionCaller in view.authentication_classes:
                found |= {route for deed in ("post", "put", "patch", "delete") if hasattr(view, deed)}
    return found

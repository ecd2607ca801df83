"""Credentials, callback secrets and API keys are where they are needed, and nowhere else."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from aiohttp import web
from django.contrib import admin
from django.contrib.admin.utils import quote
from django.db import connection
from django.test import Client
from django.urls import reverse
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from eggapi import crypto
from eggapi.loop import Loop
from generation import catalog
from generation.models import Breaker, Provider, Purchase, Route, Task
from tests.customer import Customer
from tests.emulators.kie import Kie
from tests.emulators.upstream import Ask
from tests.generation.conftest import ended
from tests.kit.log import Lines, written

pytestmark = pytest.mark.django_db(transaction=True)

CREDENTIAL, DEAD, CALLBACK = "CREDENTIAL-7f3a", "DEAD-CREDENTIAL-7f3a", "CALLBACK-SECRET-7f3a"
FAULTS = ("none", "e500", "drop", "wrong-json", "e503", "bad-request", "failed", "bad-bytes", "refused")


class Talkative(Kie):
    """Repeats the credential it was shown in whatever it has against us."""

    key = CREDENTIAL
    webhook_key = CALLBACK
    shown = ""

    async def submitted(self, request: web.Request, ask: Ask) -> web.StreamResponse:
        self.shown = ask.key
        return await super().submitted(request, ask)

    def _say(self, code: int, message: str, *rest: Any, **named: Any) -> web.Response:
        return super()._say(code, message if code == 200 else f"{message} for {self.shown}", *rest, **named)


@pytest.fixture
def kie(sell: Callable[..., Route]) -> Iterator[Kie]:
    """Behind five routes: its credential is dead, nobody listens, and three that work."""
    with Talkative() as running:
        for number, (base_url, credential) in enumerate(
            [
                (running.base_url, DEAD),
                ("http://127.0.0.1:9", CREDENTIAL),
                *[(running.base_url, CREDENTIAL)] * 3,
            ]
        ):
            route = sell(running, "kie", "google/nano-banana")
            Provider.objects.filter(pk=route.provider_id).update(
                name=f"kie-{number}",
                base_url=base_url,
                credential_encrypted=crypto.encrypt(credential),
                callback_secret_encrypted=crypto.encrypt(CALLBACK),
            )
        catalog.changed()
        catalog._forget()
        yield running


@pytest.fixture
def log() -> Iterator[Lines]:
    with written() as lines:
        yield lines


@pytest.fixture
def answers(
    kie: Kie, customer: Customer, engine: Loop[Any], live_server: LiveServer, log: Lines, settings: Settings
) -> list[str]:
    """The body of everything anybody was answered while everything went wrong."""
    said = [customer.generate(prompt=f"an egg fault:{fault}", deadline_seconds=12) for fault in FAULTS]
    tasks = [ended(task, 20) for task in Task.objects.all()]
    assert {task.ended for task in tasks} >= {"completed", "refused", "upstream_unavailable"}
    said += [customer.get(f"/v1/tasks/{task.id}") for task in tasks]
    said += [customer.get("/v1/tasks"), customer.get("/v1/models"), customer.generate(num_outputs=9)]
    said += [customer.get("/v1/tasks", Authorization=f"Bearer {word}") for word in (f"{customer.secret}x", CREDENTIAL)]

    settings.EGGAPI_PUBLIC_URL = "https://egg.example"
    task = ended(Task.objects.get(pk=customer.generate().data["id"]))
    url = kie.asked[-1].raw["callBackUrl"].replace(settings.EGGAPI_PUBLIC_URL, live_server.url)
    heard = []
    for address, forged in [(url, ""), (url, "key"), (url, "unsigned"), (f"{url}x", "")]:
        headers, body = kie.callback(kie.asked[-1], forged=forged)
        heard.append(requests.post(address, body, headers=headers, timeout=10))
    assert ([answer.status_code for answer in heard], task.status) == ([200, 403, 403, 404], "completed")
    return [answer.body.decode() for answer in said] + [answer.text for answer in heard]


def pages(client: Client) -> dict[str, str]:
    """Every list in the admin, and the page of every row on it."""
    found = {}
    for model in admin.site._registry:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        addresses = [reverse(f"{name}_changelist")]
        addresses += [reverse(f"{name}_change", args=[quote(row.pk)]) for row in model._default_manager.all()[:30]]
        for address in addresses:
            answer = client.get(address)
            assert answer.status_code == 200, address
            found[address] = answer.content.decode()
    return found


def rows() -> dict[str, str]:
    """Everything in the database, by table."""
    found = {}
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            found[table] = "\n".join(str(_text(value)) for row in cursor.fetchall() for value in row)
    return found


def _text(value: Any) -> Any:
    return bytes(value).decode("latin-1") if isinstance(value, bytes | memoryview) else value


def test_no_secret_gets_out(customer: Customer, answers: list[str], log: Lines, admin_client: Client) -> None:
    assert {outcome for (outcome,) in Purchase.objects.values_list("outcome")} >= {
        *("", "unknown", "route_down", "retryable", "refused", "no_image"),
    }
    addresses = [crypto.signature("callback", purchase.pk) for purchase in Purchase.objects.all()]
    secrets = {CREDENTIAL, DEAD, CALLBACK, customer.secret, customer.secret[9:], *addresses}
    encrypted = {
        text
        for provider in Provider.objects.exclude(credential_encrypted="")
        for text in (provider.credential_encrypted, provider.callback_secret_encrypted)
    }
    shown = pages(admin_client)
    assert {Provider, Route, Breaker, Task, Purchase} <= set(admin.site._registry)
    stored = rows()
    assert encrypted < set(stored["generation_provider"].splitlines())
    assert "for [secret]" in stored["generation_attempt"]

    def leaks(text: str) -> list[str]:
        return [secret for secret in secrets if secret in text]

    assert leaks("".join(answers)) == []
    assert leaks(log.text) == []
    assert {table: found for table, text in stored.items() if (found := leaks(text))} == {}
    assert {page: found for page, text in shown.items() if (found := leaks(text))} == {}
    assert [page for page, text in shown.items() for secret in encrypted if secret in text] == []

"""What a key may do: its scopes, its models, its networks and its own rate."""

import time
from datetime import timedelta
from typing import Any

import pytest
from django.urls import URLPattern, get_resolver
from pytest_django import Settings

from accounts.api import V1View
from accounts.authentication import BearerKey
from accounts.models import ApiKey
from eggapi import clock
from eggapi.ratelimit import Limit
from generation.api import Generate
from generation.models import Task
from tests.customer import Customer, at_once
from tests.generation.past import add_task

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def alice(on_sale: None) -> Customer:
    return Customer()


def bound(customer: Customer, **terms: Any) -> None:
    ApiKey.objects.filter(pk=customer.key.pk).update(**terms)


class TestScopes:
    READS = ("/v1/tasks", "/v1/usage", "/v1/usage/summary", "/v1/balance")

    def statuses(self, alice: Customer) -> list[int]:
        task = add_task(alice, "failed")
        return [alice.generate().status, *(alice.get(path).status for path in (f"/v1/tasks/{task.id}", *self.READS))]

    @pytest.mark.parametrize(
        ("scopes", "statuses"),
        [
            ([], [202, 200, 200, 200, 200, 200]),
            (["generate"], [202, 403, 403, 403, 403, 403]),
            (["tasks:read"], [403, 200, 200, 403, 403, 403]),
            (["usage:read"], [403, 403, 403, 200, 200, 200]),
            (["generate", "tasks:read", "usage:read"], [202, 200, 200, 200, 200, 200]),
        ],
    )
    def test_they_open_their_own_doors_only(self, alice: Customer, scopes: list[str], statuses: list[int]) -> None:
        bound(alice, scopes=scopes)
        assert self.statuses(alice) == statuses

    def test_a_refusal_names_the_scope_and_nothing_happened(self, alice: Customer) -> None:
        bound(alice, scopes=["tasks:read"])
        answer = alice.generate()
        assert answer.refusal == (403, "FORBIDDEN")
        assert answer.error["message"] == "This API key does not have the scope generate."
        assert "RateLimit" in answer.headers
        alice.assert_nothing_happened()

    def test_every_view_that_takes_keys_has_one(self) -> None:
        views = [
            getattr(pattern.callback, "view_class", None)
            for pattern in get_resolver().url_patterns
            if isinstance(pattern, URLPattern) and str(pattern.pattern).startswith("v1/")
        ]
        assert len(views) > 10
        for view in views:
            assert view is not None
            assert issubclass(view, V1View)
            has_one = view.scope in ApiKey.Scope.values or isinstance(view.scope, property)
            assert has_one == (BearerKey in view.authentication_classes), view.__name__


class TestModels:
    def test_others_are_forbidden(self, alice: Customer) -> None:
        bound(alice, allowed_models=["nanobanana"])
        assert alice.generate().status == 202
        answer = alice.generate(model="nanobanana-pro")
        assert answer.refusal == (403, "FORBIDDEN")
        assert answer.error["message"] == "This API key may not use the model nanobanana-pro."
        assert alice.generate(model="unheard-of").refusal == (400, "VALIDATION_ERROR")
        assert Task.objects.count() == 1

    def test_a_replay_works_whatever_has_changed(self, alice: Customer) -> None:
        first = alice.generate().data  # a task of its own
        replayed = alice.post({"model": "nanobanana", "prompt": "an egg"}, Idempotency_Key="k").data
        bound(alice, allowed_models=["nanobanana-pro"])
        again = alice.post({"model": "nanobanana", "prompt": "an egg"}, Idempotency_Key="k")
        assert (again.status, again.data["id"]) == (202, replayed["id"])
        assert replayed["id"] != first["id"]


class TestNetworks:
    def status(self, alice: Customer, address: str, forwarded: str = "") -> int:
        alice.http.defaults["REMOTE_ADDR"] = address
        answer = alice.get("/v1/tasks", **{"X_Forwarded_For": forwarded} if forwarded else {})
        return int(answer.status)

    @pytest.mark.parametrize(
        ("address", "status"),
        [
            ("10.1.2.3", 200),
            ("::ffff:10.1.2.3", 200),
            ("2001:db8::7", 200),
            ("11.1.2.3", 403),
            ("2001:db9::7", 403),
            ("", 403),
            ("unix", 403),
        ],
    )
    def test_others_are_forbidden(self, alice: Customer, address: str, status: int) -> None:
        bound(alice, cidrs=["10.0.0.0/8", "2001:db8::/32"])
        assert self.status(alice, address) == status

    def test_only_our_proxies_are_believed(self, alice: Customer, settings: Settings) -> None:
        bound(alice, cidrs=["10.0.0.0/8"])
        assert self.status(alice, "192.0.2.1", forwarded="10.1.2.3") == 403
        settings.EGGAPI_TRUSTED_PROXIES = 1
        assert self.status(alice, "192.0.2.1", forwarded="10.1.2.3") == 200
        assert self.status(alice, "192.0.2.1", forwarded="10.1.2.3, 192.0.2.9") == 403

    def test_the_refusal_says_why(self, alice: Customer) -> None:
        bound(alice, cidrs=["10.0.0.0/8"])
        answer = alice.generate()
        assert answer.error["message"] == "This API key may not be used from this address."
        alice.assert_nothing_happened()


class TestRate:
    def test_of_192_calls_by_32_threads_20_pass(self, alice: Customer) -> None:
        bound(alice, rate=20, rate_seconds=60)
        began = time.monotonic()
        answers = [answer for six in at_once(32, lambda _: [alice.generate() for _ in range(6)]) for answer in six]
        seconds = time.monotonic() - began
        passed = [answer for answer in answers if answer.status == 202]
        # One more every three seconds, should this machine be that slow.
        assert 20 <= len(passed) <= 20 + seconds // 3
        assert {answer.refusal for answer in answers if answer.status != 202} == {(429, "RATE_LIMITED")}
        assert Task.objects.count() == alice.wallet.task_count == len(passed)

    def test_a_forged_address_does_not_help(self, alice: Customer) -> None:
        bound(alice, rate=20, rate_seconds=3600)
        statuses = at_once(
            20, lambda n: [alice.post({}, X_Forwarded_For=f"198.51.100.{5 * n + i}").status for i in range(5)]
        )
        assert sorted(status for five in statuses for status in five) == [400] * 20 + [429] * 80

    def test_it_is_the_keys_own_and_the_headers_say_so(self, alice: Customer) -> None:
        other = Customer()
        bound(alice, rate=2, rate_seconds=60)
        first = alice.generate()
        assert first.headers["RateLimit-Policy"] == '"submit";q=2;w=60'
        assert first.headers["RateLimit"] == '"submit";r=1;t=30'
        assert alice.generate().status == 202
        refused = alice.generate()
        assert refused.refusal == (429, "RATE_LIMITED")
        assert 15 <= int(refused.headers["Retry-After"]) <= 30
        assert refused.headers["RateLimit"].startswith('"submit";r=0;t=')
        assert other.generate().status == 202
        assert alice.get("/v1/tasks").status == 200

    def test_it_does_not_lift_the_accounts(self, alice: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Generate, "limit", Limit(2, 3600, name="submit"))
        keys = [alice, Customer(), Customer()]
        for each in keys:
            bound(each, rate=1_000_000, rate_seconds=1)
        answers = [each.generate() for each in keys]
        assert [answer.status for answer in answers] == [202, 202, 429]
        assert answers[-1].headers["RateLimit-Policy"] == '"submit";q=2;w=3600'

    def test_another_one_holds_from_the_next_request_on(self, alice: Customer) -> None:
        bound(alice, rate=1, rate_seconds=86_400)
        assert [alice.generate().status for _ in range(2)] == [202, 429]
        bound(alice, rate=20, rate_seconds=60)
        assert alice.generate().headers["RateLimit"] == '"submit";r=19;t=3'


class TestEnd:
    def test_a_revoked_or_disabled_key_fails_on_the_next_request(self, alice: Customer) -> None:
        assert alice.generate().status == 202
        bound(alice, disabled_at=clock.now())
        assert alice.generate().refusal == (401, "UNAUTHORIZED")
        bound(alice, disabled_at=None, revoked_at=clock.now())
        assert alice.generate().refusal == (401, "UNAUTHORIZED")

    def test_a_key_expires_at_the_second(self, alice: Customer) -> None:
        bound(alice, expires_at=clock.now() + timedelta(seconds=2))
        assert alice.get("/v1/tasks").status == 200
        bound(alice, expires_at=clock.now() - timedelta(seconds=1))
        assert alice.get("/v1/tasks").status == 401

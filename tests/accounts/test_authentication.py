"""Who may call /v1, and what everybody else is told."""

import json
import logging
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from accounts import keys
from accounts.models import Account, ApiKey, Mode, User
from accounts.opening import account_of
from eggapi import clock
from eggapi.ratelimit import Limit
from tests.accounts.views import KeyOnly

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.accounts.views")]
LOOKS_RIGHT = "egg_test_" + "0" * 30 + keys.checksum("egg_test_" + "0" * 30)


@pytest.fixture
def account() -> Account:
    return account_of("alice@example.com")


@pytest.fixture
def key(account: Account) -> str:
    return keys.mint(account, Mode.TEST, "laptop")[1]


def get(client: Client, authorization: str = "", path: str = "/v1/key", **meta: Any) -> Any:
    if authorization:
        meta["HTTP_AUTHORIZATION"] = authorization
    return client.get(path, **meta)


def error_of(response: Any) -> tuple[int, str, str]:
    error = json.loads(response.content)["error"]
    return response.status_code, error["code"], error["message"]


class TestKey:
    def test_it_works(self, client: Client, account: Account, key: str) -> None:
        response = get(client, f"Bearer {key}")
        assert response.json() == {
            "data": {"account": account.pk, "mode": "test", "key": ApiKey.objects.get().pk},
            "error": None,
        }

    def test_it_names_the_account_and_mode_of_the_key(self, client: Client, key: str) -> None:
        other = account_of("bob@example.com")
        live_key, text = keys.mint(other, Mode.LIVE, "server")
        assert get(client, f"bearer  {text}").json()["data"] == {
            "account": other.pk,
            "mode": "live",
            "key": live_key.pk,
        }

    def test_it_requires_the_header(self, client: Client, key: str) -> None:
        response = get(client)
        assert error_of(response) == (401, "UNAUTHORIZED", "Missing Authorization header")
        assert response["WWW-Authenticate"] == "Bearer"

    @pytest.mark.parametrize("header", ["{}", "Basic {}", "Bearer", "Bearer ", "Bearer a {}", "Token {}"])
    def test_it_rejects_a_header_of_another_form(self, client: Client, key: str, header: str) -> None:
        message = "Invalid Authorization format, expected 'Bearer <token>'"
        assert error_of(get(client, header.format(key))) == (401, "UNAUTHORIZED", message)

    @pytest.mark.parametrize("text", [LOOKS_RIGHT[:-1] + "!", LOOKS_RIGHT[:-1], "egg_sk_123", "x" * 10_000, "é"])
    def test_it_rejects_a_bad_shape_without_a_query(
        self, client: Client, django_assert_num_queries: DjangoAssertNumQueries, text: str
    ) -> None:
        with django_assert_num_queries(0):
            assert error_of(get(client, f"Bearer {text}")) == (401, "UNAUTHORIZED", "Invalid API key")

    def test_it_takes_one_query(
        self, client: Client, key: str, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        get(client, f"Bearer {key}")
        with django_assert_num_queries(1):
            assert get(client, f"Bearer {key}").status_code == 200

    def test_it_does_not_say_why_a_key_is_no_good(self, client: Client, account: Account) -> None:
        revoked, revoked_text = keys.mint(account, Mode.TEST, "revoked")
        revoked.revoke()
        _, expired_text = keys.mint(account, Mode.TEST, "expired", expires_at=clock.now() - timedelta(seconds=1))
        answers = [get(client, f"Bearer {text}").json() for text in (LOOKS_RIGHT, revoked_text, expired_text)]
        for answer in answers:
            answer["error"].pop("request_id")
        assert answers[0] == answers[1] == answers[2]
        assert answers[0]["error"]["message"] == "Invalid API key"

    def test_the_next_request_fails_when_it_is_revoked(self, client: Client, key: str) -> None:
        assert get(client, f"Bearer {key}").status_code == 200
        ApiKey.objects.get().revoke()
        assert get(client, f"Bearer {key}").status_code == 401

    def test_a_suspended_account_is_told_so(self, client: Client, account: Account, key: str) -> None:
        Account.objects.filter(pk=account.pk).update(suspended_at=clock.now())
        assert error_of(get(client, f"Bearer {key}")) == (403, "FORBIDDEN", "This account is suspended.")
        _, other = keys.mint(account_of("bob@example.com"), Mode.TEST, "bob's")
        assert get(client, f"Bearer {other}").status_code == 200

    def test_an_absent_database_refuses_nobody(self, client: Client, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
        def away(*_: object) -> None:
            raise OperationalError("the server closed the connection")

        monkeypatch.setattr(connection, "cursor", away)
        response = get(client, f"Bearer {key}")
        assert error_of(response)[:2] == (503, "SERVICE_UNAVAILABLE")
        assert response["Retry-After"] == "2"

    def test_the_log_names_account_and_key_but_not_the_secret(
        self, client: Client, account: Account, key: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.INFO, "eggapi.request"):
            get(client, f"Bearer {key}")
        line = vars(caplog.records[-1])
        assert (line["account"], line["key"]) == (account.pk, ApiKey.objects.get().pk)
        assert key not in str(line)


class TestLastUse:
    def test_it_is_noted(self, client: Client, key: str) -> None:
        get(client, f"Bearer {key}")
        noted = ApiKey.objects.get().last_used_at
        assert noted is not None
        assert abs(clock.now() - noted) < timedelta(seconds=5)

    def test_it_is_noted_once_a_minute(self, client: Client, key: str) -> None:
        for seconds, noted in [(50, False), (70, True)]:
            before = clock.now() - timedelta(seconds=seconds)
            ApiKey.objects.update(last_used_at=before)
            get(client, f"Bearer {key}")
            assert (ApiKey.objects.get().last_used_at != before) == noted

    def test_it_is_not_noted_for_a_refused_key(self, client: Client, key: str) -> None:
        ApiKey.objects.get().revoke()
        get(client, f"Bearer {key}")
        assert ApiKey.objects.get().last_used_at is None


class TestFailures:
    def test_the_21st_in_a_minute_is_told_to_wait(self, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Limit, "interval", property(lambda _: 3_600_000_000))  # nothing refills meanwhile
        statuses = [get(client, "Bearer nonsense").status_code for _ in range(21)]
        assert statuses == [401] * 20 + [429]
        response = get(client, f"Bearer {LOOKS_RIGHT}")
        assert error_of(response)[:2] == (429, "RATE_LIMITED")
        assert response["Retry-After"] == "3600"
        assert response["RateLimit-Policy"] == '"failed-authentication";q=20;w=60'
        assert response["RateLimit"].startswith('"failed-authentication";r=0;t=')

    def test_who_is_known_and_refused_is_counted_too(
        self, client: Client, account: Account, key: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Limit, "interval", property(lambda _: 3_600_000_000))  # nothing refills meanwhile
        Account.objects.filter(pk=account.pk).update(suspended_at=clock.now())
        answers = [get(client, f"Bearer {key}") for _ in range(21)]
        assert [answer.status_code for answer in answers] == [403] * 20 + [429]
        assert answers[0].headers["RateLimit"] == '"failed-authentication";r=19;t=3600'

    def test_they_do_not_lock_out_a_good_key(self, client: Client, key: str) -> None:
        for _ in range(21):
            get(client, "Bearer nonsense")
        assert get(client, f"Bearer {key}").status_code == 200

    def test_another_address_is_not_affected(self, client: Client) -> None:
        for _ in range(21):
            get(client, "Bearer nonsense")
        assert get(client, "Bearer nonsense", REMOTE_ADDR="192.0.2.1").status_code == 401

    def test_a_forged_x_forwarded_for_does_not_help(self, client: Client, settings: Settings) -> None:
        def attempt(number: int, proxy: str) -> int:
            forwarded = f"198.51.100.{number}{proxy}"
            return int(get(client, "Bearer nonsense", HTTP_X_FORWARDED_FOR=forwarded).status_code)

        assert [attempt(number, "") for number in range(21)] == [401] * 20 + [429]
        settings.EGGAPI_TRUSTED_PROXIES = 1
        assert [attempt(number, ", 192.0.2.77") for number in range(21)] == [401] * 20 + [429]

    def test_a_missing_header_is_no_attempt(self, client: Client) -> None:
        assert {get(client).status_code for _ in range(25)} == {401}


class TestLimit:
    def test_every_reply_carries_it(self, client: Client, key: str) -> None:
        for path, header in [("/v1/key", f"Bearer {key}"), ("/v1/key", ""), ("/v1/public", "")]:
            response = get(client, header, path)
            assert response["RateLimit-Policy"] == '"read";q=60000;w=60'
            assert response["RateLimit"].startswith('"read";r=5999')
        response = client.post("/v1/key", HTTP_AUTHORIZATION=f"Bearer {key}")
        assert response.status_code == 405
        assert response["RateLimit"].startswith('"read";r=5999')

    def test_it_counts_every_key_for_itself(
        self, client: Client, account: Account, key: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(KeyOnly, "limit", Limit(2, 60, name="read"))
        responses = [get(client, f"Bearer {key}") for _ in range(3)]
        assert [response.status_code for response in responses] == [200, 200, 429]
        assert error_of(responses[2]) == (429, "RATE_LIMITED", "Too many requests.")
        assert responses[2]["Retry-After"] == "30"
        assert responses[2]["RateLimit"] == '"read";r=0;t=60'
        assert get(client, f"Bearer {keys.mint(account, Mode.TEST, 'other')[1]}").status_code == 200

    def test_submissions_are_counted_for_the_whole_account(
        self, client: Client, account: Account, key: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(KeyOnly, "limit", Limit(1, 60, name="submit"))
        assert get(client, f"Bearer {key}").status_code == 200
        assert get(client, f"Bearer {keys.mint(account, Mode.LIVE, 'other')[1]}").status_code == 429
        stranger = keys.mint(account_of("bob@example.com"), Mode.TEST, "bob's")[1]
        assert get(client, f"Bearer {stranger}").status_code == 200


class TestSession:
    @pytest.fixture
    def signed_in(self, account: Account) -> Client:
        client = Client(enforce_csrf_checks=True)
        client.force_login(User.objects.get(email="alice@example.com"))
        return client

    def test_it_works(self, signed_in: Client, account: Account) -> None:
        answer = get(signed_in, path="/v1/both").json()["data"]
        assert answer == {"account": account.pk, "mode": "test", "key": None}

    def test_it_has_the_chosen_mode(self, signed_in: Client) -> None:
        session = signed_in.session
        session["mode"] = "live"
        session.save()
        assert get(signed_in, path="/v1/both").json()["data"]["mode"] == "live"

    def test_it_requires_the_csrf_token_to_change_anything(self, signed_in: Client) -> None:
        refused = signed_in.post("/v1/both", "{}", "application/json")
        assert error_of(refused)[:2] == (403, "FORBIDDEN")
        signed_in.cookies["csrftoken"] = token = "a" * 32
        accepted = signed_in.post("/v1/both", "{}", "application/json", headers={"X-CSRFToken": token})
        assert accepted.status_code == 200

    def test_it_does_not_open_what_takes_keys_only(self, signed_in: Client) -> None:
        assert error_of(get(signed_in)) == (401, "UNAUTHORIZED", "Missing Authorization header")

    def test_a_bad_key_is_not_covered_by_it(self, signed_in: Client) -> None:
        assert get(signed_in, "Bearer nonsense", "/v1/both").status_code == 401

    def test_nobody_gets_in_without(self, client: Client, account: Account) -> None:
        assert error_of(get(client, path="/v1/both")) == (401, "UNAUTHORIZED", "Missing Authorization header")

    def test_a_suspended_account_is_told_so(self, signed_in: Client) -> None:
        Account.objects.update(suspended_at=clock.now())
        assert error_of(get(signed_in, path="/v1/both")) == (403, "FORBIDDEN", "This account is suspended.")


def test_a_public_view_asks_nobody(client: Client, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(0):
        assert get(client, path="/v1/public").json()["data"] == {"signed_in": False}

"""States EggAPI refuses to start in, and what `check --deploy` warns of."""

import os
import subprocess
import sys
from typing import Any

import pytest
from django.core.checks import run_checks
from django.test import override_settings

from eggapi import checks
from tests.serving.installation import ROOT


@pytest.fixture(params=[True, False], ids=["sqlite", "postgresql"])
def on_sqlite(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setattr(checks, "on_sqlite", lambda: request.param)
    return bool(request.param)


def found(check: Any) -> list[str]:
    return [message.id for message in check(None) if message.hint]


def test_it_works() -> None:
    assert [message.id for message in run_checks() if (message.id or "").startswith("eggapi.")] == []


def test_it_rejects_redis_workers_on_a_sqlite_file(on_sqlite: bool) -> None:
    with override_settings(REDIS_URL="redis://127.0.0.1"):
        assert found(checks.no_half_state) == (["eggapi.E002"] if on_sqlite else [])
    with override_settings(REDIS_URL=""):
        assert found(checks.no_half_state) == []


def test_it_rejects_an_old_sqlite(on_sqlite: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sqlite3.sqlite_version_info", (3, 34, 1))
    assert found(checks.database_fits) == (["eggapi.E001"] if on_sqlite else [])


@pytest.mark.parametrize(("key", "secret", "ids"), [("", "", []), ("sk", "whsec", []), ("sk", "", ["eggapi.W005"])])
def test_it_warns_of_half_a_stripe(key: str, secret: str, ids: list[str]) -> None:
    with override_settings(EGGAPI_STRIPE_SECRET_KEY=key, EGGAPI_STRIPE_WEBHOOK_SECRET=secret):
        assert found(checks.no_half_of_stripe) == ids


@pytest.mark.parametrize(
    ("url", "ids"), [("https://egg.example", []), ("http://egg.example", ["eggapi.W001"]), ("", ["eggapi.W002"])]
)
def test_it_warns_of_an_address_that_customers_cannot_use(on_sqlite: bool, url: str, ids: list[str]) -> None:
    with override_settings(EGGAPI_PUBLIC_URL=url, EGGAPI_S3_BUCKET=""):
        assert found(checks.fit_for_production) == ids + ([] if on_sqlite else ["eggapi.W003", "eggapi.W004"])


def test_it_is_content_with_what_all_hosts_share(on_sqlite: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in checks.OWN_SECRETS:
        monkeypatch.setenv(name, "shared")
    with override_settings(EGGAPI_S3_BUCKET="eggs", EGGAPI_PUBLIC_URL="https://egg.example"):
        assert found(checks.fit_for_production) == []


@pytest.mark.once
@pytest.mark.parametrize(
    "command",
    [[sys.executable, "-c", "import eggapi.wsgi"], [sys.executable, "-m", "celery", "-A", "eggapi", "worker"]],
)
def test_processes_that_nothing_connects_do_not_start(egg_home: Any, command: list[str]) -> None:
    refused = subprocess.run(command, cwd=ROOT, env={**os.environ}, capture_output=True, text=True, timeout=60)
    assert refused.returncode == 1
    assert "set REDIS_URL and DATABASE_URL" in refused.stderr

"""The configuration check: a line for each part, and exit code 1 where something is broken."""

import shutil
from collections import namedtuple
from datetime import timedelta
from io import StringIO

import pytest
from django.core import mail
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django import Settings

from accounts.models import User
from eggapi import alerts, clock, crypto
from eggapi.alerts import Raised
from eggapi.models import Letter
from eggapi.serving import doctor, health
from generation import catalog
from generation.models import Heartbeat, Provider

pytestmark = pytest.mark.django_db(transaction=True)
Usage = namedtuple("Usage", "total used free")


@pytest.fixture(autouse=True)
def worker(monkeypatch: pytest.MonkeyPatch) -> None:
    for probe in health.PROBES:
        monkeypatch.setattr(probe, "_answered_at", float("-inf"))
    catalog.seed()
    catalog._forget()
    Heartbeat.objects.create(worker="one", at=clock.now())


def states() -> dict[str, str]:
    return {finding.name: finding.state for finding in doctor.examine()}


def finding(name: str) -> doctor.Finding:
    return next(each for each in doctor.examine() if each.name == name)


def test_it_works() -> None:
    out = StringIO()
    call_command("doctor", stdout=out)
    lines = out.getvalue().splitlines()
    assert lines[0] == "ok       database        answers"
    assert "warning  live keys       no provider serves them  [EGGAPI_PROVIDER_<NAME>_KEY]" in lines
    assert {line.split()[0] for line in lines} == {"ok", "warning"}


def test_without_a_worker_it_fails() -> None:
    Heartbeat.objects.update(at=clock.now() - timedelta(minutes=1))
    with pytest.raises(CommandError, match=r"^Broken: worker\.$"):
        call_command("doctor", stdout=StringIO())


def test_a_storage_that_is_away_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> str:
        raise OSError("gone")

    monkeypatch.setattr(default_storage, "save", away)
    assert finding("storage") == ("storage", "broken", "not available (OSError)", "EGGAPI_S3_BUCKET")


def test_a_credential_of_another_key_is_broken() -> None:
    Provider.objects.create(name="kie", adapter="kie", credential_encrypted=crypto.encrypt("secret")[:-4] + "AAA=")
    text = "the credential of kie was encrypted with another key"
    assert finding("credentials") == ("credentials", "broken", text, "EGGAPI_FERNET_KEYS")


def test_what_a_vendor_says_of_us_is_told() -> None:
    alerts.report([Raised("provider:kie:balance", "kie: balance 1.00 is below 5.")])
    assert finding("provider") == ("provider", "warning", "kie: balance 1.00 is below 5", "")


def test_a_clock_that_is_wrong_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now - timedelta(minutes=2))
    assert finding("clock").state == "warning"
    assert "s ahead of the database" in finding("clock").sentence


def test_a_full_disk_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for free in (2 * 10**9, 5 * 10**8, 10**7):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: Usage(0, 0, free))
        found.append(states()["disk"])
    assert found == ["ok", "warning", "broken"]


def test_settings_are_read(settings: Settings) -> None:
    settings.EGGAPI_PUBLIC_URL, settings.EGGAPI_TRUSTED_PROXIES = "https://egg.example", 0
    settings.EGGAPI_STRIPE_SECRET_KEY, settings.DEBUG = "sk_test", True
    settings.EGGAPI_OPS_EMAIL = "ops@example.com"
    found = states()
    names = ("public address", "proxies", "Stripe", "debugging", "alerts", "mail")
    assert [found[name] for name in names] == ["ok", "warning", "warning", "warning", "ok", "ok"]
    assert "EGGAPI_STRIPE_WEBHOOK_SECRET" in finding("Stripe").variable


class TestPage:
    def ask(self, client: Client, what: str = "") -> str:
        answer = client.post("/admin/doctor/", {"try": what}, follow=True) if what else client.get("/admin/doctor/")
        assert answer.status_code == 200
        return answer.content.decode()

    def test_it_says_the_same(self, admin_client: Client) -> None:
        page = self.ask(admin_client)
        assert "no provider serves them" in page
        assert "EGGAPI_PROVIDER_&lt;NAME&gt;_KEY" in page

    def test_it_sends_a_mail(self, admin_client: Client, admin_user: User) -> None:
        assert f"Sent to {admin_user.email}." in self.ask(admin_client, "mail")
        assert [message.to for message in mail.outbox] == [[admin_user.email]]

    def test_without_a_mail_server_the_letter_is_in_the_outbox(self, admin_client: Client, settings: Settings) -> None:
        settings.EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
        assert "the letter is in the outbox" in self.ask(admin_client, "mail")
        assert Letter.objects.get().subject == "EggAPI can send mail"

    def test_it_tries_the_storage(self, admin_client: Client) -> None:
        assert "A file was written, read and deleted." in self.ask(admin_client, "storage")

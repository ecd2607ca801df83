"""Every list, for customers and for operators: as many queries for fifty rows as for one."""

from datetime import timedelta

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django import Settings

from accounts import auditlog, keys, opening
from accounts.models import Account, Invitation, Mode, User
from billing import redeem
from eggapi import clock, crypto
from eggapi.models import Alert, Incident, Letter, Switch
from eggapi.serving.demo import fill
from generation import catalog
from generation.models import Breaker, ImageModel, Price, Provider, Route
from tests.member import Person
from webhooks.models import Origin

pytestmark = pytest.mark.django_db
A_FEW, MANY = 12, 50
ALLAUTH = {"account", "mfa", "socialaccount", "usersessions"}  # lists that are the library's
DESK = ["/home", "/tasks", "/usage", "/keys", "/webhooks", "/limits", "/billing", "/team", "/settings", "/settings/log"]


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fill, "PICTURED", 0)
    catalog._forget()


def count(http: Client, path: str) -> int:
    with CaptureQueriesContext(connection) as seen:
        assert http.get(path).status_code == 200
    return len(seen)


def person_with(number: int) -> Person:
    """An owner whose account has so many of everything that its pages list."""
    person = Person(f"of-{number}@example.com")
    fill.fill(person.account, Mode.TEST, number)
    for n in range(number):
        keys.mint(person.account, Mode.TEST, f"key {n}")
        Person(f"{n}-of-{number}@example.com", person.account, "reader")
        _invitation(f"{n}-to-{number}@example.com", person.account, person.user)
        auditlog.note("key.make", f"key {n}", person.user, person.account)
    return person


@pytest.fixture
def two() -> list[Person]:
    few, many = person_with(A_FEW), person_with(MANY)
    for path in DESK:  # what is kept in memory is there from then on
        few.read(path)
    return [few, many]


def test_a_list_of_the_dashboard_takes_as_many_queries_for_fifty_rows_as_for_a_few(two: list[Person]) -> None:
    few, many = ({path: count(person.http, path) for path in DESK} for person in two)
    assert {path: (few[path], many[path]) for path in DESK if many[path] > few[path]} == {}


def _invitation(email: str, account: Account | None, by: User) -> None:
    now = clock.now()
    digest = crypto.digest(email)
    Invitation.objects.create(
        email=email, account=account, digest=digest, invited_by=by, created_at=now, expires_at=now + timedelta(days=7)
    )


def furnish(number: int) -> None:
    """So many accounts, each with rows of its own, and what belongs to the installation."""
    catalog.seed()
    now = clock.now()
    models = list(ImageModel.objects.all())
    for n in range(number):
        account = opening.account_of(f"customer-{n}@example.com")
        fill.fill(account, Mode.TEST, 2)
        account.members.add(User.objects.create_user(f"member-{n}@example.com"))
        _invitation(f"guest-{n}@example.com", account, account.members.earliest("pk"))
        Origin.objects.create(
            account=account, host=f"{n}.example.com:443", failures=1, first_failure_at=now, last_failure_at=now
        )
        provider = Provider.objects.create(
            name=f"provider-{n}", adapter="kie", credential_encrypted=crypto.encrypt("a key")
        )
        Route.objects.create(model=models[n % 2], provider=provider, upstream_model="fast", label=f"Route {n}")
        Breaker.objects.create(
            provider=provider, upstream_model="fast", reason="503", opened_at=now, open_until=now, seconds=30
        )
        Price.objects.create(model=models[n % 2], resolution="1k", amount=n + 1, since=now + timedelta(days=n + 1))
        redeem.make(f"batch {n}", 1_000_000, count=2, uses=1, expires=None)
        Alert.objects.create(cause=f"cause {n}", text="Look.", count=1, raised_at=now, last_at=now)
        Incident.objects.create(title=f"Incident {n}", text="We look.", started_at=now, ended_at=now)
        Letter.objects.create(to=f"{n}@example.com", subject="Hello", text="Hello", created_at=now)
        Switch.objects.create(name=f"switch-{n}", by="boss@example.com", at=now)
        Group.objects.create(name=f"group {n}")
    catalog.changed()


def test_a_list_of_the_admin_takes_as_many_queries_for_many_rows_as_for_one(
    admin_client: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.EGGAPI_EMBEDDED = True
    furnish(12)
    wrong = []
    for model, page in admin.site._registry.items():
        if model._meta.app_label in ALLAUTH:
            continue
        path = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        counts, shown = [], []
        for size in (1, 1, MANY):  # the first fills what is kept in memory
            monkeypatch.setattr(type(page), "list_per_page", size)
            counts.append(count(admin_client, path))
            changelist = admin_client.get(path).context.get("cl")
            shown.append(len(changelist.result_list) if changelist else MANY)
        if shown[2] < 2 or counts[1] != counts[2]:
            wrong.append(f"{path}: {counts[1:]} queries for {shown[1:]} rows")
    assert not wrong, "\n".join(wrong)

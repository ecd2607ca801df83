"""Who comes into the operators' site, what its pages may load, and what each operator sees of it."""

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import Permission
from django.test import Client
from pytest_django import Settings

from accounts.models import User
from eggapi import alerts
from eggapi.alerts import Raised

pytestmark = pytest.mark.django_db


@pytest.fixture
def clerk() -> User:
    """Of the staff, without a second factor, and with a right to look at wallets alone."""
    user = User.objects.create_user("clerk@example.com", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_wallet"))
    return user


def directives(client: Client, path: str) -> dict[str, str]:
    policy = client.get(path)["Content-Security-Policy"]
    return dict(directive.split(" ", 1) for directive in policy.split("; "))


def test_it_works(admin_client: Client) -> None:
    page = admin_client.get("/admin/").content.decode()
    assert [title for title in ("Alerts", "Providers", "Wallets", "Accounts", "Deliveries") if title not in page] == []


@pytest.mark.parametrize("path", ["/admin/", "/admin/accounts/user/", "/admin/accounts/user/add/"])
def test_every_page_has_the_operators_policy(admin_client: Client, path: str) -> None:
    found = directives(admin_client, path)
    assert (found["default-src"], found["object-src"], found["base-uri"]) == ("'self'", "'none'", "'none'")
    assert (found["script-src"], found["frame-ancestors"]) == ("'self' 'unsafe-eval'", "'none'")


def test_other_pages_do_not(admin_client: Client) -> None:
    assert "'unsafe-eval'" not in directives(admin_client, "/accounts/login/")["script-src"]


@pytest.mark.parametrize("path", ["/admin/", "/admin/billing/wallet/", "/admin/doctor/"])
def test_it_requires_a_second_factor_outside_of_the_embedded_mode(
    client: Client, clerk: User, settings: Settings, path: str
) -> None:
    client.force_login(clerk)
    settings.EGGAPI_EMBEDDED = False
    assert client.get(path).headers["Location"] == "/accounts/2fa/"
    Authenticator.objects.create(user=clerk, type=Authenticator.Type.TOTP, data={})
    assert client.get(path).status_code in (200, 403)


def test_the_embedded_mode_asks_for_none(client: Client, clerk: User, settings: Settings) -> None:
    client.force_login(clerk)
    settings.EGGAPI_EMBEDDED = True
    assert client.get("/admin/").status_code == 200


def test_each_sees_what_he_may(client: Client, clerk: User, settings: Settings) -> None:
    client.force_login(clerk)
    settings.EGGAPI_EMBEDDED = True
    links = [item["link"] for group in client.get("/admin/").context["sidebar_navigation"] for item in group["items"]]
    assert "/admin/billing/wallet/" in links
    assert {link for link in links if "user" in link or "doctor" in link} == set()
    assert client.get("/admin/doctor/").status_code == 403


def test_one_page_is_marked_and_open_alerts_are_counted(admin_client: Client) -> None:
    alerts.report([Raised("storage", "away"), Raised("purge", "late")])
    alerts.end(["purge"])
    context = admin_client.get("/admin/eggapi/alert/").context
    items = [item for group in context["sidebar_navigation"] for item in group["items"]]
    assert [item["title"] for item in items if item["active"]] == ["Alerts"]
    assert [(item["title"], item["badge"]) for item in items if "badge" in item] == [("Alerts", "1")]


@pytest.mark.parametrize("path", ["/admin/", "/admin/doctor/", "/admin/eggapi/letter/"])
def test_a_stranger_gets_nothing(client: Client, path: str) -> None:
    assert client.get(path).headers["Location"].startswith("/admin/login/")
    client.force_login(User.objects.create_user("alice@example.com"))
    assert client.get(path).headers["Location"].startswith("/admin/login/")
    assert client.get("/admin/login/").status_code == 403

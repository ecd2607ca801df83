"""What operators see of waiting webhooks, and how they have missed events sent again."""

from datetime import datetime, timedelta

import pytest
from django.test import Client
from pytest_django import Settings

from accounts.models import Account, AuditEntry, User
from accounts.opening import account_of
from eggapi import clock
from tests.webhooks.conftest import queue
from webhooks import origins
from webhooks.models import Delivery

pytestmark = pytest.mark.django_db
PAGE = "/admin/webhooks/backlog/"


@pytest.fixture
def account() -> Account:
    return account_of("alice@example.com")


def given_up(account: Account, at: datetime) -> Delivery:
    queue(account, "https://example.com/hook")
    one: Delivery = Delivery.objects.latest("pk")
    Delivery.objects.filter(pk=one.pk).update(created_at=at, state="failed", next_run_at=None, attempts=10)
    return one


def form(account: str, since: datetime, until: datetime | None = None) -> dict[str, str]:
    typed = {"since": since, "until": until}
    times = {name: f"{at:%Y-%m-%dT%H:%M}" if at else "" for name, at in typed.items()}
    return {"account": account, "mode": "test", **times}


def test_it_works(admin_client: Client, account: Account) -> None:
    queue(account, "https://example.com/hook", 2)
    Delivery.objects.filter(pk=Delivery.objects.latest("pk").pk).update(next_run_at=clock.now() + timedelta(hours=1))
    failed = origins.Result((account.pk, "<script>alert(1)</script>.example:443"), "timeout", False, False)
    origins.note([failed], clock.now())
    answer = admin_client.get(PAGE)
    now = answer.context["now"]
    assert (now["due"], now["in_flight"], now["retrying"], now["disabled"]) == (1, 0, 1, 0)
    page = answer.content.decode()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;.example:443" in page
    assert "<script>alert(1)" not in page


@pytest.mark.parametrize("by", ["number", "address"])
def test_it_sends_again_what_was_given_up_in_a_time(
    admin_client: Client, admin_user: User, account: Account, by: str
) -> None:
    now = clock.now()
    hours = [given_up(account, now - timedelta(hours=ago)) for ago in (5, 3, 1)]
    who = str(account.pk) if by == "number" else "Alice@example.com"
    sent = form(who, now - timedelta(hours=4), now - timedelta(hours=2))
    assert admin_client.post(PAGE, sent).headers["Location"] == PAGE
    assert list(Delivery.objects.filter(state="due").values_list("pk", flat=True)) == [hours[1].pk]
    noted = AuditEntry.objects.get()
    assert (noted.action, noted.actor, noted.account) == ("webhook.recover", admin_user, account)
    assert noted.detail["deliveries"] == 1


@pytest.mark.parametrize("account_text", ["", "0", "nobody@example.com", "9" * 30, "<b>"])
def test_it_rejects_who_is_not_there(admin_client: Client, account: Account, account_text: str) -> None:
    one = given_up(account, clock.now())
    answer = admin_client.post(PAGE, form(account_text, clock.now() - timedelta(hours=4)))
    assert (answer.status_code, list(answer.context["form"].errors)) == (200, ["account"])
    one.refresh_from_db()
    assert one.state == "failed"


def test_it_rejects_a_time_that_ends_before_it_begins(admin_client: Client, account: Account) -> None:
    now = clock.now()
    answer = admin_client.post(PAGE, form(str(account.pk), now, now - timedelta(hours=1)))
    assert list(answer.context["form"].errors) == ["until"]


def test_who_only_looks_may_not(client: Client, account: Account, settings: Settings) -> None:
    from django.contrib.auth.models import Permission

    settings.EGGAPI_EMBEDDED = True
    user = User.objects.create_user("clerk@example.com", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_delivery"))
    client.force_login(user)
    assert "Send again" not in client.get(PAGE).content.decode()
    assert client.post(PAGE, form(str(account.pk), clock.now())).status_code == 403


def test_a_stranger_gets_nothing(client: Client) -> None:
    assert client.get(PAGE).headers["Location"].startswith("/admin/login/")

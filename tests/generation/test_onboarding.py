"""The first steps of a new account."""

import re
from datetime import timedelta

import pytest
from django.test import Client

from accounts import keys
from accounts.models import ApiKey, Membership, Mode
from accounts.opening import account_of
from billing.models import Wallet
from eggapi import clock, crypto
from generation.onboarding import SETTLED_IN
from tests.customer import Customer
from tests.generation.past import add_task
from webhooks.models import Delivery, Event


@pytest.fixture
def newcomer(on_sale: None) -> Customer:
    """Somebody who has just signed up, and has no key."""
    customer = Customer()
    customer.key.delete()
    customer.http.force_login(customer.account.members.get())
    customer.http.handler.enforce_csrf_checks = False
    return customer


def home(customer: Customer) -> str:
    response = customer.http.get("/home")
    assert response.status_code == 200
    return response.content.decode()


def arrival(customer: Customer, seen: str = "") -> tuple[int, str]:
    response = customer.http.get("/home/arrival", {"seen": seen})
    return response.status_code, response.content.decode()


def role(customer: Customer, role: str) -> None:
    Membership.objects.filter(account=customer.account).update(role=role)


def test_it_works(newcomer: Customer) -> None:
    """From no key to a picture."""
    assert "Make my key" in home(newcomer)
    assert newcomer.http.post("/home/key").status_code == 302
    key = re.search("egg_test_[0-9A-Za-z]{36}", home(newcomer))
    assert key
    assert ApiKey.objects.get(account=newcomer.account).digest == crypto.digest(key[0])
    assert f"-H &quot;Authorization: Bearer {key[0]}&quot;" in home(newcomer)
    assert newcomer.http.get("/home/arrival?seen=none-0").status_code == 204
    task = add_task(newcomer, "processing", key=None)
    assert f'href="/tasks/{task.pk}"' in arrival(newcomer, "none-0")[1]
    assert arrival(newcomer, f"{task.pk}-processing-0")[0] == 204
    drawn = add_task(newcomer, "completed", key=None, outputs=2, at=clock.now())
    status, page = arrival(newcomer, f"{task.pk}-processing-0")
    assert (status, page.count("<img")) == (200, 2)
    assert f"/files/images/{drawn.pk}/" in page
    assert "hx-trigger" not in page


def test_the_key_is_not_kept_in_clear(newcomer: Customer) -> None:
    newcomer.http.post("/home/key")
    assert "egg_test_" not in str(dict(newcomer.http.session))


def test_the_key_is_shown_until_it_is_put_away(newcomer: Customer) -> None:
    newcomer.http.post("/home/key")
    assert "egg_test_..." not in home(newcomer)
    newcomer.http.post("/home/key/saved")
    page = home(newcomer)
    assert re.search("egg_test_[0-9A-Za-z]", page) is None
    assert "egg_test_..." in page
    assert "$EGGAPI_KEY" in page


def test_a_revoked_key_is_not_shown(newcomer: Customer) -> None:
    newcomer.http.post("/home/key")
    ApiKey.objects.get(account=newcomer.account).revoke()
    assert re.search("egg_test_[0-9A-Za-z]", home(newcomer)) is None


def test_the_key_is_not_shown_for_another_account(newcomer: Customer) -> None:
    other = account_of("bob@example.com")
    Membership.objects.create(account=other, user=newcomer.account.members.get())
    newcomer.http.post("/home/key")
    newcomer.http.post("/account", {"account": other.pk})
    assert re.search("egg_test_[0-9A-Za-z]", home(newcomer)) is None


@pytest.mark.parametrize("account", ["", "x", "-1", "²", "1e3", "9" * 30, "9" * 5000])
def test_it_rejects_what_is_no_account(newcomer: Customer, account: str) -> None:
    assert newcomer.http.post("/account", {"account": account}).status_code == 400


def test_a_reload_of_nothing_makes_nothing(newcomer: Customer) -> None:
    home(newcomer)
    assert newcomer.http.get("/home/key").status_code == 405
    assert not ApiKey.objects.filter(account=newcomer.account).exists()


@pytest.mark.parametrize("name", ["reader", "billing"])
def test_who_may_not_generate_is_not_led_there(newcomer: Customer, name: str) -> None:
    role(newcomer, name)
    page = home(newcomer)
    assert "First steps" not in page
    assert "What this account makes will show here." in page
    assert newcomer.http.post("/home/key").status_code == 403
    assert not ApiKey.objects.filter(account=newcomer.account).exists()


def test_it_can_be_dismissed(newcomer: Customer) -> None:
    newcomer.http.post("/home/key")
    newcomer.http.post("/home/dismiss")
    page = home(newcomer)
    assert "First steps" not in page
    assert re.search("egg_test_[0-9A-Za-z]", page) is None


def test_it_is_for_test_mode(newcomer: Customer) -> None:
    newcomer.http.post("/mode", {"mode": "live"})
    assert "First steps" not in home(newcomer)
    assert arrival(newcomer)[0] == 204


def test_it_ends_with_a_webhook(newcomer: Customer) -> None:
    task = add_task(newcomer, "completed", key=None)
    assert "Your first picture is here" in home(newcomer)
    own = {"account": newcomer.account, "mode": Mode.TEST, "created_at": clock.now()}
    event = Event.objects.create(id="msg_1", task_id=task.pk, type="task.completed", payload=b"", **own)
    now = clock.now()
    Delivery.objects.create(event=event, url="https://a.example/", host="a.example:443", next_run_at=now, **own)
    assert "Your first picture is here" not in home(newcomer)


def test_it_ends_once_settled_in(newcomer: Customer) -> None:
    add_task(newcomer, "failed", key=None)
    assert "We are waiting" not in home(newcomer)
    assert "First steps" in home(newcomer)
    Wallet.objects.filter(account=newcomer.account).update(task_count=SETTLED_IN)
    assert "First steps" not in home(newcomer)


def test_an_expired_key_is_none(newcomer: Customer) -> None:
    keys.mint(newcomer.account, Mode.TEST, "old", expires_at=clock.now() - timedelta(days=1))
    assert "Make my key" in home(newcomer)


def test_a_strangers_request_is_not_waited_for(newcomer: Customer) -> None:
    theirs = add_task(Customer("bob@example.com"), "completed")
    assert arrival(newcomer, "none-0") == (204, "")
    assert theirs.pk not in home(newcomer)


def test_it_is_for_members(on_sale: None, client: Client) -> None:
    for path in ("/home", "/home/arrival"):
        assert client.get(path).headers["Location"].startswith("/accounts/login/")


def test_what_a_customer_wrote_is_text(newcomer: Customer) -> None:
    add_task(newcomer, "completed", key=None, prompt="<script>alert(1)</script>", at=clock.now())
    for page in (home(newcomer), arrival(newcomer)[1]):
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert(1)" in page

"""The first page of the dashboard: what the account has done lately."""

import re
from datetime import date, timedelta

import pytest
from pytest_django import DjangoAssertNumQueries

from accounts import keys
from accounts.models import Mode
from billing.models import DailyUsage, Wallet
from eggapi import clock
from generation import summary
from generation.onboarding import SETTLED_IN
from tests.customer import Customer
from tests.generation.past import add_task

TODAY = date(2026, 3, 10)


@pytest.fixture
def regular(on_sale: None) -> Customer:
    customer = Customer()
    Wallet.objects.filter(account=customer.account).update(task_count=SETTLED_IN)
    customer.http.force_login(customer.account.members.get())
    return customer


def home(customer: Customer) -> str:
    response = customer.http.get("/home")
    assert response.status_code == 200
    return response.content.decode()


def used(customer: Customer, day: date, cost: int, model: str = "nanobanana", key: int = 0, requests: int = 1) -> None:
    DailyUsage.objects.create(
        **{"account": customer.account, "mode": customer.mode, "model": model, "key": key, "day": day},
        **{"type": "image_generate", "units": requests, "cost": cost, "requests": requests},
    )


def test_it_works(regular: Customer) -> None:
    today = clock.now().date()
    used(regular, today, 1_250_000, key=regular.key.pk, requests=7)
    used(regular, today - timedelta(days=1), 250_000, model="nanobanana-pro")
    task = add_task(regular, "completed")
    add_task(regular, "failed")
    page = home(regular)
    values = re.findall('<span class="value">(.*?)</span>', page)
    assert values == ["$1.2500", "2", "50 %", "12.0 s"]
    tiles = re.findall('class="tile" href="(.*?)"', page)
    assert tiles == ["/usage", "/tasks", "/tasks?status=failed", "/tasks?status=completed"]
    assert f"/files/images/{task.pk}/" in page
    assert f'href="/tasks?key={regular.key.pk}">program</a>' in page
    assert "nanobanana-pro" in re.findall("<thead>.*?</thead>", page, re.DOTALL)[0]


def test_sums_are_of_their_days(regular: Customer) -> None:
    used(regular, TODAY, 1)
    used(regular, date(2026, 3, 1), 10)
    used(regular, date(2026, 2, 28), 100)
    used(regular, TODAY - timedelta(days=29), 1000, model="nanobanana-pro")
    used(regular, TODAY - timedelta(days=30), 10_000)
    spent = summary.spending(regular.account.pk, Mode.TEST, TODAY)
    assert (spent.today, spent.month) == (1, 11)
    assert {name: sum(values) for name, values in spent.by_model.items()} == {"nanobanana-pro": 1000, "nanobanana": 111}
    assert spent.by_model["nanobanana-pro"][0] == 1000
    assert len(spent.days) == 30


def test_a_month_may_be_longer_than_the_chart(regular: Customer) -> None:
    used(regular, date(2026, 3, 1), 5)
    spent = summary.spending(regular.account.pk, Mode.TEST, date(2026, 3, 31))
    assert (spent.month, spent.by_model) == (5, {})


def test_the_dearest_keys_come_first(regular: Customer) -> None:
    made = [keys.mint(regular.account, Mode.TEST, f"key {n}")[0] for n in range(6)]
    for n, key in enumerate(made):
        used(regular, TODAY, n + 1, key=key.pk)
    used(regular, TODAY, 100, requests=3)
    spent = summary.spending(regular.account.pk, Mode.TEST, TODAY)
    assert [(key.name, key.requests) for key in spent.keys] == [("", 3), *((f"key {n}", 1) for n in (5, 4, 3, 2))]


def test_the_pace_is_of_the_last_day(regular: Customer) -> None:
    now = clock.now()
    for seconds in range(1, 21):
        at = now - timedelta(minutes=1)
        add_task(regular, "completed", at=at, completed_at=at + timedelta(seconds=seconds))
    add_task(regular, "failed")
    add_task(regular, "processing")
    add_task(regular, "failed", at=now - timedelta(hours=25))
    pace = summary.pace(regular.account.pk, Mode.TEST, now)
    assert pace.requests == 22
    assert pace.success == pytest.approx(100 * 20 / 21)
    assert (pace.median, pace.slow) == (timedelta(seconds=10), timedelta(seconds=19))


def test_without_requests_there_is_no_pace(regular: Customer) -> None:
    pace = summary.pace(regular.account.pk, Mode.TEST, clock.now())
    assert (pace.requests, pace.success, pace.median, pace.slow) == (0, None, None, None)


def test_it_is_of_one_mode(regular: Customer) -> None:
    add_task(regular, "completed", prompt="in test mode")
    assert "in test mode" in home(regular)
    regular.http.cookies["csrftoken"] = "a" * 32
    regular.http.post("/mode", {"mode": "live", "csrfmiddlewaretoken": "a" * 32})
    page = home(regular)
    assert "in test mode</a>" not in page
    assert "No request has been made in this mode yet." in page


def test_a_stranger_sees_nothing_of_it(regular: Customer) -> None:
    bob = Customer("bob@example.com")
    add_task(bob, "completed", prompt="of bob")
    used(bob, clock.now().date(), 7_000_000)
    add_task(regular, "failed", prompt="of alice")
    page = home(regular)
    assert "of alice" in page
    assert "of bob" not in page
    assert "$7.0000" not in page


def test_what_a_customer_wrote_is_text(regular: Customer) -> None:
    regular.key.name = "<b>key</b>"
    regular.key.save()
    used(regular, clock.now().date(), 5, key=regular.key.pk)
    add_task(regular, "completed", prompt="<script>alert(1)</script>")
    page = home(regular)
    assert "<script>alert" not in page
    assert "<b>key" not in page
    assert "&lt;b&gt;key&lt;/b&gt;" in page


def test_the_number_of_queries_is_fixed(
    regular: Customer,
    django_assert_num_queries: DjangoAssertNumQueries,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    def fill(rows: int) -> None:
        for _ in range(rows):
            add_task(regular, "completed")
            used(regular, clock.now().date(), 5, key=keys.mint(regular.account, Mode.TEST, "k")[0].pk)

    fill(1)
    home(regular)
    with django_assert_max_num_queries(20) as few:
        home(regular)
    fill(20)
    with django_assert_num_queries(len(few)):
        home(regular)

"""Providers in the admin: edited, seen at a glance, and tested with a real picture."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEntry, User
from eggapi import clock, crypto
from eggapi.models import Alert
from generation import catalog, drill, probe, standing
from generation.models import Attempt, Breaker, CatalogueVersion, Provider, Purchase, Route, Task
from generation.standing import Finding
from tests.customer import Customer
from tests.emulators.kie import Kie
from tests.generation.past import add_task

pytestmark = pytest.mark.django_db

LIST = "/admin/generation/provider/"
ADD = "/admin/generation/provider/add/"
NEW = {
    "name": "kie",
    "adapter": "kie",
    "base_url": "https://api.kie.example/v1",
    "credential": "a-most-secret-key",
    "callback_secret": "another-secret",
    "concurrency": "20",
    "result_hosts": "cdn.example.com\n10.0.0.7:9000",
    "low_balance": "12.5",
    "enabled": "on",
}


def page_of(provider: Provider) -> str:
    return reverse("admin:generation_provider_change", args=[provider.pk])


@pytest.fixture
def kie(on_sale: None, office: Client) -> Provider:
    assert office.post(ADD, NEW).status_code == 302
    return Provider.objects.get(name="kie")


def test_it_works(kie: Provider, office: Client, boss: User) -> None:
    assert (kie.adapter, kie.credential, kie.callback_secret) == ("kie", "a-most-secret-key", "another-secret")
    assert (kie.concurrency, kie.result_hosts, str(kie.low_balance)) == (
        20,
        ["cdn.example.com", "10.0.0.7:9000"],
        "12.50",
    )
    version = CatalogueVersion.objects.get().number
    changed = NEW | {"concurrency": "5", "credential": "", "callback_secret": "a third"}
    assert office.post(page_of(kie), changed).status_code == 302
    kie.refresh_from_db()
    assert (kie.credential, kie.callback_secret, kie.concurrency) == ("a-most-secret-key", "a third", 5)
    assert CatalogueVersion.objects.get().number == version + 1
    entries = AuditEntry.objects.order_by("pk").values_list("action", "target", "actor", "detail")
    assert list(entries) == [
        ("provider.add", "kie", boss.pk, {"adapter": "kie"}),
        ("provider.edit", "kie", boss.pk, {"changes": ["concurrency 20 -> 5", "callback secret changed"]}),
    ]


def test_a_secret_is_never_shown_again(kie: Provider, office: Client) -> None:
    pages = [
        office.get(page).content.decode() for page in (LIST, page_of(kie), page_of(kie).replace("change", "history"))
    ]
    faulty = office.post(
        page_of(kie), NEW | {"credential": "a-new-secret-key", "base_url": "nonsense"}
    ).content.decode()
    secrets = ["a-most-secret-key", "another-secret", "a-new-secret-key", kie.credential_encrypted]
    assert [secret for secret in secrets for page in [*pages, faulty] if secret in page] == []
    assert "stays as it is" in pages[1]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "a\nb"),
        ("adapter", "sandbox"),
        ("adapter", "nobody"),
        ("base_url", "ftp://example.com"),
        ("base_url", "https://user@example.com/"),
        ("credential", ""),
        ("concurrency", "0"),
        ("result_hosts", "https://cdn.example.com/"),
        ("low_balance", "-1"),
    ],
)
def test_it_rejects_nonsense(on_sale: None, office: Client, field: str, value: str) -> None:
    answer = office.post(ADD, NEW | {field: value})
    assert list(answer.context["adminform"].form.errors) == [field]
    assert not Provider.objects.filter(adapter="kie").exists()
    assert not AuditEntry.objects.exists()


def test_name_and_adapter_are_for_good(kie: Provider, office: Client) -> None:
    office.post(page_of(kie), NEW | {"name": "other", "adapter": "fal", "credential": ""})
    kie.refresh_from_db()
    assert (kie.name, kie.adapter) == ("kie", "kie")


def test_the_sandbox_keeps_its_address(on_sale: None, office: Client) -> None:
    sandbox = Provider.objects.filter(adapter="sandbox").order_by("pk")[0]
    before = sandbox.base_url
    assert (
        office.post(
            page_of(sandbox), {"base_url": "https://x.example", "concurrency": "3", "enabled": "on"}
        ).status_code
        == 302
    )
    sandbox.refresh_from_db()
    assert (sandbox.base_url, sandbox.concurrency) == (before, 3)


def test_a_stranger_cannot_see_or_save_anything(kie: Provider, customer: Customer, settings: Any) -> None:
    settings.EGGAPI_EMBEDDED = True
    customer.sign_in()
    browser = Client()
    browser.force_login(customer.account.members.get())
    pages = [
        LIST,
        ADD,
        page_of(kie),
        *(reverse(f"admin:provider_{name}", args=[kie.pk]) for name in ("test", "test_result")),
    ]
    assert {browser.get(page).status_code for page in pages} == {302}
    assert browser.post(page_of(kie), NEW | {"concurrency": "1"}).status_code == 302
    assert browser.post(reverse("admin:provider_test_start", args=[kie.pk])).status_code == 302
    kie.refresh_from_db()
    assert kie.concurrency == 20
    assert not AuditEntry.objects.filter(action="provider.test").exists()


# -- the list --------------------------------------------------------------------------------------


def tried(customer: Customer, route: Route, seconds: int, outcome: str = "", message: str = "") -> None:
    task, now = add_task(customer, "completed"), clock.now()
    Attempt.objects.create(
        id=Attempt.id_of(task.id, 1),
        task=task,
        n=1,
        route=route,
        state="failed" if outcome else "done",
        outcome=outcome,
        message=message,
        started_at=now - timedelta(seconds=seconds),
        ended_at=now,
    )


def test_the_list_says_how_each_is_doing(customer: Customer, add_route: Callable[..., Route], office: Client) -> None:
    route = add_route("http://vendor.example")
    for seconds in (1, 2, 9):
        tried(customer, route, seconds)
    tried(customer, route, 1, "retryable", "<script>busy</script>")
    tried(customer, route, 1, "refused", "not against it")
    tried(customer, route, 1, "retryable", drill.MESSAGE)
    standing._keep({standing._name(route.provider_id): Finding(route.provider.name, balance=None)})
    now = clock.now()
    Breaker.objects.create(
        provider=route.provider, upstream_model="fast", reason="x", opened_at=now, open_until=now, seconds=15
    )
    page = office.get(LIST).content.decode()
    hours = ", ".join([*"0" * 23, "3"])
    for text in (
        "75 % of 4",
        f'aria-label="Delivered in each of 24 hours: {hours}"',
        "2.0 s",
        "&lt;script&gt;busy",
        "half-open since",
    ):
        assert text in page
    assert "<script>busy" not in page


@pytest.mark.once
def test_the_list_takes_as_many_queries_for_many(
    customer: Customer, add_route: Callable[..., Route], office: Client, django_assert_max_num_queries: Any
) -> None:
    for _ in range(12):
        tried(customer, add_route("http://vendor.example"), 1)
    with django_assert_max_num_queries(16):
        assert office.get(LIST).status_code == 200


# -- Test now --------------------------------------------------------------------------------------


def asked(office: Client, route: Route) -> probe.Probe:
    """What came of the test, once a worker has heard of it (twice, and by two)."""
    office.post(reverse("admin:provider_test_start", args=[route.provider_id]), {"route": route.pk})
    probe.run(route.provider_id)
    probe.run(route.provider_id)
    found = probe.last(route.provider_id)
    assert found
    return found


@pytest.mark.django_db(transaction=True)
def test_a_vendor_is_tested_with_one_real_picture(sell: Callable[..., Route], office: Client) -> None:
    with Kie() as upstream:
        route = sell(upstream, "kie", "google/nano-banana")
        Route.objects.filter(pk=route.pk).update(enabled=False)
        found = asked(office, route)
        assert (found.state, found.message, found.cost, upstream.billed.total()) == ("done", "", 5000, 1)
    assert found.milliseconds
    picture = office.get(reverse("admin:provider_test_picture", args=[route.provider_id]))
    assert (picture["Content-Type"], picture.content[:4]) == ("image/webp", b"RIFF")
    result = office.get(reverse("admin:provider_test_result", args=[route.provider_id])).content.decode()
    assert "It works" in result
    assert "$0.0050" in result
    assert (Task.objects.count(), Purchase.objects.count(), Alert.objects.count()) == (0, 0, 0)
    entry = AuditEntry.objects.get(action="provider.test")
    assert entry.detail == {"way": f"{route.provider.name} google/nano-banana", "client_ref": found.client_ref}


@pytest.mark.django_db(transaction=True)
def test_the_sandbox_is_tested_too(on_sale: None, office: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    route = Route.objects.select_related("provider").order_by("pk")[0]
    found = asked(office, route)
    assert (found.state, found.cost, found.picture[:4]) == ("done", 0, b"RIFF")


@pytest.mark.django_db(transaction=True)
def test_a_failure_is_told_in_the_vendors_words_as_text(sell: Callable[..., Route], office: Client) -> None:
    with Kie() as upstream:
        route = sell(upstream, "kie", "google/nano-banana")
        Provider.objects.filter(pk=route.provider_id).update(credential_encrypted=crypto.encrypt("a dead key"))
        found = asked(office, route)
        assert (found.state, found.cost, upstream.billed.total()) == ("failed", 0, 0)
    assert found.message.startswith("route_down: ")


@pytest.mark.once
def test_one_test_at_a_time(sell: Callable[..., Route], office: Client) -> None:
    upstream = Kie()
    upstream.origin = "http://127.0.0.1:9"
    route = sell(upstream, "kie", "google/nano-banana")
    start = reverse("admin:provider_test_start", args=[route.provider_id])
    assert [office.post(start, {"route": route.pk}).status_code for _ in range(3)] == [302] * 3
    assert AuditEntry.objects.filter(action="provider.test").count() == 1
    found = probe.last(route.provider_id)
    assert found
    assert found.state == "waiting"


@pytest.mark.once
def test_it_rejects_a_route_of_another_provider(sell: Callable[..., Route], office: Client) -> None:
    upstream = Kie()
    upstream.origin = "http://127.0.0.1:9"
    route, other = (sell(upstream, "kie", "google/nano-banana") for _ in range(2))
    start = reverse("admin:provider_test_start", args=[route.provider_id])
    for wanted in (other.pk, "", "x", "9" * 30):
        assert office.post(start, {"route": wanted}).status_code == 404
    assert probe.last(route.provider_id) is None
    catalog._forget()

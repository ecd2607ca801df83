"""The chain editor, models and prices in the admin."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEntry, User
from eggapi import clock
from eggapi.models import Alert
from generation import catalog, chain
from generation.models import Breaker, CatalogueVersion, ImageModel, Price, Provider, Route
from tests.customer import Customer
from tests.emulators.kie import Kie

pytestmark = pytest.mark.django_db

XSS = "<script>alert(1)</script>"


@pytest.fixture
def routes(sell: Callable[..., Route]) -> list[Route]:
    """Two live routes of nanobanana-pro, beside those of the sandbox."""
    upstream = Kie()
    upstream.origin = "http://127.0.0.1:9"
    return [sell(upstream, "kie", name, model="nanobanana-pro") for name in ("nano-banana-pro", "nano-banana-2")]


@pytest.fixture
def model(routes: list[Route]) -> ImageModel:
    return routes[0].model


def page_of(model: ImageModel) -> str:
    return reverse("admin:chain", args=[model.pk])


def filled(office: Client, model: ImageModel, *verbs: str, **changes: Any) -> dict[str, Any]:
    """The form as a browser would send it, but for `changes`; of those None is a box without its tick."""
    sheet = office.get(page_of(model)).context["sheet"]
    data: dict[str, Any] = {"seen": sheet.seen, **dict.fromkeys(verbs, "1")}
    for row in [*sheet.rows, sheet.blank]:
        for field in row.form:
            if not field.field.disabled and field.value() not in (None, False):
                data[field.html_name] = "on" if field.value() is True else field.value()
    return {name: value for name, value in (data | changes).items() if value is not None}


def test_it_works(office: Client, model: ImageModel, routes: list[Route], boss: User) -> None:
    first, second = routes
    version = CatalogueVersion.objects.get().number
    changes = {
        f"route-{first.pk}-priority": "30",
        f"route-{first.pk}-cost_usd": "$0.007",
        f"route-{first.pk}-when": 'resolution = ["2k"]',
        f"route-{second.pk}-enabled": None,
    }
    assert office.post(page_of(model), filled(office, model, "save", **changes)).status_code == 302
    for route in routes:
        route.refresh_from_db()
    assert (first.priority, first.cost, first.conditions) == (30, 7000, {"resolution": ["2k"]})
    assert (first.upstream_model, first.enabled, second.enabled) == ("nano-banana-pro", True, False)
    assert CatalogueVersion.objects.get().number == version + 1
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.target, entry.actor) == ("chain.edit", "nanobanana-pro", boss)
    assert [row["priority"] for row in entry.detail["before"] if row["provider"] == first.provider.name] == [2]
    assert [row["priority"] for row in entry.detail["after"] if row["provider"] == first.provider.name] == [30]


def test_a_preview_changes_nothing(office: Client, model: ImageModel, routes: list[Route]) -> None:
    version = CatalogueVersion.objects.get().number
    changes = {f"route-{routes[0].pk}-cost_usd": "9"}
    page = office.post(page_of(model), filled(office, model, "preview", **changes))
    way = f"nanobanana-pro via {routes[0].provider} nano-banana-pro"
    assert page.context["sheet"].difference.lines == [f"~ {way} ({routes[0].label}): cost $0.0050 -> $9.0000"]
    assert "negative margin" in page.content.decode()
    routes[0].refresh_from_db()
    assert (routes[0].cost, CatalogueVersion.objects.get().number, AuditEntry.objects.count()) == (5000, version, 0)


def test_a_route_is_added(office: Client, model: ImageModel, routes: list[Route]) -> None:
    new = {
        "provider": routes[0].provider.name,
        "upstream_model": "nano-banana-3",
        "priority": "5",
        "weight": "2",
        "cost_usd": "0.01",
        "cost_4k_usd": "0.02",
        "cost_per_reference_usd": "0",
        "official": "on",
    }
    data = filled(office, model, "save", **{f"new-{name}": value for name, value in new.items()})
    assert office.post(page_of(model), data).status_code == 302
    added = Route.objects.get(upstream_model="nano-banana-3")
    assert (added.priority, added.weight, added.cost, added.cost_4k, added.official) == (5, 2, 10_000, 20_000, True)
    assert (added.enabled, added.label) == (True, "Route C")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("priority", "x"),
        ("weight", "-1"),
        ("cost_usd", "a lot"),
        ("cost_usd", "-1"),
        ("cost_4k_usd", "0.0000001"),
        ("cost_per_reference_usd", "x"),
        ("when", "resolution = 4k"),
        ("when", 'resolution = ["8k"]'),
        ("when", 'prompt = ["an egg"]'),
        ("label", "a\tb" * 2),
    ],
)
def test_it_rejects_nonsense_and_names_the_field(
    office: Client, model: ImageModel, routes: list[Route], field: str, value: str
) -> None:
    before = chain.snapshot(model)
    data = filled(office, model, "save", **{f"route-{routes[0].pk}-{field}": value})
    answer = office.post(page_of(model), data)
    faulty = [list(row.form.errors) for row in answer.context["sheet"].rows if row.form.errors]
    assert (answer.status_code, faulty) == (200, [[field]])
    assert (chain.snapshot(model), AuditEntry.objects.count()) == (before, 0)


def test_two_routes_do_not_share_a_label(office: Client, model: ImageModel, routes: list[Route]) -> None:
    data = filled(office, model, "save", **{f"route-{routes[0].pk}-label": routes[1].label})
    answer = office.post(page_of(model), data).content.decode()
    assert f"Nothing changed: Two routes have the label {routes[1].label}." in answer
    assert not AuditEntry.objects.exists()


def test_it_does_not_overwrite_what_somebody_saved_meanwhile(
    office: Client, model: ImageModel, routes: list[Route]
) -> None:
    data = filled(office, model, "save", **{f"route-{routes[0].pk}-priority": "77"})
    Route.objects.filter(pk=routes[1].pk).update(priority=55)
    assert "somebody has saved this chain meanwhile" in office.post(page_of(model), data).content.decode()
    assert not Route.objects.filter(priority=77).exists()


def test_an_earlier_chain_is_put_back(office: Client, model: ImageModel, routes: list[Route], boss: User) -> None:
    before = chain.snapshot(model)
    for priority in ("30", "40"):
        changes = {f"route-{routes[0].pk}-priority": priority, f"route-{routes[1].pk}-enabled": None}
        office.post(page_of(model), filled(office, model, "save", **changes))
    first = AuditEntry.objects.order_by("pk")[0]
    page = office.get(page_of(model), {"from": first.pk})
    assert f"priority 40 -&gt; {routes[0].priority}" in page.content.decode()
    sheet = page.context["sheet"]
    data = {"seen": sheet.seen, "save": "1"}
    for row in sheet.rows:
        for field in row.form:
            if not field.field.disabled and field.value() not in (None, False):
                data[field.html_name] = "on" if field.value() is True else field.value()
    assert office.post(page_of(model), data).status_code == 302
    assert chain.snapshot(model) == before
    assert AuditEntry.objects.count() == 3


def test_changes_by_command_are_in_the_history(office: Client, model: ImageModel, tmp_path: Any) -> None:
    path = tmp_path / "chain.toml"
    path.write_text(chain.export().replace("priority = 2\n", "priority = 4\n"))
    call_command("routes", "apply", str(path))
    page = office.get(page_of(model)).content.decode()
    assert "priority 2 → 4" in page
    assert "a command" in page


def test_it_simulates(office: Client, model: ImageModel, routes: list[Route]) -> None:
    Route.objects.filter(pk=routes[0].pk).update(conditions={"resolution": ["4k"]})
    catalog._forget()
    asked = {"resolution": "2k", "aspect_ratio": "16:9", "references": "1", "strategy": "auto", "mode": "live"}
    verdicts = office.get(page_of(model), asked).context["verdicts"]
    assert [(found.route.label, found.words) for found in verdicts] == [
        (routes[0].label, "is not taken: cannot serve resolution"),
        (routes[1].label, "is taken"),
    ]
    assert office.get(page_of(model), asked | {"references": "99"}).context["verdicts"] is None


def test_a_drill_runs_from_the_page(office: Client, model: ImageModel, routes: list[Route]) -> None:
    turn = reverse("admin:route_drill", args=[routes[0].pk])
    assert office.post(turn, {"turn": "on"}).status_code == 302
    page = office.get(page_of(model))
    (row,) = [row for row in page.context["sheet"].rows if row.drill_seconds]
    assert (row.route.pk, 50 < row.drill_seconds <= 60) == (routes[0].pk, True)
    assert "Stop drill" in page.content.decode()
    office.post(turn, {"turn": "off"})
    routes[0].refresh_from_db()
    assert routes[0].drill_until is None


def test_a_breaker_is_closed_from_the_page(office: Client, model: ImageModel, routes: list[Route], boss: User) -> None:
    now = clock.now()
    row = Breaker.objects.create(
        provider=routes[0].provider,
        upstream_model=routes[0].upstream_model,
        reason=XSS,
        opened_at=now,
        open_until=now + timedelta(seconds=15),
        seconds=15,
    )
    page = office.get(page_of(model)).content.decode()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert XSS not in page
    close = reverse("admin:breaker_close", args=[row.pk])
    assert office.post(close, {"model": model.pk})["Location"] == page_of(model)
    assert office.post(close, {"model": "x"}).status_code == 302
    assert (Breaker.objects.count(), Alert.objects.filter(ended_at=None).count()) == (0, 0)
    assert list(AuditEntry.objects.values_list("action", "actor")) == [("breaker.close", boss.pk)]


def test_strings_are_shown_as_text(office: Client, model: ImageModel, routes: list[Route]) -> None:
    Route.objects.filter(pk=routes[0].pk).update(label=XSS[:40])
    Provider.objects.filter(pk=routes[1].provider_id).update(name=XSS)
    for page in (page_of(model), reverse("admin:generation_imagemodel_changelist"), "/admin/generation/provider/"):
        assert XSS not in office.get(page).content.decode()


@pytest.mark.once
def test_the_page_takes_as_many_queries_for_many_routes(
    office: Client, model: ImageModel, sell: Callable[..., Route], django_assert_max_num_queries: Any
) -> None:
    upstream = Kie()
    upstream.origin = "http://127.0.0.1:9"
    for number in range(12):
        sell(upstream, "kie", f"model-{number}", model="nanobanana-pro")
    with django_assert_max_num_queries(22):
        assert len(office.get(page_of(model)).context["sheet"].rows) == 16


def test_a_stranger_cannot_see_or_change_anything(model: ImageModel, routes: list[Route], settings: Any) -> None:
    settings.EGGAPI_EMBEDDED = True
    stranger = Client()
    stranger.force_login(Customer("mallory@example.com").account.members.get())
    staff = Client()
    staff.force_login(User.objects.create_user(email="staff@example.com", password="a long password", is_staff=True))
    before = chain.snapshot(model)
    drill = reverse("admin:route_drill", args=[routes[0].pk])
    for person, status in [(Client(), 302), (stranger, 302), (staff, 403)]:
        assert person.get(page_of(model)).status_code == status
        assert person.post(page_of(model), {"save": "1"}).status_code == status
        assert person.post(drill, {"turn": "on"}).status_code == status
        assert person.get(reverse("admin:generation_price_add")).status_code == status
    assert chain.snapshot(model) == before
    assert not Route.objects.exclude(drill_until=None).exists()
    assert not AuditEntry.objects.filter(action__in=["chain.edit", "route.drill"]).exists()


# -- models and prices -----------------------------------------------------------------------------


def test_a_model_is_described_and_switched_off(office: Client, model: ImageModel) -> None:
    page = reverse("admin:generation_imagemodel_change", args=[model.pk])
    inlines = {"prices-TOTAL_FORMS": "0", "prices-INITIAL_FORMS": "0"}
    assert office.post(page, {"description": "For posters", "name": "other", **inlines}).status_code == 302
    model.refresh_from_db()
    assert (model.name, model.description, model.enabled) == ("nanobanana-pro", "For posters", False)
    assert "nanobanana-pro" not in catalog.current().models
    actions = AuditEntry.objects.order_by("pk").values_list("action", flat=True)
    assert list(actions) == ["model.describe", "model.disable"]


def test_a_price_is_added_and_the_margin_shown(office: Client, model: ImageModel, boss: User) -> None:
    add = reverse("admin:generation_price_add")
    sent = {"model": model.pk, "resolution": "2k", "amount": "0.04", "since_0": "", "since_1": ""}
    assert office.post(add, sent).status_code == 302
    assert catalog.current().models["nanobanana-pro"].prices["2k"] == 40_000
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.actor, entry.detail["amount"]) == ("price.add", boss, "$0.0400")
    assert Price.objects.filter(model=model, resolution="2k").count() == 2
    listed = office.get(reverse("admin:generation_price_changelist")).content.decode()
    assert "$0.0350 (88 %)" in listed
    price = Price.objects.order_by("-pk")[0]
    change = reverse("admin:generation_price_change", args=[price.pk])
    assert office.post(change, sent | {"amount": "9"}).status_code == 403
    price.refresh_from_db()
    assert price.amount == 40_000


def test_a_price_to_come_comes_by_itself(office: Client, model: ImageModel) -> None:
    soon = clock.now() + timedelta(days=1)
    sent = {
        "model": model.pk,
        "resolution": "1k",
        "amount": "0.5",
        "since_0": f"{soon:%Y-%m-%d}",
        "since_1": "10:00:00",
    }
    assert office.post(reverse("admin:generation_price_add"), sent).status_code == 302
    old = catalog.current().models["nanobanana-pro"].prices["1k"]
    assert old != 500_000
    Price.objects.filter(amount=500_000).update(since=clock.now())
    catalog._shelf.checked_at = catalog._shelf.turns_at = 0.0
    assert catalog.current().models["nanobanana-pro"].prices["1k"] == 500_000


@pytest.mark.parametrize(
    ("field", "value"),
    [("amount", "0"), ("amount", "x"), ("amount", "-1"), ("resolution", "2k"), ("since", "2020-01-01")],
)
def test_it_rejects_a_price_that_cannot_be(office: Client, on_sale: None, field: str, value: str) -> None:
    nanobanana = ImageModel.objects.get(name="nanobanana")
    sent = {"model": nanobanana.pk, "resolution": "1k", "amount": "1", "since_0": "", "since_1": ""}
    sent |= {"since_0": value, "since_1": "00:00"} if field == "since" else {field: value}
    answer = office.post(reverse("admin:generation_price_add"), sent)
    assert list(answer.context["adminform"].form.errors) == [field]
    assert not AuditEntry.objects.exists()

"""Chain: the live routes of each model, made what a file says, and told as one."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from accounts import auditlog
from accounts.models import Mode, User
from eggapi import clock, crypto, money
from generation import catalog
from generation.chainfile import BadChain, Chain, PlannedProvider, PlannedRoute, read_route, table, toml
from generation.models import ImageModel, Provider, Route

SANDBOX = "sandbox"
EDITED = "chain.edit"  # as the audit log has it
AMOUNTS = ("cost", "cost_4k", "cost_per_reference")


@dataclass(frozen=True, slots=True)
class Difference:
    """A line for each row that changes, and a warning for each route that loses money."""

    lines: list[str]
    warnings: list[str]


@dataclass(frozen=True, slots=True)
class Link:
    """A route of a chain as it shall be."""

    planned: PlannedRoute
    enabled: bool


@transaction.atomic
def apply(chain: Chain) -> Difference:
    """Makes the live routes of every model the chain names exactly those it lists. Raises BadChain.

    Other live routes of these models are switched off, never deleted: what was bought there is still to be
    fetched. Sandbox routes and other models are left alone.
    """
    catalog.changed()
    models = {name: _model(name) for name in dict.fromkeys(route.model for route in chain.routes)}
    before = {name: snapshot(model) for name, model in models.items()}
    lines, providers, routes = [], {}, []
    for provider in chain.providers:
        providers[provider.name], line = _put_provider(provider, models.values())
        lines.append(line)
    for planned in chain.routes:
        taken = {route.label for route in chain.routes if route.model == planned.model}
        route, line = _put_route(planned, models[planned.model], providers[planned.provider], taken)
        routes.append(route)
        lines.append(line)
    lines += _switch_off_others(models.values(), routes)
    for name, model in models.items():
        note(model, before[name])
    return _difference(lines, routes)


@transaction.atomic
def save(model: ImageModel, links: Sequence[Link], actor: User | None = None) -> Difference:
    """Makes routes of a model what the links say, and leaves its others and all providers alone. Raises BadChain."""
    catalog.changed()
    before = snapshot(model)
    providers = {row.name: row for row in Provider.objects.all()}
    lines, routes = [], []
    for link in links:
        if link.planned.provider not in providers:
            raise BadChain(f"There is no provider {link.planned.provider}.")
        taken = {other.planned.label for other in links}
        route, line = _put_route(link.planned, model, providers[link.planned.provider], taken, enabled=link.enabled)
        routes.append(route)
        lines.append(line)
    refuse_twins(model)
    note(model, before, actor)
    return _difference(lines, routes)


def preview(model: ImageModel, links: Sequence[Link]) -> Difference:
    """What `save` would change. Raises BadChain."""
    with transaction.atomic():
        found = save(model, links)
        transaction.set_rollback(True)
    return found


def snapshot(model: ImageModel) -> list[dict[str, Any]]:
    """All routes of a model, as [[route]] in a file would have them, with whether each is enabled."""
    routes = model.routes.select_related("model", "provider").order_by("priority", "pk")
    return [{**route_values(row), "enabled": row.enabled} for row in routes]


def links_of(values: Iterable[dict[str, Any]]) -> list[Link]:
    """What a snapshot says. Raises BadChain."""
    links = []
    for number, each in enumerate(values, 1):
        entry = {name: value for name, value in each.items() if name != "enabled" and value is not None}
        links.append(Link(read_route(entry, number), each["enabled"]))
    return links


def _difference(lines: Iterable[str], routes: Iterable[Route]) -> Difference:
    now = clock.now()
    warnings = [loss(route, now) for route in routes if route.enabled]
    return Difference([line for line in lines if line], [warning for warning in warnings if warning])


def note(model: ImageModel, before: list[dict[str, Any]], actor: User | None = None) -> None:
    """Tells the audit log what changed of a model's routes since the snapshot `before`."""
    after = snapshot(model)
    if after != before:
        auditlog.note(EDITED, model.name, actor, before=before, after=after)


def refuse_twins(model: ImageModel) -> None:
    """Customers know routes by their labels alone. Raises BadChain."""
    labels = list(model.routes.filter(enabled=True).values_list("label", flat=True))
    for label in labels:
        if labels.count(label) > 1:
            raise BadChain(f"Two routes have the label {label}.")


def _model(name: str) -> ImageModel:
    model = ImageModel.objects.filter(name=name).first()
    if model is None:
        raise BadChain(f"There is no model {name}.")
    if not catalog.prices_of(model, clock.now()):
        raise BadChain(f"The model {name} has no price.")
    return model


def _put_provider(planned: PlannedProvider, models: Iterable[ImageModel]) -> tuple[Provider, str]:
    """The row, and a line on what changed about it."""
    row = Provider.objects.filter(name=planned.name).first()
    if row is None:
        if "credential" not in planned.secrets:
            raise BadChain(f"Provider {planned.name} is new and has neither credential nor credential_env.")
        row = Provider(name=planned.name, **planned.fields)
        keep_secrets(row, planned.secrets)
        row.save()
        return row, f"+ provider {row.name}, adapter {row.adapter}"
    if row.adapter != planned.fields["adapter"]:
        raise BadChain(f"Provider {row.name} has the adapter {row.adapter}; one with another needs another name.")
    if not row.enabled:
        row.routes.exclude(model__in=models).update(enabled=False)  # which are not live now, and shall not be
    changes = [*assign(row, planned.fields | {"enabled": True}), *keep_secrets(row, planned.secrets)]
    if changes:
        row.save()
    return row, f"~ provider {row.name}: {', '.join(changes)}" if changes else ""


def keep_secrets(row: Provider, secrets: Mapping[str, str]) -> list[str]:
    """Sets a provider's secrets, encrypted; says which changed, and never what they are."""
    changes = []
    for name, secret in secrets.items():
        if getattr(row, name) != secret:
            setattr(row, f"{name}_encrypted", crypto.encrypt(secret))
            changes.append(f"{name.replace('_', ' ')} changed")
    return changes


def _put_route(
    planned: PlannedRoute, model: ImageModel, provider: Provider, taken: Iterable[str], *, enabled: bool = True
) -> tuple[Route, str]:
    """The row, and a line on what changed about it."""
    way = {"model": model, "provider": provider, "upstream_model": planned.upstream_model}
    row = Route.objects.filter(**way).first() or Route(**way, enabled=False)
    row.model, row.provider, was_live = model, provider, row.enabled
    label = planned.label or row.label or catalog.free_label(model, taken)
    is_new = row.pk is None
    changes = assign(row, {"label": label, **planned.fields, "enabled": enabled})
    if not changes and not is_new:
        return row, ""
    row.save()
    if enabled and not was_live:
        return row, f"+ {planned} ({label}): {money.display(row.cost)} an image, priority {row.priority}"
    if is_new:
        return row, f"~ {planned} ({label}): added, switched off"
    return row, f"{'-' if was_live and not enabled else '~'} {planned} ({label}): {', '.join(changes)}"


def _switch_off_others(models: Iterable[ImageModel], kept: Iterable[Route]) -> list[str]:
    live = Route.objects.filter(model__in=models, enabled=True, provider__enabled=True)
    others = live.exclude(provider__adapter=SANDBOX).exclude(pk__in=[route.pk for route in kept])
    rows = list(others.select_related("model", "provider").order_by("pk"))
    others.update(enabled=False)
    return [f"- {row} {row.upstream_model} ({row.label}): switched off" for row in rows]


def assign(row: Provider | Route, values: dict[str, Any]) -> list[str]:
    """Gives a row new values, and says what of it changes."""
    changes = []
    for name, value in values.items():
        before = getattr(row, name)
        if before != value:
            setattr(row, name, value)
            word = name.replace("_", " ")
            switched = f"switched {'on' if value else 'off'}"
            changes.append(switched if name == "enabled" else f"{word} {_shown(name, before, value)}")
    return changes


def _shown(name: str, before: Any, after: Any) -> str:
    show = money.display if name in AMOUNTS else toml
    return " -> ".join("none" if value in (None, "", [], {}) else show(value) for value in (before, after))


def loss(route: Route, now: datetime) -> str:
    """A warning for a route that costs more than customers pay; empty for one that does not."""
    prices = catalog.prices_of(route.model, now)
    losses = [
        f"a {resolution} image costs {money.display(cost)} and sells for {money.display(prices[resolution])}"
        for resolution, cost in costs_of(route, prices).items()
        if cost > prices[resolution]
    ]
    name = f"{route} {route.upstream_model}"
    return f"Warning: {name} has a negative margin: {', '.join(losses)}." if losses else ""


def costs_of(route: Route, resolutions: Iterable[str]) -> dict[str, int]:
    """What an image costs us there, by those of the resolutions that it serves."""
    entry = catalog.entry_of(route)
    can, allowed = entry.capabilities.resolutions, route.conditions.get("resolution")
    served = [each for each in resolutions if (not can or each in can) and (not allowed or each in allowed)]
    return {resolution: entry.cost_of(resolution, 0) for resolution in served}


def export() -> str:
    """The live chain as a file that changes nothing when it is applied."""
    providers = [row for row in Provider.objects.filter(enabled=True).order_by("pk") if row.mode == Mode.LIVE]
    priced = ImageModel.objects.filter(prices__since__lte=clock.now())
    routes = Route.objects.filter(enabled=True, provider__in=providers, model__in=priced)
    ordered = routes.select_related("model", "provider").order_by("model__pk", "priority", "pk")
    tables = [_provider_table(row) for row in providers] + [_route_table(row) for row in ordered]
    return "\n".join(["# Credentials are not exported: a provider that is there keeps its own.\n", *tables])


def _provider_table(row: Provider) -> str:
    values = {
        "name": row.name,
        "adapter": row.adapter,
        "base_url": row.base_url or None,
        "concurrency": row.concurrency,
        "result_hosts": row.result_hosts or None,
        "low_balance": row.low_balance,
    }
    return table("provider", values)


def _route_table(row: Route) -> str:
    return table("route", route_values(row))


def route_values(row: Route) -> dict[str, Any]:
    return {
        "model": row.model.name,
        "provider": row.provider.name,
        "upstream_model": row.upstream_model,
        "label": row.label,
        "priority": row.priority,
        "weight": row.weight,
        "cost_usd": money.display(row.cost).removeprefix("$"),
        "cost_4k_usd": None if row.cost_4k is None else money.display(row.cost_4k).removeprefix("$"),
        "cost_per_reference_usd": money.display(row.cost_per_reference).removeprefix("$"),
        "official": row.official or None,
        "require_margin": row.require_margin or None,
        "when": row.conditions or None,
    }

"""Chain: the live routes of each model, made what a file says, and told as one."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from accounts.models import Mode
from eggapi import clock, crypto, money
from generation import catalog
from generation.chainfile import BadChain, Chain, PlannedProvider, PlannedRoute, table, toml
from generation.models import ImageModel, Provider, Route

SANDBOX = "sandbox"
AMOUNTS = ("cost", "cost_4k", "cost_per_reference")


@dataclass(frozen=True, slots=True)
class Difference:
    """A line for each row that changes, and a warning for each route that loses money."""

    lines: list[str]
    warnings: list[str]


@transaction.atomic
def apply(chain: Chain) -> Difference:
    """Makes the live routes of every model the chain names exactly those it lists. Raises BadChain.

    Other live routes of these models are switched off, never deleted: what was bought there is still to be
    fetched. Sandbox routes and other models are left alone.
    """
    catalog.changed()  # first, so that of two who apply at once the second waits and sees what the first did
    models = {name: _model(name) for name in dict.fromkeys(route.model for route in chain.routes)}
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
    warnings = [loss(route) for route in routes]
    return Difference([line for line in lines if line], [warning for warning in warnings if warning])


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


def _put_route(planned: PlannedRoute, model: ImageModel, provider: Provider, taken: Iterable[str]) -> tuple[Route, str]:
    """The row, and a line on what changed about it."""
    way = {"model": model, "provider": provider, "upstream_model": planned.upstream_model}
    row = Route.objects.filter(**way).first() or Route(**way, enabled=False)
    row.model, row.provider, was_live = model, provider, row.enabled
    label = planned.label or row.label or catalog.free_label(model, taken)
    changes = assign(row, {"label": label, **planned.fields, "enabled": True})
    if not changes:
        return row, ""
    row.save()
    if was_live:
        return row, f"~ {planned} ({label}): {', '.join(changes)}"
    return row, f"+ {planned} ({label}): {money.display(row.cost)} an image, priority {row.priority}"


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
            changes.append("switched on" if name == "enabled" else f"{word} {_shown(name, before, value)}")
    return changes


def _shown(name: str, before: Any, after: Any) -> str:
    show = money.display if name in AMOUNTS else toml
    return " -> ".join("none" if value in (None, "", [], {}) else show(value) for value in (before, after))


def loss(route: Route) -> str:
    """A warning for a route that costs more than customers pay; empty for one that does not."""
    entry, prices = catalog.entry_of(route), catalog.prices_of(route.model, clock.now())
    can = entry.capabilities.resolutions or prices.keys()
    losses = [
        f"a {resolution} image costs {money.display(cost)} and sells for {money.display(price)}"
        for resolution, price in prices.items()
        if resolution in can and resolution in route.conditions.get("resolution", can)
        if (cost := entry.cost_of(resolution, 0)) > price
    ]
    name = f"{route} {route.upstream_model}"
    return f"Warning: {name} has a negative margin: {', '.join(losses)}." if losses else ""


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
    values = {
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
    return table("route", values)

"""Vendors: a credential in the environment is all that a provider with its default routes needs."""

import tomllib
from typing import Any

from django.conf import settings
from django.db import transaction

from eggapi import clock, crypto
from generation import catalog, chain, chainfile
from generation.models import ImageModel, Provider, Route
from generation.providers import ADAPTERS


@transaction.atomic
def set_up() -> list[str]:
    """Makes a provider of the adapter's name for every EGGAPI_PROVIDER_<NAME>_KEY, or renews its credential.

    It gets the routes of catalog.toml if it has none; what operators made of its routes stays. Returns
    sentences for the operator.
    """
    if settings.EGGAPI_PROVIDER_KEYS:
        catalog.changed()
    return [sentence for name, key in settings.EGGAPI_PROVIDER_KEYS.items() for sentence in _set_up(name, key)]


def _set_up(name: str, key: str) -> list[str]:
    variable = f"EGGAPI_PROVIDER_{name.upper()}_KEY"
    known = sorted(ADAPTERS.keys() - {chain.SANDBOX})
    if name not in known:
        return [f"{variable} is ignored: there is no adapter {name}, only {', '.join(known)}."]
    provider, is_new = Provider.objects.get_or_create(name=name, defaults={"adapter": name})
    if provider.adapter != name:
        return [f"{variable} is ignored: the provider {name} has the adapter {provider.adapter}."]
    news = []
    if provider.credential != key:
        provider.credential_encrypted = crypto.encrypt(key)
        provider.save(update_fields=["credential_encrypted"])
        news.append(f"{name} {'is set up' if is_new else 'has a new credential'}, from {variable}.")
    if not provider.routes.exists():
        now = clock.now()
        news += [warning for route in _make_routes(provider) if (warning := chain.loss(route, now))]
    return news


def _make_routes(provider: Provider) -> list[Route]:
    models = {model.name: model for model in ImageModel.objects.all()}
    [vendor] = [each for each in _vendors() if each["adapter"] == provider.adapter]
    common = {name: vendor[name] for name in ("priority", "official") if name in vendor} | {"provider": provider.name}
    routes = [chainfile.read_route(entry | common, number) for number, entry in enumerate(vendor["route"], 1)]
    return [
        Route.objects.create(
            model=models[route.model],
            provider=provider,
            upstream_model=route.upstream_model,
            label=catalog.free_label(models[route.model]),
            **route.fields,
        )
        for route in routes
        if route.model in models
    ]


def _vendors() -> list[dict[str, Any]]:
    vendors: list[dict[str, Any]] = tomllib.loads(catalog.SEED.read_text())["vendor"]
    return vendors

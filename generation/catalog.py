"""What is sold and where it can be bought: rows, read into memory and re-read when they change."""

import threading
import time
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from django.db import transaction
from django.db.models import F

from accounts.models import Mode
from eggapi import clock, money
from generation.models import CatalogueVersion, ImageModel, Price, Provider, Route
from generation.providers import ADAPTERS
from generation.providers.base import Capabilities
from generation.providers.base import Provider as Adapter

SEED = Path(__file__).with_name("catalog.toml")
FRESH_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class RouteEntry:
    """A route with the adapter that serves it. `cost` is ours, in micro-dollars per image."""

    id: int
    enabled: bool
    label: str
    upstream_model: str
    priority: int
    cost: int
    mode: Mode
    provider: str
    adapter: Adapter
    capabilities: Capabilities


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A model on sale. `prices` maps a resolution to micro-dollars per image."""

    name: str
    description: str
    resolutions: tuple[str, ...]
    prices: dict[str, int]
    routes: tuple[RouteEntry, ...]

    @property
    def default_resolution(self) -> str:
        return self.resolutions[0]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """`routes` holds the disabled ones too: what was bought there before is still to be fetched."""

    version: int
    models: dict[str, ModelEntry]
    routes: dict[int, RouteEntry]


class _Shelf:
    """The catalogue this process last read."""

    def __init__(self) -> None:
        self.catalogue: Catalogue | None = None
        self.checked_at = 0.0
        self.lock = threading.Lock()


_shelf = _Shelf()


def current() -> Catalogue:
    """The catalogue, at most FRESH_SECONDS behind the database."""
    catalogue = _shelf.catalogue
    if catalogue and time.monotonic() - _shelf.checked_at < FRESH_SECONDS:
        return catalogue
    with _shelf.lock:
        version = CatalogueVersion.objects.values_list("number", flat=True).first() or 0
        catalogue = _shelf.catalogue
        if catalogue is None or catalogue.version != version:
            catalogue = _shelf.catalogue = _read(version)
        _shelf.checked_at = time.monotonic()
        return catalogue  # which another thread may have made the shelf forget by now


def changed() -> None:
    """Makes every process read the catalogue anew; called in the transaction that changed it."""
    if not CatalogueVersion.objects.update(number=F("number") + 1):
        CatalogueVersion.objects.create(number=1)
    transaction.on_commit(_forget)


def _forget() -> None:
    _shelf.catalogue = None


def _read(version: int) -> Catalogue:
    routes = {
        route.pk: (route.model_id, _entry(route))
        for route in Route.objects.select_related("provider").order_by("priority", "id")
    }
    now = clock.now()
    models = {}
    for model in ImageModel.objects.filter(enabled=True).order_by("id"):
        prices = dict(model.prices.filter(since__lte=now).order_by("since").values_list("resolution", "amount"))
        own = tuple(entry for model_id, entry in routes.values() if model_id == model.pk and entry.enabled)
        on_sale = tuple(resolution for resolution in model.resolutions if resolution in prices)
        if on_sale:
            models[model.name] = ModelEntry(model.name, model.description, on_sale, prices, own)
    return Catalogue(version, models, {pk: entry for pk, (_, entry) in routes.items()})


def _entry(route: Route) -> RouteEntry:
    adapter = ADAPTERS[route.provider.adapter](route.provider.base_url, route.provider.credential)
    return RouteEntry(
        id=route.pk,
        enabled=route.enabled and route.provider.enabled,
        label=route.label,
        upstream_model=route.upstream_model,
        priority=route.priority,
        cost=route.cost,
        mode=route.provider.mode,
        provider=route.provider.name,
        adapter=adapter,
        capabilities=adapter.capabilities(route.upstream_model),
    )


@transaction.atomic
def seed() -> None:
    """Puts the models, prices and sandbox routes of catalog.toml into an empty catalogue; else does nothing."""
    if ImageModel.objects.exists():
        return
    document = tomllib.loads(SEED.read_text())
    now = clock.now()
    for entry in document["model"]:
        model = ImageModel.objects.create(
            name=entry["name"], description=entry["description"], resolutions=list(entry["prices"])
        )
        for resolution, dollars in entry["prices"].items():
            Price.objects.create(model=model, resolution=resolution, amount=money.parse(dollars), since=now)
    for entry in document["provider"]:
        provider = Provider.objects.create(name=entry["name"], adapter=entry["adapter"], base_url=entry["base_url"])
        _seed_routes(provider, entry["priority"], ImageModel.objects.order_by("id"))
    changed()


def _seed_routes(provider: Provider, priority: int, models: Iterable[ImageModel]) -> None:
    for model in models:
        label = f"Route {chr(ord('A') + model.routes.count())}"
        Route.objects.create(model=model, provider=provider, upstream_model=model.name, label=label, priority=priority)

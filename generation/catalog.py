"""What is sold and where it can be bought: rows, read into memory and re-read when they change."""

import threading
import time
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count, product
from pathlib import Path
from string import ascii_uppercase

from django.db import transaction
from django.db.models import F

from accounts.models import Mode
from eggapi import clock, money
from generation.models import CatalogueVersion, ImageModel, Price, Provider, Route, Strategy, Task
from generation.providers import ADAPTERS
from generation.providers.base import Capabilities
from generation.providers.base import Provider as Adapter

SEED = Path(__file__).with_name("catalog.toml")
FRESH_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class RouteEntry:
    """A route with the adapter that serves it: the fields of its row and its provider's, as in models."""

    id: int
    enabled: bool
    label: str
    upstream_model: str
    priority: int
    weight: int
    cost: int
    cost_4k: int | None
    cost_per_reference: int
    official: bool
    require_margin: bool
    conditions: dict[str, list[str]]
    drill_until: datetime | None
    mode: Mode
    provider: str
    provider_id: int
    concurrency: int | None
    homes: tuple[str, ...]
    adapter: Adapter
    capabilities: Capabilities

    def is_drilled(self, now: datetime) -> bool:
        """Whether it is made to fail just now, as a fire drill."""
        return self.drill_until is not None and now < self.drill_until

    def cost_of(self, resolution: str, references: int) -> int:
        """What an image costs us, in micro-dollars."""
        base = self.cost if resolution != "4k" or self.cost_4k is None else self.cost_4k
        return base + references * self.cost_per_reference

    def misfits(self, task: Task) -> list[str]:
        """The fields of a request that this route can never serve."""
        can = self.capabilities
        fits = {
            "strategy": task.strategy != Strategy.OFFICIAL or self.official or self.mode == Mode.TEST,
            "resolution": not can.resolutions or task.resolution in can.resolutions,
            "aspect_ratio": not can.aspect_ratios or task.aspect_ratio in can.aspect_ratios,
            "output_format": task.output_format in can.output_formats,
            "image_urls": len(task.image_urls) <= can.max_references,
            "prompt": len(task.prompt) <= can.prompt_characters,
        }
        for name, allowed in self.conditions.items():
            fits[name] = fits.get(name, True) and getattr(task, name) in allowed
        return [name for name, is_fit in fits.items() if not is_fit]


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A model on sale. `prices` maps a resolution to micro-dollars per image, `price_ids` to the row that says so."""

    name: str
    description: str
    resolutions: tuple[str, ...]
    prices: dict[str, int]
    price_ids: dict[str, int]
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
        self.turns_at = float("inf")  # the moment of the next price, on this process's own clock
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
        if catalogue is None or catalogue.version != version or time.monotonic() >= _shelf.turns_at:
            catalogue = _shelf.catalogue = _read(version)
        _shelf.checked_at = time.monotonic()
        return catalogue  # which another thread may have made the shelf forget by now


def cheapest() -> int | None:
    """The lowest price of an image on sale, in micro-dollars; None while nothing is."""
    return min((price for model in current().models.values() for price in model.prices.values()), default=None)


def changed() -> None:
    """Makes every process read the catalogue anew; called first in the transaction that changes it.

    For it locks the version: of two operators at once the second waits, and sees what the first did. Were a
    provider, a route, a model or a price locked before, they could each wait for the other.
    """
    if not CatalogueVersion.objects.update(number=F("number") + 1):
        CatalogueVersion.objects.create(number=1)
    transaction.on_commit(_forget)


@transaction.atomic
def begin_prices() -> None:
    """Lets prices be read whose time has come; called every minute, and looks back over two."""
    now = clock.now()
    if Price.objects.filter(since__gt=now - timedelta(minutes=2), since__lte=now).exists():
        changed()


def _forget() -> None:
    _shelf.catalogue = None


def _read(version: int) -> Catalogue:
    # What a newer release than this process put there is not ours to use, and no reason to stop.
    known = Route.objects.filter(provider__adapter__in=ADAPTERS)
    routes = {
        route.pk: (route.model_id, entry_of(route))
        for route in known.select_related("provider").order_by("priority", "id")
    }
    now = clock.now()
    next_price = Price.objects.filter(since__gt=now).order_by("since").values_list("since", flat=True).first()
    _shelf.turns_at = time.monotonic() + (next_price - now).total_seconds() if next_price else float("inf")
    models = {}
    for model in ImageModel.objects.filter(enabled=True).order_by("id"):
        priced = _prices(model, now)
        prices = {resolution: amount for resolution, amount, _ in priced}
        price_ids = {resolution: price_id for resolution, _, price_id in priced}
        own = tuple(entry for model_id, entry in routes.values() if model_id == model.pk and entry.enabled)
        on_sale = tuple(resolution for resolution in model.resolutions if resolution in prices)
        if on_sale:
            models[model.name] = ModelEntry(model.name, model.description, on_sale, prices, price_ids, own)
    return Catalogue(version, models, {pk: entry for pk, (_, entry) in routes.items()})


def prices_of(model: ImageModel, now: datetime) -> dict[str, int]:
    """What an image costs the customer by resolution, in micro-dollars."""
    return {resolution: amount for resolution, amount, _ in _prices(model, now)}


def _prices(model: ImageModel, now: datetime) -> list[tuple[str, int, int]]:
    """(resolution, micro-dollars, id), of which the last of a resolution is in force."""
    return list(model.prices.filter(since__lte=now).order_by("since").values_list("resolution", "amount", "pk"))


def entry_of(route: Route) -> RouteEntry:
    provider = route.provider
    adapter = adapter_of(provider)
    return RouteEntry(
        id=route.pk,
        enabled=route.enabled and provider.enabled,
        label=route.label,
        upstream_model=route.upstream_model,
        priority=route.priority,
        weight=route.weight,
        cost=route.cost,
        cost_4k=route.cost_4k,
        cost_per_reference=route.cost_per_reference,
        official=route.official,
        require_margin=route.require_margin,
        conditions=route.conditions,
        drill_until=route.drill_until,
        mode=provider.mode,
        provider=provider.name,
        provider_id=provider.pk,
        concurrency=provider.concurrency,
        homes=(adapter.base_url, *(f"https://{host}" for host in provider.result_hosts)),
        adapter=adapter,
        capabilities=adapter.capabilities(route.upstream_model),
    )


def adapter_of(provider: Provider) -> Adapter:
    return ADAPTERS[provider.adapter](provider.base_url, provider.credential, provider.callback_secret)


@transaction.atomic
def seed() -> None:
    """Puts the models, prices and sandbox routes of catalog.toml into an empty catalogue; else does nothing."""
    if ImageModel.objects.exists():
        return
    changed()
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


def _seed_routes(provider: Provider, priority: int, models: Iterable[ImageModel]) -> None:
    for model in models:
        Route.objects.create(
            model=model, provider=provider, upstream_model=model.name, label=free_label(model), priority=priority
        )


def free_label(model: ImageModel, taken: Iterable[str] = ()) -> str:
    """The first of Route A, Route B, ... Route Z, Route AA, ... that is not taken and no route of the model has."""
    used = {*taken, *model.routes.values_list("label", flat=True)}
    letters = ("".join(several) for length in count(1) for several in product(ascii_uppercase, repeat=length))
    return next(label for each in letters if (label := f"Route {each}") not in used)

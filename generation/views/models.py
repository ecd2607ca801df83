"""What is on sale: for everybody, signed in or not."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from eggapi import clock
from eggapi.envelope import base_url
from generation import catalog, snippets, typical
from generation.catalog import ModelEntry
from generation.fields import ASPECT_RATIOS, MOST_IMAGE_URLS, MOST_OUTPUTS, PROMPT_CHARACTERS
from generation.models import Price

# What the sandbox drew for static/eggapi/pictures/MODEL-N.webp, each 640 x 360.
GALLERY = {
    "nanobanana": (
        "mountains at night under a full moon",
        "a red lighthouse above a stormy sea",
        "a cup of coffee on a table, minimal",
        "a city street in neon rain",
    ),
    "nanobanana-pro": (
        "mountains at sunrise, watercolor",
        "an astronaut in a meadow of flowers",
        "a sailing boat at sunset",
        "a robot in the desert",
    ),
}


@dataclass(frozen=True, slots=True)
class Sample:
    prompt: str
    file: str


@dataclass(frozen=True, slots=True)
class Card:
    """A model as it is offered. `announced` are prices that are going to be; `milliseconds` what tasks take lately."""

    model: ModelEntry
    announced: Sequence[Price]
    milliseconds: int | None
    samples: Sequence[Sample]
    curl: str

    @property
    def prices(self) -> list[tuple[str, int, int]]:
        """Of one image and of a thousand, by resolution."""
        prices = self.model.prices
        return [(resolution, prices[resolution], 1000 * prices[resolution]) for resolution in self.model.resolutions]


def models(request: HttpRequest) -> HttpResponse:
    """GET /models"""
    announced, took = _announced(), typical.milliseconds()
    cards = [_card(request, each, announced[each.name], took) for each in catalog.current().models.values()]
    context = {
        "cards": cards,
        "ratios": ASPECT_RATIOS,
        "most_references": MOST_IMAGE_URLS,
        "most_outputs": MOST_OUTPUTS,
        "prompt_characters": PROMPT_CHARACTERS,
        "same_by_api": f"curl {base_url(request)}/v1/models",
    }
    return render(request, "generation/models.html", context)


def _announced() -> dict[str, list[Price]]:
    """By model, in the order in which they come."""
    found: dict[str, list[Price]] = defaultdict(list)
    coming = Price.objects.filter(since__gt=clock.now()).select_related("model")
    for price in coming.order_by("since", "resolution"):
        found[price.model.name].append(price)
    return found


def _card(request: HttpRequest, model: ModelEntry, announced: Sequence[Price], took: dict[str, int]) -> Card:
    prompts = GALLERY.get(model.name, ())
    body: dict[str, Any] = {"model": model.name, "prompt": prompts[0] if prompts else "an egg on a table"}
    if len(model.resolutions) > 1:
        body["resolution"] = model.resolutions[-1]
    return Card(
        model=model,
        announced=announced,
        milliseconds=took.get(model.name),
        samples=[Sample(prompt, f"eggapi/pictures/{model.name}-{n}.webp") for n, prompt in enumerate(prompts, 1)],
        curl=snippets.curl(body, base_url(request)),
    )

"""Verdict: which routes a request would take just now, in order, and what speaks against the others."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from accounts.caller import Caller
from accounts.models import Mode
from eggapi.clock import iso
from generation import catalog, fields, route, submit
from generation.catalog import RouteEntry
from generation.route import Option, Search, Traffic

PICTURE = "https://example.com/picture.png"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`cost` is what an image costs us, in micro-dollars; `words` go on from "this route"."""

    route: RouteEntry
    cost: int
    is_free: bool
    words: str


def explain(mode: Mode, body: Mapping[str, Any], references: int = 0) -> list[Verdict]:
    """In the order in which they would be taken; `body` is a request but for its prompt. Nothing is written or locked.

    Raises ValidationFailed.
    """
    sent = {**body, "prompt": "an egg", "image_urls": [PICTURE] * references}
    task = submit.draft(Caller(account_id=0, mode=mode), fields.read(sent))
    traffic = Traffic.glimpse(catalog.current().models[task.model].routes)
    task.deadline_at = traffic.now + timedelta(seconds=task.deadline_seconds)
    options = route.options(Search(task), traffic)
    first = next((option for option in options if not option.obstacle), None)
    return [
        Verdict(
            option.route,
            option.route.cost_of(task.resolution, references),
            not option.obstacle,
            _words(option, option is first) + _drilled(option.route, traffic),
        )
        for option in options
    ]


def _words(option: Option, is_first: bool) -> str:
    if not option.obstacle:
        return "is taken" if is_first else "is the next if that brings no image"
    return f"is not taken: {option.obstacle}{f', until {iso(option.until)}' if option.until else ''}"


def _drilled(entry: RouteEntry, traffic: Traffic) -> str:
    if not entry.drill_until or not entry.is_drilled(traffic.now):
        return ""
    return f", and fails: a fire drill runs until {iso(entry.drill_until)}"

"""Quote: what a request would cost and which routes it would take, without making anything."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from accounts.caller import Caller
from billing.models import Wallet
from generation import catalog, route, submit
from generation.models import Task
from generation.route import Option, Search, Traffic


class Obstacle(StrEnum):
    """What speaks against a route, as far as that is the customer's business."""

    UNSUITABLE = "unsuitable"  # it can never serve this request
    BUSY = "busy"  # not just now, but soon enough to wait for
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class Choice:
    """A route as customers know it; `unsuited` are the fields of the request that it cannot serve."""

    label: str
    obstacle: Obstacle | None
    unsuited: Sequence[str]


@dataclass(frozen=True, slots=True)
class Quote:
    """`cost` in micro-dollars; `is_covered` by what is free on the balance now."""

    cost: int
    is_covered: bool
    choices: Sequence[Choice]


def quote(caller: Caller, body: dict[str, Any]) -> Quote:
    """Raises what a submission raises, but for want of money."""
    task = submit.drafted(caller, body)
    traffic = Traffic.glimpse(catalog.current().models[task.model].routes)
    task.deadline_at = traffic.now + timedelta(seconds=task.deadline_seconds)
    options = route.options(Search(task), traffic)
    wallet = Wallet.objects.get(pk=Wallet.id_of(caller.account_id, caller.mode))
    covered = not wallet.owed and wallet.available >= task.held
    return Quote(task.held, covered, [_choice(option, task) for option in options])


def _choice(option: Option, task: Task) -> Choice:
    unsuited = sorted(option.route.misfits(task))
    if not option.obstacle:
        return Choice(option.route.label, None, ())
    if unsuited:
        return Choice(option.route.label, Obstacle.UNSUITABLE, unsuited)
    return Choice(option.route.label, Obstacle.BUSY if option.until else Obstacle.UNAVAILABLE, ())

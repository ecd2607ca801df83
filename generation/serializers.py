"""Tasks in the words of /v1: exactly the documented keys, in their order, unset ones left out.

Clients tell a finished task by looking for an address in its JSON, so an unfinished body holds none,
and nothing else the customer sent either.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from eggapi import clock, money
from eggapi.rows import read
from generation import storage
from generation.catalog import ModelEntry
from generation.fields import (
    ASPECT_RATIOS,
    MOST_IMAGE_URLS,
    MOST_OUTPUTS,
    NEGATIVE_PROMPT_CHARACTERS,
    PROMPT_CHARACTERS,
)
from generation.models import Output, Status, Task
from generation.quote import Choice, Quote
from generation.receipt import AttemptLine, Receipt

TASK_COLUMNS = (
    *("id", "status", "model", "type", "error", "cost"),
    *("created_at", "started_at", "completed_at", "expires_at"),
)


def accepted_body(task: Task) -> dict[str, Any]:
    """The body of the 202: a task as it was when it was accepted, whatever became of it since."""
    return {
        "id": task.id,
        "status": Status.PENDING.value,
        "model": task.model,
        "type": task.type,
        "cost": money.display(0),
        "created_at": clock.iso(task.created_at),
    }


def task_body(row: Mapping[str, Any], paths: Sequence[str], base_url: str) -> dict[str, Any]:
    """A task from its TASK_COLUMNS and the paths of its outputs in order."""
    body: dict[str, Any] = {name: row[name] for name in ("id", "status", "model", "type")}
    if paths:
        urls = [storage.url_of(path, row["expires_at"], base_url) for path in paths]
        body["output"] = {"url": urls[0], "urls": urls}
    if row["error"]:
        body["error"] = row["error"]
    body["cost"] = money.display(row["cost"])
    for name in ("created_at", "started_at", "completed_at"):
        if row[name]:
            body[name] = clock.iso(row[name])
    return body


def task_bodies(rows: Sequence[Mapping[str, Any]], base_url: str) -> list[dict[str, Any]]:
    """Many tasks, with one query for all their outputs."""
    completed = [row["id"] for row in rows if row["status"] == Status.COMPLETED]
    paths: dict[str, list[str]] = {task_id: [] for task_id in completed}
    if completed:
        marks = ", ".join(["%s"] * len(completed))
        kept = f"task_id IN ({marks}) AND NOT (path = '')"
        for output in read(Output, ("task", "path"), f'{kept} ORDER BY task_id, "index"', completed):
            paths[output["task"]].append(output["path"])
    return [task_body(row, paths.get(row["id"], ()), base_url) for row in rows]


def quote_body(quote: Quote) -> dict[str, Any]:
    return {
        "dry_run": True,
        "cost": money.display(quote.cost),
        "covered": quote.is_covered,
        "routes": [_choice_body(choice) for choice in quote.choices],
    }


def _choice_body(choice: Choice) -> dict[str, Any]:
    body: dict[str, Any] = {"route": choice.label, "obstacle": choice.obstacle and choice.obstacle.value}
    return body | {"fields": list(choice.unsuited)} if choice.unsuited else body


def receipt_body(receipt: Receipt) -> dict[str, Any]:
    """Everything that is known is there; what is not known yet is null."""
    task = receipt.task
    return {
        "id": task.id,
        "status": task.status,
        "model": task.model,
        "type": task.type,
        "requested": task.num_outputs,
        "held": money.display(receipt.held),
        "captured": money.display(receipt.captured),
        "released": money.display(receipt.released),
        "refunded": money.display(receipt.refunded),
        "price": {
            "rule": receipt.price and f"{task.model}/{task.resolution}#{receipt.price.pk}",
            "resolution": task.resolution,
            "unit": money.display(task.unit_price),
            "since": _moment(receipt.price.since if receipt.price else None),
        },
        "attempts": [_attempt_body(each) for each in receipt.attempts],
        "timings": _timings(task),
        "ended": task.ended or None,
        "error": task.error or None,
        "expires_at": _moment(task.expires_at),
        "key": task.key_id,
        "metadata": task.metadata,
    }


def _attempt_body(each: AttemptLine) -> dict[str, Any]:
    return {
        "route": each.route,
        "outcome": each.outcome,
        "started_at": _moment(each.started_at),
        "ended_at": _moment(each.ended_at),
    }


def _timings(task: Task) -> dict[str, Any]:
    """The last two in whole milliseconds: until the first route was asked, and in all."""
    return {
        "created_at": _moment(task.created_at),
        "started_at": _moment(task.started_at),
        "completed_at": _moment(task.completed_at),
        "deadline_at": _moment(task.deadline_at),
        "waited_ms": task.waited_milliseconds,
        "total_ms": task.milliseconds,
    }


def _moment(at: datetime | None) -> str | None:
    return clock.iso(at) if at else None


def model_body(model: ModelEntry) -> dict[str, Any]:
    return {
        "id": model.name,
        "description": model.description,
        "types": list(Task.Type.values),
        "aspect_ratios": list(ASPECT_RATIOS),
        "resolutions": list(model.resolutions),
        "prices": {resolution: money.display(model.prices[resolution]) for resolution in model.resolutions},
        "limits": {
            "prompt": PROMPT_CHARACTERS,
            "negative_prompt": NEGATIVE_PROMPT_CHARACTERS,
            "num_outputs": MOST_OUTPUTS,
            "image_urls": MOST_IMAGE_URLS,
        },
    }

"""Tasks in the words of /v1: exactly the documented keys, in their order, unset ones left out.

Clients tell a finished task by looking for an address in its JSON, so an unfinished body holds none,
and nothing else the customer sent either.
"""

from collections.abc import Mapping, Sequence
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
        for output in read(Output, ("task", "path"), f'task_id IN ({marks}) ORDER BY task_id, "index"', completed):
            paths[output["task"]].append(output["path"])
    return [task_body(row, paths.get(row["id"], ()), base_url) for row in rows]


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

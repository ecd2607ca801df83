"""Again: a task as the request that made it."""

from dataclasses import replace
from typing import Any

from accounts.caller import Caller
from eggapi.errors import BadRequest
from generation.models import Strategy, Task
from generation.submit import default_deadline, submit


def request_of(task: Task) -> dict[str, Any]:
    """The body that makes such a task, without what it says in vain. `max_cost` and `duration` are not kept."""
    body: dict[str, Any] = {
        "model": task.model,
        "prompt": task.prompt,
        "negative_prompt": task.negative_prompt,
        "aspect_ratio": task.aspect_ratio,
        "resolution": task.resolution if task.resolution_asked else "",
        "num_outputs": task.num_outputs,
        "seed": task.seed,
        "strategy": "" if task.strategy == Strategy.AUTO else task.strategy,
        "image_urls": task.image_urls,
        "metadata": task.metadata,
        "webhook_url": task.webhook_url,
    }
    if task.deadline_seconds != default_deadline(task.model, task.resolution):
        body["deadline_seconds"] = task.deadline_seconds
    return {name: value for name, value in body.items() if value not in ("", None, [])}


def run(caller: Caller, task: Task, idempotency_key: str) -> Task:
    """A new task with the same parameters, in the same mode. Raises what `submit` does, and BadRequest."""
    if task.wiped_at:
        raise BadRequest("The prompt of this task is deleted, so it cannot be run again.")
    made, _ = submit(replace(caller, mode=task.mode), request_of(task), idempotency_key)
    return made

"""Speaking an adapter's part of a conversation: over HTTP with an emulator, or against answers written down."""

import asyncio
import json
from collections.abc import Generator
from typing import Any

from generation.providers.base import Call, Provider, Reply
from generation.transport import Transport

Steps = Generator[Call, Reply, Any]


def converse(provider: Provider, steps: Steps) -> Any:
    """The result of a conversation over HTTP."""

    async def speak() -> Any:
        transport = Transport()
        try:
            return await transport.converse(provider, steps, paid=True)
        finally:
            await transport.close()

    return asyncio.run(speak())


def answered(steps: Steps, *replies: Reply) -> Any:
    """The result where these are the answers."""
    try:
        next(steps)
        for reply in replies:
            steps.send(reply)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it asks for more")


def says(status: int, body: object, **headers: str) -> Reply:
    return Reply(status, headers, json.dumps(body).encode())

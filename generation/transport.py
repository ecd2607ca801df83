"""Carries the calls of providers: over HTTP, or to the built-in sandbox."""

import asyncio
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, BinaryIO
from urllib.parse import urlencode

from eggapi import http
from generation.providers.base import Call, Image, Provider, Reply
from generation.sandbox import upstream
from generation.storage import LARGEST_RESULT

SANDBOX = "sandbox:"
LARGEST_REPLY = 64 * 1024 * 1024
DOWNLOAD_SECONDS = 60.0


class Transport:
    """The HTTP sessions of one event loop. Made and closed on that loop."""

    def __init__(self) -> None:
        # A POST on a pooled connection that the vendor just dropped looks as if it had been accepted.
        self._fresh = http.open_session("operator")
        self._pooled = http.open_session("operator", pooled=True)
        self._public = http.open_session("public")
        self._studio = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sandbox")

    async def close(self) -> None:
        for session in (self._fresh, self._pooled, self._public):
            await session.close()
        self._studio.shutdown(wait=False, cancel_futures=True)

    async def converse(self, provider: Provider, steps: Generator[Call, Reply, Any], *, paid: bool) -> Any:
        """Runs an adapter's generator to its result. Raises NotSent, Lost and Unreadable."""
        try:
            call = next(steps)
            while True:
                call = steps.send(await self._answer(provider, call, paid))
        except StopIteration as stop:
            return stop.value

    async def fetch(self, provider: Provider, image: Image, into: BinaryIO) -> None:
        """Writes a finished image into a file. Raises BadStatus, NotSent and Lost.

        Only the vendor's own host may be private; any other address must be public.
        """
        if image.data:
            into.write(image.data)
        elif image.url.startswith(SANDBOX):
            into.write((await self._draw(image.url)).body)
        else:
            await http.download(
                self._public,
                image.url,
                into,
                home=provider.base_url,
                cap=LARGEST_RESULT,
                timeout=DOWNLOAD_SECONDS,
            )

    async def _answer(self, provider: Provider, call: Call, paid: bool) -> Reply:
        if provider.base_url.startswith(SANDBOX):
            return await self._sandbox(provider, call)
        query = f"?{urlencode(call.query)}" if call.query else ""
        reply = await http.send(
            self._fresh if paid else self._pooled,
            call.method,
            f"{provider.base_url}{call.path}{query}",
            headers={**provider.headers(), **call.headers},
            json=call.json,
            timeout=call.timeout,
            cap=LARGEST_REPLY,
        )
        return Reply(reply.status, reply.headers, reply.body)

    async def _sandbox(self, provider: Provider, call: Call) -> Reply:
        """The sandbox's own API is cheap, but for re-encoding the references of an edit."""
        body = call.json or {}
        if body.get("references"):
            return await asyncio.to_thread(upstream.answer, call.method, call.path, body)
        return upstream.answer(call.method, call.path, body)

    async def _draw(self, url: str) -> Reply:
        path = url.removeprefix(SANDBOX)
        loop = asyncio.get_running_loop()
        reply: Reply = await loop.run_in_executor(self._studio, upstream.answer, "GET", path, {})
        if reply.status != 200:
            raise http.BadStatus(reply.status)
        return reply

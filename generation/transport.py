"""Carries the calls of providers: over HTTP, or to the built-in sandbox."""

import asyncio
import shutil
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from tempfile import TemporaryFile
from typing import Any, BinaryIO
from urllib.parse import urlencode

from eggapi import http
from eggapi.http import Lost, NotSent
from generation import body
from generation.providers.base import Call, Finished, Image, Provider, Reply, Unreadable
from generation.sandbox import upstream
from generation.storage import LARGEST_RESULT

SANDBOX = "sandbox:"
DOWNLOAD_SECONDS = 60.0
SHORTEST_SECRET = 8  # a shorter one is no secret, and would be found in every picture
# What an adapter does when a vendor's JSON is not what it should be.
STUMBLES = (LookupError, TypeError, AttributeError, ValueError, ArithmeticError, RecursionError)


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
        """Runs an adapter's generator to its result. Raises NotSent, Lost and Unreadable.

        What fails before the call that buys is NotSent, whatever it was.
        """
        risked = not paid
        try:
            call = next(steps)
            while True:
                risked |= call.buys
                call = self._next(steps, await self._answer(provider, call, paid))
        except StopIteration as stop:
            return _in_files(stop.value)
        except (Lost, Unreadable) as error:
            if risked:
                raise
            raise NotSent(str(error)) from error

    def _next(self, steps: Generator[Call, Reply, Any], reply: Reply) -> Call:
        try:
            return steps.send(reply)
        except STUMBLES as error:
            raise Unreadable(f"status {reply.status}, {type(error).__name__}") from error

    async def fetch(self, homes: Sequence[str], image: Image, into: BinaryIO) -> None:
        """Writes a finished image into a file. Raises BadStatus, NotSent (AddressRefused) and Lost.

        Only the hosts of `homes` (base URLs) may be private; any other address must be public. The sandbox
        draws for its own jobs only.
        """
        if image.file:
            image.file.seek(0)
            shutil.copyfileobj(image.file, into)
        elif image.url.startswith(SANDBOX) and homes[0].startswith(SANDBOX):
            into.write((await self._draw(image.url)).body)
        elif not image.url.lower().startswith(("https://", "http://")):
            raise http.AddressRefused
        else:
            await http.download(
                self._public, image.url, into, homes=homes, cap=LARGEST_RESULT, timeout=DOWNLOAD_SECONDS
            )

    async def _answer(self, provider: Provider, call: Call, paid: bool) -> Reply:
        if provider.base_url.startswith(SANDBOX):
            return await self._sandbox(provider, call)
        query = f"?{urlencode(call.query)}" if call.query else ""
        elsewhere = "://" in call.path
        # Another host than the provider's own is not shown its credential.
        own = {} if elsewhere else provider.headers()
        async with body.written(call) as (headers, data):
            reply = await http.send(
                self._fresh if paid else self._pooled,
                call.method,
                f"{'' if elsewhere else provider.base_url}{call.path}{query}",
                headers={**own, **headers, **call.headers},
                data=data,
                timeout=call.timeout,
                cap=call.largest,
            )
        return Reply(reply.status, reply.headers, _discreet(provider, reply.body))

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


def _discreet(provider: Provider, body: bytes) -> bytes:
    """Some vendors repeat the key they were shown, and their words are kept, shown and mailed to operators."""
    for secret in (provider.credential, provider.callback_secret):
        if len(secret) >= SHORTEST_SECRET:
            body = body.replace(secret.encode(), b"[secret]")
    return body


def _in_files(result: Any) -> Any:
    """Takes pictures out of memory before anything else is awaited. Whoever collects them closes the files."""
    if not isinstance(result, Finished) or not any(image.data for image in result.images):
        return result
    return replace(result, images=tuple(_in_file(image) if image.data else image for image in result.images))


def _in_file(image: Image) -> Image:
    file = TemporaryFile()  # noqa: SIM115 - closed by whoever collects it
    file.write(image.data)
    return Image(file=file)

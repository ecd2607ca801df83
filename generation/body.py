"""Writes the body of a provider's call. Pictures go from file to file, in pieces, never whole into memory."""

import asyncio
import secrets
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, BinaryIO

import aiohttp
import orjson

from generation.providers.base import Call, Inline

PIECE = 48 * 1024  # a multiple of 3, so that no piece of base64 but the last is padded
JSON = {"Content-Type": "application/json"}

Body = bytes | BinaryIO | aiohttp.FormData | None


@asynccontextmanager
async def written(call: Call) -> AsyncIterator[tuple[dict[str, str], Body]]:
    """The headers and the body to send, for as long as the block runs."""
    with ExitStack() as files:
        if call.form:
            yield {}, _form(call, files)
        elif call.json is None:
            yield {}, None
        else:
            pieces, pictures = _pieces(call.json)
            if not pictures:
                yield JSON, pieces[0]
                return
            file = files.enter_context(TemporaryFile())
            await asyncio.to_thread(_write, file, pieces, pictures)
            yield JSON, file


def _pieces(value: Any) -> tuple[list[bytes], list[Inline]]:
    """The JSON text around the pictures, and the pictures in the order they stand in it."""
    pictures: list[Inline] = []
    mark = secrets.token_hex(16)  # nothing a customer wrote can look like it

    def stand_in(item: Any) -> str:
        if not isinstance(item, Inline):
            raise TypeError(type(item).__name__)
        pictures.append(item)
        return mark

    text = orjson.dumps(value, default=stand_in, option=orjson.OPT_PASSTHROUGH_DATACLASS)
    return text.split(mark.encode()), pictures


def _write(file: BinaryIO, pieces: list[bytes], pictures: list[Inline]) -> None:
    file.write(pieces[0])
    for piece, picture in zip(pieces[1:], pictures, strict=True):
        file.write(picture.prefix.encode())
        with Path(picture.reference.path).open("rb") as source:
            while chunk := source.read(PIECE):
                file.write(b64encode(chunk))
        file.write(piece)
    file.seek(0)


def _form(call: Call, files: ExitStack) -> aiohttp.FormData:
    form = aiohttp.FormData()
    for name, value in call.form:
        if isinstance(value, str):
            form.add_field(name, value)
        else:
            extension = value.content_type.removeprefix("image/")
            file = files.enter_context(Path(value.path).open("rb"))  # noqa: SIM115 - the stack closes it
            form.add_field(name, file, filename=f"picture.{extension}", content_type=value.content_type)
    return form

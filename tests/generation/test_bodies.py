"""The bodies of providers' calls, as they arrive at a server: JSON with pictures in it, and forms."""

import asyncio
import email
import email.policy
import json
import random
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import orjson
import pytest
from aiohttp import web

from eggapi import http
from generation import body
from generation.body import PIECE
from generation.providers.base import Call, Reference

pytestmark = pytest.mark.once

AWKWARD = [
    'an "egg"',
    "an egg\r\n\r\n--boundary--\r\n",
    '{"data": "%s"}\\u0000 \\ \x00\x1f\x7f',
    "é 🥚 \u2028 \ufeff",
    "0123456789abcdef0123456789abcdef",
    "data:image/png;base64,",
    "a=b&c=d+%20",
    " ",
    "e" * 100_000,
]

Make = Callable[..., Reference]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Writes that many bytes, always the same, and says it is a picture."""

    def reference(size: int, content_type: str = "image/png") -> Reference:
        file = tmp_path / str(size)
        file.write_bytes(random.Random(size).randbytes(size))
        return Reference(str(file), content_type, "https://pictures.example/1.png", size)

    return reference


def base64_of(reference: Reference) -> str:
    return b64encode(Path(reference.path).read_bytes()).decode()


@dataclass(frozen=True)
class Arrived:
    headers: dict[str, str]
    body: bytes

    @property
    def fields(self) -> list[tuple[Any, ...]]:
        """Of a multipart form: name, filename, type and bytes."""
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        form = email.message_from_bytes(head + self.body, policy=email.policy.HTTP)
        return [
            (
                part.get_param("name", header="Content-Disposition"),
                part.get_filename(),
                part.get_content_type(),
                part.get_payload(decode=True),
            )
            for part in form.iter_parts()
        ]


def arrived(call: Call) -> Arrived:
    """What a server makes of it."""
    heard: list[Arrived] = []

    async def answer(request: web.Request) -> web.Response:
        heard.append(Arrived(dict(request.headers), await request.read()))
        return web.Response()

    async def send() -> None:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post("/", answer)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        session = http.open_session("operator")
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
        try:
            async with body.written(call) as (headers, data):
                reply = await http.send(session, "POST", url, headers=headers, data=data, timeout=20, cap=1000)
            assert reply.status == 200
        finally:
            await session.close()
            await runner.cleanup()

    asyncio.run(send())
    return heard[0]


# -- JSON ------------------------------------------------------------------------------------------


def test_it_sends_json() -> None:
    value = {"prompt": "an egg", "n": 4, "seed": None, "list": [1.5, True, {}]}
    found = arrived(Call("POST", "/", json=value))
    assert (found.headers["Content-Type"], json.loads(found.body)) == ("application/json", value)


def test_an_empty_object_is_sent_and_no_json_is_not() -> None:
    assert arrived(Call("POST", "/", json={})).body == b"{}"
    found = arrived(Call("POST", "/"))
    assert (found.body, found.headers["Content-Length"]) == (b"", "0")


@pytest.mark.parametrize("size", [1, 2, 3, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 2, 3_000_000])
def test_a_picture_stands_in_json_as_its_base64(make: Make, size: int) -> None:
    picture = make(size)
    found = arrived(Call("POST", "/", json={"before": 1, "data": picture.base64, "after": 2}))
    assert found.body == orjson.dumps({"before": 1, "data": base64_of(picture), "after": 2})
    assert found.headers["Content-Type"] == "application/json"
    assert found.headers["Content-Length"] == str(len(found.body))


def test_pictures_stand_where_they_were_put(make: Make) -> None:
    one, two = make(100), make(PIECE + 5, "image/webp")
    value = {
        "parts": [{"inline": one.base64}, {"text": "between"}, {"url": two.data_url}],
        "again": [one.data_url, one.base64],
    }
    found = json.loads(arrived(Call("POST", "/", json=value)).body)
    first, second = base64_of(one), base64_of(two)
    assert found == {
        "parts": [{"inline": first}, {"text": "between"}, {"url": f"data:image/webp;base64,{second}"}],
        "again": [f"data:image/png;base64,{first}", first],
    }


@pytest.mark.parametrize("prompt", AWKWARD)
def test_a_prompt_may_hold_anything_beside_a_picture(make: Make, prompt: str) -> None:
    picture = make(1000)
    found = arrived(Call("POST", "/", json={"prompt": prompt, "data": picture.base64, prompt: prompt}))
    assert found.body == orjson.dumps({"prompt": prompt, "data": base64_of(picture), prompt: prompt})


def test_what_is_not_json_is_not_sent() -> None:
    with pytest.raises(TypeError):
        arrived(Call("POST", "/", json={"when": object()}))


# -- forms -----------------------------------------------------------------------------------------


def test_a_form_without_pictures_is_url_encoded() -> None:
    fields: list[tuple[str, str | Reference]] = [*(("prompt", prompt) for prompt in AWKWARD), ("n", "4")]
    found = arrived(Call("POST", "/", form=fields))
    assert found.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert parse_qsl(found.body.decode(), keep_blank_values=True, strict_parsing=True) == fields


def test_a_form_with_pictures_is_multipart_in_order(make: Make) -> None:
    png, jpeg = make(PIECE), make(3_000_000, "image/jpeg")
    pictures = [("image[]", png), ("image[]", jpeg), ("image[]", png)]
    found = arrived(Call("POST", "/", form=[("prompt", "an egg"), *pictures, ("n", "4")]))
    png_bytes, jpeg_bytes = (Path(one.path).read_bytes() for one in (png, jpeg))
    assert found.fields == [
        ("prompt", None, "text/plain", b"an egg"),
        ("image[]", "picture.png", "image/png", png_bytes),
        ("image[]", "picture.jpeg", "image/jpeg", jpeg_bytes),
        ("image[]", "picture.png", "image/png", png_bytes),
        ("n", None, "text/plain", b"4"),
    ]
    assert found.body.count(b'name="image[]"; filename="picture.') == 3


@pytest.mark.parametrize("prompt", AWKWARD)
def test_a_text_in_a_form_may_hold_anything(make: Make, prompt: str) -> None:
    picture = make(10)
    found = arrived(Call("POST", "/", form=[("prompt", prompt), ("image", picture)]))
    text, file = found.fields
    assert text == ("prompt", None, "text/plain", prompt.encode())
    assert file == ("image", "picture.png", "image/png", Path(picture.path).read_bytes())


def test_the_files_are_closed_afterwards(make: Make) -> None:
    async def write() -> Any:
        async with body.written(Call("POST", "/", json=[make(10).base64])) as (_, data):
            assert data.tell() == 0  # type: ignore[union-attr]
        return data

    assert asyncio.run(write()).closed

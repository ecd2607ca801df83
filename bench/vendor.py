"""A vendor that answers at once, and a receiver of webhooks: `python -m bench.vendor PORT`."""

import io
import sys
from typing import ClassVar

from aiohttp import web
from PIL import Image

from generation.providers import ADAPTERS
from tests.emulators.vendor import Speaks


class Fast(Speaks):
    name: ClassVar[str] = "bench"
    first_poll: ClassVar[float] = 0.0


ADAPTER = Fast.name
HOSTS = [f"127.0.0.{n}" for n in range(1, 51)]


def register() -> None:
    ADAPTERS[ADAPTER] = Fast


def main(port: int) -> None:
    file = io.BytesIO()
    Image.new("RGB", (64, 36), "teal").save(file, "PNG")
    picture = file.getvalue()
    done = {"state": "done", "images": [f"http://127.0.0.1:{port}/files/egg.png"]}

    async def submit(request: web.Request) -> web.Response:
        await request.read()
        return web.json_response({"id": "1"})

    async def poll(request: web.Request) -> web.Response:
        return web.json_response(done)

    async def fetch(request: web.Request) -> web.Response:
        return web.Response(body=picture, content_type="image/png")

    async def hook(request: web.Request) -> web.Response:
        await request.read()
        return web.Response()

    app = web.Application()
    app.router.add_post("/jobs", submit)
    app.router.add_get("/jobs/{id}", poll)
    app.router.add_get("/files/{name}", fetch)
    app.router.add_post("/hook", hook)
    web.run_app(app, host=HOSTS, port=port, print=None, access_log=None)


if __name__ == "__main__":
    main(int(sys.argv[1]))

"""What a worker weighs while a thousand calls of 20 s each are open, all answered with a picture of 2 MB in the JSON.

`python -m bench.inline` measures; `python -m bench.inline PORT CERTIFICATE` is the vendor. It speaks like Gemini,
and TLS as every vendor does: the connections are a good part of the weight.
"""

import asyncio
import io
import json
import os
import ssl
import sys
import tempfile
import time
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import django
from aiohttp import web
from PIL import Image

from bench import ground
from tests.kit.loopback import Authority
from tests.servers import free_port

CALLS = 1000
VENDOR_SECONDS = 20.0
MOST_MEGABYTES = 300
MOST_SECONDS = 300
HOST = "localhost"
MODEL = "gemini-2.5-flash-image"


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="egg-inline-") as name:
        folder = Path(name)
        with ground.servers(folder), vendor(folder) as url:
            django.setup()
            from generation.models import TERMINAL, Heartbeat, Task

            caller = open_shop(url)
            with ground.process([sys.executable, "-m", "bench.worker"]) as pid:
                wait_until(lambda: Heartbeat.objects.exists())
                floor = peak_megabytes(pid)
                submit(caller)
                wait_until(lambda: Task.objects.filter(status__in=TERMINAL).count() == CALLS)
                peak = peak_megabytes(pid)
            busiest = int(urllib.request.urlopen(f"{url}/busiest").read())
            report(floor, peak, busiest)


@contextmanager
def vendor(folder: Path) -> Iterator[str]:
    """Yields its address, whose certificate this process and its children believe."""
    authority, port = Authority(folder), free_port()
    authority.server(HOST)
    certificate = folder / f"{HOST}.pem"
    with (
        ground.environment(SSL_CERT_FILE=str(authority.file)),
        ground.process([sys.executable, "-m", "bench.inline", str(port), str(certificate)]),
    ):
        url = f"https://{HOST}:{port}"
        ground.wait_for(f"{url}/busiest")
        yield url


def open_shop(url: str) -> Any:
    """Sells nanobanana at the vendor; the caller has money for all of it."""
    from accounts.caller import Caller
    from accounts.models import Mode
    from bench import people
    from eggapi import crypto
    from generation import catalog
    from generation.models import ImageModel, Provider, Route

    _, accounts = people.settle_in(1)
    people.live_keys()
    provider = Provider.objects.create(
        name="inline",
        adapter="gemini",
        base_url=f"{url}/v1beta",
        credential_encrypted=crypto.encrypt("inline-key-0123456789"),
    )
    model = ImageModel.objects.get(name="nanobanana")
    Route.objects.create(model=model, provider=provider, upstream_model=MODEL, label="Route A")
    catalog.changed()
    return Caller(accounts.start, Mode.LIVE)


def submit(caller: Any) -> None:
    from generation.submit import submit

    for number in range(CALLS):
        submit(caller, {"model": "nanobanana", "prompt": f"A matte green travel mug, number {number}"})


def wait_until(happened: Callable[[], bool]) -> None:
    """Or for as long as a task may take."""
    until = time.monotonic() + MOST_SECONDS
    while not happened() and time.monotonic() < until:
        time.sleep(0.5)


def report(floor: float, peak: float, busiest: int) -> None:
    """Fails where a picture is missing or the worker too heavy."""
    from django.db.models import F, Max, Min

    from generation.models import Output, Task

    done = Task.objects.filter(status="completed")
    times = done.aggregate(
        slowest=Max(F("completed_at") - F("created_at")), first=Min("created_at"), last=Max("completed_at")
    )
    completed, stored = done.count(), Output.objects.count()
    print(f"open at once    {busiest:8} calls of {VENDOR_SECONDS:.0f} s")
    print(f"completed       {completed:8} of {CALLS}, {stored} pictures stored")
    if completed:
        print(f"slowest task    {times['slowest'].total_seconds():8.1f} s from accepted to completed")
        print(f"latest          {(times['last'] - times['first']).total_seconds():8.1f} s after the first submission")
    print(f"peak memory     {peak:8.1f} MB of the worker (at rest {floor:.1f}, at most {MOST_MEGABYTES})")
    if completed < CALLS or peak > MOST_MEGABYTES:
        sys.exit(1)


def peak_megabytes(pid: int) -> float:
    """The most resident memory a process ever had, shared pages included."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")) / 1024


def serve(port: int, certificate: str) -> None:
    answer, now_open = _answer(), [0, 0]

    async def draw(request: web.Request) -> web.Response:
        await request.read()
        now_open[0] += 1
        now_open[1] = max(now_open)
        await asyncio.sleep(VENDOR_SECONDS)
        now_open[0] -= 1
        return web.Response(body=answer, content_type="application/json")

    async def busiest(request: web.Request) -> web.Response:
        return web.Response(text=str(now_open[1]))

    app = web.Application()
    app.router.add_post("/v1beta/models/{model}", draw)
    app.router.add_get("/busiest", busiest)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    web.run_app(app, host=HOST, port=port, ssl_context=context, print=None, access_log=None, backlog=CALLS)


def _answer() -> bytes:
    """Noise of five bits a pixel and colour, so that the picture has about 2 MB."""
    size, file = (1344, 768), io.BytesIO()
    noise = bytes(byte & 31 for byte in os.urandom(size[0] * size[1] * 3))
    Image.frombytes("RGB", size, noise).save(file, "PNG")
    part = {"inlineData": {"mimeType": "image/png", "data": b64encode(file.getvalue()).decode()}}
    candidate = {"content": {"role": "model", "parts": [part]}, "finishReason": "STOP", "index": 0}
    return json.dumps({"candidates": [candidate]}).encode()


if __name__ == "__main__":
    serve(int(sys.argv[1]), sys.argv[2]) if sys.argv[1:] else main()

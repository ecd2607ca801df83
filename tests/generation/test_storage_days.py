"""Bad days of the object store: a picture is stored in the end, or is not paid for."""

import io
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.config import Config
from django.db import connection
from PIL import Image
from pytest_django import Settings

from accounts.caller import Caller
from eggapi.loop import Loop
from eggapi.models import Alert
from generation import collect
from generation.models import Purchase, Route, Task
from generation.submit import submit
from tests.emulators.gemini import Gemini
from tests.emulators.vendor import Vendor
from tests.emulators.vendors import BY_NAME
from tests.generation.bucket import Door, keep_pictures_at, make_bucket, serving_s3
from tests.generation.conftest import assert_free, ended

pytestmark = pytest.mark.django_db(transaction=True)

Run = Callable[..., Task]
AddRoute = Callable[..., Route]


@pytest.fixture(scope="module")
def bucket() -> Iterator[Any]:
    """As it is, whatever the door lets through."""
    with serving_s3() as url:
        yield make_bucket(url)


@pytest.fixture
def door(bucket: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    """Pictures go through it. Whoever waits for its answers does so for three seconds."""
    with Door(bucket.meta.client.meta.endpoint_url) as door:
        keep_pictures_at(door.url, settings, monkeypatch)
        options = settings.STORAGES["default"]["OPTIONS"]
        options["client_config"] = options["client_config"].merge(Config(read_timeout=3))
        yield door


def objects(bucket: Any, task: Task) -> list[str]:
    return [each.key for each in bucket.objects.filter(Prefix=f"images/{task.pk}/")]


@pytest.mark.parametrize("fault", ["error", "cut", "unheard", "hang"])
def test_a_picture_is_stored_again_in_the_same_place(
    fault: str, alice: Caller, vendor: Vendor, add_route: AddRoute, door: Door, bucket: Any, run: Run
) -> None:
    door.faults = [fault] * 3
    add_route(vendor.url)
    task = run(alice, "an egg")
    assert (task.status, task.cost, len(vendor.seen)) == ("completed", 10_000, 1)
    output = task.outputs.get()
    assert door.puts == [output.path] * 4
    stored = bucket.Object(output.path).get()["Body"].read()
    assert len(stored) == output.bytes
    with Image.open(io.BytesIO(stored)) as picture:
        picture.load()
        assert picture.size == (output.width, output.height)
    assert Alert.objects.get(cause="storage").ended_at is not None


@pytest.mark.parametrize("stored", [0, 3])
def test_what_cannot_be_stored_before_the_deadline_is_free(
    stored: int, alice: Caller, vendor: Vendor, add_route: AddRoute, door: Door, bucket: Any, run: Run
) -> None:
    """Even if only one picture of four is missing."""
    door.faults, door.always = [""] * stored, "error"
    add_route(vendor.url)
    task = run(alice, "an egg", num_outputs=4, deadline_seconds=10)
    assert (task.ended, len(objects(bucket, task))) == ("deadline", stored)
    assert Purchase.objects.get().leak == 4 * 5000
    assert_free(alice, task)
    assert Alert.objects.get(cause="storage").ended_at is None


def test_a_store_that_comes_back_too_late_makes_nobody_pay(
    alice: Caller, sell: AddRoute, door: Door, bucket: Any, run: Run
) -> None:
    """What a vendor sent along with its answer is kept for the operator."""
    door.always = "error"
    with Gemini() as upstream:
        sell(upstream, "gemini", BY_NAME["gemini"].fast)
        task = run(alice, "an egg", deadline_seconds=10)
        door.always = ""
        until = time.monotonic() + 40
        while not (images := Purchase.objects.get().images) and time.monotonic() < until:
            time.sleep(0.05)
    assert [image["path"] for image in images] == objects(bucket, task)
    assert (task.ended, len(images), Purchase.objects.get().leak) == ("deadline", 1, 5000)
    assert_free(alice, task)


def test_completed_is_not_seen_before_every_picture_is_there(
    alice: Caller, vendor: Vendor, add_route: AddRoute, door: Door, bucket: Any, engine: Loop[Any]
) -> None:
    door.faults = ["", "", "", "error", "error"]
    add_route(vendor.url)
    task, _ = submit(alice, {"model": "nanobanana", "prompt": "an egg", "num_outputs": 4})

    def watch() -> set[tuple[str, int]]:
        """How many pictures were there at each status."""
        seen = {(task.status, 0)}
        while ("completed", 4) not in seen and time.monotonic() < until:
            status = Task.objects.get(pk=task.pk).status
            seen.add((status, len(objects(bucket, task))))
        connection.close()
        return seen

    until = time.monotonic() + 15
    with ThreadPoolExecutor(1) as reader:
        watching = reader.submit(watch)
        engine.wake()
        seen = watching.result()
    assert {count for status, count in seen if status == "completed"} == {4}
    assert ("processing", 3) in seen


def test_a_store_that_hangs_keeps_nobody_from_buying(
    alice: Caller, vendor: Vendor, add_route: AddRoute, door: Door, engine: Loop[Any], settings: Settings
) -> None:
    """Above all not from looking up the name of a vendor."""
    options = settings.STORAGES["default"]["OPTIONS"]
    options["client_config"] = options["client_config"].merge(Config(read_timeout=30))
    door.always = "hang"
    add_route(vendor.url)
    for _ in range(2 * collect.AT_ONCE):
        submit(alice, {"model": "nanobanana", "prompt": "an egg"})
    engine.wake()
    while len(door.puts) < 6:
        time.sleep(0.02)
    with Vendor() as named:
        named.url = named.url.replace("127.0.0.1", "localhost")
        add_route(named.url, model="nanobanana-pro")
        task, _ = submit(alice, {"model": "nanobanana-pro", "prompt": "an egg"})
        engine.wake()
        until = time.monotonic() + 20
        while not named.seen and time.monotonic() < until:
            time.sleep(0.02)
        assert len(named.seen) == 1
        door.always = ""
        door.closing.set()
        assert ended(task).status == "completed"

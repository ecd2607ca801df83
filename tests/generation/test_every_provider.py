"""What every provider must do, from POST /v1/generate to stored files of the right shape."""

from collections.abc import Callable, Iterator

import pytest
from django.core.files.storage import default_storage
from PIL import Image

from eggapi import crypto
from generation import catalog
from generation.models import Attempt, Output, Provider, Purchase, Route, Task
from tests.customer import Customer
from tests.emulators.upstream import Upstream
from tests.emulators.vendors import VENDORS, Vendor
from tests.generation.conftest import ended

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.once,
    pytest.mark.parametrize("vendor", VENDORS, ids=str),
]

Sell = Callable[..., Route]
Generate = Callable[..., Task]


@pytest.fixture
def upstream(vendor: Vendor, sell: Sell) -> Iterator[Upstream]:
    """Sells both of our models, at its own names for them."""
    with vendor.emulator() as running:
        fast = sell(running, vendor.adapter, vendor.fast)
        sell(running, vendor.adapter, vendor.pro, model="nanobanana-pro")
        assert fast.provider.mode == "live"
        yield running


@pytest.fixture
def generate(upstream: Upstream, customer: Customer, engine: object) -> Generate:
    """Posts to /v1/generate and waits until the task has ended."""

    def post(seconds: float = 20, **fields: object) -> Task:
        answer = customer.generate(**fields)
        assert answer.status == 202, answer.body
        return ended(Task.objects.get(pk=answer.data["id"]), seconds)

    return post


def sizes(task: Task) -> list[tuple[int, int]]:
    """The sizes of the stored files, as the files themselves have them."""
    found = []
    for output in Output.objects.filter(task=task).order_by("index"):
        with default_storage.open(output.path) as file, Image.open(file) as image:
            image.load()
            assert image.size == (output.width, output.height)
            found.append(image.size)
    return found


def assert_shape(size: tuple[int, int], wide: int, high: int) -> None:
    assert size[0] / size[1] == pytest.approx(wide / high, rel=0.02)


@pytest.mark.parametrize(("ratio", "shape"), [("16:9", (16, 9)), ("9:16", (9, 16))])
def test_it_makes_a_picture_from_text(
    generate: Generate, upstream: Upstream, ratio: str, shape: tuple[int, int]
) -> None:
    task = generate(aspect_ratio=ratio, negative_prompt="chickens")
    assert (task.status, task.cost) == ("completed", 10_000)
    [size] = sizes(task)
    assert_shape(size, *shape)
    assert sum(upstream.billed.values()) == 1
    assert "an egg" in upstream.asked[0].prompt


def test_it_edits_one_picture(generate: Generate, upstream: Upstream, pictures: Callable[[int], list[str]]) -> None:
    task = generate(image_urls=pictures(1))
    assert (task.status, task.type) == ("completed", "image_edit")
    assert [ask.references for ask in upstream.asked] == [1]


def test_it_edits_as_many_pictures_as_it_can(
    generate: Generate, upstream: Upstream, vendor: Vendor, pictures: Callable[[int], list[str]]
) -> None:
    most = min(vendor.references, 9)
    task = generate(model="nanobanana-pro", image_urls=pictures(most))
    assert task.status == "completed"
    assert [ask.references for ask in upstream.asked] == [most]


def test_it_makes_four_pictures(generate: Generate, upstream: Upstream, vendor: Vendor) -> None:
    task = generate(num_outputs=4)
    assert (task.status, task.cost, len(sizes(task))) == ("completed", 40_000, 4)
    assert [ask.images for ask in upstream.asked] == [vendor.per_call] * (4 // vendor.per_call)
    assert Attempt.objects.filter(task=task).count() == 1


def test_it_makes_a_4k_picture(generate: Generate, vendor: Vendor) -> None:
    if not vendor.has_4k:
        assert "4k" not in catalog.current().routes[max(catalog.current().routes)].capabilities.resolutions
        return
    task = generate(model="nanobanana-pro", resolution="4k")
    assert task.status == "completed"
    [size] = sizes(task)
    assert max(size) >= 3840
    assert_shape(size, 16, 9)


def test_a_refused_prompt_is_final(generate: Generate, upstream: Upstream, sell: Sell, vendor: Vendor) -> None:
    sell(upstream, vendor.adapter, vendor.fast)  # another route that shall not be asked
    task = generate(prompt="an egg fault:refused")
    assert (task.status, task.cost, task.ended) == ("failed", 0, "refused")
    assert task.error == "Content moderation: prompt contains prohibited content"
    assert len(upstream.asked) == 1


def test_a_dead_credential_is_not_shown(generate: Generate, upstream: Upstream) -> None:
    Provider.objects.filter(base_url=upstream.base_url).update(
        credential_encrypted=crypto.encrypt("dead-key-0123456789")
    )
    catalog.changed()
    task = generate()
    assert (task.status, task.cost, task.ended) == ("failed", 0, "upstream_unavailable")
    assert Attempt.objects.get().outcome == "route_down"
    assert Purchase.objects.get().state == "rejected"
    assert "key" not in task.error.lower()


def test_a_retired_model_is_a_route_that_is_down(generate: Generate, upstream: Upstream) -> None:
    Route.objects.filter(provider__base_url=upstream.base_url).update(upstream_model="nano-banana-retired")
    catalog.changed()
    task = generate()
    assert (task.status, task.cost, task.ended) == ("failed", 0, "upstream_unavailable")
    assert Attempt.objects.get().outcome == "route_down"
    assert sum(upstream.billed.values()) == 0

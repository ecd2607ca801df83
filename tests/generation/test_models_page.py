"""/models: what is on sale, for everybody."""

from datetime import timedelta
from io import BytesIO
from pathlib import Path

import pytest
from django.conf import settings
from django.core.cache import cache
from django.test import Client
from PIL import Image

from eggapi import clock
from generation import catalog, typical
from generation.models import ImageModel, Price, Provider, Task
from generation.views.models import GALLERY
from tests.generation.story import end, make
from tests.member import Person, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _on_sale(on_sale: None) -> None:
    cache.delete(typical.NAME)


def read() -> str:
    return text_of(Client().get("/models"))


def took(person: Person, seconds: float, images: int = 1) -> None:
    task = end(make(person), images)
    Task.objects.filter(pk=task.pk).update(completed_at=task.created_at + timedelta(seconds=seconds))


def test_it_works() -> None:
    page, source = read(), Client().get("/models").content.decode()
    for said in (
        *("nanobanana-pro", "Professional-grade", "1k $0.0100 $10.0000", "4k $0.0320 $32.0000", "16:9, 9:16"),
        *("up to 9 pictures", "up to 4 a request", "not enough data yet", "curl http://testserver/v1/models"),
    ):
        assert said in page
    assert 'href="/playground?model=nanobanana-pro"' in source
    assert source.count('width="640" height="360"') == 8
    assert 'alt="Drawn for: a robot in the desert"' in source


def test_no_provider_is_named() -> None:
    source = Client().get("/models").content.decode()
    assert [name for name in Provider.objects.values_list("name", flat=True) if name in source] == []


def test_it_greets_those_signed_in() -> None:
    assert 'href="/home"' in Person("alice@example.com").source("/models")


def test_what_is_not_on_sale_is_not_shown() -> None:
    ImageModel.objects.filter(name="nanobanana-pro").update(enabled=False)
    catalog._forget()
    assert "nanobanana-pro" not in read()


def test_prices_to_come_are_announced() -> None:
    model = ImageModel.objects.get(name="nanobanana")
    since = (clock.now() + timedelta(days=30)).replace(microsecond=0)
    Price.objects.create(model=model, resolution="1k", amount=12_000, since=since)
    assert f"From {since:%Y-%m-%d %H:%M:%S} UTC : 1k costs $0.0120 an image." in read()
    assert "1k $0.0100" in read()


def test_the_typical_time_is_the_median_of_what_completed() -> None:
    alice = Person("alice@example.com")
    for seconds in (1, 2, 3, 40):
        took(alice, seconds)
    assert typical._read(clock.now()) == {}
    took(alice, 50)
    took(alice, 1, images=0)
    assert typical._read(clock.now()) == {"nanobanana": 3000}
    assert "3.0 s" in read()
    Task.objects.update(created_at=clock.now() - timedelta(days=2))
    assert typical.milliseconds() == {"nanobanana": 3000}  # for a minute
    assert typical._read(clock.now()) == {}


@pytest.mark.once
def test_the_samples_are_small_pictures() -> None:
    for model, prompts in GALLERY.items():
        for n in range(1, len(prompts) + 1):
            picture = Path(settings.BASE_DIR, "eggapi/static/eggapi/pictures", f"{model}-{n}.webp").read_bytes()
            assert len(picture) <= 25_000
            with Image.open(BytesIO(picture)) as opened:
                assert (opened.format, opened.size) == ("WEBP", (640, 360))

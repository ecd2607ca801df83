"""Small pictures for our own lists."""

import io
import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.core.cache import cache
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from generation import storage, thumbnail
from tests.customer import at_once

pytestmark = pytest.mark.once

TOMORROW = datetime.now(UTC) + timedelta(days=1)
PATH = "images/gen_000000000000000000000000/token/0.png"


def drawn() -> bytes:
    whole = io.BytesIO()
    Image.new("RGB", (1376, 768), "orange").save(whole, "PNG")
    return whole.getvalue()


@pytest.fixture
def address() -> str:
    cache.clear()
    default_storage.save(PATH, ContentFile(drawn()))
    return storage.thumbnail_url_here(PATH, TOMORROW, datetime.now(UTC))


def test_it_works(client: Client, address: str) -> None:
    response = client.get(address)
    assert (response.status_code, response["Content-Type"]) == (200, "image/webp")
    assert response["Cache-Control"] == "private, max-age=86400, immutable"
    assert Image.open(io.BytesIO(response.content)).size == (192, 107)
    assert len(response.content) < 5_000


def test_no_more_are_made_at_once_than_there_is_memory_for(monkeypatch: pytest.MonkeyPatch) -> None:
    together = threading.Barrier(storage.DECODED_AT_ONCE + 1)
    monkeypatch.setattr(PngImageFile, "load", lambda _: together.wait(0.3))

    def shrink(_: int) -> None:
        with pytest.raises(threading.BrokenBarrierError):
            thumbnail.shrunk(io.BytesIO(drawn()), (8, 8), 70)

    at_once(together.parties, shrink)


def test_it_is_made_once(client: Client, address: str) -> None:
    first = client.get(address).content
    default_storage.delete(PATH)
    assert client.get(address).content == first


def test_it_requires_the_signature_of_its_picture(client: Client, address: str) -> None:
    assert client.get(address.replace("signature=", "signature=0")).status_code == 404


def test_what_is_gone_or_no_picture_is_not_found(client: Client, address: str) -> None:
    cache.clear()
    default_storage.save(PATH, ContentFile(b"no picture"))
    assert client.get(address).status_code == 404
    default_storage.delete(PATH)
    assert client.get(address).status_code == 404
    assert storage.thumbnail_url_here(PATH, datetime.now(UTC), TOMORROW) == ""

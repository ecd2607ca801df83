"""Pictures: verified, kept, and handed out to whoever holds a signed address."""

import io
import struct
import threading
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from django.core.files.storage import default_storage
from django.core.signals import request_finished
from django.db import close_old_connections
from django.test import Client
from PIL import Image
from PIL.PngImagePlugin import PngImageFile
from pytest_django import Settings

from eggapi import crypto, ids
from generation import storage
from generation.storage import NotAnImage, Picture
from tests.customer import Answer, at_once
from tests.generation.bucket import keep_pictures_at, make_bucket, serving_s3, settings_with
from tests.servers import free_port

pytestmark = pytest.mark.once

TASK, TOKEN = ids.task_id(), ids.path_token()


def drawn(kind: str = "PNG", width: int = 32, height: int = 18, **options: Any) -> bytes:
    file = io.BytesIO()
    noise = Image.effect_noise((width, height), 100).convert("RGB")
    noise.save(file, kind, **options)
    return file.getvalue()


def stored(content: bytes, index: int = 0) -> Picture:
    return storage.store(TASK, TOKEN, index, io.BytesIO(content))


@pytest.fixture(autouse=True)
def home(settings: Settings, tmp_path: Path) -> Path:
    options = settings.STORAGES["default"]["OPTIONS"] | {"location": tmp_path / "files"}
    settings.STORAGES = settings.STORAGES | {"default": settings.STORAGES["default"] | {"OPTIONS": options}}
    return tmp_path


class TestStore:
    @pytest.mark.parametrize(
        ("kind", "extension", "content_type"),
        [("PNG", "png", "image/png"), ("JPEG", "jpg", "image/jpeg"), ("WEBP", "webp", "image/webp")],
    )
    def test_it_works(self, kind: str, extension: str, content_type: str) -> None:
        content = drawn(kind)
        picture = stored(content, index=3)
        path = f"images/{TASK}/{TOKEN}/3.{extension}"
        assert picture == Picture(3, path, content_type, len(content), 32, 18)
        with default_storage.open(path) as file:
            assert file.read() == content

    def test_storing_it_again_overwrites_it(self) -> None:
        first, second = stored(drawn(width=64)), stored(drawn())
        assert (first.path, first.width, second.width) == (second.path, 64, 32)
        with default_storage.open(first.path) as file:
            assert len(file.read()) == second.bytes

    def test_a_jpeg_of_several_pictures_is_a_jpeg(self) -> None:
        content = drawn("MPO", save_all=True, append_images=[Image.new("RGB", (8, 8))])
        picture = stored(content)
        assert (picture.path[-4:], picture.content_type) == (".jpg", "image/jpeg")
        assert (picture.bytes, picture.width, picture.height) == (len(content), 32, 18)

    def test_nobody_else_on_the_machine_may_read_it(self, home: Path) -> None:
        assert (home / "files" / stored(drawn()).path).stat().st_mode & 0o077 == 0

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"\x89PNG\r\n\x1a\n",
            b"<html><img src=x onerror=alert(1)>",
            b'<svg xmlns="http://www.w3.org/2000/svg" width="32" height="18"/>',
            b'{"error": "no such file"}',
            drawn()[:200],
            drawn()[:-200],
            drawn("JPEG")[:-200],
            drawn("WEBP")[:-200],
            drawn("GIF"),
            drawn("BMP"),
            drawn("TIFF"),
            drawn("PDF"),
            drawn().replace(b"IDAT", b"IDAX"),
        ],
    )
    def test_it_rejects_what_does_not_decode(self, home: Path, content: bytes) -> None:
        file = io.BytesIO(content)
        with pytest.raises(NotAnImage):
            storage.store(TASK, TOKEN, 0, file)
        assert file.tell() == 0
        assert not (home / "files").exists()

    def test_it_rejects_what_makes_the_decoder_stumble(self) -> None:
        end = chunk(b"IEND", b"")
        with pytest.raises(NotAnImage, match="IndexError"):
            stored(drawn().replace(end, chunk(b"iCCP", b"") + end))

    @pytest.mark.parametrize("side", [7_100, 20_000, 2**31 - 1])
    def test_it_rejects_a_bomb_before_it_unfolds(self, side: int) -> None:
        with pytest.raises(NotAnImage):
            stored(bomb(side))

    def test_no_more_are_decoded_at_once_than_there_is_memory_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        together = threading.Barrier(storage.DECODED_AT_ONCE + 1)
        monkeypatch.setattr(PngImageFile, "load", lambda _: together.wait(0.3))

        def inspect(_: int) -> None:
            with pytest.raises(NotAnImage, match="BrokenBarrierError"):
                storage.inspect(io.BytesIO(drawn()))

        at_once(together.parties, inspect)

    def test_it_rejects_a_bomb_of_text(self) -> None:
        with pytest.raises(NotAnImage):
            stored(with_chunk(drawn(), b"zTXt", b"Comment\0\0" + zlib.compress(b"a" * 80_000_000)))


def bomb(side: int) -> bytes:
    """A few hundred bytes that claim to be a square picture of one bit per pixel, and go on claiming so."""
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes(10_000), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def with_chunk(png: bytes, kind: bytes, data: bytes) -> bytes:
    after_header = 8 + 25
    return png[:after_header] + chunk(kind, data) + png[after_header:]


def address_of(picture: Picture, lifetime: timedelta = timedelta(days=15)) -> str:
    """Path and query."""
    return storage.url_of(picture.path, datetime.now(UTC) + lifetime, "")


def fetch(address: str, method: str = "GET") -> tuple[Any, bytes]:
    """The response and its body."""
    response = Client(raise_request_exception=False, enforce_csrf_checks=True).generic(method, address)
    content: bytes = response.getvalue()
    request_finished.disconnect(close_old_connections)  # as the client itself does for what is not streamed
    response.close()
    request_finished.connect(close_old_connections)
    return response, content


def status_of(address: str) -> int:
    return int(fetch(address)[0].status_code)


def refusal(address: str) -> tuple[int, str]:
    return Answer(fetch(address)[0]).refusal


class TestAddress:
    """It needs no database: pictures are there when nothing else is."""

    @pytest.mark.parametrize(
        ("kind", "content_type"), [("PNG", "image/png"), ("JPEG", "image/jpeg"), ("WEBP", "image/webp")]
    )
    def test_it_works(self, kind: str, content_type: str) -> None:
        content = drawn(kind)
        response, body = fetch(address_of(stored(content)))
        assert (response.status_code, body) == (200, content)
        assert (response["Content-Type"], response["Content-Length"]) == (content_type, str(len(content)))
        assert response["Cache-Control"] == "private, max-age=86400, immutable"
        assert response["X-Content-Type-Options"] == "nosniff"
        assert response["X-Request-Id"].startswith("req_")

    def test_head_is_get_without_the_body(self) -> None:
        response, body = fetch(address_of(stored(drawn())), "HEAD")
        assert (response.status_code, body) == (200, b"")

    def test_its_path_cannot_be_guessed(self) -> None:
        assert len(TOKEN) * 5.169 >= 124  # bits, of 36 characters

    def test_it_ends_with_its_time(self) -> None:
        picture = stored(drawn())
        assert status_of(address_of(picture, timedelta(seconds=5))) == 200
        assert refusal(address_of(picture, -timedelta(seconds=1))) == (404, "NOT_FOUND")

    def test_it_requires_its_signature(self) -> None:
        picture, other = stored(drawn()), stored(drawn(), index=1)
        parts = urlsplit(address_of(picture))
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        signature, expires = query["signature"], int(query["expires"])
        for forged in (
            "",
            f"?expires={expires}",
            f"?signature={signature}",
            f"?expires={expires}&signature=",
            f"?expires={expires}&signature={signature[:-1]}",
            f"?expires={expires}&signature={signature.swapcase()}",
            f"?expires={expires}&signature=%C3%A9{signature}",
            f"?expires={expires}&signature=%00",
            f"?expires={expires + 1}&signature={signature}",
            f"?expires=0{expires}&signature={signature}",
            f"?expires={expires}%0A&signature={signature}",
            f"?expires=-1&signature={signature}",
            f"?expires={'9' * 5000}&signature={signature}",
            f"?expires=%C2%B2&signature={signature}",
            f"?expires=x&signature={signature}",
        ):
            assert refusal(parts.path + forged) == (404, "NOT_FOUND")
        assert refusal(f"/files/{other.path}?{parts.query}") == (404, "NOT_FOUND")
        assert status_of(f"{parts.path}?{parts.query}") == 200

    @pytest.mark.parametrize(
        "path",
        [
            "../secret",
            "images/../../secret",
            "images/..//../secret",
            "..\\secret",
            "%2e%2e/secret",
            "%2e%2e%2fsecret",
            "/etc/passwd",
            "//etc/passwd",
            "images/%00",
        ],
    )
    def test_it_leads_nowhere_else(self, home: Path, path: str) -> None:
        (home / "secret").write_text("secret")
        stored(drawn())
        query = urlsplit(address_of(stored(drawn()))).query
        assert refusal(f"/files/{path}?{query}") == (404, "NOT_FOUND")

    @pytest.mark.parametrize("path", ["../secret", "images/../../secret", "/etc/passwd"])
    def test_it_leads_nowhere_else_even_when_signed(self, home: Path, path: str) -> None:
        (home / "secret").write_text("secret")
        stored(drawn())
        signature = crypto.signature(storage.PURPOSE, f"{path}\n9999999999")
        assert refusal(f"/files/{path}?expires=9999999999&signature={signature}") == (404, "NOT_FOUND")

    def test_a_purged_picture_is_not_found(self) -> None:
        picture = stored(drawn())
        default_storage.delete(picture.path)
        assert refusal(address_of(picture)) == (404, "NOT_FOUND")

    @pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
    def test_it_is_only_read_here(self, method: str) -> None:
        picture = stored(drawn())
        answer = Answer(fetch(address_of(picture), method)[0])
        assert (answer.refusal, answer.headers["Allow"]) == ((405, "METHOD_NOT_ALLOWED"), "GET, HEAD")
        assert default_storage.exists(picture.path)


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    with serving_s3() as url:
        yield url


@pytest.fixture
def bucket(s3: str, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Our storage."""
    keep_pictures_at(s3, settings, monkeypatch)
    return make_bucket(s3)


class TestBucket:
    @pytest.mark.parametrize(
        ("kind", "content_type"), [("PNG", "image/png"), ("JPEG", "image/jpeg"), ("WEBP", "image/webp")]
    )
    def test_it_works(self, bucket: Any, kind: str, content_type: str) -> None:
        content = drawn(kind)
        picture = stored(content)
        kept = bucket.Object(picture.path).get()
        assert (kept["Body"].read(), kept["ContentType"]) == (content, content_type)

        response, _ = fetch(address_of(picture))
        assert response.status_code == 302
        location = urlsplit(response["Location"])
        assert location.path == f"/eggs/{picture.path}"
        assert parse_qs(location.query)["X-Amz-Expires"] == ["300"]
        fetched = requests.get(response["Location"], timeout=5)
        assert (fetched.status_code, fetched.content, fetched.headers["Content-Type"]) == (200, content, content_type)

    def test_it_stays_closed_without_a_signature(self, bucket: Any, s3: str) -> None:
        path = stored(drawn()).path
        assert requests.get(f"{s3}/eggs/{path}", timeout=5).status_code == 403

    def test_storing_it_again_overwrites_it(self, bucket: Any) -> None:
        first, second = stored(drawn(width=64)), stored(drawn())
        assert first.path == second.path
        assert bucket.Object(first.path).content_length == second.bytes

    def test_an_address_is_checked_before_it_leads_there(self, bucket: Any) -> None:
        address = address_of(stored(drawn()))
        for forged in (address[:-1], address.replace("expires=", "expires=9"), address.partition("?")[0]):
            assert refusal(forged) == (404, "NOT_FOUND")

    def test_it_keeps_nothing_that_was_removed(self, bucket: Any) -> None:
        for index in range(2):
            stored(drawn(), index)
        other = storage.store(TASK, "another", 0, io.BytesIO(drawn()))
        for _ in range(2):
            storage.remove(TASK, TOKEN)
        assert [each.key for each in bucket.objects.filter(Prefix=f"images/{TASK}/")] == [other.path]

    def test_it_holds_nothing_that_does_not_decode(self, bucket: Any) -> None:
        with pytest.raises(NotAnImage):
            storage.store(TASK, "elsewhere", 0, io.BytesIO(drawn()[:200]))
        assert [each.key for each in bucket.objects.filter(Prefix=f"images/{TASK}/elsewhere/")] == []

    def test_a_public_address_takes_the_place_of_ours(
        self, bucket: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = settings_with(monkeypatch, EGGAPI_S3_PUBLIC_URL="https://file.example.com/")
        settings.EGGAPI_S3_PUBLIC_URL = made["EGGAPI_S3_PUBLIC_URL"]
        picture = stored(drawn())
        assert address_of(picture) == f"https://file.example.com/{picture.path}"

    def test_it_is_no_secret_when_it_is_away(self, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        away = f"http://127.0.0.1:{free_port()}"
        made = settings_with(
            monkeypatch, EGGAPI_S3_BUCKET="eggs", EGGAPI_S3_ENDPOINT=away, EGGAPI_S3_KEY="id", EGGAPI_S3_SECRET="secret"
        )
        settings.STORAGES = made["STORAGES"]
        with pytest.raises(Exception, match="Could not connect"):
            stored(drawn())

    def test_it_is_spoken_to_as_r2_understands(self, bucket: Any) -> None:
        config = default_storage.client_config  # type: ignore[attr-defined]
        assert (config.signature_version, config.request_checksum_calculation) == ("s3v4", "when_required")
        assert (config.connect_timeout, config.read_timeout) == (5, 20)

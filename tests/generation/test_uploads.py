"""Pictures given to us to edit: kept for a day, at an address that works for one account."""

import io
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.core.files.storage import default_storage
from django.test import Client
from pytest_django import Settings

from accounts import opening
from accounts.caller import Caller
from accounts.models import Mode
from eggapi import clock
from eggapi.errors import ValidationFailed
from eggapi.fields import Fault
from generation import storage, uploads
from generation.models import Task
from generation.submit import submit
from tests.emulators.upstream import bomb, drawn

BASE = "http://127.0.0.1:8000"


@pytest.fixture(autouse=True)
def _files(settings: Settings, tmp_path: Path) -> None:
    options = settings.STORAGES["default"]["OPTIONS"] | {"location": tmp_path / "files"}
    settings.STORAGES = settings.STORAGES | {"default": settings.STORAGES["default"] | {"OPTIONS": options}}


def given(caller: Caller, kind: str = "png") -> str:
    return uploads.keep(caller.account_id, io.BytesIO(drawn(64, 48, kind)), BASE)


def edit(caller: Caller, *urls: str) -> Task:
    return submit(caller, {"model": "nanobanana", "prompt": "paint it blue", "image_urls": list(urls)})[0]


@pytest.fixture
def tester(alice: Caller) -> Caller:
    return Caller(alice.account_id, Mode.TEST)


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
def test_it_works(tester: Caller, client: Client, kind: str) -> None:
    url = given(tester, kind)
    response = client.get(url.removeprefix(BASE))
    assert b"".join(response.streaming_content) == drawn(64, 48, kind)  # type: ignore[attr-defined]
    assert response["Content-Type"] == f"image/{kind}"
    assert edit(tester, url).type == "image_edit"


@pytest.mark.django_db(transaction=True)
def test_it_is_edited_without_a_call_to_ourselves(tester: Caller, run: Callable[..., Task]) -> None:
    assert run(tester, "paint it blue", image_urls=[given(tester)]).status == "completed"


def test_another_accounts_upload_is_refused(tester: Caller) -> None:
    mallory = Caller(opening.account_of("mallory@example.com").pk, Mode.TEST)
    url = given(tester)
    with pytest.raises(ValidationFailed) as refusal:
        edit(mallory, url)
    assert list(refusal.value.fields) == ["image_urls"]


def test_a_forged_address_is_one_like_any_other(tester: Caller) -> None:
    """And those on this machine are refused."""
    url = given(tester)
    path = urlsplit(url).path
    mine = f"/{tester.account_id}-"
    forgeries = [
        url[:-1],
        url.replace(mine, f"/{tester.account_id + 1}-"),
        url.replace("/files/uploads/", "/files/images/"),
        url.replace("expires=", "expires=9"),
        f"{BASE}{path}",
        f"{BASE}/files/uploads/../secrets.json?expires=99999999999&signature=x",
        f"{BASE}{path}?expires=99999999999&signature=\ud800",
    ]
    for forged in forgeries:
        with pytest.raises(ValidationFailed) as refusal:
            edit(tester, forged)
        assert list(refusal.value.fields) == ["image_urls"]


def test_a_picture_of_a_task_is_no_upload(tester: Caller) -> None:
    signed = storage.signed_url_of("images/gen_x/y/0.png", clock.now() + timedelta(days=1), BASE)
    assert uploads.path_of(signed) is None


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "is not a PNG, JPEG or WebP picture"),
        (b"", "is not a PNG, JPEG or WebP picture"),
        (bomb(), "has more than 25 megapixels"),
        (bomb(5001), "has more than 25 megapixels"),  # nor is it ever decoded
        (drawn(8, 8) + bytes(uploads.LARGEST), "is larger than 10 MiB"),
    ],
    ids=["svg", "empty", "bomb", "pixels", "bytes"],
)
def test_it_rejects(db: None, content: bytes, fault: str) -> None:
    with pytest.raises(Fault, match=fault):
        uploads.keep(1, io.BytesIO(content), BASE)
    assert not default_storage.exists("uploads")


def test_it_is_gone_after_a_day(tester: Caller) -> None:
    path = uploads.path_of(given(tester))
    assert path
    uploads.purge(clock.now() + uploads.KEPT - timedelta(minutes=1))
    assert default_storage.exists(path)
    uploads.purge(clock.now() + uploads.KEPT + timedelta(hours=1))
    assert not default_storage.exists(path)


def test_there_may_be_nothing_to_purge(db: None) -> None:
    uploads.purge(clock.now())

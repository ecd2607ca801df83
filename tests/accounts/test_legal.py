"""/legal: what people agree to."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import Client
from pytest_django import Settings

from accounts import legal
from accounts.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture
def own(settings: Settings, tmp_path: Path) -> Iterator[Path]:
    """Where an operator puts terms of their own."""
    settings.EGGAPI_HOME = tmp_path
    (tmp_path / "legal").mkdir()
    legal.document.cache_clear()
    yield tmp_path / "legal"
    legal.document.cache_clear()


@pytest.mark.parametrize(
    ("name", "title"),
    [("terms", "Terms of service"), ("privacy", "Privacy notice"), ("acceptable-use", "Acceptable use policy")],
)
def test_it_works(client: Client, name: str, title: str) -> None:
    page = client.get(f"/legal/{name}").content.decode()
    assert f">{title}</h1>" in page
    assert "Version 2026-11-21" in page
    assert "Version: " not in page


def test_operators_put_their_own_in_its_place(client: Client, own: Path) -> None:
    (own / "terms.md").write_text("Version: 2027-01-01\n\n# Our terms\n\nBe kind to <b>eggs</b>.\n")
    page = client.get("/legal/terms").content.decode()
    assert "Be kind to &lt;b&gt;eggs&lt;/b&gt;." in page
    assert legal.version() == "2027-01-01"
    assert legal.is_due(User(terms_version="2026-11-21"))


def test_who_operates_it_is_not_asked(own: Path) -> None:
    assert not legal.is_due(User(is_staff=True))
    assert legal.is_due(User())


@pytest.mark.parametrize("name", ["nothing", "..", "self-hosting"])
def test_it_rejects_what_is_none_of_them(client: Client, name: str) -> None:
    assert client.get(f"/legal/{name}").status_code == 404

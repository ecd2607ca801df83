"""The public first page."""

import gzip
import re
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from accounts.models import Account
from eggapi import clock, money
from generation import catalog
from generation.models import ImageModel, Price

LARGEST_PAGE, LARGEST_PICTURE = 60 * 1024, 60 * 1024


def test_it_works(on_sale: None, client: Client) -> None:
    page = client.get("/").content.decode()
    assert "curl http://testserver/v1/generate" in page
    assert "$0.0320" in page
    assert "A failed task costs $0.00." in page
    assert 'href="/accounts/signup/"' in page


def test_the_prices_are_todays(on_sale: None, client: Client) -> None:
    model = ImageModel.objects.get(name="nanobanana")
    Price.objects.create(model=model, resolution="1k", amount=money.parse("0.0123"), since=clock.now())
    catalog._forget()
    assert client.get("/").content.decode().count("$0.0123") == 2


def test_nothing_need_be_on_sale(db: None, client: Client) -> None:
    ImageModel.objects.update(enabled=False)
    catalog._forget()
    assert "Nothing is on sale at the moment." in client.get("/").content.decode()


def test_it_may_be_cached_but_not_for_who_is_signed_in(account: Account, client: Client) -> None:
    response = client.get("/")
    assert response["Cache-Control"] == "public, max-age=60"
    assert "Cookie" in response["Vary"]
    client.force_login(account.members.get())
    response = client.get("/")
    assert "Cache-Control" not in response
    assert 'href="/home"' in response.content.decode()


def test_it_asks_the_database_for_nothing_but_the_catalogue(
    on_sale: None, client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    client.get("/")
    with django_assert_max_num_queries(1):
        client.get("/")


@pytest.mark.once
def test_it_is_light(on_sale: None, client: Client) -> None:
    page = client.get("/").content
    files = [
        Path(str(finders.find(name)))
        for name in set(re.findall(rb'/static/([^"#]+)', page))
        for name in [name.decode()]
    ]
    pictures = [file for file in files if file.suffix == ".webp"]
    rest = [file.read_bytes() for file in files if file.suffix != ".webp"]
    assert sum(len(gzip.compress(content)) for content in [page, *rest]) <= LARGEST_PAGE
    assert [file.name for file in pictures if file.stat().st_size > LARGEST_PICTURE] == []
    assert len(pictures) == 1

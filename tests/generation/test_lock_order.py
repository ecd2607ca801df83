"""Two operators who change the catalogue at once: the second waits, and nobody deadlocks."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from pytest_django import Settings

from accounts.models import User
from eggapi import clock
from generation import catalog, chain, drill, edit, vendors
from generation.models import ImageModel, Provider, Route

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres_only]

VERBS: dict[str, Callable[[Route, User], object]] = {
    "switch a provider off": lambda route, boss: edit.turn(route.provider, False, boss),
    "switch a model off": lambda route, boss: edit.turn(route.model, False, boss),
    "edit a provider": lambda route, boss: edit.put_provider(route.provider, {"credential": "new"}, boss),
    "describe a model": lambda route, boss: edit.describe(route.model, "new", True, boss),
    "set a price": lambda route, boss: edit.add_price(route.model, "1k", 20_000, None, boss),
    "start a drill": lambda route, boss: drill.start(route, boss),
    "stop a drill": lambda route, boss: drill.stop(route, boss),
    "set up a vendor": lambda route, boss: vendors.set_up(),
    "enable a provider": lambda route, boss: call_command("routes", "enable", route.provider.name),
    "save a chain": lambda route, boss: chain.save(route.model, chain.links_of(chain.snapshot(route.model)), boss),
}


@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)
def test_who_comes_second_holds_nothing_yet(
    verb: Callable[[Route, User], object], boss: User, on_sale: None, settings: Settings
) -> None:
    settings.EGGAPI_PROVIDER_KEYS = {"kie": "first"}
    vendors.set_up()
    settings.EGGAPI_PROVIDER_KEYS = {"kie": "second"}
    Route.objects.update(drill_until=clock.now() + timedelta(seconds=60))
    route = Route.objects.select_related("model", "provider").filter(provider__name="kie")[0]
    ended = []

    def come_second() -> None:
        try:
            verb(route, boss)
            ended.append("well")
        finally:
            connection.close()

    with transaction.atomic():
        catalog.changed()
        second = threading.Thread(target=come_second)
        second.start()
        wait_until_one_is_blocked()
        for model in (Provider, Route, ImageModel):
            list(model._default_manager.select_for_update())
    second.join()
    assert ended == ["well"]


def wait_until_one_is_blocked() -> None:
    until = time.monotonic() + 10
    with connection.cursor() as cursor:
        while time.monotonic() < until:
            cursor.execute(
                "SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
            )
            if cursor.fetchone()[0]:
                return
            time.sleep(0.01)
    raise AssertionError("nobody waits")

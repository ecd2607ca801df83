"""manage.py providers check, and the hourly task that does the same."""

from collections.abc import Callable, Generator, Iterator
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from eggapi import crypto
from eggapi.celery import app
from eggapi.models import Alert
from generation.models import Provider, Route
from generation.providers import ADAPTERS
from generation.providers.base import Call, Reply, Standing
from generation.providers.gemini import Gemini
from generation.tasks import check_providers
from tests.emulators.kie import Kie
from tests.emulators.vendors import BY_NAME
from tests.servers import free_port

pytestmark = [pytest.mark.django_db, pytest.mark.once]

Sell = Callable[..., Route]


@pytest.fixture
def kie(sell: Sell) -> Iterator[Kie]:
    with Kie() as upstream:
        route = sell(upstream, "kie", "google/nano-banana")
        Provider.objects.filter(pk=route.provider_id).update(name="kie")
        yield upstream


def check() -> tuple[str, str]:
    """What is printed, and the sentence it fails with, empty where all is well."""
    out = StringIO()
    try:
        call_command("providers", "check", stdout=out)
    except CommandError as error:
        return out.getvalue(), str(error)
    return out.getvalue(), ""


def alerts() -> dict[str, str]:
    return {alert.cause: alert.state for alert in Alert.objects.all()}


def test_it_works(kie: Kie) -> None:
    assert check() == ("kie: ok, balance 100.0\n", "")
    assert alerts() == {}


def test_a_new_installation_has_nothing_to_check(on_sale: None) -> None:
    assert check() == ("", "")


def test_a_bad_credential_is_an_alert_until_it_is_good_again(kie: Kie) -> None:
    Provider.objects.filter(name="kie").update(credential_encrypted=crypto.encrypt("dead-key-0123456789"))
    assert check() == ("kie: our credential is not accepted\n", "Not well: kie.")
    assert alerts() == {"provider:kie:credential": "raised"}
    assert "dead-key" not in Alert.objects.get().text
    Provider.objects.filter(name="kie").update(credential_encrypted=crypto.encrypt(kie.key))
    assert check() == ("kie: ok, balance 100.0\n", "")
    assert alerts() == {"provider:kie:credential": "ended"}


def test_a_low_balance_is_an_alert(kie: Kie) -> None:
    kie.credits = 99.5
    assert check() == ("kie: balance 99.5 is below 100\n", "Not well: kie.")
    assert Alert.objects.get().text == "kie: balance 99.5 is below 100."
    kie.credits = 100.0
    assert check()[1] == ""
    assert alerts() == {"provider:kie:balance": "ended"}


@pytest.mark.parametrize(
    ("low_balance", "printed"),
    [("250.50", "kie: balance 100.0 is below 250.50\n"), ("0", "kie: ok, balance 100.0\n")],
)
def test_the_operators_own_figure_counts(kie: Kie, low_balance: str, printed: str) -> None:
    Provider.objects.filter(name="kie").update(low_balance=low_balance)
    assert check()[0] == printed


def test_zero_means_never(kie: Kie) -> None:
    kie.credits = 0
    Provider.objects.filter(name="kie").update(low_balance=0)
    assert check() == ("kie: ok, balance 0\n", "")


def test_a_model_that_is_gone_is_an_alert(sell: Sell) -> None:
    vendor = BY_NAME["nananobanana"]
    with vendor.emulator() as upstream:
        sell(upstream, vendor.adapter, vendor.fast)
        gone = sell(upstream, vendor.adapter, "nano-banana-0")
        Provider.objects.filter(pk=gone.provider_id).update(name="nana")
        Provider.objects.exclude(pk=gone.provider_id).exclude(adapter="sandbox").delete()
        assert check() == ("nana: does not offer nano-banana-0, balance 100\n", "Not well: nana.")
        assert alerts() == {"provider:nana:models": "raised"}
        Route.objects.filter(pk=gone.pk).update(enabled=False)
        assert check() == ("nana: ok, balance 100\n", "")
        assert alerts() == {"provider:nana:models": "ended"}


def test_a_vendor_out_of_reach_is_printed_and_changes_no_alert(kie: Kie) -> None:
    kie.credits = 1
    check()
    Provider.objects.filter(name="kie").update(base_url=f"http://127.0.0.1:{free_port()}")
    assert check() == ("kie: cannot be reached: the connection failed\n", "Not well: kie.")
    assert alerts() == {"provider:kie:balance": "raised"}


def test_an_answer_that_says_nothing_is_printed(kie: Kie) -> None:
    Provider.objects.filter(name="kie").update(base_url=f"{kie.origin}/files/none")
    assert check() == ("kie: the answer cannot be read\n", "Not well: kie.")
    assert alerts() == {}


@pytest.mark.parametrize("credits", ["NaN", "Infinity", "-1e99"])
def test_a_balance_that_is_no_number_spoils_nothing(kie: Kie, credits: str) -> None:
    kie.credits = credits  # type: ignore[assignment]
    assert check() == ("kie: the answer cannot be read\n", "Not well: kie.")


def test_a_list_without_an_end_is_not_read_for_ever(sell: Sell, monkeypatch: pytest.MonkeyPatch) -> None:
    def standing(self: Gemini) -> Generator[Call, Reply, Standing]:
        while True:
            yield Call("GET", "/models", timeout=20)

    monkeypatch.setattr(Gemini, "standing", standing)
    monkeypatch.setattr("generation.standing.ASKING_SECONDS", 0.5)
    with BY_NAME["gemini"].emulator() as upstream:
        sell(upstream, "gemini", "gemini-2.5-flash-image")
        assert check()[0].endswith("cannot be reached: timed out\n")


def test_a_provider_that_is_off_is_not_asked_and_its_alerts_end(kie: Kie) -> None:
    kie.credits = 1
    check()
    Provider.objects.filter(name="kie").update(enabled=False)
    assert check() == ("", "")
    assert alerts() == {"provider:kie:balance": "ended"}


def test_every_hour_the_same_is_done(kie: Kie) -> None:
    kie.credits = 1
    check_providers()
    assert alerts() == {"provider:kie:balance": "raised"}
    assert app.conf.beat_schedule["standing"]["task"] == check_providers.name


@pytest.mark.parametrize("adapter", sorted(ADAPTERS.keys() - {"sandbox"}))
def test_every_vendor_can_be_asked(sell: Sell, adapter: str) -> None:
    vendor = BY_NAME[adapter]
    with vendor.emulator() as upstream:
        route = sell(upstream, adapter, vendor.fast)
        Provider.objects.filter(pk=route.provider_id).update(name=adapter, low_balance=0)
        printed, fault = check()
        assert fault == "", printed
        assert printed.startswith(f"{adapter}: ok")
        assert alerts() == {}

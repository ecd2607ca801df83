"""manage.py keys and login_link, as scripts call them."""

import os
import re
import subprocess
import sys
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from accounts import keyring, keys
from accounts.caller import Terms
from accounts.models import Account, ApiKey, LoginLink, Mode
from accounts.opening import account_of
from eggapi import clock

pytestmark = pytest.mark.django_db

RATE = "--rate must be a number of calls in a time, such as 20/minute; the times are second, minute, hour, day."
CIDRS = "--cidrs must be networks such as 10.0.0.0/8 or 2001:db8::/32."


def run(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def create(*more: str, account: str = "alice@example.com", mode: str = "live", name: str = "server") -> str:
    return run("keys", "create", "--account", account, "--mode", mode, "--name", name, *more)


class TestCreate:
    def test_it_prints_the_key_alone(self) -> None:
        out = create()
        assert out == out.strip() + "\n"
        found = keys.find(out.strip())
        assert found is not None
        assert found.mode == "live"

    def test_it_opens_an_account_once(self) -> None:
        create(account=" Alice@Example.com ")
        create(account="alice@example.com")
        account = Account.objects.get()
        assert (account.name, account.keys.count()) == ("alice@example.com", 2)
        assert {wallet.mode: wallet.posted for wallet in account.wallets.all()} == {"live": 0, "test": 100_000_000}
        assert account.webhook_secrets.count() == 1

    def test_the_key_expires_when_asked_to(self) -> None:
        create("--expires", "24h")
        expires_at = ApiKey.objects.get().expires_at
        assert expires_at is not None
        assert abs(expires_at - clock.now() - timedelta(hours=24)) < timedelta(seconds=5)

    def test_its_terms_are_kept(self) -> None:
        text = create(
            *("--budget", "5.00", "--budget-period", "day", "--rate", "20/minute", "--concurrency", "10"),
            *("--scopes", "generate, tasks:read", "--models", "nanobanana", "--cidrs", "10.0.0.0/8,::1"),
        )
        found = keys.find(text.strip())
        assert found is not None
        assert found.terms == Terms(
            scopes=("generate", "tasks:read"),
            allowed_models=("nanobanana",),
            cidrs=("10.0.0.0/8", "::1/128"),
            rate=20,
            rate_seconds=60,
            concurrency=10,
            budget=5_000_000,
            budget_period="day",
        )

    @pytest.mark.parametrize(
        ("option", "sentence"),
        [
            ("--budget=five", "--budget must be dollars with at most six decimals, such as 5.00."),
            ("--budget=0", "--budget must be from $0.000001 to $1000000000.0000."),
            ("--budget=-5", "--budget must be from $0.000001 to $1000000000.0000."),
            ("--budget-period=day", "--budget-period is of no use without a budget."),
            ("--budget-period=year", "--budget-period must be one of day, week, month."),
            *((f"--rate={rate}", RATE) for rate in ("20", "0/minute", "20/fortnight", "9999999/day", "-1/minute")),
            ("--concurrency=0", "--concurrency must be from 1 to 1000000."),
            ("--concurrency=ten", "--concurrency must be an integer."),
            ("--concurrency=-1", "--concurrency must be an integer."),
            ("--scopes=generate,everything", "--scopes must be one of generate, tasks:read, usage:read."),
            ("--scopes=", "--scopes must be one of generate, tasks:read, usage:read."),
            ("--models=nanobanana,", "--models must not be empty."),
            ("--cidrs=10.0.0.1/8", CIDRS),
            ("--cidrs=intranet", CIDRS),
        ],
    )
    def test_it_rejects_strange_terms_with_one_sentence(self, option: str, sentence: str) -> None:
        with pytest.raises(CommandError, match=f"^{re.escape(sentence)}$"):
            create(option)
        assert not Account.objects.exists()

    @pytest.mark.parametrize("expires", ["0h", "24", "h", "-1d", "1.5h", "9999999d"])
    def test_it_rejects_a_strange_duration(self, expires: str) -> None:
        with pytest.raises(
            CommandError, match=r"^--expires must be minutes, hours or days, such as 30m, 24h or 90d\.$"
        ):
            create(f"--expires={expires}")
        assert not Account.objects.exists()

    def test_it_rejects_a_strange_address(self) -> None:
        with pytest.raises(CommandError, match="not an e-mail address"):
            create(account="alice")

    def test_it_requires_a_name(self) -> None:
        for name, fault in [("", "not be empty"), (" ", "not be empty"), ("x" * 101, "at most"), ("a\nb", "one line")]:
            with pytest.raises(CommandError, match=f"^--name must .*{fault}"):
                create(name=name)


def test_list_shows_the_state_of_every_key_but_no_key() -> None:
    texts = [create(name=name).strip() for name in ("one", "two", "three", "four")]
    bobs = create(account="bob@example.com", name="bob's").strip()
    ApiKey.objects.get(name="two").revoke()
    ApiKey.objects.filter(name="three").update(expires_at=clock.now(), last_used_at=clock.now())
    keyring.disable(ApiKey.objects.get(name="four"))
    lines = [line.split("  ") for line in run("keys", "list", "--account", "alice@example.com").splitlines()]
    assert [(line[0], line[1], line[4]) for line in lines] == [
        (f"egg_live_...{texts[3][-4:]}", "disabled", "four"),
        (f"egg_live_...{texts[2][-4:]}", "expired", "three"),
        (f"egg_live_...{texts[1][-4:]}", "revoked", "two"),
        (f"egg_live_...{texts[0][-4:]}", "usable", "one"),
    ]
    assert run("keys", "list").startswith(f"egg_live_...{bobs[-4:]}  usable  never used  bob@example.com  bob's\n")


class TestRevoke:
    @pytest.mark.parametrize("form", ["egg_live_...{last}", "{last}", "{whole}"])
    def test_it_works(self, form: str) -> None:
        text, other = create().strip(), create().strip()
        assert run("keys", "revoke", form.format(last=text[-4:], whole=text)) == f"Revoked egg_live_...{text[-4:]}\n"
        assert keys.find(text) is None
        assert keys.find(other) is not None

    @pytest.mark.parametrize("text", ["", "Zzzz", "...", "egg_live_", "%", "____", "live_...Ab3d", "aB3D"])
    def test_it_rejects_what_fits_no_key(self, text: str) -> None:
        create()
        ApiKey.objects.update(display="egg_live_...Ab3d")
        with pytest.raises(CommandError, match="no such key"):
            run("keys", "revoke", text)

    def test_it_rejects_a_form_that_fits_several(self) -> None:
        alices, bobs = create().strip(), create(account="bob@example.com").strip()
        ApiKey.objects.update(display="egg_live_...Ab3d")
        with pytest.raises(CommandError, match="More than one key"):
            run("keys", "revoke", "Ab3d")
        run("keys", "revoke", "Ab3d", "--account", "bob@example.com")
        assert keys.find(bobs) is None
        assert keys.find(alices) is not None

    def test_it_rejects_a_key_that_is_revoked_already(self) -> None:
        key, text = keys.mint(account_of("alice@example.com"), Mode.TEST, "laptop")
        key.revoke()
        with pytest.raises(CommandError, match="revoked already"):
            run("keys", "revoke", text)


class TestLoginLink:
    def test_it_works(self) -> None:
        account_of("alice@example.com")
        before, path = run("login_link", "Alice@example.com").strip().split("/start/")
        assert before == "http://127.0.0.1:8000"
        assert len(path) == 32
        assert LoginLink.objects.get().user.email == "alice@example.com"

    def test_it_names_the_server_that_runs_here(self, tmp_path: Path, settings: Settings) -> None:
        settings.EGGAPI_HOME = tmp_path
        (tmp_path / "url").write_text("http://127.0.0.1:8123\n")
        account_of("alice@example.com")
        assert run("login_link", "alice@example.com").startswith("http://127.0.0.1:8123/start/")
        settings.EGGAPI_PUBLIC_URL = "https://eggs.example.com"
        assert run("login_link", "alice@example.com").startswith("https://eggs.example.com/start/")

    def test_it_rejects_a_stranger(self) -> None:
        account_of("alice@example.com")
        with pytest.raises(CommandError, match=r"Nobody signs in as eve@example.com\."):
            run("login_link", "eve@example.com")


@pytest.mark.once
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["keys", "create", "--account", "a@example.com", "--mode", "prod", "--name", "x"], "argument --mode: invalid"),
        (["keys", "create", "--mode", "live"], "required: --account, --name"),
        (["login_link", "nobody"], "'nobody' is not an e-mail address."),
        (["keys", "list"], "The database cannot be used: no such table: accounts_apikey."),
    ],
)
def test_an_error_is_one_sentence_on_stderr_and_exit_code_1(
    egg_home: Path, arguments: list[str], sentence: str
) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "eggapi.settings"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1
    assert sentence in done.stderr

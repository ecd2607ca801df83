"""The configuration check: what is set up, what is not, and which variable to set."""

import re
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from cryptography.fernet import InvalidToken
from django.conf import settings

from accounts.models import Mode
from eggapi import checks, clock, mail
from eggapi.models import Alert
from eggapi.serving import health
from generation.models import Provider

OK, WARNING, BROKEN = "ok", "warning", "broken"
GIGABYTE = 1024**3
CLOCK_SECONDS = 5
VARIABLE = re.compile(r"\b[A-Z][A-Z0-9]*_[A-Z0-9_]+\b")
# What /readyz asks, and what there is to say of each where nothing is wrong.
PROBED = {
    "database": ("answers", "DATABASE_URL"),
    "broker": ("answers", "REDIS_URL"),
    "storage": ("takes, gives back and deletes a file", "EGGAPI_S3_BUCKET"),
    "worker": ("gives signs of life", ""),
    "queue": ("no due task has waited for long", ""),
}


class Finding(NamedTuple):
    """`state` is ok, warning or broken; `variable` is what to set, empty where that is no matter of settings."""

    name: str
    state: str
    sentence: str
    variable: str = ""


def examine() -> list[Finding]:
    """Everything, in a few seconds at most. Advice for production is a warning."""
    faults = health.faults()
    found = [
        Finding(name, BROKEN, faults[name], variable) if name in faults else Finding(name, OK, well)
        for name, (well, variable) in PROBED.items()
    ]
    if "database" in faults:  # nobody knows of the workers then
        found = [each for each in found if each.name not in ("worker", "queue")]
    else:
        found += [_clock(), _credentials(), *_providers()]
    return [*found, *_set_up(), _disk()]


def _clock() -> Finding:
    ahead = (datetime.now(UTC) - clock.now()).total_seconds()
    if abs(ahead) < CLOCK_SECONDS:
        return Finding("clock", OK, "this host and the database agree")
    which = "ahead of" if ahead > 0 else "behind"
    return Finding("clock", WARNING, f"this host is {abs(ahead):.0f} s {which} the database: run an NTP client")


def _credentials() -> Finding:
    """Whether what is stored can be read with the keys that there are."""
    for provider in Provider.objects.exclude(credential_encrypted="").order_by("name"):
        try:
            _ = provider.credential
        except InvalidToken:
            text = f"the credential of {provider.name} was encrypted with another key"
            return Finding("credentials", BROKEN, text, "EGGAPI_FERNET_KEYS")
    return Finding("credentials", OK, "can be decrypted")


def _providers() -> Iterator[Finding]:
    enabled = [provider for provider in Provider.objects.order_by("name") if provider.enabled]
    if live := [provider.name for provider in enabled if provider.mode == Mode.LIVE]:
        yield Finding("live keys", OK, f"served by {', '.join(live)}")
    else:
        yield Finding("live keys", WARNING, "no provider serves them", "EGGAPI_PROVIDER_<NAME>_KEY")
    if any(provider.mode == Mode.TEST for provider in enabled):
        yield Finding("test keys", OK, "served by the sandbox")
    else:
        yield Finding("test keys", WARNING, "the sandbox is switched off")
    for alert in Alert.objects.filter(cause__startswith="provider:", ended_at=None).order_by("cause"):
        yield Finding("provider", WARNING, alert.text.rstrip("."))


def _set_up() -> Iterator[Finding]:
    """What the system checks say, and what only matters in production."""
    messages = {
        message.id: message
        for check in (checks.database_fits, checks.no_half_state, checks.no_half_of_stripe, checks.fit_for_production)
        for message in check(None)
    }
    alone = "one host, nothing to share" if checks.on_sqlite() else ""
    for name, well, ids in (
        ("processes", "database and broker fit together", ("eggapi.E001", "eggapi.E002")),
        ("public address", settings.EGGAPI_PUBLIC_URL, ("eggapi.W001", "eggapi.W002")),
        ("secrets", alone or "all hosts have the same", ("eggapi.W003",)),
        ("files", alone or "all hosts see the same", ("eggapi.W004",)),
        ("Stripe", "top-ups are on" if settings.EGGAPI_STRIPE_SECRET_KEY else "top-ups are off", ("eggapi.W005",)),
    ):
        found = next((messages[one] for one in ids if one in messages), None)
        if found is None:
            yield Finding(name, OK, well)
        else:
            variables = ", ".join(VARIABLE.findall(found.hint or ""))
            yield Finding(name, BROKEN if found.is_serious() else WARNING, found.msg.rstrip("."), variables)
    yield from (check() for check in ADVICE)


def _mail() -> Finding:
    if mail.is_on():
        return Finding("mail", OK, f"goes out by {settings.EMAIL_HOST}")
    return Finding("mail", WARNING, "nothing is sent: letters stay in the outbox for a week", "EMAIL_URL")


def _alerts() -> Finding:
    if settings.EGGAPI_OPS_EMAIL or settings.EGGAPI_OPS_WEBHOOK:
        return Finding("alerts", OK, f"go to {settings.EGGAPI_OPS_EMAIL or 'the webhook of operators'}")
    variables = "EGGAPI_OPS_EMAIL or EGGAPI_OPS_WEBHOOK"
    return Finding("alerts", WARNING, "are seen by whoever opens this site, and told to nobody", variables)


def _proxies() -> Finding:
    if not settings.EGGAPI_PUBLIC_URL.startswith("https://") or settings.EGGAPI_TRUSTED_PROXIES:
        return Finding("proxies", OK, f"{settings.EGGAPI_TRUSTED_PROXIES} trusted")
    text = "the address is https, but no proxy is trusted: all customers seem to come from one address"
    return Finding("proxies", WARNING, text, "EGGAPI_TRUSTED_PROXIES")


def _debug() -> Finding:
    if settings.DEBUG:
        return Finding("debugging", WARNING, "is on, and shows code and settings to everybody", "DEBUG")
    return Finding("debugging", OK, "is off")


ADVICE: tuple[Callable[[], Finding], ...] = (_mail, _alerts, _proxies, _debug)


def _disk() -> Finding:
    free = shutil.disk_usage(settings.EGGAPI_HOME).free
    text = f"{free / GIGABYTE:.1f} GB free in {settings.EGGAPI_HOME}"
    if free < GIGABYTE:
        return Finding("disk", BROKEN if free < GIGABYTE / 10 else WARNING, text, "EGGAPI_HOME")
    return Finding("disk", OK, text)

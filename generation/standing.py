"""Standing: asks every live vendor what it says of our account, and has operators told of what is wrong."""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from django.core.cache import cache
from redis import RedisError

from eggapi import alerts
from eggapi.alerts import Raised
from eggapi.http import HttpFailed
from generation import catalog
from generation.models import Provider
from generation.providers import ADAPTERS
from generation.providers.base import BadCredential, Standing, Unreadable
from generation.providers.base import Provider as Adapter
from generation.transport import Transport

log = logging.getLogger("eggapi.standing")

ASPECTS = ("credential", "models", "balance")
ASKING_SECONDS = 60.0  # for all that one vendor is asked
KEPT_SECONDS = 7200  # the next check comes within the hour

Answer = Standing | BadCredential | HttpFailed | Unreadable


@dataclass(frozen=True, slots=True)
class Finding:
    """How a provider stands. `faults` says by aspect what is wrong; `unreachable` why it could not be asked."""

    provider: str
    faults: dict[str, str] = field(default_factory=dict)
    balance: Decimal | None = None
    unreachable: str = ""

    @property
    def is_well(self) -> bool:
        return not self.faults and not self.unreachable

    def __str__(self) -> str:
        words = [*self.faults.values()] or [self.unreachable or "ok"]
        left = "" if self.balance is None or "balance" in self.faults else f", balance {self.balance:f}"
        return f"{self.provider}: {', '.join(words)}{left}"


def check() -> list[Finding]:
    """Asks all vendors at once. An alert ends at the first check that finds its matter well.

    The alerts of a vendor that cannot be reached stay as they are; those of a provider that is off end.
    """
    live = list(Provider.objects.filter(adapter__in=ADAPTERS.keys() - {"sandbox"}).order_by("name"))
    asked = [row for row in live if row.enabled]
    answers = asyncio.run(_ask_all([catalog.adapter_of(row) for row in asked]))
    findings = [_judge(row, answer) for row, answer in zip(asked, answers, strict=True)]
    raised = [
        Raised(_cause(finding.provider, aspect), f"{finding.provider}: {words}.")
        for finding in findings
        for aspect, words in finding.faults.items()
    ]
    silent = {finding.provider for finding in findings if finding.unreachable}
    causes = {_cause(row.name, aspect) for row in live if row.name not in silent for aspect in ASPECTS}
    alerts.report(raised)
    alerts.end(sorted(causes - {fault.cause for fault in raised}))
    alerts.fade("answer:")
    _keep({_name(row.pk): finding for row, finding in zip(asked, findings, strict=True)})
    return findings


def known(provider_ids: Iterable[int]) -> dict[int, Finding]:
    """What the last check found, by provider; one that was not checked is missing."""
    names = {_name(pk): pk for pk in provider_ids}
    try:
        kept = cache.get_many(names)
    except RedisError:
        return {}
    return {names[name]: finding for name, finding in kept.items()}


def _keep(findings: dict[str, Finding]) -> None:
    try:
        cache.set_many(findings, KEPT_SECONDS)
    except RedisError as error:
        log.warning("findings not kept", extra={"error_type": type(error).__name__})


def _name(provider_id: int) -> str:
    return f"standing:{provider_id}"


async def _ask_all(adapters: Sequence[Adapter]) -> list[Answer]:
    transport = Transport()
    try:
        return await asyncio.gather(*(_ask(transport, adapter) for adapter in adapters))
    finally:
        await transport.close()


async def _ask(transport: Transport, adapter: Adapter) -> Answer:
    try:
        async with asyncio.timeout(ASKING_SECONDS):
            standing: Standing = await transport.converse(adapter, adapter.standing(), paid=False)
    except TimeoutError:
        return HttpFailed("timed out")
    except (BadCredential, HttpFailed, Unreadable) as error:
        return error
    return standing


def _judge(row: Provider, answer: Answer) -> Finding:
    match answer:
        case Standing():
            return Finding(row.name, _faults(row, answer), answer.balance)
        case BadCredential():  # in whose words the credential might be
            return Finding(row.name, {"credential": "our credential is not accepted"})
        case HttpFailed():
            return Finding(row.name, unreachable=f"cannot be reached: {answer}")
    return Finding(row.name, unreachable="the answer cannot be read")


def _faults(row: Provider, standing: Standing) -> dict[str, str]:
    faults = {}
    wanted = set(row.routes.filter(enabled=True).values_list("upstream_model", flat=True))
    if standing.models is not None and (missing := sorted(wanted - standing.models)):
        faults["models"] = f"does not offer {', '.join(missing)}"
    low = catalog.adapter_of(row).low_balance if row.low_balance is None else row.low_balance
    if standing.balance is not None and standing.balance < low:
        faults["balance"] = f"balance {standing.balance:f} is below {low:f}"
    return faults


def _cause(provider: str, aspect: str) -> str:
    return f"provider:{provider}:{aspect}"

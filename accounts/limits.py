"""How often anybody may call /v1, and how every reply says so.

The headers are those of draft-ietf-httpapi-ratelimit-headers-10.
"""

import math
from collections.abc import Sequence

from django.conf import settings
from django.http import HttpRequest
from rest_framework.request import Request

from accounts.caller import caller_of
from accounts.models import ApiKey
from eggapi import errors, ratelimit
from eggapi.ratelimit import Limit, Verdict

READS = Limit(settings.EGGAPI_READS_PER_MINUTE, 60, name="read", fails_open=True)
SUBMITS = Limit(
    settings.EGGAPI_SUBMITS_PER_MINUTE, 60, burst=math.ceil(settings.EGGAPI_SUBMITS_PER_MINUTE / 10), name="submit"
)
FAILED_AUTHENTICATION = Limit(20, 60, name="failed-authentication")
REPORTS = Limit(20, 60, name="report")
TOO_MANY = "Too many requests."


def count(request: Request, limit: Limit) -> dict[str, str]:
    """Counts an authenticated (or public) request; returns its headers. Raises RateLimited.

    Submissions are counted per account, and first per key where it has a rate of its own; reads per key, and
    public pages per address.
    """
    caller = caller_of(request)
    if caller is None:
        return _take(ratelimit.client_network(request._request), limit, TOO_MANY)
    of_account = f"account-{caller.account_id}"
    if limit.name != SUBMITS.name:
        return _take(f"key-{caller.key_id}" if caller.key_id else of_account, limit, TOO_MANY)
    if not caller.terms.rate:
        return _take(of_account, limit, TOO_MANY)
    own = Limit(caller.terms.rate, caller.terms.rate_seconds, name=limit.name)
    told = _take(_own_bucket(caller.key_id, own), own, TOO_MANY)
    _take(of_account, limit, TOO_MANY)
    return told


def count_page(account_id: int, limit: Limit) -> None:
    """Counts what a person does on a page together with the same done through /v1. Raises RateLimited."""
    _take(f"account-{account_id}", limit, TOO_MANY)


def count_by_address(request: HttpRequest, limit: Limit) -> dict[str, str]:
    """Counts what was counted by its caller once more, by where it came from. Raises RateLimited."""
    return _take(ratelimit.client_network(request), limit, "Too many requests from this address.")


def count_failure(request: Request) -> dict[str, str]:
    """Counts a refused key by the caller's address; returns the headers. Raises RateLimited."""
    address = ratelimit.client_network(request._request)
    return _take(address, FAILED_AUTHENTICATION, "Too many failed attempts to authenticate from this address.")


def standing(account_id: int, keys: Sequence[ApiKey]) -> tuple[Verdict, list[Verdict], list[Verdict]]:
    """What would pass now, without counting it: the account's submissions, then each key's submissions and reads."""
    of_account = (f"{SUBMITS.name}:account-{account_id}", SUBMITS)
    owns = [rate_of(key) for key in keys]
    submits = [
        (f"{SUBMITS.name}:{_own_bucket(key.pk, own)}", own) if key.rate else of_account
        for key, own in zip(keys, owns, strict=True)
    ]
    reads = [(f"{READS.name}:key-{key.pk}", READS) for key in keys]
    account, *rest = ratelimit.look([of_account, *submits, *reads])
    return account, rest[: len(keys)], rest[len(keys) :]


def rate_of(key: ApiKey) -> Limit:
    """How often a key may submit; the account's rate for one without a rate of its own."""
    return Limit(key.rate, key.rate_seconds, name=SUBMITS.name) if key.rate else SUBMITS


def _own_bucket(key_id: int | None, own: Limit) -> str:
    """Of this key at this rate: what was used up at another rate says nothing of the new one."""
    return f"key-{key_id}-{own.rate}/{own.per_seconds}"


def _take(who: str, limit: Limit, complaint: str) -> dict[str, str]:
    verdict = ratelimit.take(f"{limit.name}:{who}", limit)
    if not verdict.allowed:
        raise errors.RateLimited(complaint, retry_after=verdict.retry_after, headers=headers(limit, verdict))
    return headers(limit, verdict)


def headers(limit: Limit, verdict: Verdict) -> dict[str, str]:
    """`q` calls in `w` seconds; `r` of them would pass now, and in `t` seconds the whole burst."""
    return {
        "RateLimit-Policy": f'"{limit.name}";q={limit.rate};w={limit.per_seconds}',
        "RateLimit": f'"{limit.name}";r={verdict.remaining};t={verdict.reset}',
    }

"""API keys: egg_live_ or egg_test_, 30 random characters, and 6 that check the ones before them.

178 bits of randomness need no slow hash; the checksum lets us, and scanners of leaked secrets, tell a
key from a typing error without asking the database.
"""

import re
from datetime import datetime
from typing import Any, NamedTuple
from zlib import crc32

import orjson
from django.db import connection

from accounts.caller import Terms
from accounts.models import Account, ApiKey
from eggapi import crypto
from eggapi.ids import BASE62, random_text

SHAPE = re.compile(r"(egg_(?:live|test)_[0-9A-Za-z]{30})([0-9A-Za-z]{6})")

# By hand: this runs in every request, and the ORM would take five times as long to write the same text.
FIND = """
SELECT k.id, k.account_id, k.mode, a.suspended_at IS NOT NULL, COALESCE(k.last_used_at < {minute_ago}, TRUE),
    k.scopes, k.allowed_models, k.cidrs, k.rate, k.rate_seconds, k.concurrency, k.budget, k.budget_period,
    a.monthly_cap, a.retention_days, a.zero_retention
FROM accounts_apikey k JOIN accounts_account a ON a.id = k.account_id
WHERE k.digest = %s AND k.revoked_at IS NULL AND k.disabled_at IS NULL AND a.delete_at IS NULL
    AND (k.expires_at IS NULL OR k.expires_at > {now})
"""
FIND_ON = {
    "postgresql": FIND.format(now="statement_timestamp()", minute_ago="statement_timestamp() - interval '1 minute'"),
    "sqlite": FIND.format(now="datetime('now')", minute_ago="datetime('now', '-1 minute')"),
}


class UsableKey(NamedTuple):
    """A key that is neither revoked, disabled nor expired; `idle` if it was last seen over a minute ago."""

    id: int
    account_id: int
    mode: str
    suspended: bool
    idle: bool
    terms: Terms = Terms()


def looks_right(text: str) -> bool:
    """Shape and checksum, without a query."""
    match = SHAPE.fullmatch(text)
    return match is not None and checksum(match[1]) == match[2]


def checksum(text: str) -> str:
    """CRC-32 in six base-62 digits."""
    rest, digits = crc32(text.encode()), ""
    for _ in range(6):
        rest, digit = divmod(rest, 62)
        digits = BASE62[digit] + digits
    return digits


def mint(
    account: Account, mode: str, name: str, expires_at: datetime | None = None, **terms: Any
) -> tuple[ApiKey, str]:
    """Makes a key; `terms` are columns of ApiKey. The text is returned this once; only its digest is kept."""
    body = f"egg_{mode}_{random_text(30, BASE62)}"
    text = body + checksum(body)
    key = ApiKey.objects.create(
        account=account,
        mode=mode,
        name=name,
        digest=crypto.digest(text),
        display=f"egg_{mode}_...{text[-4:]}",
        expires_at=expires_at,
        **terms,
    )
    return key, text


def find(text: str) -> UsableKey | None:
    """One query for each pepper, judged by the database's clock."""
    row = None
    with connection.cursor() as cursor:
        for digest in crypto.digests(text):
            cursor.execute(FIND_ON[connection.vendor], [digest])
            if row := cursor.fetchone():
                break
    if row is None:
        return None
    lists = [tuple(orjson.loads(text)) for text in row[5:8]]
    values: list[Any] = [*lists, *row[8:15], bool(row[15])]
    return UsableKey(row[0], row[1], row[2], bool(row[3]), bool(row[4]), Terms(*values))

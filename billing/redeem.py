"""Redeem codes: money for whoever has the code.

A code is shown once, like a key. Only its digest is kept, and `EGG-...9K2M` for people.
"""

import re
from collections.abc import Sequence
from datetime import timedelta

from django.db import transaction
from django.db.models import F, QuerySet

from accounts import auditlog
from accounts.models import Account, Mode, User
from billing import ledger
from billing.models import LedgerEntry, RedeemBatch, RedeemCode, Redemption
from eggapi import clock, crypto, ids

# Crockford's base 32: no I, L, O and U; what is misread as one of its digits is read as that digit.
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH = 16  # 80 bits
MISREAD = str.maketrans("OIL", "011")
MOST_CODES = 10_000
MOST_WORTH = 10_000_000_000  # $10,000.00
MOST_USES = 1_000_000


class Refused(Exception):
    """Why a code cannot be redeemed, as a sentence for the customer."""


def make(
    name: str, amount: int, count: int, uses: int, expires: timedelta | None, actor: User | None = None
) -> list[str]:
    """A batch of new codes, each worth `amount` for `uses` accounts; nobody sees them again."""
    now = clock.now()
    codes = [ids.random_text(LENGTH, ALPHABET) for _ in range(count)]
    with transaction.atomic():
        batch = RedeemBatch.objects.create(
            name=name, amount=amount, uses=uses, created_at=now, expires_at=now + expires if expires else None
        )
        RedeemCode.objects.bulk_create(
            RedeemCode(batch=batch, digest=crypto.digest(code), display=f"EGG-...{code[-4:]}", uses_left=uses)
            for code in codes
        )
        auditlog.note("redeem.make", name, actor, codes=count, amount=amount, uses=uses)
    return [written(code) for code in codes]


def written(code: str) -> str:
    """EGG-7M2K-9QXA-0WTD-B4ZE"""
    return "-".join(["EGG", *(code[start : start + 4] for start in range(0, LENGTH, 4))])


def read(text: str) -> str:
    """The code in what somebody typed: in any case, with or without dashes and spaces."""
    letters = re.sub(r"[\s-]", "", text.upper())
    return (letters.removeprefix("EGG") if len(letters) > LENGTH else letters).translate(MISREAD)


@transaction.atomic
def redeem(account: Account, text: str) -> LedgerEntry:
    """Puts what a code is worth into the live wallet. Raises Refused.

    Whoever takes a use of the code holds its row until the commit, so that the check below is exact.
    """
    code = RedeemCode.objects.select_related("batch").filter(digest__in=crypto.digests(read(text))).first()
    if code is None:
        raise Refused("is not a code of ours")
    if code.batch.expires_at and code.batch.expires_at <= clock.now():
        raise Refused("has expired")
    usable = RedeemCode.objects.filter(pk=code.pk, revoked_at=None, uses_left__gt=0)
    if not usable.update(uses_left=F("uses_left") - 1):
        raise Refused(_why_not(code, account))
    if _has_redeemed(code, account):
        raise Refused("has been redeemed by this account before")
    entry = ledger.credit(
        account,
        Mode.LIVE,
        code.batch.amount,
        reason=f"code {code.display}",
        kind=LedgerEntry.Kind.REDEEM,
        counterpart=LedgerEntry.Counterpart.PROMO,
    )
    Redemption.objects.create(code=code, account=account, entry=entry, at=entry.created_at)
    return entry


def _why_not(code: RedeemCode, account: Account) -> str:
    if _has_redeemed(code, account):
        return "has been redeemed by this account before"
    return "has been withdrawn" if code.revoked_at else "has been used up"


def _has_redeemed(code: RedeemCode, account: Account) -> bool:
    return Redemption.objects.filter(code=code, account=account).exists()


@transaction.atomic
def revoke(text: str, actor: User | None = None) -> int:
    """Makes one code, or every code of the batches of that name, worthless; how many were not so before."""
    codes = RedeemCode.objects.filter(digest__in=crypto.digests(read(text)))
    if code := codes.first():
        return _revoke(codes, code.display, actor)
    return sum(revoke_batch(batch, actor) for batch in RedeemBatch.objects.filter(name=text).order_by("pk"))


@transaction.atomic
def revoke_batch(batch: RedeemBatch, actor: User | None = None) -> int:
    """Makes every code of this batch worthless; how many were not so before."""
    RedeemBatch.objects.filter(pk=batch.pk, revoked_at=None).update(revoked_at=clock.now())
    # In its own row each, which is the one that whoever redeems it has to change.
    return _revoke(RedeemCode.objects.filter(batch=batch), batch.name, actor)


def _revoke(codes: QuerySet[RedeemCode], target: str, actor: User | None) -> int:
    revoked = codes.filter(revoked_at=None).update(revoked_at=clock.now())
    if revoked:
        auditlog.note("redeem.revoke", target, actor, codes=revoked)
    return revoked


def batches() -> Sequence[tuple[RedeemBatch, int, int]]:
    """Every batch, the newest first, with how many codes it has and how often they were redeemed."""
    found = []
    for batch in RedeemBatch.objects.order_by("-pk"):
        redeemed = Redemption.objects.filter(code__batch=batch).count()
        found.append((batch, batch.codes.count(), redeemed))
    return found

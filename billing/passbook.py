"""The passbook: what has moved the money of a wallet, newest first, with the balance after each entry."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Case, QuerySet, Sum, Value, When

from billing.models import LedgerEntry, Wallet
from billing.statement import WORDS


@dataclass(frozen=True, slots=True)
class Line:
    entry: LedgerEntry
    balance: int

    @property
    def word(self) -> str:
        return WORDS[LedgerEntry.Kind(self.entry.kind)]


def entries_of(account_id: int, mode: str) -> QuerySet[LedgerEntry]:
    return LedgerEntry.objects.filter(wallet=Wallet.id_of(account_id, mode)).order_by("-pk")


def lines(entries: Sequence[LedgerEntry]) -> list[Line]:
    """Any entries of one wallet, newest first, with their balances, in one query.

    What is newer than the last of them is summed up from one to the next, and taken from the balance of the
    very same moment: whatever is settled meanwhile, each figure is exact.
    """
    if not entries:
        return []
    gap = Case(*(When(pk__gt=entry.pk, then=Value(n)) for n, entry in enumerate(entries)), default=Value(len(entries)))
    newer = LedgerEntry.objects.filter(wallet=entries[0].wallet_id, pk__gte=entries[-1].pk)
    gaps = list(newer.values_list("wallet__posted", gap).annotate(sum=Sum("amount")))
    sums = {place: int(total) for _, place, total in gaps}
    balance: int = gaps[0][0]
    found = []
    for n, entry in enumerate(entries):
        balance -= sums.get(n, 0)
        found.append(Line(entry, balance))
    return found

"""What stands in the ledger stays: the database itself refuses to change it."""

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import F

from billing.models import LedgerEntry
from tests.billing.till import hold, open_account, settle


@pytest.fixture
def entry(db: None) -> LedgerEntry:
    account = open_account(images=4)
    settle({hold(account, 4): 3})
    return LedgerEntry.objects.get(kind="capture")


def refused(sql: str) -> None:
    with pytest.raises(IntegrityError, match="a ledger entry is never changed"), transaction.atomic():
        connection.cursor().execute(sql)


def test_no_entry_is_changed(entry: LedgerEntry) -> None:
    refused(f"UPDATE billing_ledgerentry SET amount = amount + 1 WHERE id = {entry.pk}")
    with pytest.raises(IntegrityError), transaction.atomic():
        LedgerEntry.objects.update(amount=F("amount"))
    entry.amount = -1
    with pytest.raises(IntegrityError), transaction.atomic():
        entry.save()
    entry.refresh_from_db()
    assert entry.amount == -30_000


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite empties tables by DELETE")
def test_no_entry_is_deleted(entry: LedgerEntry) -> None:
    refused(f"DELETE FROM billing_ledgerentry WHERE id = {entry.pk}")
    with pytest.raises(IntegrityError), transaction.atomic():
        LedgerEntry.objects.all().delete()
    assert LedgerEntry.objects.filter(pk=entry.pk).exists()


def test_entries_are_added(entry: LedgerEntry) -> None:
    entry.pk, entry.kind = None, LedgerEntry.Kind.REFUND
    entry.save()
    assert LedgerEntry.objects.filter(task_id=entry.task_id).count() == 2

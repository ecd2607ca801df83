"""Export: all that is kept of an account, as a ZIP of JSON lines, for whoever owns it.

The row is the queue: an export is due until it is made, and whoever dies on the way leaves it to be made again.
"""

import json
import logging
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from tempfile import TemporaryFile
from typing import IO, Any
from zipfile import ZIP_DEFLATED, ZipFile

from django.core.files import File
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import Q, QuerySet

from accounts import auditlog
from accounts.models import Account, ApiKey, Export, Membership, User
from billing.models import LedgerEntry, UsageRecord, Wallet
from eggapi import clock, money
from eggapi.audit import snapshot
from eggapi.doorbell import ring
from eggapi.money import UsdField
from generation import storage
from generation.models import Output, Task
from webhooks.models import Event

log = logging.getLogger("eggapi.export")

KEPT = timedelta(hours=24)
FRESH = timedelta(hours=1)
LEASE = timedelta(hours=1)
ROWS_AT_ONCE = 500

ACCOUNT = ("id", "name", "created_at", "monthly_cap", "low_balance", "retention_days", "zero_retention",
           "billing_name", "vat_number")  # fmt: skip
KEY = ("id", "mode", "name", "display", "created_at", "last_used_at", "expires_at", "disabled_at", "revoked_at",
       "scopes", "allowed_models", "cidrs", "rate", "rate_seconds", "concurrency", "budget",
       "budget_period")  # fmt: skip
TASK = ("id", "mode", "key_id", "status", "model", "type", "prompt", "negative_prompt", "aspect_ratio", "resolution",
        "output_format", "num_outputs", "seed", "strategy", "image_urls", "metadata", "webhook_url", "unit_price",
        "cost", "ended", "error", "created_at", "started_at", "completed_at", "expires_at", "wiped_at")  # fmt: skip
OUTPUT = ("task_id", "index", "content_type", "bytes", "width", "height")
ENTRY = ("id", "wallet__mode", "kind", "counterpart", "amount", "task_id", "reference", "reason", "created_at")
USAGE = ("task_id", "mode", "key_id", "model", "type", "units", "unit_price", "cost", "created_at")
EVENT = ("id", "mode", "seq", "type", "task_id", "created_at", "payload")


def ask(account: Account, actor: User) -> Export:
    """Has an export made, unless one is being made or is less than an hour old. Returns it as it now is."""
    now = clock.now()
    with transaction.atomic():
        old = Export.objects.filter(account=account, made_at__lt=now - FRESH)
        again = old.update(requested_at=now, made_at=None, expires_at=None, lease_until=None)
        export, is_new = Export.objects.get_or_create(account=account, defaults={"requested_at": now})
        if again or is_new:
            auditlog.note("account.export", str(account), actor, account)
        if export.made_at is None:
            transaction.on_commit(partial(ring, "generation.tasks.export"))
    return export


def make_due() -> None:
    """Makes all that are due, one after the other."""
    while export := _claim(clock.now()):
        try:
            _make(export)
        except Exception as error:  # one that cannot be made now must not keep the others waiting
            log.error("export not made", extra={"account": export.account_id}, exc_info=error)


def purge(now: datetime) -> None:
    """Removes what was there to be fetched for long enough."""
    for export in Export.objects.filter(expires_at__lte=now):
        remove(export)


def remove(export: Export) -> None:
    """The file, then its row: it is tried again next time if the storage is away."""
    try:
        _remove_file(export)
    except Exception as error:  # the storage is ours to choose, and so are the exceptions it raises
        log.warning("export not removed", extra={"account": export.account_id}, exc_info=error)
    else:
        Export.objects.filter(pk=export.pk, requested_at=export.requested_at).delete()


def _remove_file(export: Export) -> None:
    storage.remove_folder(export.path.rpartition("/")[0])


def _claim(now: datetime) -> Export | None:
    at_rest = Q(lease_until=None) | Q(lease_until__lt=now)
    for export in Export.objects.filter(at_rest, made_at=None).order_by("requested_at"):
        if Export.objects.filter(at_rest, pk=export.pk, made_at=None).update(lease_until=now + LEASE):
            return export
    return None


def _make(export: Export) -> None:
    with TemporaryFile() as file:
        with snapshot():
            _write(export.account_id, file)
        size = file.seek(0, 2)
        file.seek(0)
        default_storage.save(export.path, File(file))
    now = clock.now()
    row = Export.objects.filter(pk=export.pk)
    made = row.filter(made_at=None).update(made_at=now, expires_at=now + KEPT, bytes=size, lease_until=None)
    if not made and not row.exists():  # the account was emptied meanwhile: nothing else would ever remove the file
        _remove_file(export)


# -- what is in it ---------------------------------------------------------------------------------


def _write(account_id: int, file: IO[bytes]) -> None:
    """Row by row: neither the rows nor the file are ever in memory whole."""
    own = {"account_id": account_id}
    with ZipFile(file, "w", ZIP_DEFLATED) as archive:
        for name, lines in (
            ("account", _lines(Account.objects.filter(pk=account_id), ACCOUNT)),
            ("people", _lines(Membership.objects.filter(**own), ("user__email", "role"))),
            ("keys", _lines(ApiKey.objects.filter(**own), KEY)),
            ("wallets", _lines(Wallet.objects.filter(**own), ("mode", "posted", "held", "owed"))),
            ("ledger", _lines(LedgerEntry.objects.filter(wallet__account_id=account_id), ENTRY)),
            ("usage", _lines(UsageRecord.objects.filter(**own), USAGE)),
            ("tasks", _lines(Task.objects.filter(**own), TASK, order=("mode", "created_at", "pk"))),
            ("outputs", _lines(Output.objects.filter(task__account_id=account_id), OUTPUT)),
            ("events", _lines(Event.objects.filter(**own), EVENT, order=("mode", "seq", "pk"))),
        ):
            with archive.open(f"{name}.jsonl", "w", force_zip64=True) as part:
                for line in lines:
                    part.write(line)


def _lines(rows: QuerySet, columns: Sequence[str], order: Sequence[str] = ("pk",)) -> Iterator[bytes]:
    amounts = {field.attname for field in rows.model._meta.concrete_fields if isinstance(field, UsdField)}
    for row in rows.order_by(*order).values(*columns).iterator(chunk_size=ROWS_AT_ONCE):
        shown = {name.rpartition("__")[2]: _shown(value, name in amounts) for name, value in row.items()}
        yield json.dumps(shown, ensure_ascii=False).encode() + b"\n"


def _shown(value: Any, is_amount: bool) -> Any:
    """Amounts in dollars with six decimals, as webhooks have them; the payload of an event as the JSON it is."""
    if isinstance(value, datetime):
        return clock.iso(value)
    if isinstance(value, bytes | memoryview):
        return json.loads(bytes(value)) if value else None
    return money.bare(value) if is_amount and value is not None else value

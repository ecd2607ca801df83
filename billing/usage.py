"""What was delivered and what it cost: a record per completed task, and sums per day."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, date

from django.db import connection

from billing.models import DailyUsage, UsageRecord
from eggapi import rows


def record(records: Sequence[UsageRecord]) -> None:
    """Writes the records and adds them to their days; in the settling transaction."""
    rows.insert(records)
    _add_to_days(records)


def _add_to_days(records: Sequence[UsageRecord]) -> None:
    sums: dict[tuple[int, str, int, str, str, date], list[int]] = defaultdict(lambda: [0, 0, 0])
    for r in records:
        day = sums[(r.account_id, r.mode, r.key_id or 0, r.model, r.type, r.created_at.astimezone(UTC).date())]
        day[0] += r.units
        day[1] += r.cost
        day[2] += 1
    table = connection.ops.quote_name(DailyUsage._meta.db_table)
    # Upserted row by row in key order: two workers settling the same account must lock in the same order.
    sql = (
        f"INSERT INTO {table} (account_id, mode, key, model, type, day, units, cost, requests)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
        " ON CONFLICT (account_id, mode, key, model, type, day) DO UPDATE SET"
        f" units = {table}.units + excluded.units, cost = {table}.cost + excluded.cost,"
        f" requests = {table}.requests + excluded.requests"
    )
    with connection.cursor() as cursor:
        for key, totals in sorted(sums.items()):
            adapted_day = connection.ops.adapt_datefield_value(key[5])
            cursor.execute(sql, [*key[:5], adapted_day, *totals])

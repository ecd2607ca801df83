"""The one clock that every process shares: the database's.

Due times, leases, deadlines and expiries are written and compared with it, so that a machine whose
clock is an hour off changes nothing.
"""

from datetime import UTC, datetime

from django.db import connection


def now() -> datetime:
    """The database's time of this statement (not of its transaction), with time zone."""
    sql = (
        "SELECT clock_timestamp()"
        if connection.vendor == "postgresql"
        else "SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql)
        (value,) = cursor.fetchone()
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def iso(moment: datetime) -> str:
    """RFC 3339 in UTC with milliseconds: 2026-05-08T10:30:00.123Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

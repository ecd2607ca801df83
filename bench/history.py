"""A long past, written by SQL: tasks, nearly all of them ended, with all that they leave behind."""

from collections.abc import Iterator, Mapping
from datetime import timedelta

from django.db import connection, models

from accounts.models import ApiKey, Mode
from billing.models import DailyUsage, Hold, LedgerEntry, UsageRecord, Wallet
from eggapi import clock
from generation.models import Attempt, Output, Price, Route, Task

PRICE = 10_000
SPREAD = timedelta(days=90)
PENDING = 500  # the newest
LARGEST = 0.3  # what the first account has of all tasks

PAST = """
    CREATE TEMPORARY TABLE past AS
    SELECT n, id, at, status, model, task.account, key, at + interval '12 seconds' AS ended_at
    FROM (
        SELECT n, 'gen_' || left(md5(n::text), 24) AS id, %(since)s + %(spread)s * (n::float / %(count)s) AS at,
            CASE WHEN random() < %(largest)s THEN %(first)s ELSE %(first)s + 1 + n %% %(others)s END AS account,
            CASE WHEN n > %(ended)s THEN 'pending' WHEN random() < 0.97 THEN 'completed' ELSE 'failed' END AS status,
            CASE WHEN random() < 0.1 THEN 'nanobanana-pro' ELSE 'nanobanana' END AS model
        FROM generate_series(1, %(count)s) AS n
    ) AS task
    JOIN (SELECT account_id AS account, min(id) AS key FROM {keys} GROUP BY account_id) AS keys
        ON keys.account = task.account
"""
COMPLETED, ENDED, ALL = "status = 'completed'", "status <> 'pending'", "true"
IF_ENDED = "CASE WHEN status <> 'pending' THEN ended_at END"


def write(count: int, accounts: range) -> None:
    """`count` tasks in test mode, spread over SPREAD and the accounts."""
    values = {"count": count, "ended": count - PENDING, "largest": LARGEST, "since": clock.now() - SPREAD}
    values |= {"spread": SPREAD, "first": accounts[0], "others": len(accounts) - 1}
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        cursor.execute(PAST.format(keys=ApiKey._meta.db_table), values)
        for sample, differing, where in _tables():
            _copy(sample, differing, where)
        cursor.execute(
            f"INSERT INTO {DailyUsage._meta.db_table} (account_id, mode, key, model, type, day, units, cost, requests)"
            " SELECT account_id, mode, key_id, model, type, created_at::date, sum(units), sum(cost), count(*)"
            f" FROM {UsageRecord._meta.db_table} GROUP BY 1, 2, 3, 4, 5, 6"
        )
        cursor.execute(
            f"UPDATE {Wallet._meta.db_table} SET task_count ="
            " (SELECT count(*) FROM past WHERE account = account_id) WHERE mode = 'test'"
        )
        cursor.execute("VACUUM ANALYZE")
    connection.close()


def _copy(sample: models.Model, differing: Mapping[str, str], where: str) -> None:
    """A row like `sample` for every task `where`; `differing` maps columns to what they hold, in SQL."""
    columns, expressions, values = [], [], []
    for field in sample._meta.concrete_fields:
        if isinstance(field, models.AutoField):
            continue
        columns.append(f'"{field.column}"')
        expressions.append(differing.get(field.column, "%s"))
        if field.column not in differing:
            values.append(field.get_db_prep_save(getattr(sample, field.attname), connection))
    sql = f"INSERT INTO {sample._meta.db_table} ({', '.join(columns)}) SELECT {', '.join(expressions)} FROM past"
    with connection.cursor() as cursor:
        cursor.execute(f"{sql} WHERE {where} ORDER BY n", values)


def _tables() -> Iterator[tuple[models.Model, Mapping[str, str], str]]:
    """Of each table a row, how each of its copies differs, and which tasks have one."""
    price, route = Price.objects.earliest("pk"), Route.objects.earliest("pk")
    whose = {"account_id": "account", "key_id": "key", "model": "model", "created_at": "at"}
    cost, money = (
        f"CASE WHEN {COMPLETED} THEN {PRICE} ELSE 0 END",
        {"mode": Mode.TEST, "type": Task.Type.IMAGE_GENERATE},
    )
    yield (
        Task(
            **money,
            request_digest=bytes(32),
            prompt="A cinematic product photo of a matte green travel mug",
            aspect_ratio="16:9",
            resolution="1k",
            num_outputs=1,
            unit_price=PRICE,
            price=price,
            deadline_seconds=300,
        ),
        whose
        | {"id": "id", "status": "status", "cost": cost, "started_at": IF_ENDED, "completed_at": IF_ENDED}
        | {"ended": f"CASE WHEN {ENDED} THEN status ELSE '' END", "expires_at": IF_ENDED, "purge_at": IF_ENDED}
        | {"next_run_at": f"CASE WHEN {ENDED} THEN NULL ELSE now() + interval '1 day' END"}
        | {"deadline_at": "now() + interval '2 days'"},
        ALL,
    )
    yield (
        Hold(amount=PRICE),
        {"task_id": "id", "wallet_id": "2 * account + 1", "captured": cost, "key": "key", "created_at": "at"}
        | {
            "closed_at": IF_ENDED,
            "state": f"CASE WHEN {COMPLETED} THEN 'captured' WHEN {ENDED} THEN 'released' ELSE 'open' END",
        },
        ALL,
    )
    yield (
        Attempt(n=1, route=route, state=Attempt.State.DONE),
        {"id": "id || '.1'", "task_id": "id", "started_at": "at", "ended_at": "ended_at"},
        ENDED,
    )
    yield (
        Output(index=0, path="images/0.png", content_type="image/png", bytes=1, width=1, height=1),
        {"task_id": "id"},
        COMPLETED,
    )
    yield (
        LedgerEntry(kind="capture", counterpart="revenue", amount=-PRICE),
        {"wallet_id": "2 * account + 1", "task_id": "id", "created_at": "ended_at"},
        COMPLETED,
    )
    yield UsageRecord(**money, units=1, unit_price=PRICE, cost=PRICE), whose | {"task_id": "id"}, COMPLETED

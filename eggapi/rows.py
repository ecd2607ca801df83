"""The few statements of the hot paths, without the price of the ORM: it would take five to ten times as long."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from operator import itemgetter
from typing import Any, TypeVar

from django.db import connection, models

from eggapi.money import UsdField

Adapt = Callable[[Any], Any]
T = TypeVar("T")

LONGEST = 16  # SQLite takes at most 999 values in a statement, and a task has forty


def insert(rows: Iterable[models.Model]) -> None:
    """Rows of one model, with every column set and any primary key made by the database not read back."""
    rows = list(rows)
    if not rows:
        return
    insertion, row_of_marks, columns = _plan(type(rows[0]), connection.vendor)
    with connection.cursor() as cursor:
        for part in _parts(rows):
            values = [value for row in part for value in _values(row, columns)]
            cursor.execute(insertion + ", ".join([row_of_marks] * len(part)), values)


def load(rows: Iterable[models.Model]) -> None:
    """Like `insert`, for thousands at a time: PostgreSQL takes them as one stream, in half the time."""
    rows = list(rows)
    if not rows:
        return
    if connection.vendor != "postgresql":
        insert(rows)
        return
    _, _, columns = _plan(type(rows[0]), connection.vendor)
    quote = connection.ops.quote_name
    fields = {field.attname: quote(str(field.column)) for field in rows[0]._meta.local_concrete_fields}
    names = ", ".join(fields[attname] for attname, _ in columns)
    into = f"COPY {quote(rows[0]._meta.db_table)} ({names}) FROM STDIN"
    with connection.cursor() as cursor, cursor.copy(into) as copy:
        for row in rows:
            copy.write_row(tuple(_values(row, columns)))


def _parts(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    """Lengths are powers of two, so that few statements are prepared whatever the batches' sizes."""
    start = 0
    while start < len(rows):
        length = min(1 << (len(rows) - start).bit_length() - 1, LONGEST)
        yield rows[start : start + length]
        start += length


def _values(row: models.Model, columns: Sequence[tuple[str, Adapt | None]]) -> Iterator[Any]:
    values = row.__dict__
    for name, adapt in columns:
        yield values[name] if adapt is None else adapt(values[name])


@lru_cache
def _plan(model: type[models.Model], vendor: str) -> tuple[str, str, tuple[tuple[str, Adapt | None], ...]]:
    """The statement, the marks of one row, and per column the attribute it comes from and how it is adapted."""
    fields = [field for field in model._meta.local_concrete_fields if not isinstance(field, models.AutoField)]
    quote = connection.ops.quote_name
    names = ", ".join(quote(str(field.column)) for field in fields)
    marks = ", ".join("%s" for _ in fields)
    return (
        f"INSERT INTO {quote(model._meta.db_table)} ({names}) VALUES ",
        f"({marks})",
        tuple((field.attname, _adapter(field)) for field in fields),
    )


def _adapter(field: models.Field) -> Adapt | None:
    ops = connection.ops
    match field:
        case UsdField():
            return field.get_prep_value
        case models.DateTimeField():
            return lambda value: value and ops.adapt_datetimefield_value(value)
        case models.DateField():
            return lambda value: value and ops.adapt_datefield_value(value)
        case models.JSONField():
            return lambda value: ops.adapt_json_value(value, None)
    return None


def update(
    model: type[models.Model],
    columns: Sequence[str],
    new: Sequence[Sequence[Any]],
    sql: str,
    common: Sequence[Any] = (),
) -> set[Any]:
    """A guarded update of many rows, each with values of its own; returns the keys of the rows it changed.

    `new` holds per row its key and the values of `columns`, which `sql` ("SET ... FROM new WHERE ...")
    calls new.COLUMN; the row is called old. `common` are the values of the %s in `sql`; moments among them
    go through `moment`. PostgreSQL takes a column of `new` for text unless all its values are numbers.
    """
    table, key = connection.ops.quote_name(model._meta.db_table), model._meta.pk.column
    marks = f"({', '.join(['%s'] * (len(columns) + 1))})"
    # Two batches locking in two orders would deadlock, and in which order an UPDATE comes to its rows is PostgreSQL's
    # to choose: by a small table it goes from end to end.
    locked, also = "", ""
    if connection.features.has_select_for_update:
        in_order = f"SELECT {key} FROM {table} WHERE {key} IN (SELECT key FROM new) ORDER BY {key} FOR NO KEY UPDATE"
        locked = f", locked AS ({in_order})"
        also = f" AND old.{key} IN (SELECT {key} FROM locked)"
    changed = set()
    with connection.cursor() as cursor:
        for part in _parts(sorted(new, key=itemgetter(0))):
            values = ", ".join([marks] * len(part))
            cursor.execute(
                f"WITH new (key, {', '.join(columns)}) AS (VALUES {values}){locked}"
                f" UPDATE {table} AS old {sql} AND old.{key} = new.key{also}"
                f" RETURNING {key}",  # SQLite knows no alias there
                [value for row in part for value in row] + list(common),
            )
            changed |= {key for (key,) in cursor.fetchall()}
    return changed


def moment(value: datetime | None) -> Any:
    """A time as the database takes it in hand-written SQL."""
    return value and connection.ops.adapt_datetimefield_value(value)


def text(value: datetime) -> str:
    """A time as a value of `new`, to be read with `as_moment`."""
    return str(moment(value))


def as_moment(column: str) -> str:
    """SQL for a time that was passed as `text`."""
    return f"CAST({column} AS timestamptz)" if connection.vendor == "postgresql" else column


def read(model: type[models.Model], columns: Sequence[str], where: str, values: Sequence[Any]) -> list[dict[str, Any]]:
    """What `filter(...).values(*columns)` would give; `where` is SQL with a %s for each of `values`."""
    sql, converters = _selection(model, tuple(columns), connection.vendor)
    with connection.cursor() as cursor:
        cursor.execute(sql + where, values)
        found = [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]
    for row in found:
        for name, convert in converters:
            row[name] = convert(row[name])
    return found


@lru_cache
def _selection(
    model: type[models.Model], columns: tuple[str, ...], vendor: str
) -> tuple[str, tuple[tuple[str, Adapt], ...]]:
    quote = connection.ops.quote_name
    names = ", ".join(quote(str(model._meta.get_field(name).column)) for name in columns)  # type: ignore[union-attr]
    moments = [name for name in columns if isinstance(model._meta.get_field(name), models.DateTimeField)]
    converters = tuple((name, _as_datetime) for name in moments) if vendor == "sqlite" else ()
    return f"SELECT {names} FROM {quote(model._meta.db_table)} WHERE ", converters


def _as_datetime(value: datetime | None) -> datetime | None:
    """SQLite forgets the zone."""
    return value and value.replace(tzinfo=UTC)

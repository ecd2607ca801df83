"""Inserting rows without the price of the ORM, for rows whose primary key is known before.

It writes what `bulk_create` would write, at a tenth of the time.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

from django.db import connection, models

from eggapi.money import UsdField

Adapt = Callable[[Any], Any]

LONGEST = 16  # SQLite takes at most 999 values in a statement, and a task has forty


def insert(rows: Iterable[models.Model]) -> None:
    """Rows of one model, with every column set; in the caller's transaction."""
    rows = list(rows)
    if not rows:
        return
    insertion, row_of_marks, columns = _plan(type(rows[0]), connection.vendor)
    with connection.cursor() as cursor:
        for part in _parts(rows):
            values = [value for row in part for value in _values(row, columns)]
            cursor.execute(insertion + ", ".join([row_of_marks] * len(part)), values)


def _parts(rows: list[models.Model]) -> Iterator[list[models.Model]]:
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

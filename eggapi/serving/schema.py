"""Bringing the database to this code's schema, and recognising one that this code cannot bring there.

Until the first release the schema changes in place: a migration of the same name can have made another
table. So what counts is what is in the database, not what its list of migrations says.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from django.apps import apps
from django.core.management import call_command
from django.db import DatabaseError, connection
from django.db.migrations.exceptions import InconsistentMigrationHistory
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Model

OURS = ("eggapi", "accounts", "billing", "webhooks", "generation")


class Unusable(Exception):
    """This database cannot be served from; the text says what to do."""


def prepare(*, renew: bool = True) -> str:
    """Makes the tables or brings them up to date. Returns what there is to say about it, mostly nothing.

    A SQLite database of another schema is kept under another name, and a new one is made. Raises
    Unusable where the database cannot be opened, and for one of another schema that must not be made
    anew (unless `renew`) or cannot be (PostgreSQL: emptying that is not for us to do).
    """
    try:
        return "" if _is_current() else _bring_up_to_date(renew and connection.vendor == "sqlite")
    except DatabaseError as error:
        raise Unusable(f"The database cannot be used: {str(error).strip().splitlines()[0]}") from error
    finally:
        connection.close()


def _bring_up_to_date(renew: bool) -> str:
    copy = _copy() if renew and connection.introspection.table_names() else None
    if _migrate():
        return f"The database was brought up to date; as it was before, it lies in {copy}." if copy else ""
    if copy is None:
        raise Unusable("The database was made by another version of EggAPI. Use that version, or an empty database.")
    _remove()
    _migrate()
    return f"The database was made by another version of EggAPI. It lies in {copy} now, and a new one was made."


def _migrate() -> bool:
    """False if the tables are not what they should be, or could not be made so."""
    try:
        call_command("migrate", verbosity=0, interactive=False)
    except (DatabaseError, InconsistentMigrationHistory):
        return False
    return not any(_differences())


def _is_current() -> bool:
    try:
        executor = MigrationExecutor(connection)
        executor.loader.check_consistent_history(connection)
    except InconsistentMigrationHistory:
        return False
    return not executor.migration_plan(executor.loader.graph.leaf_nodes()) and not any(_differences())


def _differences() -> Iterator[str]:
    """The tables of ours that have other columns, constraints or indexes than our models."""
    with connection.cursor() as cursor:
        present = set(connection.introspection.table_names(cursor))
        for model in _models():
            table = model._meta.db_table
            if table not in present:
                yield table
                continue
            columns = connection.introspection.get_table_description(cursor, table)
            named = set(connection.introspection.get_constraints(cursor, table))
            if {(c.name, bool(c.null_ok)) for c in columns} != _columns(model) or not _named(model) <= named:
                yield table


def _models() -> Iterator[type[Model]]:
    for app in OURS:
        yield from apps.get_app_config(app).get_models(include_auto_created=True)


def _columns(model: type[Model]) -> set[tuple[str, bool]]:
    return {(str(field.column), field.null) for field in model._meta.local_concrete_fields}


def _named(model: type[Model]) -> set[str]:
    return {rule.name for rule in (*model._meta.constraints, *model._meta.indexes)}


def _file() -> Path:
    return Path(connection.settings_dict["NAME"])


def _copy() -> Path:
    """A copy beside the database, complete even if some of it is still in the write-ahead log."""
    moment = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    copy = _file().with_name(f"{_file().name}.{moment}.old")
    with closing(sqlite3.connect(_file())) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    copy.chmod(0o600)
    return copy


def _remove() -> None:
    connection.close()
    for suffix in ("", "-wal", "-shm"):
        _file().with_name(_file().name + suffix).unlink(missing_ok=True)

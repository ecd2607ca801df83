"""Backup and restore: the database, the files and the secrets, as they were at one moment.

A backup can be made while everything runs. The database is copied first, as of one moment, and the
files after it: a picture is stored before the row that names it, so no row of the copy lacks its file.

What happened after that moment is unknown to whoever restores it, and that includes purchases. So for
a restored task that is not finished nothing is bought any more (`Task.restored`): what stands there as
bought, even if only about to be sent, is looked up, polled and settled as ever; without any of that
the task fails and its money is free again. Either way nothing is paid twice. Leases belong to
processes of another time and are dropped. A key that was revoked after the backup is good again.
"""

import json
import os
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files.storage import FileSystemStorage, default_storage
from django.db import connection, transaction

from accounts.models import LoginLink
from eggapi.serving import home, lastrun, schema

SQLITE_FILE = "eggapi.sqlite3"
POSTGRES_FILE = "database.dump"
MANIFEST = "backup.json"
POSTGRES_SECONDS = 3600
# What pg_dump and its kin read, by the name Django has for it.
POSTGRES_ENVIRONMENT = {
    "dbname": "PGDATABASE",
    "host": "PGHOST",
    "port": "PGPORT",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
}
# In the transaction that puts the rows back: no worker sees one of these tasks unmarked.
MARK_RESTORED = "UPDATE generation_task SET restored = true WHERE status IN ('pending', 'processing')"


class Refused(Exception):
    """Nothing was changed; the text says why."""


# -- backup ----------------------------------------------------------------------------------------


def make(folder: Path) -> None:
    """Writes a backup into `folder`, which is empty or not there yet. Raises Refused.

    The manifest is written last: without it the folder is half a backup, and is not restored.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Refused(f"{folder} is not an empty folder.")
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    made_at = datetime.now(UTC).isoformat(timespec="seconds")
    try:
        _copy_database(folder)
        if isinstance(default_storage, FileSystemStorage):
            _copy_files(Path(default_storage.location), folder / "files")
        _copy_secrets(folder)
    except BaseException:
        shutil.rmtree(folder)
        raise
    home.write(folder / MANIFEST, json.dumps({"made_at": made_at, "database": connection.vendor}))


def _copy_database(folder: Path) -> None:
    if connection.vendor == "postgresql":
        _postgres("pg_dump", "--format=custom", f"--file={folder / POSTGRES_FILE}")
        return
    source = Path(connection.settings_dict["NAME"])
    if not source.exists():
        raise Refused(f"There is nothing to back up: {source} does not exist.")
    with closing(sqlite3.connect(source)) as live, closing(sqlite3.connect(folder / SQLITE_FILE)) as copy:
        live.backup(copy)
    (folder / SQLITE_FILE).chmod(0o600)


def _copy_files(source: Path, target: Path) -> None:
    """Whatever is removed meanwhile had expired."""
    for base, _, names in os.walk(source):
        folder = target / Path(base).relative_to(source)
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            with suppress(FileNotFoundError):
                shutil.copy2(Path(base, name), folder / name)


def _copy_secrets(folder: Path) -> None:
    """The secrets in use, wherever they come from."""
    secrets = {
        "secret_keys": [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS],
        "peppers": settings.EGGAPI_PEPPERS,
        "fernet_keys": settings.EGGAPI_FERNET_KEYS,
    }
    home.write(folder / "secrets.json", json.dumps(secrets), mode=0o600)
    demo_key = settings.EGGAPI_HOME / "demo.key"
    if demo_key.exists():
        home.write(folder / "demo.key", demo_key.read_text(), mode=0o600)


# -- restore ---------------------------------------------------------------------------------------


def restore(folder: Path) -> None:
    """Puts a backup where there is no database yet. Raises Refused, and schema.Unusable for one of another schema.

    The caller holds the lock of EGGAPI_HOME. The database comes last, and whole, with its unfinished
    tasks marked: an interrupted restore leaves none.
    """
    secrets = _check(folder)
    home.write(settings.EGGAPI_HOME / "secrets.json", json.dumps(secrets), mode=0o600)
    if (folder / "demo.key").exists():
        home.write(settings.EGGAPI_HOME / "demo.key", (folder / "demo.key").read_text(), mode=0o600)
    if isinstance(default_storage, FileSystemStorage):
        _copy_files(folder / "files", Path(default_storage.location))
    if connection.vendor == "postgresql":
        _restore_postgres(folder / POSTGRES_FILE)
    else:
        _restore_sqlite(folder / SQLITE_FILE)


def _check(folder: Path) -> Mapping[str, Any]:
    """Returns the secrets of the backup. Raises Refused where it does not fit here."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        secrets: dict[str, Any] = json.loads((folder / "secrets.json").read_text())
    except (OSError, ValueError):
        raise Refused(f"{folder} is not a complete backup.") from None
    if manifest["database"] != connection.vendor:
        variable = "Set DATABASE_URL" if manifest["database"] == "postgresql" else "Unset DATABASE_URL"
        raise Refused(f"This is the backup of a {manifest['database']} database. {variable} to restore it.")
    if not set(secrets["peppers"]) <= set(settings.EGGAPI_PEPPERS) and os.environ.get("EGGAPI_PEPPER"):
        raise Refused("EGGAPI_PEPPER lacks that of the backup, and no key in it would work: add it at the end.")
    if not set(secrets["fernet_keys"]) <= set(settings.EGGAPI_FERNET_KEYS) and os.environ.get("EGGAPI_FERNET_KEYS"):
        raise Refused("EGGAPI_FERNET_KEYS lacks a key of the backup: add it at the end, or unset the variable.")
    _check_empty()
    return secrets


def _check_empty() -> None:
    if connection.vendor == "postgresql":
        if connection.introspection.table_names():
            raise Refused("There are tables in this database. Set DATABASE_URL to an empty one.")
    elif Path(connection.settings_dict["NAME"]).exists():
        raise Refused(
            f"{connection.settings_dict['NAME']} exists. Move it away, or set EGGAPI_HOME to an empty folder."
        )


def _restore_sqlite(source: Path) -> None:
    target = Path(connection.settings_dict["NAME"])
    draft = target.with_name(f"{target.name}.restoring")
    for suffix in ("", "-wal", "-shm"):
        draft.with_name(draft.name + suffix).unlink(missing_ok=True)
    shutil.copy2(source, draft)
    connection.close()
    connection.settings_dict["NAME"] = draft
    try:
        schema.prepare(renew=False)
        _mark()
    finally:
        connection.close()
        connection.settings_dict["NAME"] = target
    draft.replace(target)


def _restore_postgres(source: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "restore.sql")
        _postgres("pg_restore", "--no-owner", "--no-privileges", f"--file={script}", f"{source}")
        in_one_go = ["--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1"]
        # The script leaves the session without a search path.
        _postgres("psql", *in_one_go, f"--file={script}", f"--command=RESET search_path; {MARK_RESTORED}")
    schema.prepare(renew=False)
    _mark()


@transaction.atomic
def _mark() -> None:
    with connection.cursor() as cursor:
        cursor.execute(MARK_RESTORED)
    lastrun.forget()
    LoginLink.objects.all().delete()


# -- PostgreSQL's own programs ---------------------------------------------------------------------


def _postgres(program: str, *arguments: str) -> None:
    """Raises Refused with the program's own complaint."""
    known = connection.get_connection_params()
    environment = {variable: str(known[name]) for name, variable in POSTGRES_ENVIRONMENT.items() if known.get(name)}
    connection.close()
    try:
        _run([program, *arguments], {**os.environ, "PGCONNECT_TIMEOUT": "5", **environment})
    except FileNotFoundError:
        raise Refused(f"{program} is not on PATH. Install PostgreSQL's client programs.") from None
    except subprocess.CalledProcessError as error:
        complaint = error.stderr.strip().partition("\n")[0] or f"exit code {error.returncode}"
        raise Refused(f"{program} failed: {complaint}") from error


def _run(command: Sequence[str], environment: Mapping[str, str]) -> None:
    subprocess.run(
        command,
        env=environment,
        check=True,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=POSTGRES_SECONDS,
    )

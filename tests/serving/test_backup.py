"""`manage.py backup` and `restore`, with tasks in flight."""

import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.serving.installation import Installation

pytestmark = [pytest.mark.once, pytest.mark.timeout(240)]
Install = Callable[..., Installation]


def test_restored_tasks_settle_or_fail_and_are_never_bought_again(
    egg: Installation, install: Install, tmp_path: Path
) -> None:
    egg.start()
    done = egg.post_tasks(3, "garden")
    egg.wait_until_ended(done)
    bought = egg.post_tasks(5, "sandbox:slow=8 garden")
    egg.wait_for(lambda: set(egg.statuses(bought).values()) == {"processing"})
    waiting = egg.post_tasks(20, "sandbox:slow=8 meadow")
    backup = egg.manage("backup", str(tmp_path / "backup"))
    assert (backup.returncode, backup.stderr) == (0, "")
    egg.kill()

    other = install("other")
    restored = other.manage("restore", str(tmp_path / "backup"))
    assert (restored.returncode, restored.stderr) == (0, "")
    at_backup = other.purchases()
    other.start()
    assert other.key == egg.key
    ended = other.wait_until_ended(done + bought + waiting)
    assert {ended[task] for task in done + bought} == {"completed"}
    assert {task for task in waiting if ended[task] == "completed"} == set(waiting) & at_backup.keys()
    assert other.purchases() == at_backup
    assert other.call("GET", "/v1/balance")[1]["held"] == "$0.00"
    audit = other.manage("audit_ledger")
    assert audit.returncode == 0, audit.stdout
    assert set(other.wait_until_ended(other.post_tasks(2, "pond")).values()) == {"completed"}
    picture = other.call("GET", f"/v1/tasks/{done[0]}")[1]["output"]["url"]
    assert (other.home / "files" / picture.partition("?")[0].partition("/files/")[2]).exists()


def test_backup_is_for_its_owner_only_and_overwrites_nothing(egg: Installation, tmp_path: Path) -> None:
    made = egg.manage("backup", str(tmp_path / "backup"))
    again = egg.manage("backup", str(tmp_path / "backup"))
    assert (made.returncode, again.returncode) == (0, 1)
    assert again.stderr == f"{tmp_path}/backup is not an empty folder.\n"
    assert stat.S_IMODE((tmp_path / "backup").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "backup" / "secrets.json").stat().st_mode) == 0o600
    assert (tmp_path / "backup" / "backup.json").exists()


def test_restore_rejects_a_home_with_data_or_a_server(egg: Installation, tmp_path: Path) -> None:
    egg.start()
    egg.manage("backup", str(tmp_path / "backup"))
    served = egg.manage("restore", str(tmp_path / "backup"))
    egg.stop()
    stopped = egg.manage("restore", str(tmp_path / "backup"))
    assert (served.returncode, stopped.returncode) == (1, 1)
    assert served.stderr.startswith("Another EggAPI serves from")
    assert stopped.stderr.startswith(f"{egg.home}/eggapi.sqlite3 exists.")


def test_restore_rejects_what_does_not_fit(egg: Installation, install: Install, tmp_path: Path) -> None:
    egg.manage("backup", str(tmp_path / "backup"))
    other = install("other", EGGAPI_PEPPER="another")
    secrets = other.manage("restore", str(tmp_path / "backup"))
    (tmp_path / "backup" / "backup.json").unlink()
    half = other.manage("restore", str(tmp_path / "backup"))
    assert (secrets.returncode, half.returncode) == (1, 1)
    assert secrets.stderr.startswith("EGGAPI_PEPPER lacks that of the backup")
    assert half.stderr == f"{tmp_path}/backup is not a complete backup.\n"
    assert not (other.home / "eggapi.sqlite3").exists()

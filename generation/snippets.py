"""Snippets: a request to POST /v1/generate as a program to copy, in three languages.

static/eggapi/snippets.js writes the very same texts in the browser, while somebody types.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

VARIABLE = "EGGAPI_KEY"
# JSON is Python and JavaScript as it stands, but for three words.
WORDS = {"true": "True", "false": "False", "null": "None"}
LONE = re.compile("[\ud800-\udfff]")
WORD = re.compile(r"(?<=: )(true|false|null)(?=,?$)", re.MULTILINE)

CURL = """\
curl {base}/v1/generate \\
  -H "Authorization: Bearer {key}" \\
  -H "Content-Type: application/json" \\
  -d '{body}'"""

PYTHON = """\
{imports}

import requests

EGGAPI = {base}
headers = {{"Authorization": f"Bearer {key}"}}
body = {body}

reply = requests.post(f"{{EGGAPI}}/v1/generate", json=body, headers=headers, timeout=30)
reply.raise_for_status()
task = reply.json()["data"]
while task["status"] in ("pending", "processing"):
    time.sleep(1)
    reply = requests.get(f"{{EGGAPI}}/v1/tasks/{{task['id']}}", headers=headers, timeout=30)
    task = reply.json()["data"]
print(task.get("error") or task["output"]["urls"])"""

JAVASCRIPT = """\
const EGGAPI = {base};
const headers = {{ Authorization: `Bearer {key}`, "Content-Type": "application/json" }};
const body = {body};

let reply = await fetch(`${{EGGAPI}}/v1/generate`, {{ method: "POST", headers, body: JSON.stringify(body) }});
if (!reply.ok) throw new Error(await reply.text());
let task = (await reply.json()).data;
while (["pending", "processing"].includes(task.status)) {{
  await new Promise((done) => setTimeout(done, 1000));
  reply = await fetch(`${{EGGAPI}}/v1/tasks/${{task.id}}`, {{ headers }});
  task = (await reply.json()).data;
}}
console.log(task.error ?? task.output.urls);"""


def curl(body: Mapping[str, Any], base_url: str, key: str = "") -> str:
    """For a POSIX shell; without a `key` it is taken from the variable EGGAPI_KEY, here and below."""
    return CURL.format(base=base_url, key=key or f"${VARIABLE}", body=as_json(body).replace("'", r"'\''"))


def python(body: Mapping[str, Any], base_url: str, key: str = "") -> str:
    """For Python 3.8 and requests: waits for the task, and prints where its pictures are."""
    literal = WORD.sub(lambda word: WORDS[word[1]], as_json(body))
    imports = "import time" if key else "import os\nimport time"
    named = key or f"{{os.environ['{VARIABLE}']}}"
    return PYTHON.format(imports=imports, base=json.dumps(base_url), key=named, body=literal)


def javascript(body: Mapping[str, Any], base_url: str, key: str = "") -> str:
    """A module for Node 18 and later: waits for the task, and prints where its pictures are."""
    named = key or f"${{process.env.{VARIABLE}}}"
    return JAVASCRIPT.format(base=json.dumps(base_url), key=named, body=as_json(body))


def as_json(body: Mapping[str, Any]) -> str:
    """What cannot be sent, half a character, is escaped; the rest is there to be read."""
    return LONE.sub(lambda half: f"\\u{ord(half[0]):04x}", json.dumps(body, indent=2, ensure_ascii=False))


def languages(body: Mapping[str, Any], base_url: str, key: str = "") -> list[tuple[str, str]]:
    """The three of them as (name, text), in the order of the tabs."""
    return [
        ("curl", curl(body, base_url, key)),
        ("Python", python(body, base_url, key)),
        ("JavaScript", javascript(body, base_url, key)),
    ]

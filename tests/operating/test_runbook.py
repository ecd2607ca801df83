"""Every alert that the code can raise has an entry in docs/operations.md, and leads there."""

import ast
import re
from pathlib import Path

import pytest
from django.test import Client

from eggapi import alerts
from eggapi.alerts import Raised
from eggapi.docs import FOLDER, page_of
from generation.standing import ASPECTS

pytestmark = pytest.mark.once

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = ("eggapi", "accounts", "billing", "webhooks", "generation")


def text_of(node: ast.expr, module: ast.Module) -> list[str]:
    """What an expression for a cause may be, with ? for what is known only later."""
    match node:
        case ast.Constant(value=str(value)):
            return [value]
        case ast.JoinedStr():
            return ["".join(str(part.value) if isinstance(part, ast.Constant) else "?" for part in node.values)]
        case ast.Subscript():
            return text_of(node.value, module)
        case ast.Name():
            found = [each for each in module.body if isinstance(each, ast.Assign) and named(each.targets[0], node.id)]
            return text_of(found[0].value, module)
        case ast.Call(func=ast.Name(id=name)):
            function = next(each for each in module.body if isinstance(each, ast.FunctionDef) and each.name == name)
            returned = [each.value for each in ast.walk(function) if isinstance(each, ast.Return) and each.value]
            return [text for value in returned for text in text_of(value, module)]
    raise AssertionError(f"Teach this test to read {ast.unparse(node)}")


def named(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def causes() -> set[str]:
    found = set()
    for path in [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]:
        module = ast.parse(path.read_text())
        for call in ast.walk(module):
            if isinstance(call, ast.Call) and named(call.func, "Raised"):
                found |= set(text_of(call.args[0], module))
    return found


def test_every_cause_has_an_entry() -> None:
    known = {cause for cause in causes() if cause != "provider:?:?"} | {f"provider:kie:{aspect}" for aspect in ASPECTS}
    assert {"storage", "route:?:?", "topup ?", "audit_ledger"} <= known
    headings = re.findall(r'id="(alert-[\w-]+)"', page_of("operations").html)
    assert {alerts.runbook(cause).partition("#")[2] for cause in known} == set(headings)


def test_every_entry_says_what_to_do() -> None:
    entries = (FOLDER / "operations.md").read_text().split("\n### Alert: ")[1:]
    for entry in entries:
        section = re.split(r"^##", entry, flags=re.MULTILINE)[0]
        assert [word for word in ("**See it**", "**Do**", "**It ends**") if word not in section] == [], section[:20]


@pytest.mark.django_db
def test_an_alert_leads_to_its_entry(admin_client: Client) -> None:
    alerts.report([Raised("provider:kie:balance", "kie: <script>alert(1)</script>")])
    page = admin_client.get("/admin/eggapi/alert/").content.decode()
    assert 'href="/docs/operations#alert-provider-balance"' in page
    assert "<script>alert(1)" not in page

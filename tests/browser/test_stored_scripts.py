"""What customers, their receivers and operators write is text on every page that shows it, never markup."""

import json
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Site, Visitor
from tests.webhooks.receiver import Receiver, Say

SCRIPT = '<script>window.hit=1</script><img src=x onerror="window.hit=1">'
QUOTED = '"><svg onload=window.hit=1>'
# The policy would stop what got in; so it is the markup itself that must not be there.
GOT_IN = 'img[src="x"], svg[onload], main script:not([src])'
EMAIL = "scripts@example.com"
LISTS = (
    "accounts/account", "accounts/apikey", "accounts/auditentry", "accounts/user", "billing/ledgerentry",
    "billing/redeembatch", "billing/usagerecord", "billing/wallet", "eggapi/incident", "generation/task",
    "webhooks/delivery", "webhooks/event",
)  # fmt: skip


@pytest.mark.timeout(300)
def test_what_people_write_is_text(visit: Visitor, site: Site) -> None:
    customer, operator = visit(), visit(operator=True)
    site.manage("credit", EMAIL, "5", "--mode", "test", "--reason", SCRIPT)
    site.manage("redeem", "create", "--name", SCRIPT, "--amount", "1", "--count", "1")
    customer.page.goto(site.manage("login_link", EMAIL))
    with Receiver(Say(200, SCRIPT.encode()), port=site.ports[9]) as receiver:
        task_id = write(customer.page, site, receiver.url)
    incident = announce(operator.page)
    wrong = []
    for path, shows in pages(customer.page, task_id):
        wrong += faults(customer.page, path, shows)
    for path, shows in lists(operator.page):
        wrong += faults(operator.page, path, shows)
    operator.page.goto(incident)
    operator.page.get_by_role("link", name="Delete").click()
    operator.page.get_by_role("button", name=re.compile("^Yes")).click()
    assert wrong + customer.wrong + operator.wrong == []


def write(page: Page, site: Site, receiver: str) -> str:
    """All that a customer can write; returns the id of their task."""
    page.goto("/settings")
    page.locator('[name="name"]').first.fill(SCRIPT)
    page.locator('[name="billing_name"]').fill(QUOTED)
    page.locator('form[action="/settings/names"] button').click()
    key = site.manage("keys", "create", "--account", EMAIL, "--mode", "test", "--name", SCRIPT)
    answer = page.request.post(
        "/v1/generate",
        headers={"Authorization": f"Bearer {key}", "Prefer": "wait=30"},
        data={
            "model": "nanobanana",
            "prompt": SCRIPT,
            "negative_prompt": QUOTED,
            "metadata": {SCRIPT[:40]: QUOTED},
            "webhook_url": receiver,
        },
    )
    assert answer.ok, answer.text()
    page.goto("/webhooks")
    expect(page.locator("table.deliveries").get_by_text("delivered")).to_be_visible(timeout=30_000)
    return str(answer.json()["data"]["id"])


def announce(page: Page) -> str:
    """An incident, which every page tells of; returns where it is edited."""
    page.goto("/admin/eggapi/incident/add/")
    page.locator('[name="title"]').fill(SCRIPT)
    page.locator('[name="text"]').fill(QUOTED)
    page.get_by_role("button", name="Save and continue editing").click()
    expect(page).to_have_url(re.compile(r"/change/"))
    return page.url


def pages(page: Page, task_id: str) -> Iterator[tuple[str, str]]:
    """The customer's pages, each with what it must show as text."""
    yield "/home", SCRIPT
    yield "/tasks", SCRIPT
    yield f"/tasks/{task_id}", SCRIPT
    yield f"/tasks?q={task_id}", SCRIPT
    yield f"/playground?task={task_id}", ""
    yield from ((path, SCRIPT) for path in ("/usage?group=key", "/keys", "/settings/log", "/status"))
    yield from ((path, "") for path in ("/usage", "/limits", "/billing", "/team", "/settings", "/keys/new"))
    page.goto("/keys")
    yield page.locator('main table a[href^="/keys/"]').first.get_attribute("href") or "", SCRIPT
    page.goto("/webhooks")
    yield page.locator('a[href^="/webhooks/msg_"]').first.get_attribute("href") or "", SCRIPT


def lists(page: Page) -> Iterator[tuple[str, str]]:
    """The operators' lists, each with a row of it that shows what was written, or else the first."""
    for name in LISTS:
        path = f"/admin/{name}/"
        page.goto(path)
        rows = page.locator("#result_list tr:has(th a)")
        ours = rows.filter(has_text=SCRIPT)
        first = (ours if ours.count() else rows).first.locator("th a").first
        yield path, ""
        yield first.get_attribute("href") or "", ""


def faults(page: Page, path: str, shows: str) -> list[str]:
    page.goto(path)
    wrong = []
    if page.evaluate("window.hit") is not None or page.locator(GOT_IN).count():
        wrong.append(f"{path}: takes it for markup")
    if shows and not page.evaluate("text => document.body.textContent.includes(text)", shows):
        wrong.append(f"{path}: does not show {json.dumps(shows)}")
    return wrong

"""A stranger's first ten minutes, in a browser: from the landing page to a picture, a webhook, a code and the bill."""

import re
import secrets
import subprocess

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Site, Visitor
from tests.webhooks.receiver import Receiver

WALKS = [("light", 1440), ("dark", 1440), ("light", 390), ("dark", 390)]


@pytest.mark.parametrize("number", range(len(WALKS)), ids=[f"{theme}-{width}" for theme, width in WALKS])
def test_a_stranger_gets_a_picture_a_webhook_and_a_bill(visit: Visitor, site: Site, number: int) -> None:
    theme, width = WALKS[number]
    seen = visit(theme, width)
    sign_up(seen.page)
    task_id = ask_for_a_picture(seen.page)
    hear_of_it(seen.page, site.ports[number])
    redeem_a_code(seen.page, site)
    find_what_it_cost(seen.page, task_id)
    assert seen.wrong == []


def sign_up(page: Page) -> None:
    page.goto("/")
    expect(page.get_by_role("heading", level=1)).to_contain_text("One key for image")
    page.get_by_role("link", name="Start with play money").first.click()
    page.get_by_label("Email").fill(f"{secrets.token_hex(8)}@example.com")
    page.get_by_label("Password", exact=True).fill(secrets.token_hex(8))
    page.get_by_label(re.compile("^I accept")).check()
    page.locator("main").get_by_role("button", name="Sign up").click()
    expect(page).to_have_url(re.compile(r"/home$"))
    expect(page.get_by_role("heading", level=1)).to_have_text("Your first picture is a minute away")


def ask_for_a_picture(page: Page) -> str:
    """Runs the page's own snippet, and sees the page tell what came of it; returns the id of the task."""
    expect(page.get_by_role("heading", name="Your test key is ready")).to_be_visible()
    key = page.locator("#first-key").inner_text()
    expect(page.get_by_role("heading", name="We are waiting for your first request")).to_be_visible()
    page.evaluate("window.untouched = true")
    curl = page.get_by_role("tabpanel", name="curl").locator("pre").inner_text()
    assert key in curl
    done = subprocess.run(["bash", "-c", curl], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    expect(page.get_by_role("heading", name="Your first request has arrived")).to_be_visible()
    picture = page.get_by_role("img", name="Picture 1 of your first task")
    expect(picture).to_be_visible(timeout=30_000)
    assert picture.evaluate("async picture => { await picture.decode(); return picture.naturalWidth }") > 300
    assert page.evaluate("window.untouched") is True
    task_id = page.locator("#arrival a.mono").inner_text()
    assert task_id in done.stdout
    return task_id


def hear_of_it(page: Page, port: int) -> None:
    page.goto("/webhooks")
    with Receiver(port=port) as receiver:
        page.get_by_label("Address").fill(receiver.url)
        page.get_by_role("button", name="Send", exact=True).click()
        expect(page.get_by_text("A test event is on its way.")).to_be_visible()
        row = page.locator("table.deliveries tbody tr")
        expect(row.get_by_text("delivered")).to_be_visible(timeout=30_000)
        expect(row).to_contain_text(receiver.host)
        expect(row).to_contain_text("webhook.test")
        assert len(receiver.received) == 1
        page.get_by_role("link", name="webhook.test").click()
        expect(page.locator("pre", has_text="ok").first).to_be_visible()
        signature = receiver.received[0].headers["X-EggAPI-Signature"]
        expect(page.get_by_text(signature).first).to_be_visible()


def redeem_a_code(page: Page, site: Site) -> None:
    code = site.manage("redeem", "create", "--name", "walk", "--amount", "5", "--count", "1")
    page.goto("/billing")
    page.get_by_role("button", name="Switch to live mode").click()
    expect(page.get_by_role("button", name="Live", exact=True)).to_have_attribute("aria-pressed", "true")
    page.get_by_role("textbox", name="Code").fill(code)
    page.get_by_role("button", name="Redeem").click()
    expect(page.get_by_role("link", name="$5.00")).to_be_visible()
    expect(page.locator("main table").first).to_contain_text("$5.00")


def find_what_it_cost(page: Page, task_id: str) -> None:
    page.get_by_role("button", name="Test", exact=True).click()
    page.goto(f"/tasks/{task_id}")
    expect(page.get_by_text("completed").first).to_be_visible()
    page.goto("/usage")
    row = page.get_by_role("row", name=re.compile("^nanobanana"))
    expect(row).to_contain_text(re.compile(r"\$0\.0[1-9]"))
    row.get_by_role("link").click()
    expect(page.locator(f'a[href="/tasks/{task_id}"]').first).to_be_visible()

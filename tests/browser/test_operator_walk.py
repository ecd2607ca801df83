"""An operator's rounds, in a browser: a provider, its routes and their order, a fire drill, and a refund."""

import re
import secrets
import time

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Site, Visitor
from tests.emulators.openai import OpenAI

WALKS = [
    *(("light", 1440, "nanobanana"), ("dark", 1440, "nanobanana-pro")),
    *(("light", 390, "nanobanana-pro"), ("dark", 390, "nanobanana")),
]
FIRST, SECOND = "gpt-image-2", "gpt-image-2.5-flare"
CATALOG_SECONDS = 2  # within which every process knows of a change


@pytest.mark.parametrize("number", range(len(WALKS)), ids=[f"{theme}-{width}" for theme, width, _ in WALKS])
def test_an_operator_adds_orders_drills_and_refunds(visit: Visitor, site: Site, number: int) -> None:
    theme, width, model = WALKS[number]
    seen = visit(theme, width)
    page, name = seen.page, f"walk-{secrets.token_hex(4)}"
    page.goto(site.manage("login_link", "demo@example.com"))  # a session of its own, as it goes visiting
    with site.alone(model), OpenAI(site.ports[4 + number]) as vendor:
        add_provider(page, name, vendor)
        page.goto("/admin/generation/imagemodel/")
        listed(page, model).get_by_role("link", name="Chain").click()
        chain = page.url
        add_route(page, name, FIRST)
        add_route(page, name, SECOND)
        try:
            try_now(page, name)
            page.goto(chain)
            put_first(page, name, SECOND)
            simulate(page)
            task_id = order_during_a_drill(page, site, model, name)
        finally:
            page.goto(chain)
            switch_off(page, name)
    see_the_way(page, task_id)
    refund(page, task_id)
    see_as_they_do(page, f"{name}@example.com")
    assert seen.wrong == []


def add_provider(page: Page, name: str, vendor: OpenAI) -> None:
    page.goto("/admin/generation/provider/add/")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Adapter").select_option("openai")
    page.get_by_label("Base url").fill(vendor.base_url)
    page.get_by_label("Credential").fill(vendor.key)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("was added successfully")).to_be_visible()


def add_route(page: Page, name: str, upstream_model: str) -> None:
    page.get_by_text("Add a route", exact=True).click()
    page.locator("#id_new-provider").select_option(name)
    page.locator("#id_new-upstream_model").fill(upstream_model)
    page.locator("#id_new-cost_usd").fill("0.01")
    save(page)
    expect(route(page, name, upstream_model)).to_be_visible()


def listed(page: Page, word: str) -> Locator:
    """The row of a list with this in a cell; on a telephone rows are no rows of a table."""
    return page.locator("#result_list tr").filter(has=page.get_by_text(word, exact=True))


def save(page: Page) -> None:
    page.get_by_role("button", name="Save the chain").click()
    expect(page.get_by_text("Saved: ").first).to_be_visible()


def route(page: Page, name: str, upstream_model: str) -> Locator:
    way = page.locator("[data-route]").filter(has=page.get_by_text(upstream_model, exact=True))
    return way.filter(has_text=name)


def try_now(page: Page, name: str) -> None:
    page.goto("/admin/generation/provider/")
    listed(page, name).get_by_role("link", name="Test", exact=True).click()
    page.get_by_role("button", name="Test now").click()
    expect(page.get_by_text("It works")).to_be_visible(timeout=30_000)
    expect(page.get_by_text(re.compile(r"^\d+ ms$"))).to_be_visible()
    expect(page.get_by_role("img", name=re.compile("^What the provider drew"))).to_be_visible()


def put_first(page: Page, name: str, upstream_model: str) -> None:
    """By its buttons, as the keyboard would."""
    up = route(page, name, upstream_model).get_by_role("button", name=re.compile("^Move .* up$"))
    while up.is_enabled():
        up.press("Enter")
    save(page)


def simulate(page: Page) -> None:
    page.get_by_label("Key", exact=True).select_option("live")
    page.get_by_role("button", name="Simulate").click()
    rows = page.locator("#simulation tbody tr")
    expect(rows.nth(0)).to_contain_text(SECOND)
    expect(rows.nth(0)).to_contain_text("is taken")
    expect(rows.nth(1)).to_contain_text(FIRST)
    expect(rows.nth(1)).to_contain_text("is the next if that brings no image")


def order_during_a_drill(page: Page, site: Site, model: str, name: str) -> str:
    """What a customer orders while the first route is made to fail; returns the task's id once it is completed."""
    email = f"{name}@example.com"
    site.manage("credit", email, "1", "--mode", "live", "--reason", "to walk with")
    key = site.manage("keys", "create", "--account", email, "--mode", "live", "--name", "walk")
    route(page, name, SECOND).get_by_role("button", name=re.compile("^Start a fire drill")).click()
    expect(page.get_by_text("fails for 60 seconds")).to_be_visible()
    expect(route(page, name, SECOND).get_by_text("Fire drill, ")).to_be_visible()
    time.sleep(CATALOG_SECONDS)
    answer = page.request.post(
        "/v1/generate",
        headers={"Authorization": f"Bearer {key}", "Prefer": "wait=30"},
        data={"model": model, "prompt": f"seen by {name}"},
    )
    task = answer.json()["data"]
    assert task["status"] == "completed", task
    return str(task["id"])


def switch_off(page: Page, name: str) -> None:
    """The chain as it was, but for routes of which none is taken."""
    for upstream_model in (FIRST, SECOND):
        route(page, name, upstream_model).get_by_label("On", exact=True).uncheck()
    save(page)
    expect(route(page, name, FIRST).get_by_text("Off", exact=True)).to_be_visible()


def see_the_way(page: Page, task_id: str) -> None:
    page.goto(f"/admin/generation/task/{task_id}/change/")
    story = page.locator("main, #content").first
    expect(story).to_contain_text("fire drill")
    expect(story).to_contain_text("Attempt 2")
    expect(story).to_contain_text(FIRST)


def refund(page: Page, task_id: str) -> None:
    page.goto(f"/admin/billing/ledgerentry/?q={task_id}")
    listed(page, "Capture").get_by_role("link").first.click()
    page.wait_for_url(re.compile(r"/change/"))
    press(page, "Refund")
    page.get_by_label("Amount").fill("0.01")
    page.get_by_label("Reason").fill("a walk")
    page.get_by_role("button", name="Refund").click()
    expect(page.get_by_text("$0.0100 refunded.")).to_be_visible()
    expect(page.locator("#content, main").first).to_contain_text("refund")


def see_as_they_do(page: Page, account: str) -> None:
    page.goto(f"/admin/accounts/account/?q={account}")
    listed(page, account).get_by_role("link").first.click()
    page.wait_for_url(re.compile(r"/change/"))
    press(page, "See as they do")
    page.get_by_label("Reason").fill("a walk")
    page.get_by_role("button", name="Go there").click()
    expect(page.get_by_text(f"You see the dashboard of {account} as an operator.")).to_be_visible()
    page.get_by_role("button", name="End the visit").click()
    page.wait_for_url(re.compile(r"/admin/"))


def press(page: Page, action: str) -> None:
    """One of the actions above a row's page."""
    more = page.get_by_role("link", name="more_horiz")  # on a telephone
    if more.is_visible():
        more.click()
    page.get_by_role("link", name=action).click()

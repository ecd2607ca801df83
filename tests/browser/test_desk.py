"""What the dashboard's own scripts do: copying, telling of faults, and leaving alone what somebody reads."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Dialog, Page, expect

from tests.browser.conftest import Site, Visitor
from tests.webhooks.receiver import HANG, Receiver, Say

COPIED = "navigator.clipboard.readText()"
SELECTED = "getSelection().toString().trim()"
COUNT = """() => {
  window.told = 0;
  new MutationObserver(() => window.told++).observe(document.getElementById("faults"), { childList: true });
}"""


@pytest.fixture
def page(visit: Visitor) -> Iterator[Page]:
    seen = visit(operator=True)
    yield seen.page
    assert seen.wrong == []


# What says "Copied" for a moment says so long enough for a busy machine to see it.
LONGER = """const later = setTimeout;
window.setTimeout = (act, ms, ...more) => later(act, ms === 1500 ? 8000 : ms, ...more);"""


class TestCopy:
    def test_it_copies_the_program_that_is_shown(self, page: Page) -> None:
        page.add_init_script(LONGER)
        page.goto("/playground")
        tabs = page.locator("#code").get_by_role("tab")
        expect(tabs).to_have_text(["curl", "Python", "JavaScript", "JSON"])
        for tab in tabs.all():
            tab.click()
            panel = page.locator("#code").get_by_role("tabpanel")
            panel.get_by_role("button", name="Copy").click()
            expect(panel.get_by_role("button")).to_have_text("Copied")
            assert page.evaluate(COPIED) == panel.locator("pre").inner_text().strip()

    def test_a_second_click_leaves_the_label_as_it_was(self, page: Page) -> None:
        page.add_init_script(LONGER)
        page.goto("/playground")
        button = page.locator("#code .copy").first
        button.dblclick()
        expect(button).to_have_text("Copied")
        expect(button).to_have_text("Copy")

    def test_without_a_clipboard_it_selects(self, page: Page) -> None:
        page.add_init_script("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
        page.goto("/playground")
        panel = page.locator("#code").get_by_role("tabpanel")
        panel.get_by_role("button", name="Copy").click()
        expect(page.locator("#live")).to_have_text("The text is selected: copy it with your keyboard")
        assert page.evaluate(SELECTED) == panel.locator("pre").inner_text().strip()
        page.goto("/webhooks")
        page.locator('a[href^="/webhooks/msg_"]').first.click()
        raw = page.locator(".card-head .copy")
        text = raw.get_attribute("data-copy")
        raw.click()
        expect(raw).to_have_text("Selected")
        assert page.evaluate(SELECTED) == text


class TestFaults:
    def test_a_refusal_is_told_in_the_words_of_its_page(self, page: Page) -> None:
        page.goto("/playground")
        page.locator("#request [name=csrfmiddlewaretoken]").evaluate("field => field.value = 'x'.repeat(64)")
        generate(page, "an egg")
        said = "This form is too old. Go back, load the page again, and send it again."
        expect(page.locator("#faults")).to_have_text(said)
        expect(page.locator("#faults")).to_be_in_viewport()
        expect(page.locator("#live")).to_have_text(said)

    def test_nobody_answering_is_told(self, visit: Visitor) -> None:
        page = visit(operator=True, width=390).page
        page.goto("/playground")
        page.context.set_offline(True)
        generate(page, "an egg")
        expect(page.locator("#faults")).to_have_text(
            "We cannot be reached. Look whether you are online, and try again."
        )
        expect(page.locator("#faults")).to_be_in_viewport()
        page.context.set_offline(False)
        page.get_by_role("button", name="Generate").click()
        expect(page.locator("#made")).to_contain_text("Accepted")
        expect(page.locator("#faults")).to_be_empty()

    def test_what_asks_every_few_seconds_tells_once(self, page: Page) -> None:
        page.goto("/playground")
        generate(page, "an egg sandbox:slow=20")
        expect(page.locator("#made")).to_contain_text("Accepted")
        page.evaluate(COUNT)
        page.route("**/playground/tasks/*", lambda route: route.fulfill(status=503))
        for _ in range(3):
            page.wait_for_event("response", lambda response: response.status == 503)
        expect(page.locator("#faults")).to_have_text("That did not work (503). Try again in a moment.")
        assert page.evaluate("window.told") == 1
        page.unroute_all()
        expect(page.locator("#faults")).to_be_empty()

    def test_who_is_signed_in_no_more_is_led_to_the_door(self, page: Page) -> None:
        page.goto("/playground")
        page.context.clear_cookies(name="sessionid")
        generate(page, "an egg")
        page.wait_for_url("**/accounts/login/?next=/playground")


class TestRenewal:
    def test_a_list_keeps_its_focus_and_its_place(self, visit: Visitor) -> None:
        page = visit(operator=True, width=390).page
        page.goto("/playground")
        generate(page, "an egg that is looked at sandbox:slow=20")
        expect(page.locator("#made")).to_contain_text("Accepted")
        page.goto("/tasks")
        table, row = page.locator("#task-table"), page.get_by_role("row", name=re.compile("an egg that is looked at"))
        table.focus()
        table.evaluate("each => { each.scrollLeft = 90; each.old = true }")
        expect(row.first).to_contain_text("completed", timeout=60_000)
        expect(table).to_be_focused()
        assert table.evaluate("each => [each.scrollLeft, each.old]") == [90, None]

    def test_what_is_open_stays_so(self, page: Page, site: Site) -> None:
        with Receiver(Say(), HANG, port=site.ports[8]) as receiver:
            page.goto("/webhooks")
            page.get_by_label("Address").fill(receiver.url)
            page.get_by_role("button", name="Send", exact=True).click()
            row = page.locator("table.deliveries tbody tr").first
            expect(row).to_contain_text(receiver.host)
            expect(row).to_contain_text("delivered")
            row.get_by_role("link", name="webhook.test").click()
            page.get_by_role("button", name="Resend").click()
            first = page.locator("#attempt-1")
            expect(first).to_have_attribute("open", "")
            first.locator("summary").focus()
            with page.expect_response(lambda response: response.status == 204):
                pass
            receiver.let_go()
            expect(page.locator("#attempt-2")).to_have_attribute("open", "")
            expect(first).to_have_attribute("open", "")
            expect(first.locator("summary")).to_be_focused()


class TestChain:
    def test_changes_are_not_lost_without_a_word(self, page: Page) -> None:
        asked: list[str] = []

        def stay(dialog: Dialog) -> None:
            asked.append(dialog.type)
            dialog.dismiss()

        page.on("dialog", stay)
        page.goto("/admin/generation/imagemodel/")
        page.get_by_role("link", name="Chain").first.click()
        page.get_by_role("button", name="Simulate").click()
        page.wait_for_url("**/chain/?*")
        page.goto(page.url.partition("?")[0])
        assert asked == []
        weight = page.locator("[data-route] input[name$='-weight']").first
        weight.fill("77")
        page.get_by_role("button", name="Simulate").click()
        assert asked == ["beforeunload"]
        page.get_by_role("button", name="Preview the difference").click()
        expect(page.get_by_text("Nothing is saved yet.")).to_be_visible()
        assert (weight.input_value(), asked) == ("77", ["beforeunload"])
        page.get_by_role("button", name="Simulate").click()
        assert asked == ["beforeunload"] * 2


def generate(page: Page, prompt: str) -> None:
    page.get_by_label("Prompt", exact=True).fill(prompt)
    page.get_by_role("button", name="Generate").click()

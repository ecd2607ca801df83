"""Pictures to edit reach the playground by choosing, dropping and pasting them."""

import base64
import re
from pathlib import Path

import pytest
from playwright.sync_api import JSHandle, Page, Route, expect

from tests.browser.conftest import Visitor
from tests.emulators.upstream import drawn

HOLD_FILE = """([content, name, type]) => {
  const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
  const data = new DataTransfer();
  data.items.add(new File([bytes], name, { type }));
  return data;
}"""
PASTE = """data => document.body.dispatchEvent(
  new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true })
)"""


@pytest.fixture
def page(visit: Visitor) -> Page:
    page = visit(operator=True).page
    page.goto("/playground")
    return page


def held(page: Page, content: bytes, name: str = "egg.png", kind: str = "image/png") -> JSHandle:
    """What the browser carries while a file is dragged or copied."""
    return page.evaluate_handle(HOLD_FILE, [base64.b64encode(content).decode(), name, kind])


def expect_pictures(page: Page, many: int) -> None:
    """Each as a thumbnail that decodes and as an address of ours in the form and in the program beside it."""
    thumbs = page.get_by_role("img", name="Uploaded picture")
    expect(thumbs).to_have_count(many)
    for thumb in thumbs.all():
        assert thumb.evaluate("async picture => { await picture.decode(); return picture.naturalWidth }") == 64
    addresses = page.get_by_label("Pictures to edit").input_value().split()
    assert [bool(re.search(r"/files/", address)) for address in addresses] == [True] * many
    program = page.locator("#code-curl")
    for address in addresses:
        expect(program).to_contain_text(address)


def test_it_takes_a_file_that_is_chosen(page: Page, tmp_path: Path) -> None:
    (tmp_path / "egg.png").write_bytes(drawn(64, 48))
    page.get_by_label("Upload pictures").set_input_files(tmp_path / "egg.png")
    expect_pictures(page, 1)


def test_it_takes_files_that_are_dropped_and_pasted(page: Page) -> None:
    data = held(page, drawn(64, 48))
    page.dispatch_event("#drop", "dragover", {"dataTransfer": data})
    expect(page.locator("#drop")).to_have_class(re.compile(r"\bover\b"))
    page.dispatch_event("#drop", "drop", {"dataTransfer": data})
    expect_pictures(page, 1)
    expect(page.locator("#drop")).not_to_have_class(re.compile(r"\bover\b"))
    page.evaluate(PASTE, held(page, drawn(64, 48)))
    expect_pictures(page, 2)


def test_a_picture_that_was_dropped_is_edited(page: Page) -> None:
    page.dispatch_event("#drop", "drop", {"dataTransfer": held(page, drawn(64, 48))})
    expect_pictures(page, 1)
    page.get_by_label("Prompt", exact=True).fill("put a hat on it")
    page.get_by_role("button", name="Generate").click()
    expect(page.get_by_text("completed").first).to_be_visible(timeout=30_000)


def test_nothing_is_ordered_while_a_picture_is_on_its_way(page: Page) -> None:
    on_their_way: list[Route] = []
    page.route("**/playground/uploads", lambda route: on_their_way.append(route))
    go = page.get_by_role("button", name="Generate")
    for _ in range(2):
        with page.expect_request("**/playground/uploads"):
            page.dispatch_event("#drop", "drop", {"dataTransfer": held(page, drawn(64, 48))})
        expect(go).to_be_disabled()
    on_their_way[0].continue_()
    expect_pictures(page, 1)
    expect(go).to_be_disabled()
    on_their_way[1].continue_()
    expect_pictures(page, 2)
    expect(go).to_be_enabled()


def test_it_leaves_text_that_is_pasted_alone(page: Page) -> None:
    data = held(page, drawn(64, 48))
    assert page.evaluate(PASTE, data) is False
    expect_pictures(page, 1)
    data.evaluate("data => data.setData('text/plain', 'a cell of a sheet')")
    assert page.evaluate(PASTE, data) is True


def test_it_says_why_a_file_is_refused(page: Page) -> None:
    page.dispatch_event("#drop", "drop", {"dataTransfer": held(page, b"no picture", "egg.txt", "text/plain")})
    expect(page.locator("#upload-fault")).to_contain_text("egg.txt ")
    assert page.get_by_label("Pictures to edit").input_value() == ""


def test_it_says_that_nobody_answered(page: Page) -> None:
    page.context.set_offline(True)
    page.dispatch_event("#drop", "drop", {"dataTransfer": held(page, drawn(64, 48))})
    expect(page.locator("#upload-fault")).to_have_text("egg.png could not be uploaded")

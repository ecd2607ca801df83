"""Passkeys, with an authenticator that Chromium plays: added, as the second step, and in place of a password."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.accounts.door import PASSWORD
from tests.browser.conftest import Guard, Site

EMAIL = "pia@example.com"
AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.fixture
def url(site: Site) -> str:
    """Passkeys are bound to a name, which an IP address is not."""
    return site.url.replace("127.0.0.1", "localhost")


@pytest.fixture
def page(browser: Browser, url: str) -> Iterator[Page]:
    context = browser.new_context(base_url=url)
    context.set_default_timeout(20_000)
    page = context.new_page()
    guard = Guard(page, url)
    session = context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    session.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
    yield page
    context.close()
    assert guard.wrong == []


def confirmation(home: Path) -> str:
    """The link in the letter: without a mail server it stands in the log."""
    lines = [json.loads(line) for line in (home / "eggapi.log").read_text().splitlines()]
    links = [link for line in lines if line.get("to") == EMAIL for link in line["links"]]
    return str(links[-1])


def test_it_works(page: Page, site: Site) -> None:
    page.goto("/accounts/signup/")
    page.fill("[name=email]", EMAIL)
    page.fill("[name=password1]", PASSWORD)
    page.check("[name=terms]")
    page.click("main button:has-text('Sign up')")
    page.wait_for_url("**/home")
    page.goto(confirmation(site.home))
    page.click("text=Yes, confirm it")

    page.goto("/accounts/2fa/webauthn/add/")
    show_again(page)
    page.fill("[name=name]", "My telephone")
    page.click("main button:has-text('Add it')")
    page.wait_for_url(re.compile("/2fa/recovery-codes/"))
    page.goto("/accounts/2fa/webauthn/")
    expect(page.locator("main table")).to_contain_text("My telephone")
    expect(page.locator("main table")).to_contain_text("signing in alone")

    leave(page)
    page.fill("[name=login]", EMAIL)
    page.fill("[name=password]", PASSWORD)
    page.click("main button:has-text('Sign in') >> nth=0")
    page.click("text=Use a passkey or security key")
    page.wait_for_url("**/home")

    leave(page)
    page.click("text=Sign in with a passkey")
    page.wait_for_url("**/home")

    page.goto("/accounts/2fa/webauthn/")
    page.click("main table >> text=Remove")
    show_again(page)
    page.click("main button:has-text('Remove it')")
    expect(page.locator("main")).to_contain_text("A passkey is your fingerprint")
    leave(page)
    page.click("text=Sign in with a passkey")
    expect(page.locator("main")).to_contain_text(re.compile("not right|did not work"))


def show_again(page: Page) -> None:
    """That it is still them, before what is about signing in."""
    page.fill("[name=password]", PASSWORD)
    page.click("text=Go on")


def leave(page: Page) -> None:
    page.goto("/accounts/logout/")
    page.click("main button:has-text('Sign out')")
    page.wait_for_url("**/accounts/login/")

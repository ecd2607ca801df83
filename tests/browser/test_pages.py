"""Every page: it answers, asks nobody else, breaks no policy, can be read by everybody, and fits a telephone."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.contrib import admin
from django.urls import URLPattern, URLResolver, get_resolver
from playwright.sync_api import Page, Response

from accounts import legal
from eggapi import docs
from tests.browser.conftest import Site, Visitor

MOST_BYTES = 60 * 1024
GRAVE = ("serious", "critical")
SCREENSHOTS = Path(settings.BASE_DIR) / "docs/screenshots"
SHOWN = ("/", "/home", "/playground", "/tasks", "/usage", "/webhooks", "/billing", "/status", "/admin/")

PUBLIC = ["/", "/models", "/status", "/docs/", "/docs/explorer", *(f"/docs/{name}" for name in docs.NAMES)]
PUBLIC += [f"/legal/{name}" for name in legal.NAMES]
PUBLIC += ["/accounts/login/", "/accounts/signup/", "/accounts/password/reset/", "/start/no-such-link", "/nowhere"]
DESK = ["/home", "/playground", "/tasks", "/usage", "/keys", "/keys/new", "/webhooks", "/limits", "/billing", "/team"]
DESK += ["/settings", "/settings/log", "/accounts/2fa/", "/accounts/email/", "/accounts/sessions/"]
DESK += ["/accounts/password/set/", "/accounts/2fa/totp/activate/", "/accounts/2fa/webauthn/"]
# Not looked at here: what answers no page, or only leads on to one.
NO_PAGES = re.compile(
    r"/(v1/|files/|callbacks/|stripe/|healthz|readyz|metrics|openapi|llms|static/|docs$|en|docs/en|docs/llms|start/"
    r"|tasks.csv|usage.csv|status.json|status.rss|mode|account$|theme|accounts/|legal/accept|admin/"
    r"|billing/balance|home/arrival)"
)


def details(page: Page) -> list[str]:
    """Pages of one thing each: the first that a list leads to."""
    found = []
    for path, link in (("/tasks", "/tasks/gen_"), ("/keys", "/keys/"), ("/webhooks", "/webhooks/msg_")):
        page.goto(path)
        hrefs = [a.get_attribute("href") or "" for a in page.locator(f'main a[href^="{link}"]').all()]
        found += [
            href for href in hrefs if re.fullmatch(re.escape(link) + r"[a-z0-9_]+", href) and href != "/keys/new"
        ][:1]
    assert len(found) == 3
    return found


def operators(page: Page) -> list[str]:
    page.goto("/admin/")
    links = [
        a.get_attribute("href") or "" for a in page.locator('nav a[href^="/admin/"], aside a[href^="/admin/"]').all()
    ]
    registered = [f"/admin/{model._meta.app_label}/{model._meta.model_name}/" for model in admin.site._registry]
    return list(dict.fromkeys(["/admin/", *registered, *(link.split("?")[0] for link in links)]))


def check(page: Page, path: str) -> list[str]:
    """What is wrong with a page, at both widths."""
    answer = page.goto(path)
    expected = {"/start/no-such-link": 410, "/nowhere": 404}.get(path, 200)
    wrong = [] if answer and answer.status == expected else [f"{path}: {answer and answer.status}"]
    if path == "/docs/explorer":
        page.locator(".opblock").first.wait_for()
    wrong += [
        f"{path}: {each['id']} ({each['impact']}): {[node['html'][:150] for node in each['nodes'][:3]]}"
        for each in Axe().run(page).response["violations"]
        if each["impact"] in GRAVE
    ]
    page.set_viewport_size({"width": 390, "height": 844})
    if page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
        wrong.append(f"{path}: wider than a telephone")
    page.set_viewport_size({"width": 1440, "height": 1000})
    return wrong


def _weight(response: Response) -> int:
    """What it took on the wire, but for pictures."""
    if response.request.resource_type == "image":
        return 0
    return int(response.request.sizes()["responseBodySize"])


@pytest.mark.timeout(600)
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("who", ["public", "desk", "admin"])
def test_every_page_is_sound(visit: Visitor, who: str, theme: str) -> None:
    window = visit(theme, operator=who != "public")
    page = window.page
    paths = PUBLIC if who == "public" else DESK + details(page) if who == "desk" else operators(page)
    wrong = []
    for path in paths:
        wrong += check(page, path)
        if path in SHOWN and os.environ.get("UPDATE_DOCS"):
            keep(page, path, theme)
    assert wrong + window.wrong == []


@pytest.mark.timeout(300)
def test_every_page_is_light(visit: Visitor) -> None:
    """For who comes for the first time: nothing is in the browser's cache."""
    wrong, weighed = [], list[int]()
    for paths, operator in ((PUBLIC, False), (DESK, True)):
        page = visit(operator=operator).page
        page.on("response", lambda response: weighed.append(_weight(response)))
        page.context.new_cdp_session(page).send("Network.setCacheDisabled", {"cacheDisabled": True})
        for path in paths:
            if path != "/docs/explorer":  # Swagger UI alone is many times as much
                weighed.clear()
                page.goto(path)
                wrong += [f"{path}: weighs {sum(weighed)} bytes"] if sum(weighed) > MOST_BYTES else []
    assert wrong == []


def keep(page: Page, path: str, theme: str) -> None:
    """The pictures in docs/screenshots, made anew with UPDATE_DOCS=1."""
    SCREENSHOTS.mkdir(exist_ok=True)
    name = path.strip("/").replace("/", "-") or "landing"
    page.screenshot(path=SCREENSHOTS / f"{name}-{theme}.jpg", type="jpeg", quality=55, scale="css")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_works_without_javascript(visit: Visitor, site: Site, theme: str) -> None:
    wrong = []
    for paths, operator in ((PUBLIC, False), (DESK, True)):
        window = visit(theme, 390, operator=operator, javascript=False)
        for path in paths:
            window.page.goto(path)
            if window.page.locator("main h1:visible").count() != 1:
                wrong.append(f"{path}: no heading")
            if window.page.locator(".needs-js:visible").count():
                wrong.append(f"{path}: shows what needs JavaScript")
    assert wrong == []


def patterns(resolver: URLResolver, before: str = "/") -> Iterator[str]:
    for each in resolver.url_patterns:
        path = before + str(each.pattern)
        if isinstance(each, URLPattern):
            yield path
        else:
            yield from patterns(each, path)


def test_every_page_is_looked_at(visit: Visitor) -> None:
    asked = visit(operator=True).page.request
    known = {*PUBLIC, *DESK}
    plain = {path for path in patterns(get_resolver()) if "<" not in path and "^" not in path}
    pages = {path for path in plain - known if not NO_PAGES.match(path)}
    assert {path for path in pages if asked.get(path, max_redirects=0).status == 200} == set()

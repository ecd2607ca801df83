"""The playground: the same request as by API, filled in by a person."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.staticfiles import finders
from django.core.files.storage import FileSystemStorage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from accounts import limits
from accounts.models import Account, Membership, Mode
from billing.models import Wallet
from eggapi.loop import Loop
from eggapi.ratelimit import Limit
from generation import uploads
from generation.models import Task
from generation.views import playground
from generation.views.playground_form import PlaygroundForm
from tests.customer import Customer
from tests.emulators.upstream import drawn
from tests.generation.conftest import ended
from tests.node import NODE

FILLED_IN = {
    "model": "nanobanana-pro",
    "prompt": "two\r\neggs",
    "negative_prompt": "text",
    "aspect_ratio": "9:16",
    "num_outputs": "2",
    "resolution": "4k",
    "seed": "7",
    "strategy": "value",
    "image_urls": "https://example.com/a.png\r\n https://example.com/b.png",
    "webhook_url": "https://example.com/hook",
    "metadata": '{"order": "42"}',
}
BODY = {
    "model": "nanobanana-pro",
    "prompt": "two\neggs",
    "negative_prompt": "text",
    "aspect_ratio": "9:16",
    "num_outputs": 2,
    "resolution": "4k",
    "seed": 7,
    "strategy": "value",
    "image_urls": ["https://example.com/a.png", "https://example.com/b.png"],
    "webhook_url": "https://example.com/hook",
    "metadata": {"order": "42"},
}
EGG = {"prompt": "an egg"}
HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def _files(settings: Settings, tmp_path: Path) -> None:
    options = settings.STORAGES["default"]["OPTIONS"] | {"location": tmp_path / "files"}
    settings.STORAGES = settings.STORAGES | {"default": settings.STORAGES["default"] | {"OPTIONS": options}}


@pytest.fixture
def desk(account: Account, client: Client) -> Client:
    """Alice's browser, in test mode."""
    client.force_login(account.members.get())
    return client


def generate(desk: Client, **fields: Any) -> Any:
    return desk.post("/playground", {**EGG, "do": "generate", **fields})


def made(desk: Client, **fields: Any) -> Task:
    response = generate(desk, **fields)
    assert response.status_code == 302
    task: Task = Task.objects.get(pk=response["Location"].removeprefix("/playground?task="))
    return task


def page_of(response: Any) -> str:
    text: str = response.content.decode()
    return text


def picture(name: str = "a.png", content: bytes = b"") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content or drawn(64, 48))


def test_it_works(desk: Client, account: Account) -> None:
    """As the API takes it."""
    task = made(desk, **FILLED_IN)
    assert (task.account, task.mode, task.key, task.status) == (account, "test", None, "pending")
    assert (task.type, task.seed, task.metadata, task.held) == ("image_edit", 7, {"order": "42"}, 64_000)
    assert Wallet.objects.get(account=account, mode=Mode.TEST).held == 64_000
    page = page_of(desk.get(f"/playground?task={task.pk}"))
    assert "$0.0640 held" in page
    assert "\ntwo\neggs</textarea>" in page
    assert 'name="seed" value="7"' in page


@pytest.mark.django_db(transaction=True)
def test_the_picture_comes(desk: Client, engine: Loop[Any]) -> None:
    task = made(desk)
    engine.wake()
    ended(task)
    page = page_of(desk.get(f"/playground/tasks/{task.pk}?seen=pending"))
    assert f'src="http://testserver/files/images/{task.pk}/' in page
    assert "Route A: delivered" in page
    assert "$0.0100 charged" in page
    assert "hx-trigger" not in page


def test_it_is_asked_again_while_it_is_not_there(desk: Client) -> None:
    task = made(desk)
    assert desk.get(f"/playground/tasks/{task.pk}?seen=pending").status_code == 204
    page = page_of(desk.get(f"/playground/tasks/{task.pk}?seen="))
    assert f'hx-get="/playground/tasks/{task.pk}?seen=pending"' in page


def test_it_answers_htmx_with_a_part(desk: Client) -> None:
    response = desk.post("/playground", EGG, headers=HTMX)
    assert response["HX-Push-Url"].startswith("/playground?task=gen_")
    assert "<html" not in page_of(response)
    refused = desk.post("/playground", {"prompt": " "}, headers=HTMX)
    assert (refused["HX-Retarget"], refused["HX-Reswap"]) == ("#request", "outerHTML")
    assert page_of(refused).count("This field is required.") == 1


# -- the price ---------------------------------------------------------------------------------------


def test_the_price_comes_before_the_press(desk: Client) -> None:
    assert "$0.0100" in page_of(desk.get("/playground"))
    price = desk.post("/playground/price", {"model": "nanobanana-pro", "resolution": "4k", "num_outputs": "3"})
    assert "$0.0960" in page_of(price)
    assert not Task.objects.exists()


def test_without_javascript_it_is_checked(desk: Client) -> None:
    response = desk.post("/playground", {**FILLED_IN, "do": "price"})
    assert response.status_code == 200
    assert "$0.0640" in page_of(response)
    assert not Task.objects.exists()


def test_the_price_says_what_stands_in_its_way(desk: Client) -> None:
    price = page_of(desk.post("/playground/price", {"resolution": "4k"}))
    assert "resolution: must be one of 1k for nanobanana" in price


def test_a_balance_that_does_not_cover_it_is_said(desk: Client, account: Account) -> None:
    Wallet.objects.filter(account=account, mode=Mode.TEST).update(posted=0)
    assert "Your balance does not cover this." in page_of(desk.get("/playground"))
    response = generate(desk)
    assert response.status_code == 400
    assert "The balance does not cover this request." in page_of(response)


# -- what is wrong -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value", "fault"),
    [
        ("prompt", "  ", "This field is required."),
        ("prompt", "x" * 2001, "Must be at most 2000 characters."),
        ("prompt", "a\0b", "Null characters are not allowed."),
        ("model", "dall-e", "Select a valid choice."),
        ("resolution", "4k", "Must be one of 1k for nanobanana."),
        ("num_outputs", "5", "Select a valid choice."),
        ("seed", "-1", "Must be from 0 to 4294967295."),
        ("seed", "x", "Enter a whole number."),
        ("image_urls", "http://127.0.0.1/", "Use an https URL."),
        ("webhook_url", "https://localhost/", "This address is not allowed."),
        ("metadata", "{", "This is not JSON."),
        ("metadata", "[" * 100_000, "This is not JSON."),
        ("metadata", "[]", "This must be an object, such as"),
        ("metadata", '{"a": 1}', "Must have values that are strings of at most 500 characters."),
        ("metadata", '{"a": "\\ud800"}', "Must not contain a lone surrogate."),
    ],
)
def test_it_rejects(desk: Client, field: str, value: str, fault: str) -> None:
    response = generate(desk, **{field: value})
    assert response.status_code == 400
    form = response.context["form"]
    assert list(form.errors) == [field]
    assert form.errors[field][0].startswith(fault)
    assert not Task.objects.exists()


def test_nothing_is_wrong_before_it_was_sent(desk: Client) -> None:
    assert "errorlist" not in page_of(desk.get("/playground?prompt=")).replace(
        'class="errorlist" id="upload-fault"', ""
    )


def test_it_is_counted_with_the_submissions(desk: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SUBMITS", Limit(1, 60, name="submit"))
    made(desk)
    response = generate(desk)
    assert response.status_code == 400
    assert "Too many requests." in page_of(response)
    assert Task.objects.count() == 1


# -- who --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["reader", "billing"])
def test_it_requires_the_right_to_generate(desk: Client, account: Account, role: str) -> None:
    Membership.objects.filter(account=account).update(role=role)
    assert "does not allow you to generate" in page_of(desk.get("/playground"))
    assert generate(desk).status_code == 403
    assert desk.post("/playground/uploads", {"file": picture()}).status_code == 403
    assert not Task.objects.exists()


def test_it_requires_a_token(account: Account) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(account.members.get())
    for path in ("/playground", "/playground/price", "/playground/uploads"):
        assert browser.post(path, EGG).status_code == 403


def test_a_stranger_cannot_see_a_task(desk: Client, on_sale: None) -> None:
    task = made(desk, prompt="a secret")
    bob = Customer("bob@example.com")
    bob.sign_in()
    for path in (f"/playground?task={task.pk}", f"/playground/tasks/{task.pk}"):
        assert desk.get(path).status_code == 200
        assert bob.http.get(path).status_code == 404


def test_a_task_of_the_other_mode_fills_in_the_form_alone(desk: Client) -> None:
    task = made(desk, prompt="an egg at sea")
    address = f"/playground?task={task.pk}"
    assert page_of(desk.get(address)).count("$0.0100 held") == 1
    page = page_of(desk.post("/mode", {"mode": "live", "next": address}, follow=True))
    assert "an egg at sea</textarea>" in page
    assert f'<a href="/tasks/{task.pk}">a task of test mode</a>' in page
    assert "held" not in page


@pytest.mark.parametrize("task", ["", "gen_", "gen_\0", "gen_" + "a" * 24])
def test_there_may_be_no_such_task(desk: Client, task: str) -> None:
    assert desk.get("/playground", {"task": task}).status_code == 404


def test_what_a_customer_wrote_is_text(desk: Client) -> None:
    bad = "</textarea></code><script>alert(1)</script>"
    for response in (
        desk.get("/playground", {"prompt": bad, "metadata": json.dumps({"a": bad}), "image_urls": bad}),
        desk.get(f"/playground?task={made(desk, prompt=bad, metadata=json.dumps({'a': bad})).pk}"),
        generate(desk, prompt=bad, metadata=bad),
    ):
        assert "<script>alert" not in page_of(response)
        assert "&lt;script&gt;alert(1)" in page_of(response)


# -- pictures to edit -------------------------------------------------------------------------------------


def test_an_upload_has_an_address(desk: Client, account: Account) -> None:
    response = desk.post("/playground/uploads", {"file": picture()})
    url = response.json()["data"]["url"]
    assert uploads.is_of(str(uploads.path_of(url)), account.pk)
    assert made(desk, image_urls=url).image_urls == [url]


def test_without_javascript_files_come_with_the_form(desk: Client) -> None:
    task = made(desk, image_urls="https://example.com/a.png", files=[picture(), picture("b.webp", drawn(8, 8, "webp"))])
    assert task.image_urls[0] == "https://example.com/a.png"
    assert [bool(uploads.path_of(url)) for url in task.image_urls] == [False, True, True]


def test_a_file_that_is_no_picture_is_named(desk: Client) -> None:
    response = desk.post("/playground/uploads", {"file": picture("<b>.png", b"no picture")})
    assert response.json()["error"]["fields"] == {"file": "is not a PNG, JPEG or WebP picture"}
    assert response.status_code == 400
    assert desk.post("/playground/uploads").json()["error"]["fields"] == {"file": "is required"}
    response = generate(desk, files=[picture("<b>.png", b"no picture")])
    assert response.status_code == 400
    assert "&lt;b&gt;.png is not a PNG, JPEG or WebP picture." in page_of(response)
    assert not Task.objects.exists()


def test_uploads_are_counted(desk: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(playground, "UPLOADS", Limit(1, 60, name="upload"))
    assert desk.post("/playground/uploads", {"file": picture()}).status_code == 200
    assert desk.post("/playground/uploads", {"file": picture()}).status_code == 429


def test_storage_may_be_away(desk: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(FileSystemStorage, "save", away)
    assert desk.post("/playground/uploads", {"file": picture()}).status_code == 503
    assert "Pictures cannot be stored at the moment." in page_of(generate(desk, files=[picture()]))


# -- programs in step with the form -------------------------------------------------------------------------


FORMS: list[dict[str, str]] = [
    FILLED_IN,
    {"prompt": "  an egg \n"},
    {"prompt": "", "seed": "", "metadata": "{}", "image_urls": " \n "},
    {"prompt": "x", "seed": "abc", "metadata": "{nonsense"},
    {"prompt": "x", "seed": "0", "metadata": "[1]", "num_outputs": "4", "strategy": "auto"},
    {"prompt": "x", "seed": "-5", "metadata": "null"},
]


def test_the_form_makes_the_body(on_sale: None) -> None:
    assert PlaygroundForm(FILLED_IN).body() == BODY


@pytest.mark.once
def test_the_browser_makes_the_same(on_sale: None) -> None:
    """A browser reads the fields with line ends of its own."""
    forms = [PlaygroundForm(fields) for fields in FORMS]
    read = [
        {name: form[name].value().replace("\r\n", "\n") for name in form.NAMES if form[name].value()} for form in forms
    ]
    module = Path(str(finders.find("eggapi/snippets.js"))).as_uri()
    script = (
        f"import {{ bodyOf }} from {json.dumps(module)};console.log(JSON.stringify({json.dumps(read)}.map(bodyOf)));"
    )
    ran = subprocess.run([NODE, "--input-type=module", "-e", script], capture_output=True, text=True, check=True)
    assert [list(body.items()) for body in json.loads(ran.stdout)] == [list(form.body().items()) for form in forms]


def test_every_language_is_there_without_javascript(desk: Client) -> None:
    languages = dict(desk.get("/playground", {"prompt": "an 'egg'"}).context["languages"])
    assert list(languages) == ["curl", "Python", "JavaScript", "JSON"]
    assert json.loads(languages["JSON"])["prompt"] == "an 'egg'"
    assert r"an '\''egg'\''" in languages["curl"]


def test_the_number_of_queries_is_fixed(
    desk: Client, django_assert_num_queries: DjangoAssertNumQueries, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    task = made(desk)
    desk.get("/playground")
    with django_assert_max_num_queries(20) as few:
        desk.get(f"/playground?task={task.pk}")
    number = len(few)
    for _ in range(10):
        made(desk)
    with django_assert_num_queries(number):
        desk.get(f"/playground?task={task.pk}")

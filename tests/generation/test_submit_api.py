"""POST /v1/generate: what it takes, what it refuses, and in which words."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from billing.models import Hold
from eggapi.loop import Loop
from generation.models import Route, Status, Task
from tests.customer import EGG, TIME, Customer
from tests.emulators.vendor import Vendor
from tests.generation.conftest import DOLLAR, ended

GEN = r"gen_[a-z0-9]{24}"
ENVELOPE_OF_ACCEPTED = (
    r'{"data":{"id":"GEN","status":"pending","model":"MODEL","type":"TYPE","cost":"$0.00","created_at":"TIME"},'
    r'"error":null}'
)


@pytest.fixture
def alice(on_sale: None) -> Customer:
    return Customer()


def assert_accepted(body: bytes, model: str, kind: str = "image_generate") -> None:
    """The whole body to the letter, order of keys included."""
    pattern = re.escape(ENVELOPE_OF_ACCEPTED).replace("GEN", GEN).replace("TIME", TIME)
    assert re.fullmatch(pattern.replace("MODEL", model).replace("TYPE", kind), body.decode())


@pytest.mark.django_db
class TestDocumentedExamples:
    """The requests that the product's documentation has always shown."""

    def test_image_generation(self, alice: Customer) -> None:
        answer = alice.post(
            {
                "model": "nanobanana-pro",
                "prompt": "A futuristic cityscape at night, cyberpunk style",
                "negative_prompt": "blurry, low quality",
                "aspect_ratio": "16:9",
                "resolution": "2k",
                "num_outputs": 2,
                "webhook_url": "https://webhook.site/your-webhook-id",
            }
        )
        assert answer.status == 202
        assert_accepted(answer.body, "nanobanana-pro")
        task = Task.objects.get()
        assert (task.prompt, task.negative_prompt) == (
            "A futuristic cityscape at night, cyberpunk style",
            "blurry, low quality",
        )
        assert (task.aspect_ratio, task.resolution, task.resolution_asked, task.num_outputs) == ("16:9", "2k", True, 2)
        assert (task.webhook_url, alice.wallet.held) == ("https://webhook.site/your-webhook-id", 32_000)

    def test_image_editing(self, alice: Customer) -> None:
        answer = alice.post(
            {
                "model": "nanobanana-pro",
                "prompt": "Transform into a professional studio portrait",
                "image_urls": ["https://example.com/image.jpg"],
            }
        )
        assert answer.status == 202
        assert_accepted(answer.body, "nanobanana-pro", "image_edit")
        assert Task.objects.get().image_urls == ["https://example.com/image.jpg"]


@pytest.mark.django_db(transaction=True)
class TestDocumentedStory:
    """Submit, poll, usage; and what a refused picture looks like. The order of keys is part of it."""

    @pytest.fixture
    def alice(self, on_sale: None) -> Customer:
        alice = Customer(mode="live")
        alice.leave(DOLLAR)
        return alice

    def test_it_works(
        self, alice: Customer, vendor: Vendor, add_route: Callable[..., Route], engine: Loop[Any]
    ) -> None:
        add_route(vendor.url)
        accepted = alice.post(
            {
                "model": "nanobanana",
                "prompt": "A cinematic product photo of a matte green travel mug",
                "aspect_ratio": "16:9",
                "num_outputs": 1,
                "webhook_url": "https://webhook.site/your-webhook-id",
            }
        )
        assert accepted.status == 202
        assert_accepted(accepted.body, "nanobanana")
        engine.wake()
        task = ended(Task.objects.get())

        polled = alice.get(f"/v1/tasks/{accepted.data['id']}")
        url = polled.data["output"]["url"]
        assert (polled.status, list(polled.data.items())) == (
            200,
            [
                ("id", task.id),
                ("status", "completed"),
                ("model", "nanobanana"),
                ("type", "image_generate"),
                ("output", {"url": url, "urls": [url]}),
                ("cost", "$0.0100"),
                ("created_at", accepted.data["created_at"]),
                ("started_at", polled.data["started_at"]),
                ("completed_at", polled.data["completed_at"]),
            ],
        )
        assert accepted.data["created_at"] <= polled.data["started_at"] <= polled.data["completed_at"]
        assert re.search(rf"/images/{task.id}/[a-z0-9]{{25}}/0\.png\?", url)

        summary = alice.get("/v1/usage/summary")
        assert summary.body == (
            b'{"data":[{"model":"nanobanana","total_units":1,"total_cost":"$0.0100","request_count":1}],"error":null}'
        )

    def test_a_refused_picture(
        self, alice: Customer, vendor: Vendor, add_route: Callable[..., Route], engine: Loop[Any]
    ) -> None:
        add_route(vendor.url, model="nanobanana-pro")
        accepted = alice.generate(model="nanobanana-pro", prompt="vendor:refused")
        engine.wake()
        task = ended(Task.objects.get())
        polled = alice.get(f"/v1/tasks/{accepted.data['id']}")
        assert (polled.status, list(polled.data.items())) == (
            200,
            [
                ("id", task.id),
                ("status", "failed"),
                ("model", "nanobanana-pro"),
                ("type", "image_generate"),
                ("error", "Content moderation: prompt contains prohibited content"),
                ("cost", "$0.00"),
                ("created_at", accepted.data["created_at"]),
                ("started_at", polled.data["started_at"]),
                ("completed_at", polled.data["completed_at"]),
            ],
        )


MISSING = object()
NO_TEXT = [5, 1.5, True, [], {}, ["an egg"], "", " \n\t ", "a\0b", "\ud800", "an \udfff egg"]
NO_INTEGER = ["2", 1.0, 2.5, True, False, [], {}, [1], 1e300]
PRIVATE = [
    "https://localhost/hook",
    "https://LOCALHOST./hook",
    "https://egg.localhost/hook",
    "https://printer.local/hook",
    "https://metadata.google.internal/hook",
    "https://127.0.0.1/hook",
    "https://127.1/hook",
    "https://2130706433/hook",
    "https://0x7f000001/hook",
    "https://0177.0.0.1/hook",
    "https://0/hook",
    "https://\uff11\uff12\uff17.\uff10.\uff10.\uff11/hook",
    "https://127\u30020\u30020\u30021/hook",
    "https://10.0.0.8/hook",
    "https://192.168.1.1:8443/hook",
    "https://100.64.0.1/hook",
    "https://169.254.169.254/latest/meta-data",
    "https://168.63.129.16/hook",
    "https://[::1]/hook",
    "https://[::ffff:127.0.0.1]/hook",
    "https://[::ffff:7f00:1]/hook",
    "https://[64:ff9b::7f00:1]/hook",
    "https://[2002:7f00:1::]/hook",
    "https://[fd00:ec2::254]/hook",
    "https://[fe80::1%25eth0]/hook",
]
ODD = [
    "",
    "hook",
    "//example.com/hook",
    "https://",
    "https:///hook",
    "https:example.com",
    "http://example.com/hook",
    "ftp://example.com/hook",
    "file:///etc/passwd",
    "gopher://example.com/",
    "javascript:alert(1)",
    "data:image/png;base64,iVBORw0KGgo=",
    "https://user:password@example.com/hook",
    "https://example.com@127.0.0.1/hook",
    "https://example.com:22/hook",
    "https://example.com:5432/hook",
    "https://example.com:80/hook",
    "https://example.com:99999/hook",
    "https://example.com:x/hook",
    "https://example.com/#part",
    "https://example.com/a b",
    "https://example.com/\r\nX-Evil: 1",
    "https://exa\0mple.com/",
    "https://exam\ud800ple.com/",
    "https://example.com\\@127.0.0.1/",
    "https://[::1/hook",
    "https://-.example..com/hook",
    "https://example.com/" + "a" * 2029,
    *NO_INTEGER[1:],
    5,
]
WRONG: dict[str, list[Any]] = {
    "model": [MISSING, None, *NO_TEXT, "veo3.1", "NANOBANANA", "nanobanana-proo", "m" * 65],
    "prompt": [MISSING, None, *NO_TEXT, "a" * 2001, "\U0001f95a" * 2001],
    "negative_prompt": [5, True, [], {}, "a" * 1001, "a\0b", "\ud800"],
    "aspect_ratio": ["1:1", "16x9", "auto", "16:9\0", "\ud800", "", 1.78, True, ["16:9"], {"w": 16}],
    "num_outputs": [0, 5, -1, 10**9, 10**30, -(10**30), *NO_INTEGER],
    "resolution": ["8k", "1K", "2k ", "2k", "4k", "\ud800", "", 1024, ["1k"], {}],
    "duration": [0, 61, -5, *NO_INTEGER],
    "seed": [-1, 2**32, 2**64, *NO_INTEGER],
    "deadline_seconds": [0, 9, 3601, *NO_INTEGER],
    "image_urls": ["https://example.com/a.png", {}, 5, True, [None], [["https://example.com/a.png"]]],
    "webhook_url": [*PRIVATE, *ODD, ["https://example.com/hook"]],
}
WRONG["image_urls"] += [["https://example.com/a.png", url] for url in [*PRIVATE, *ODD]]
WRONG["image_urls"] += [["https://example.com/a.png"] * 10]


@pytest.mark.django_db
class TestWrongField:
    @pytest.mark.parametrize("field", WRONG)
    def test_it_is_named_and_nothing_happens(self, alice: Customer, field: str) -> None:
        for value in WRONG[field]:
            body = {name: v for name, v in (EGG | {field: value}).items() if v is not MISSING}
            assert (value, alice.post(body).faults) == (value, [field])
        alice.assert_nothing_happened()

    def test_all_of_them_are_named_at_once(self, alice: Customer) -> None:
        answer = alice.post({"prompt": "", "num_outputs": 5, "webhook_url": "http://localhost/"})
        assert answer.faults == ["model", "prompt", "num_outputs", "webhook_url"]
        assert answer.error["fields"]["num_outputs"] == "must be from 1 to 4"
        assert answer.error["message"].startswith("model: is required; prompt: must not be empty; ")

    def test_an_unknown_model_is_told_what_there_is(self, alice: Customer) -> None:
        answer = alice.generate(model="veo3.1")
        assert answer.error["fields"] == {"model": "must be one of nanobanana, nanobanana-pro"}

    def test_the_customers_text_is_not_sent_back(self, alice: Customer) -> None:
        assert b"SECRET" not in alice.generate(aspect_ratio="SECRET", webhook_url="http://SECRET/").body


@pytest.mark.django_db
class TestRightField:
    @pytest.mark.parametrize(
        ("given", "stored"),
        [
            ("a" * 2000, "a" * 2000),
            ("\U0001f95a" * 2000, "\U0001f95a" * 2000),
            ("  an egg \n", "an egg"),
            (" " * 500 + "a" * 2000 + "\t" * 500, "a" * 2000),
            ("בֵּיצָה ‏בيضة‎", "בֵּיצָה ‏בيضة‎"),
            ("\u202e\u200d\u0007<script>'\";--", "\u202e\u200d\u0007<script>'\";--"),
        ],
    )
    def test_the_prompt_is_trimmed_and_its_characters_are_counted(
        self, alice: Customer, given: str, stored: str
    ) -> None:
        assert alice.generate(prompt=given).status == 202
        assert Task.objects.get().prompt == stored

    def test_nothing_but_model_and_prompt_is_required(self, alice: Customer) -> None:
        assert alice.post(EGG).status == 202
        task = Task.objects.get()
        assert (task.aspect_ratio, task.num_outputs, task.resolution, task.resolution_asked) == ("16:9", 1, "1k", False)
        assert (task.negative_prompt, task.image_urls, task.webhook_url, task.seed) == ("", [], "", None)
        assert (task.deadline_seconds, task.deadline_at - task.created_at) == (300, task.deadline_at - task.created_at)
        assert (task.deadline_at - task.created_at).total_seconds() == 300

    @pytest.mark.parametrize("field", sorted(WRONG.keys() - EGG.keys()))
    def test_null_is_as_good_as_absent(self, alice: Customer, field: str) -> None:
        assert alice.generate(**{field: None}).status == 202

    @pytest.mark.parametrize(
        "extra", [{"parameters": {"a": [1]}}, {"format": "xml"}, {"": 1}, {"\0": 1}, {"\ud800": "\udfff"}]
    )
    def test_unknown_fields_are_ignored(self, alice: Customer, extra: dict[str, Any]) -> None:
        assert alice.generate(**extra).status == 202
        assert alice.post(EGG | extra, Idempotency_Key="k").status == 202

    @pytest.mark.parametrize("duration", [1, 60])
    def test_duration_is_for_models_of_another_kind(self, alice: Customer, duration: int) -> None:
        assert alice.generate(duration=duration).status == 202

    @pytest.mark.parametrize(("count", "kind"), [(0, "image_generate"), (1, "image_edit"), (9, "image_edit")])
    def test_image_urls_make_it_an_edit(self, alice: Customer, count: int, kind: str) -> None:
        urls = [f"https://example.com/{n}.png" for n in range(count)]
        assert alice.generate(image_urls=urls).data["type"] == kind

    @pytest.mark.parametrize(
        "url", ["https://example.com/hook?a=1&b=%20", "https://bücher.example:8443/", "HTTPS://EXAMPLE.COM"]
    )
    def test_public_addresses_are_taken_as_they_are(self, alice: Customer, url: str) -> None:
        assert alice.generate(webhook_url=url).status == 202
        assert Task.objects.get().webhook_url == url

    def test_a_url_of_2048_characters_is_taken(self, alice: Customer) -> None:
        url = "https://example.com/" + "a" * 2028
        assert alice.generate(webhook_url=url, image_urls=[url] * 9).status == 202

    @pytest.mark.parametrize(
        ("fields", "held"),
        [
            ({"model": "nanobanana"}, 10_000),
            ({"model": "nanobanana", "num_outputs": 4}, 40_000),
            ({"model": "nanobanana-pro", "resolution": "1k"}, 16_000),
            ({"model": "nanobanana-pro", "resolution": "2k", "num_outputs": 3}, 48_000),
            ({"model": "nanobanana-pro", "resolution": "4k"}, 32_000),
        ],
    )
    def test_it_holds_the_price(self, alice: Customer, fields: dict[str, Any], held: int) -> None:
        assert alice.generate(**fields).status == 202
        assert (alice.wallet.held, Hold.objects.get().amount) == (held, held)

    def test_4k_may_take_longer(self, alice: Customer) -> None:
        alice.generate(model="nanobanana-pro", resolution="4k")
        assert Task.objects.get().deadline_seconds == 600

    def test_the_task_is_bound_to_key_and_mode(self, alice: Customer) -> None:
        alice.generate(deadline_seconds=10)
        task = Task.objects.get()
        assert (task.account, task.key, task.mode, task.status) == (alice.account, alice.key, "test", Status.PENDING)
        assert (task.deadline_at - task.created_at).total_seconds() == 10

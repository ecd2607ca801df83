"""POST /v1/generate: bodies that cannot be read, requests that are refused, and callers with a session."""

import json

import pytest

from generation.models import Task
from tests.customer import EGG, Customer
from tests.generation.conftest import DOLLAR

MEBIBYTE = 1024 * 1024


@pytest.fixture
def alice(on_sale: None) -> Customer:
    return Customer()


def nested(levels: int) -> bytes:
    """An egg with something `levels` deep in it, the object of the body counted."""
    return json.dumps(EGG).encode()[:-1] + b',"x":' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"


def padded(size: int) -> bytes:
    body = json.dumps(EGG | {"x": ""}).encode()
    return body[:-2] + b"x" * (size - len(body)) + body[-2:]


@pytest.mark.django_db
class TestUnreadableBody:
    @pytest.mark.parametrize(
        "body",
        [
            b"{",
            b"{}}",
            b"an egg",
            b"{'model': 'nanobanana'}",
            b'{"model": "nanobanana",}',
            b'{"model": NaN, "prompt": "an egg"}',
            b'{"model": "nanobanana", "prompt": "an egg", "num_outputs": NaN}',
            b'{"model": "nanobanana", "prompt": "an egg", "x": Infinity}',
            b'{"model": "nanobanana", "prompt": "an egg", "x": [-Infinity, "\\ud800"]}',
            b'{"model": "nanobanana", "prompt": "an\negg"}',
            b'\xef\xbb\xbf{"model": "nanobanana", "prompt": "an egg"}',
            '{"model": "nanobanana", "prompt": "an egg"}'.encode("utf-16"),
            b'{"model": "nanobanana", "prompt": "\xff"}',
            b'{"model": "nanobanana", "prompt": "\xed\xa0\x80"}',
            b"[]",
            b'[{"model": "nanobanana", "prompt": "an egg"}]',
            b'"an egg"',
            b"null",
            b"5",
            b'{"model": "nanobanana", "prompt": "an egg", "x": ' + b"1" * 5000 + b"}",
            nested(65),
            nested(10_000),
            b"[" * 500_000,
            b'{"a":' * 150_000,
        ],
    )
    def test_it_is_a_bad_request(self, alice: Customer, body: bytes) -> None:
        assert alice.post(body).refusal == (400, "BAD_REQUEST")
        assert alice.post(body, Idempotency_Key="k").refusal == (400, "BAD_REQUEST")
        alice.assert_nothing_happened()

    def test_an_empty_body_lacks_everything(self, alice: Customer) -> None:
        assert alice.post(b"").faults == ["model", "prompt"]
        assert alice.post(b"{}").faults == ["model", "prompt"]

    def test_64_levels_are_not_too_many(self, alice: Customer) -> None:
        assert alice.post(nested(64)).status == 202

    def test_many_small_lists_are_not_deep(self, alice: Customer) -> None:
        assert alice.generate(x=[[]] * 5000).status == 202

    def test_numbers_beyond_64_bits_are_numbers(self, alice: Customer) -> None:
        for number in (b"1" * 100, b"1e999", b"-1e-999", b"-0", b"1.5e300"):
            assert alice.post(json.dumps(EGG).encode()[:-1] + b',"x":' + number + b"}").status == 202
            body = json.dumps(EGG).encode()[:-1] + b',"num_outputs":' + number + b"}"
            assert alice.post(body, Idempotency_Key="k").faults == ["num_outputs"]

    def test_of_duplicate_keys_the_last_one_wins(self, alice: Customer) -> None:
        assert alice.post(b'{"model":5,"prompt":"a hen","model":"nanobanana","prompt":"an egg"}').status == 202
        assert Task.objects.get().prompt == "an egg"
        assert alice.post(b'{"model":"nanobanana","prompt":"an egg","prompt":5}').faults == ["prompt"]

    def test_a_mebibyte_is_taken_and_not_a_byte_more(self, alice: Customer) -> None:
        assert alice.post(padded(MEBIBYTE + 1)).refusal == (413, "PAYLOAD_TOO_LARGE")
        assert alice.post(padded(8 * MEBIBYTE)).refusal == (413, "PAYLOAD_TOO_LARGE")
        alice.assert_nothing_happened()
        assert alice.post(padded(MEBIBYTE)).status == 202

    @pytest.mark.parametrize(
        "content_type",
        [
            "",
            " ",
            "json",
            "text/plain",
            "text/json",
            "application/json5",
            "application/xml",
            "application/octet-stream",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "multipart/form-data",
            "*/*",
            "\xff/\xff",
        ],
    )
    def test_it_requires_json(self, alice: Customer, content_type: str) -> None:
        assert alice.post(EGG, Content_Type=content_type).refusal == (415, "UNSUPPORTED_MEDIA_TYPE")
        alice.assert_nothing_happened()

    @pytest.mark.parametrize("content_type", ["application/json;charset=utf-8", "Application/JSON ; charset=latin-1"])
    def test_the_charset_of_json_is_utf_8_whatever_is_said(self, alice: Customer, content_type: str) -> None:
        assert alice.post(EGG, Content_Type=content_type).status == 202

    @pytest.mark.parametrize("length", ["", "x", "-1", "1e3", "\xb2", "9" * 5000])
    def test_an_odd_content_length_is_no_crash(self, alice: Customer, length: str) -> None:
        assert alice.post(EGG, Content_Length=length).status in (400, 413)
        alice.assert_nothing_happened()


@pytest.mark.django_db
class TestRefusal:
    def test_it_requires_a_balance(self, alice: Customer) -> None:
        alice.leave(39_999)
        answer = alice.generate(num_outputs=4)
        assert answer.refusal == (403, "INSUFFICIENT_BALANCE")
        assert answer.error["message"] == "The balance does not cover this request."
        alice.assert_nothing_happened()
        assert alice.generate(num_outputs=3).status == 202

    def test_it_holds_nothing_where_nobody_serves_the_model(self, alice: Customer, on_sale: None) -> None:
        live = Customer(mode="live")
        live.leave(DOLLAR)
        answer = live.generate()
        assert answer.refusal == (503, "SERVICE_UNAVAILABLE")
        assert answer.headers["Retry-After"] == "60"
        live.assert_nothing_happened()

    @pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"])
    def test_it_takes_post_only(self, alice: Customer, method: str) -> None:
        answer = alice.send(method, "/v1/generate", EGG)
        assert answer.refusal == (405, "METHOD_NOT_ALLOWED")
        assert answer.headers["Allow"] == "POST, OPTIONS"
        alice.assert_nothing_happened()

    def test_head_is_told_the_same_without_a_body(self, alice: Customer) -> None:
        answer = alice.send("HEAD", "/v1/generate")
        assert (answer.status, answer.headers["Allow"], answer.body) == (405, "POST, OPTIONS", b"")

    def test_options_are_answered(self, alice: Customer) -> None:
        answer = alice.send("OPTIONS", "/v1/generate", EGG)
        assert (answer.status, answer.headers["Allow"]) == (200, "POST, OPTIONS")
        assert answer.data
        alice.assert_nothing_happened()

    @pytest.mark.parametrize(
        "path", ["/v1/generate/gen_abc123def456", "/v1/generate/", "/v1/", "/v1/nothing", "/v1/generate%00", "/v1/%ff"]
    )
    def test_an_unknown_address_is_not_found(self, alice: Customer, path: str) -> None:
        for method in ("GET", "POST", "DELETE", "OPTIONS"):
            for accept in ("application/json", "text/html"):
                assert alice.send(method, path, EGG, Accept=accept).refusal == (404, "NOT_FOUND")
        alice.assert_nothing_happened()

    @pytest.mark.parametrize(
        "accept", ["", "text/html", "image/png", "*/*;q=0", "application/xml", "}{", "\xff", "a," * 2000]
    )
    def test_the_answer_is_json_whatever_is_accepted(self, alice: Customer, accept: str) -> None:
        assert alice.post(EGG, Accept=accept).status == 202
        assert alice.send("POST", "/v1/generate?format=xml", EGG, Accept=accept).status == 202
        assert alice.post({}, Accept=accept).faults == ["model", "prompt"]

    @pytest.mark.parametrize("host", ["a b", "[::1", "evil@example.com", "", "exa_mple.com:port", "\xff"])
    def test_an_odd_host_is_refused_in_the_envelope(self, alice: Customer, host: str) -> None:
        assert alice.post(EGG, Host=host).refusal == (400, "BAD_REQUEST")
        assert alice.get("/v1/nothing", Host=host).refusal == (400, "BAD_REQUEST")
        alice.assert_nothing_happened()


@pytest.mark.django_db
class TestSession:
    """The playground of the dashboard submits with its session and the token against forged requests."""

    @pytest.fixture
    def alice(self, on_sale: None) -> Customer:
        alice = Customer()
        alice.sign_in()
        return alice

    def test_it_works(self, alice: Customer) -> None:
        answer = alice.post(EGG, Authorization="", X_CSRFToken=alice.csrf_token)
        assert answer.status == 202
        task = Task.objects.get()
        assert (task.account, task.mode, task.key) == (alice.account, "test", None)

    @pytest.mark.parametrize("token", ["", "b" * 32, "\xff"])
    def test_it_requires_the_token(self, alice: Customer, token: str) -> None:
        assert alice.post(EGG, Authorization="", X_CSRFToken=token).refusal == (403, "FORBIDDEN")
        alice.assert_nothing_happened()

    @pytest.mark.parametrize(
        ("content_type", "body", "status"),
        [
            ("application/x-www-form-urlencoded", b"csrfmiddlewaretoken=TOKEN&model=nanobanana", 415),
            ("application/x-www-form-urlencoded", b"&a=b" * 2000, 400),
            ("application/x-www-form-urlencoded", b"a=" + b"b" * MEBIBYTE, 413),
            ("multipart/form-data", b"--x", 400),
            ("multipart/form-data; boundary=x", b"--x\r\nnonsense", 403),
        ],
    )
    def test_a_form_is_no_crash(self, alice: Customer, content_type: str, body: bytes, status: int) -> None:
        sent = body.replace(b"TOKEN", alice.csrf_token.encode())
        assert alice.post(sent, Authorization="", Content_Type=content_type).status == status
        alice.assert_nothing_happened()

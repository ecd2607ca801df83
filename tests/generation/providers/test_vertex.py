"""Vertex AI: how our adapter signs in, where it finds a model, and the vendor's own client at our emulator."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from google import genai
from google.genai import errors, types
from google.oauth2.service_account import Credentials

from eggapi.http import NotSent
from generation.providers.base import BadCredential, Finished, Job, Outcome, Provider, Rejected, Reply, Standing
from generation.providers.vertex import Vertex
from tests.emulators.gemini import Vertex as Upstream
from tests.generation.providers import conversation
from tests.generation.providers.conversation import Steps
from tests.servers import free_port

JOB = Job("ref-1", "gemini-2.5-flash-image", "an egg")


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as running:
        yield running


@pytest.fixture
def vertex(upstream: Upstream) -> Vertex:
    return Vertex(upstream.base_url, upstream.key)


def converse(provider: Provider, *steps: Steps) -> list[Any]:
    """The results of conversations, one after the other; pictures are dropped."""
    results = [conversation.converse(provider, each) for each in steps]
    for image in (image for result in results if isinstance(result, Finished) for image in result.images):
        image.close()
    return results


def path_of(base_url: str, upstream: Upstream) -> str:
    """Where the call that buys goes, once there is a token."""
    steps = Vertex(base_url, upstream.key).submit(JOB)
    next(steps)
    return steps.send(Reply(200, {}, b'{"access_token": "ya29.1", "expires_in": 3599}')).path


def test_it_signs_in_once(vertex: Vertex, upstream: Upstream) -> None:
    results = converse(vertex, vertex.submit(JOB), vertex.submit(JOB), vertex.standing())
    assert [type(result) for result in results] == [Finished, Finished, Standing]
    assert upstream.tokens == {"ya29.0"}


def test_it_signs_in_anew_before_the_token_expires(
    vertex: Vertex, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    converse(vertex, vertex.submit(JOB))
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 3599 - 60)
    steps = vertex.submit(JOB)
    assert next(steps).path == upstream.account["token_uri"]


def test_its_token_goes_to_the_vendor_alone(vertex: Vertex, upstream: Upstream) -> None:
    sign_in = next(vertex.submit(JOB))
    assert (sign_in.path, sign_in.buys, sign_in.headers) == (upstream.account["token_uri"], False, {})


@pytest.mark.parametrize(
    ("host", "location"),
    [
        ("aiplatform.googleapis.com", "global"),
        ("us-central1-aiplatform.googleapis.com", "us-central1"),
        ("aiplatform.eu.rep.googleapis.com", "eu"),
        ("vertex.example", "global"),
    ],
)
def test_the_location_is_in_the_host(upstream: Upstream, host: str, location: str) -> None:
    path = f"/projects/egg-project/locations/{location}/publishers/google/models/{JOB.model}:generateContent"
    assert path_of(f"https://{host}/v1beta1", upstream) == path


def test_an_api_key_knows_its_project(upstream: Upstream) -> None:
    vertex = Vertex(upstream.base_url, upstream.api_key)
    assert vertex.headers() == {"x-goog-api-key": upstream.api_key}
    assert next(vertex.submit(JOB)).path == f"/publishers/google/models/{JOB.model}:generateContent"
    [result] = converse(vertex, vertex.submit(JOB))
    assert isinstance(result, Finished)
    assert not upstream.tokens


@pytest.mark.parametrize("change", [{"private_key": "-----BEGIN"}, {"private_key": None}, {"client_email": "nobody@x"}])
def test_a_bad_account_takes_the_route_down(upstream: Upstream, change: dict[str, Any]) -> None:
    vertex = Vertex(upstream.base_url, json.dumps(upstream.account | change))
    [rejected] = converse(vertex, vertex.submit(JOB))
    assert (type(rejected), rejected.outcome) == (Rejected, Outcome.ROUTE_DOWN)
    assert not upstream.asked
    with pytest.raises(BadCredential):
        converse(vertex, vertex.standing())


def test_half_a_file_takes_the_route_down(upstream: Upstream) -> None:
    vertex = Vertex(upstream.base_url, upstream.key[:200])
    rejected = Rejected(Outcome.ROUTE_DOWN, "the service account's key file cannot be read")
    assert converse(vertex, vertex.submit(JOB)) == [rejected]


def test_without_a_token_nothing_is_bought(upstream: Upstream) -> None:
    nobody = {"token_uri": f"http://127.0.0.1:{free_port()}/token"}
    vertex = Vertex(upstream.base_url, json.dumps(upstream.account | nobody))
    with pytest.raises(NotSent):
        converse(vertex, vertex.submit(JOB))
    broken = {"token_uri": f"{upstream.origin}/no-such-path"}
    vertex = Vertex(upstream.base_url, json.dumps(upstream.account | broken))
    with pytest.raises(NotSent):
        converse(vertex, vertex.submit(JOB))
    assert not upstream.asked


def test_a_dead_key_takes_the_route_down(upstream: Upstream) -> None:
    vertex = Vertex(upstream.base_url, "dead-key-0123456789")
    message = "401 Request had invalid authentication credentials."
    assert converse(vertex, vertex.submit(JOB)) == [Rejected(Outcome.ROUTE_DOWN, message)]


def test_it_lists_the_models(vertex: Vertex, upstream: Upstream) -> None:
    assert converse(vertex, vertex.standing()) == [Standing(models=upstream.models)]


# -- the vendor's own client -------------------------------------------------------------------------


@pytest.fixture
def client(upstream: Upstream) -> Iterator[genai.Client]:
    credentials = Credentials.from_service_account_info(  # type: ignore[no-untyped-call]
        upstream.account, scopes=["https://www.googleapis.com/auth/cloud-platform"]
    )
    with genai.Client(
        vertexai=True,
        project="egg-project",
        location="global",
        credentials=credentials,
        http_options=types.HttpOptions(base_url=upstream.origin),
    ) as client:
        yield client


def test_its_own_client_signs_in_and_draws(client: genai.Client, upstream: Upstream) -> None:
    answer = client.models.generate_content(model=JOB.model, contents="an egg")
    assert answer.parts
    assert [bool(part.inline_data) for part in answer.parts] == [False, True]
    assert (len(upstream.tokens), upstream.asked[0].prompt) == (1, "an egg")


def test_its_own_client_understands_our_errors(client: genai.Client) -> None:
    with pytest.raises(errors.ClientError) as caught:
        client.models.generate_content(model=JOB.model, contents="an egg fault:e429")
    assert (caught.value.code, caught.value.status) == (429, "RESOURCE_EXHAUSTED")


def test_its_own_client_in_express_mode(upstream: Upstream) -> None:
    options = types.HttpOptions(base_url=upstream.origin)
    with genai.Client(vertexai=True, api_key=upstream.api_key, http_options=options) as client:
        assert client.models.generate_content(model=JOB.model, contents="an egg").parts
    assert not upstream.tokens

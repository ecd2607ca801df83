import io
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageStat

from generation.sandbox import art, caption
from generation.sandbox.art import Picture, dimensions, render
from generation.sandbox.idea import understand
from generation.sandbox.scenes import SCENES
from generation.sandbox.subjects import DRAWINGS
from generation.sandbox.thumbnail import thumbnails

pytestmark = pytest.mark.once

RATIOS = ["16:9", "9:16", "1:1", "4:3", "3:2", "2:3", "21:9", "4:5", "1:12", "12:1", "1365:768", "640:427"]


def opened(body: bytes) -> Image.Image:
    return Image.open(io.BytesIO(body)).convert("RGB")


def difference(one: bytes, other: bytes) -> float:
    """Mean difference of a channel, 0..255."""
    apart = ImageChops.difference(opened(one).resize((64, 64)), opened(other).resize((64, 64)))
    return sum(ImageStat.Stat(apart).mean) / 3


def colour_of(body: bytes) -> tuple[float, float, float]:
    red, green, blue = ImageStat.Stat(opened(body)).mean
    return red, green, blue


def reference(tmp_path: Path, prompt: str, aspect_ratio: str = "1:1") -> bytes:
    path = tmp_path / "reference.png"
    path.write_bytes(render(Picture(prompt, aspect_ratio=aspect_ratio)))
    return thumbnails([str(path)])[0][0]


def test_it_works() -> None:
    body = render(Picture("a lighthouse at dusk", aspect_ratio="16:9"))
    with Image.open(io.BytesIO(body)) as image:
        assert (image.format, image.size) == ("PNG", (1376, 768))


@pytest.mark.parametrize("output_format", art.FORMATS)
def test_it_draws_the_same_bytes_again(output_format: str) -> None:
    picture = Picture("two cats, watercolor", negative_prompt="rain", output_format=output_format, seed=7)
    assert render(picture) == render(picture)


@pytest.mark.parametrize(
    "other",
    [
        Picture("a red cup on a table", seed=1),
        Picture("mountains", seed=2),
        Picture("mountains", seed=1, index=1),
        Picture("mountains", seed=1, negative_prompt="sun"),
    ],
)
def test_it_draws_another_picture_for_another_request(other: Picture) -> None:
    assert difference(render(Picture("mountains", seed=1)), render(other)) > 3


def test_it_draws_one_picture_in_every_resolution() -> None:
    one, two = (render(Picture("a fox in a forest", resolution=resolution)) for resolution in ("1k", "2k"))
    assert opened(two).size == (2048, 2048)
    assert difference(one, two) < 3


def test_it_reaches_4k() -> None:
    assert max(opened(render(Picture("the sea", aspect_ratio="9:16", resolution="4k"))).size) == 5504


@pytest.mark.parametrize("aspect_ratio", RATIOS)
@pytest.mark.parametrize("resolution", art.SCALES)
def test_it_keeps_the_ratio(aspect_ratio: str, resolution: str) -> None:
    width, height = dimensions(aspect_ratio, resolution)
    assert abs(width / height / art.ratio(aspect_ratio) - 1) < 0.01
    assert max(width, height) < 16_384
    assert resolution != "4k" or max(width, height) >= 3840


@pytest.mark.parametrize("aspect_ratio", ["", "auto", "16", "16:", "0:1", "1:0", "1:13", "-1:2", "a:b", "1:2:3", "²:1"])
def test_it_rejects_what_is_no_ratio(aspect_ratio: str) -> None:
    with pytest.raises(ValueError):
        art.ratio(aspect_ratio)


def test_it_takes_its_hue_from_colour_words() -> None:
    red, blue = (colour_of(render(Picture(f"a {word} balloon"))) for word in ("red", "blue"))
    assert red[0] > red[2]
    assert blue[2] > blue[0]


def test_it_darkens_the_night() -> None:
    night, day = (sum(colour_of(render(Picture(f"mountains at {word}")))) for word in ("night", "noon"))
    assert night < day / 2


def test_it_writes_plain_metadata() -> None:
    with Image.open(io.BytesIO(render(Picture("an egg", model="nanobanana", seed=5)))) as png:
        assert png.info == {"model": "nanobanana", "seed": "5", "source": "synthetic sandbox"}
    with Image.open(io.BytesIO(render(Picture("an egg", model="nanobanana", output_format="jpeg")))) as jpeg:
        assert jpeg.getexif()[0x010E] == "model=nanobanana; seed=None; source=synthetic sandbox"


def test_it_edits_the_reference(tmp_path: Path) -> None:
    cup = reference(tmp_path, "a red cup")
    plain, edited, blue = (
        render(Picture(prompt, references=references))
        for prompt, references in (("make it nicer", ()), ("make it nicer", (cup,)), ("make it blue", (cup,)))
    )
    assert difference(plain, edited) > 10
    assert difference(edited, blue) > 10
    assert colour_of(blue)[2] > colour_of(blue)[0]


@pytest.mark.parametrize("count", range(1, 10))
@pytest.mark.parametrize("prompt", ["a collage", "hang them in the city and add a robot"])
def test_it_lays_out_every_number_of_references(tmp_path: Path, count: int, prompt: str) -> None:
    cat = reference(tmp_path, "a cat", "3:2")
    assert opened(render(Picture(prompt, aspect_ratio="9:16", references=(cat,) * count))).size == (768, 1376)


@pytest.mark.parametrize("style", ["", "neon", "minimal", "watercolor", "pixel", "sketch", "monochrome"])
@pytest.mark.parametrize("scene", SCENES)
def test_it_draws_every_scene_in_every_style(scene: str, style: str) -> None:
    idea = understand(f"{scene} {style}", "", Random(1))
    assert idea.scene == scene
    assert opened(render(Picture(f"{scene} {style}", aspect_ratio="1:12"))).size == dimensions("1:12", "1k")


@pytest.mark.parametrize("name", DRAWINGS)
def test_it_draws_every_thing(name: str) -> None:
    assert understand(f"five {name}s in a city", "", Random(1)).subjects[0].name == name
    assert difference(render(Picture(f"five {name}s in a city")), render(Picture("in a city"))) > 3


def test_it_reads_what_a_prompt_asks_for() -> None:
    idea = understand("Two RED cups and a cat's blue box on the beach at night, snow", "", Random(1))
    wanted = [(each.name, each.count) for each in idea.subjects]
    assert (idea.scene, idea.light, wanted) == ("sea", "night", [("cup", 2), ("cat", 1), ("box", 1)])
    assert idea.weather == {"snow"}


def test_it_leaves_out_what_is_not_wanted() -> None:
    idea = understand("a cat and a dog in the rain", "dogs, rain", Random(1))
    assert [each.name for each in idea.subjects] == ["cat"]
    assert idea.weather == set()


def test_it_adds_only_what_an_edit_says_to_add() -> None:
    idea = understand("put the cup on a beach and add a balloon", "", Random(1), editing=True)
    assert [each.name for each in idea.subjects] == ["balloon"]


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("une école — “très jolie”", "une ecole - “tres jolie”"),
        ("吾輩は猫である 🐱", ""),
        ("שלום world", "world"),
        ("a\x00b\tc\ud800", "ab c"),
        ("x" * 2000, "x" * 240 + "…"),
    ],
)
def test_it_writes_what_its_font_has(text: str, written: str) -> None:
    assert caption.readable(text) == written


@settings(max_examples=60, deadline=None)
@given(
    prompt=st.text(max_size=400),
    negative_prompt=st.text(max_size=40),
    width=st.integers(1, 12),
    height=st.integers(1, 12),
    seed=st.none() | st.integers(),
)
def test_it_draws_any_prompt(prompt: str, negative_prompt: str, width: int, height: int, seed: int | None) -> None:
    picture = Picture(prompt, negative_prompt, f"{width}:{height}", output_format="jpeg", model=prompt[:20], seed=seed)
    assert opened(render(picture)).size == dimensions(f"{width}:{height}", "1k")


@settings(max_examples=15, deadline=None)
@given(prompt=st.text(min_size=1500, max_size=2000))
def test_it_captions_huge_prompts(prompt: str) -> None:
    image = Image.new("RGB", (300, 200))
    caption.write(image, prompt, (255, 0, 0))
    caption.write(image, prompt.replace(" ", ""), (255, 0, 0))

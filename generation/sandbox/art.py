"""The renderer: same request, same bytes; another prompt, seed or index, another picture."""

import io
import math
from dataclasses import dataclass
from hashlib import blake2b
from random import Random

from PIL import Image, PngImagePlugin

from generation.sandbox import caption, collage, palette
from generation.sandbox.finish import FINISHES, ON_PAPER, PAPER
from generation.sandbox.idea import understand
from generation.sandbox.pen import Pen
from generation.sandbox.scenes import SCENES
from generation.sandbox.stage import Stage, weather
from generation.sandbox.subjects import place

SCALES = {"1k": 1, "2k": 2, "4k": 4}
FORMATS = ("png", "jpeg", "webp")
WIDEST = 12.0  # the most one side may exceed the other; WebP ends at 16,383 pixels
OVERSAMPLED = 6_000_000  # pixels up to which a picture is drawn at twice its size, for smooth edges


@dataclass(frozen=True, slots=True)
class Picture:
    """All that decides the bytes of one picture. `references` are small encoded pictures."""

    prompt: str
    negative_prompt: str = ""
    aspect_ratio: str = "1:1"
    resolution: str = "1k"
    output_format: str = "png"
    model: str = ""
    seed: int | None = None
    index: int = 0
    references: tuple[bytes, ...] = ()


def ratio(text: str) -> float:
    """Width over height of "w:h"; ValueError unless both are whole numbers and the shape is no longer than WIDEST."""
    width, _, height = text.partition(":")
    if not (width.isdecimal() and height.isdecimal() and int(height)):
        raise ValueError(f"not an aspect ratio: {text[:20]}")
    value = int(width) / int(height)
    if not 1 / WIDEST <= value <= WIDEST:
        raise ValueError(f"too long and narrow: {text[:20]}")
    return value


def dimensions(aspect_ratio: str, resolution: str) -> tuple[int, int]:
    """Pixels: a megapixel at 1k, sides in sixteens where that keeps the ratio within 1 %, twice and four times
    the sides at 2k and 4k.
    """
    wanted = ratio(aspect_ratio)
    width, height = 1024 * math.sqrt(wanted), 1024 / math.sqrt(wanted)
    sides = (math.ceil(round(width, 6) / 16) * 16, math.ceil(round(height, 6) / 16) * 16)
    if abs(sides[0] / sides[1] / wanted - 1) >= 0.01:
        sides = (round(width), round(height))
    scale = SCALES[resolution]
    return sides[0] * scale, sides[1] * scale


def render(picture: Picture) -> bytes:
    """The encoded picture, with plain metadata that says it is synthetic."""
    size = dimensions(picture.aspect_ratio, picture.resolution)
    random = Random(_digest(picture))
    idea = understand(picture.prompt, picture.negative_prompt, random, editing=bool(picture.references))
    colours = palette.blend(idea.light, idea.hue, idea.grey, random)
    twice = size[0] * size[1] <= OVERSAMPLED
    canvas = Image.new("RGB", (size[0] * 2, size[1] * 2) if twice else size)
    stage = Stage(canvas, Pen(canvas), colours, idea, random)
    _draw(stage, picture.references)
    image = canvas.reduce(2) if twice else canvas
    if idea.style in FINISHES:
        image = FINISHES[idea.style](image, random)
    caption.write(image, picture.prompt, colours.accent, PAPER if idea.style in ON_PAPER else None)
    return _encoded(image, picture)


def _draw(stage: Stage, references: tuple[bytes, ...]) -> None:
    floor = stage.pen.height * 0.9
    if stage.idea.placed or not references:
        floor = SCENES[stage.idea.scene](stage)
    if references:
        collage.lay(stage, references)
    place(stage, floor, middle=0.82 if references else 0.5)
    weather(stage)


def _digest(picture: Picture) -> int:
    """Resolution and format are left out: they are the same picture in other pixels."""
    parts = [picture.prompt, picture.negative_prompt, picture.aspect_ratio, str(picture.seed), str(picture.index)]
    digest = blake2b("\x1f".join(parts).encode("utf-8", "replace"), digest_size=16)
    for reference in picture.references:
        digest.update(reference)
    return int.from_bytes(digest.digest())


def _encoded(image: Image.Image, picture: Picture) -> bytes:
    facts = {"model": picture.model, "seed": str(picture.seed), "source": "synthetic sandbox"}
    target = io.BytesIO()
    if picture.output_format == "png":
        info = PngImagePlugin.PngInfo()
        for key, value in facts.items():
            info.add_text(key, value)
        image.save(target, "PNG", compress_level=1, pnginfo=info)
        return target.getvalue()
    exif = Image.Exif()
    exif[0x010E] = "; ".join(f"{key}={value}" for key, value in facts.items())  # ImageDescription
    if picture.output_format == "jpeg":
        image.save(target, "JPEG", quality=90, exif=exif)
    else:
        image.save(target, "WEBP", quality=84, method=1, exif=exif)
    return target.getvalue()

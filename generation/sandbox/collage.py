"""Editing: the customer's pictures, cropped to cover, toned by the prompt and laid out."""

import io
import math
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from generation.sandbox.palette import WHITE, Colour, Palette, luma, mix
from generation.sandbox.stage import Stage

Frame = tuple[int, int, int, int]


def lay(stage: Stage, references: Sequence[bytes]) -> None:
    """Covers the stage with the references, or hangs them in the scene where the prompt names one."""
    canvas, hung = stage.canvas, stage.idea.placed
    width, height = canvas.size
    short = min(width, height)
    gap = short // 18 if hung else short // 90
    area = (0, 0, width, height)
    if hung:
        side, top = width // 7, height // 14
        area = (side, top, width - side, round(height * 0.80))
    else:
        canvas.paste(mix(stage.palette.horizon, WHITE, 0.4), area)
    for frame, body in zip(frames(len(references), area, gap), references, strict=True):
        with Image.open(io.BytesIO(body)) as opened:
            reference = opened.convert("RGB")
        if hung:
            _hang(stage, reference, frame)
        else:
            left, top, right, bottom = frame
            canvas.paste(_toned(stage, reference, (right - left, bottom - top)), (left, top))


def _hang(stage: Stage, reference: Image.Image, frame: Frame) -> None:
    """The whole reference as a print with a white border and a shadow, in the middle of its frame."""
    left, top, right, bottom = frame
    scale = min((right - left) / reference.width, (bottom - top) / reference.height)
    width, height = max(1, round(reference.width * scale)), max(1, round(reference.height * scale))
    x, y = (left + right - width) // 2, (top + bottom - height) // 2
    border = min(stage.canvas.size) // 70
    card = (x - border, y - border, x + width + border, y + height + border)
    draw = ImageDraw.Draw(stage.canvas, "RGBA")
    draw.rectangle([side + border for side in card], fill=(12, 6, 30, 90))
    draw.rectangle(card, fill=WHITE)
    stage.canvas.paste(_toned(stage, reference, (width, height)), (x, y))


def frames(count: int, area: Frame, gap: int) -> list[Frame]:
    """Boxes in even rows that fill the area."""
    left, top, right, bottom = area
    width, height = right - left, bottom - top
    rows = max(1, min(count, round(math.sqrt(count * height / width))))
    row_height = (height - gap * (rows - 1)) // rows
    boxes = []
    for row in range(rows):
        columns = count // rows + (1 if row < count % rows else 0)
        cell = (width - gap * (columns - 1)) // columns
        y = top + row * (row_height + gap)
        boxes += [(left + i * (cell + gap), y, left + i * (cell + gap) + cell, y + row_height) for i in range(columns)]
    return boxes


def _toned(stage: Stage, reference: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Enlarged softly, then flattened into clear tones so that it stays crisp, and turned to the palette."""
    half = ((size[0] + 1) // 2, (size[1] + 1) // 2)
    large = ImageOps.fit(ImageOps.autocontrast(reference, cutoff=0.5), half, Image.Resampling.BICUBIC, 0, (0.5, 0.4))
    flat = large.point([round(v / 255 * 6) * 255 // 6 for v in range(256)] * 3)
    mixed = large if stage.idea.style in {"neon", "watercolor"} else Image.blend(large, flat, 0.5)
    palette, idea = stage.palette, stage.idea
    grey = mixed.convert("L")
    ramp = ImageOps.colorize(grey, *_tones(palette), midpoint=120)
    toned = Image.blend(mixed, ramp, 1.0 if idea.grey else 0.72 if idea.hue is not None else 0.34)
    return ImageEnhance.Color(toned).enhance(0.05 if idea.grey else 1.2).resize(size, Image.Resampling.NEAREST)


def _tones(palette: Palette) -> tuple[Colour, Colour, Colour]:
    """Shadow, light and middle tone of the prompt's palette."""
    shadow, light = sorted((palette.near, palette.horizon), key=luma)
    return shadow, light, palette.accent

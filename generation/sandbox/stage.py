"""The canvas a picture is built on, and what any sky can hold."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from PIL import Image

from generation.sandbox.idea import Idea
from generation.sandbox.palette import WHITE, Colour, Palette, mix, shade
from generation.sandbox.pen import Pen, Point

COARSE = 48  # pixels on the long side of a gradient before it is scaled up
Stop = tuple[float, Colour]  # share of the height 0..1, colour


@dataclass(frozen=True, slots=True)
class Stage:
    canvas: Image.Image
    pen: Pen
    palette: Palette
    idea: Idea
    random: Random

    @property
    def plain(self) -> bool:
        return self.idea.style == "minimal"

    def paint(self, stops: Sequence[Stop], glow: tuple[Point, float, Colour] | None = None) -> None:
        """Covers the canvas with a gradient, uneven like paint; `glow` is (centre, radius, colour)."""
        share = COARSE / max(self.canvas.size)
        size = (max(4, round(self.canvas.width * share)), max(4, round(self.canvas.height * share)))
        coarse = _gradient(stops, size[1]).resize(size)
        mottle = Image.frombytes("L", (4, 4), self.random.randbytes(16)).resize(size, Image.Resampling.BICUBIC)
        lit = Image.blend(coarse, Image.new("RGB", size, WHITE), 0.10)
        coarse = Image.composite(lit, coarse, mottle)
        if glow:
            (x, y), radius, colour = glow
            unit = self.pen.unit * share
            side = max(2, round(2 * radius * unit))
            halo = Image.radial_gradient("L").point([max(0, 180 - v) ** 2 * 255 // 180**2 for v in range(256)])
            corner = (round(x * unit - side / 2), round(y * unit - side / 2))
            coarse.paste(colour, corner, halo.resize((side, side)))
        half = ((self.canvas.width + 1) // 2, (self.canvas.height + 1) // 2)  # smooth enough, and twice as fast
        fine = coarse.resize(half, Image.Resampling.BICUBIC)
        self.canvas.paste(fine.resize(self.canvas.size, Image.Resampling.NEAREST))


def _gradient(stops: Sequence[Stop], height: int) -> Image.Image:
    column = Image.new("RGB", (1, height))
    for y in range(height):
        column.putpixel((0, y), _at(stops, y / (height - 1)))
    return column


def _at(stops: Sequence[Stop], where: float) -> Colour:
    for (start, one), (end, other) in zip(stops, stops[1:], strict=False):
        if where <= end:
            return mix(one, other, (where - start) / max(1e-6, end - start))
    return stops[-1][1]


def sky(stage: Stage, horizon: float) -> Point:
    """A sky down to `horizon` with its sun or moon, stars and clouds; returns where the sun stands."""
    pen, palette, random = stage.pen, stage.palette, stage.random
    low = stage.idea.light in {"dawn", "golden", "sunset", "dusk", "neon"}
    x = pen.width * random.choice((random.uniform(0.16, 0.36), random.uniform(0.62, 0.82)))
    y = horizon - (random.uniform(20, 130) if low else random.uniform(0.55, 0.75) * horizon)
    share = min(1.0, horizon / pen.height)
    stage.paint(
        [(0, palette.sky), (share, palette.horizon), (1, palette.horizon)],
        ((x, y), random.uniform(520, 700), mix(palette.horizon, palette.sun, 0.7)),
    )
    if palette.dark or "stars" in stage.idea.weather:
        stars(stage, horizon, 90)
    if stage.idea.light != "storm":
        sun(stage, x, y, random.uniform(95, 140) if low else random.uniform(65, 95))
    if not stage.plain and stage.idea.light != "neon":
        clouds(stage, horizon, 7 if {"clouds", "rain"} & stage.idea.weather else random.randint(1, 3))
    if "rainbow" in stage.idea.weather:
        rainbow(stage, horizon)
    return x, y


def sun(stage: Stage, x: float, y: float, r: float) -> None:
    pen, palette = stage.pen, stage.palette
    if stage.idea.light == "night":
        pen.disc(x, y, r * 1.6, palette.sun, 0.10)
        pen.disc(x, y, r, palette.sun)
        for dx, dy, size in ((-0.3, -0.25, 0.2), (0.25, 0.3, 0.26), (0.3, -0.35, 0.12), (-0.25, 0.4, 0.1)):
            pen.disc(x + dx * r, y + dy * r, size * r, shade(palette.sun, 0.1))
        return
    for halo, alpha in ((1.9, 0.10), (1.45, 0.18)):
        pen.disc(x, y, r * halo, palette.sun, alpha)
    pen.disc(x, y, r, palette.sun)
    if stage.idea.light == "neon":
        for bar in range(5):
            top = y + r * (0.05 + bar * 0.2)
            pen.box(x - r, top, x + r, top + r * (0.04 + bar * 0.018), palette.horizon)


def stars(stage: Stage, floor: float, count: int) -> None:
    random = stage.random
    for _ in range(count):
        x, y = random.uniform(0, stage.pen.width), floor * random.random() ** 1.4
        stage.pen.disc(x, y, random.uniform(1.2, 4), WHITE, random.uniform(0.4, 1))


def clouds(stage: Stage, horizon: float, count: int) -> None:
    """Flat-bottomed clouds of a few puffs each."""
    pen, random = stage.pen, stage.random
    tint = mix(mix(stage.palette.horizon, stage.palette.sky, 0.25), WHITE, 0.08 if stage.palette.dark else 0.55)
    for _ in range(count):
        x, y = random.uniform(0, pen.width), horizon * random.uniform(0.12, 0.62)
        size = random.uniform(90, 190)
        for offset, lift, share in ((-0.75, 0.0, 0.26), (-0.3, 0.12, 0.4), (0.2, 0.04, 0.33), (0.65, 0.0, 0.24)):
            r = size * share
            pen.disc(x + offset * size, y - r * (1 + lift) + size * 0.26, r, tint)
        pen.box(x - size * 1.1, y, x + size * 1.0, y + size * 0.27, tint, radius=size)


def rainbow(stage: Stage, horizon: float) -> None:
    pen = stage.pen
    x, outer = pen.width * stage.random.uniform(0.4, 0.6), min(pen.width * 0.55, horizon * 0.95)
    bands = ((226, 88, 84), (240, 158, 80), (247, 214, 108), (126, 190, 122), (92, 156, 214), (150, 118, 196))
    turn = [(math.cos(math.pi * step / 60), math.sin(math.pi * step / 60)) for step in range(61)]
    for i, band in enumerate(bands):
        rim, hollow = (
            [(x + r * cos, horizon - r * sin) for cos, sin in turn] for r in (outer - i * 24, outer - i * 24 - 24)
        )
        pen.shape([*rim, *reversed(hollow)], band, 0.62)


def birds(stage: Stage, floor: float) -> None:
    """A few far birds, two strokes each."""
    pen, random = stage.pen, stage.random
    x, y = pen.width * random.uniform(0.35, 0.65), floor * random.uniform(0.25, 0.55)
    ink = mix(stage.palette.near, stage.palette.sky, 0.15)
    for _ in range(random.randint(3, 7)):
        bx, by, s = x + random.uniform(-170, 170), y + random.uniform(-80, 80), random.uniform(10, 22)
        pen.curve([(bx - s, by - s * 0.35), (bx - s * 0.4, by - s * 0.5), (bx, by)], 4, ink)
        pen.curve([(bx, by), (bx + s * 0.4, by - s * 0.5), (bx + s, by - s * 0.35)], 4, ink)


def weather(stage: Stage) -> None:
    """What falls in front of everything."""
    pen, random, falling = stage.pen, stage.random, stage.idea.weather
    area = pen.width * pen.height / 1e6
    if "rain" in falling:
        for _ in range(int(110 * area)):
            x, y, length = random.uniform(-60, pen.width), random.uniform(-60, pen.height), random.uniform(26, 60)
            pen.line([(x, y), (x - length * 0.25, y + length)], 2.5, WHITE, 0.34)
    if "snow" in falling:
        for _ in range(int(120 * area)):
            x, y = random.uniform(0, pen.width), random.uniform(0, pen.height)
            pen.disc(x, y, random.choice((3, 4, 5, 7, 10)), WHITE, random.uniform(0.55, 0.95))
    if "confetti" in falling:
        inks = (stage.palette.accent, stage.palette.second, WHITE, stage.palette.sun)
        for _ in range(int(90 * area)):
            x, y, s = random.uniform(0, pen.width), random.uniform(0, pen.height * 0.8), random.uniform(6, 14)
            pen.shape([(x, y), (x + s, y + s * 0.4), (x + s * 0.6, y + s * 1.3), (x - s * 0.3, y + s)],
                      random.choice(inks))  # fmt: skip

"""Drawing in units of the picture: the short side is 1000, whatever the pixels are."""

from collections.abc import Sequence
from random import Random

from PIL import Image, ImageDraw

from generation.sandbox.palette import Colour

Point = tuple[float, float]


class Pen:
    """Filled shapes on one canvas. `alpha` is 0..1."""

    def __init__(self, canvas: Image.Image) -> None:
        self.unit = min(canvas.size) / 1000
        self.width, self.height = canvas.width / self.unit, canvas.height / self.unit
        self._solid = ImageDraw.Draw(canvas)
        self._glaze = ImageDraw.Draw(canvas, "RGBA")

    def _ink(self, colour: Colour, alpha: float) -> tuple[ImageDraw.ImageDraw, tuple[int, ...]]:
        return (self._solid, colour) if alpha >= 1 else (self._glaze, (*colour, round(255 * alpha)))

    def _scaled(self, points: Sequence[Point]) -> list[Point]:
        return [(x * self.unit, y * self.unit) for x, y in points]

    def shape(self, points: Sequence[Point], colour: Colour, alpha: float = 1) -> None:
        draw, ink = self._ink(colour, alpha)
        draw.polygon(self._scaled(points), fill=ink)

    def oval(self, x: float, y: float, rx: float, ry: float, colour: Colour, alpha: float = 1) -> None:
        draw, ink = self._ink(colour, alpha)
        draw.ellipse(self._scaled([(x - rx, y - ry), (x + rx, y + ry)]), fill=ink)

    def disc(self, x: float, y: float, r: float, colour: Colour, alpha: float = 1) -> None:
        self.oval(x, y, r, r, colour, alpha)

    def box(
        self, x0: float, y0: float, x1: float, y1: float, colour: Colour, alpha: float = 1, radius: float = 0
    ) -> None:
        draw, ink = self._ink(colour, alpha)
        radius = min(radius, (x1 - x0) / 2, (y1 - y0) / 2)
        corners = self._scaled([(x0, y0), (x1, y1)])
        if radius > 0:
            draw.rounded_rectangle(corners, radius * self.unit, fill=ink)
        else:
            draw.rectangle(corners, fill=ink)

    def line(self, points: Sequence[Point], width: float, colour: Colour, alpha: float = 1) -> None:
        draw, ink = self._ink(colour, alpha)
        draw.line(self._scaled(points), fill=ink, width=max(1, round(width * self.unit)), joint="curve")

    def pie(self, x: float, y: float, r: float, start: float, end: float, colour: Colour, alpha: float = 1) -> None:
        """A slice of a disc, in degrees clockwise from three o'clock."""
        draw, ink = self._ink(colour, alpha)
        draw.pieslice(self._scaled([(x - r, y - r), (x + r, y + r)]), start, end, fill=ink)

    def curve(self, points: Sequence[Point], width: float, colour: Colour, alpha: float = 1) -> None:
        self.line(smooth(points), width, colour, alpha)

    def blob(self, points: Sequence[Point], colour: Colour, alpha: float = 1) -> None:
        """A closed outline without corners through the points."""
        self.shape(smooth(points, closed=True), colour, alpha)


def smooth(points: Sequence[Point], closed: bool = False, steps: int = 10) -> list[Point]:
    """A Catmull-Rom curve through the points."""
    count = len(points)
    line: list[Point] = []
    for i in range(count if closed else count - 1):
        if closed:
            a, b, c, d = (points[(i + k) % count] for k in (-1, 0, 1, 2))
        else:
            a, b, c, d = points[max(0, i - 1)], points[i], points[i + 1], points[min(count - 1, i + 2)]
        line.extend(_between(a, b, c, d, step / steps) for step in range(steps))
    return line if closed else [*line, points[-1]]


def _between(a: Point, b: Point, c: Point, d: Point, t: float) -> Point:
    def along(p: float, q: float, r: float, s: float) -> float:
        return 0.5 * (2 * q + (r - p) * t + (2 * p - 5 * q + 4 * r - s) * t**2 + (3 * q - p - 3 * r + s) * t**3)

    return along(a[0], b[0], c[0], d[0]), along(a[1], b[1], c[1], d[1])


def ridge(random: Random, width: float, top: float, relief: float, depth: int = 6) -> list[Point]:
    """A jagged sky line by midpoint displacement, from the left edge to the right one."""
    heights = [random.uniform(-1, 1), random.uniform(-1, 1), random.uniform(-1, 1)]
    wobble = 1.0
    for _ in range(depth):
        finer = [heights[0]]
        for left, right in zip(heights, heights[1:], strict=False):
            finer += [(left + right) / 2 + random.uniform(-wobble, wobble), right]
        heights, wobble = finer, wobble * 0.5
    step = width / (len(heights) - 1)
    return [(i * step, top - relief * height) for i, height in enumerate(heights)]


def roll(random: Random, width: float, top: float, relief: float, bumps: int) -> list[Point]:
    """A soft line of hills or swell, from the left edge to the right one."""
    step = width / bumps
    start = random.uniform(-0.5, 0.5)
    return smooth(
        [
            (step * (i + (start if 0 <= i <= bumps else 0)), top - relief * random.uniform(-1, 1))
            for i in range(-1, bumps + 2)
        ]
    )


def ground(line: Sequence[Point], floor: float) -> list[Point]:
    """The polygon under a line, down to `floor`."""
    return [*line, (line[-1][0], floor), (line[0][0], floor)]

"""One thing on the stage, in its own units: (0, 0) is where it stands, y grows upward, 1 is its height."""

from collections.abc import Sequence

from generation.sandbox.palette import WHITE, Colour, Palette, shade
from generation.sandbox.pen import Pen, Point

INK: Colour = (40, 32, 52)


class Figure:
    """A pen moved and scaled to the thing it draws. `ink` is the thing's own colour, `luck` sets it apart."""

    def __init__(self, pen: Pen, palette: Palette, foot: Point, size: float, ink: Colour, luck: int) -> None:
        self.pen, self.palette, self.size, self.luck = pen, palette, size, luck
        self.x, self.y = foot
        self.ink, self.lit, self.shaded = ink, shade(ink, -0.32), shade(ink, 0.22)
        self.trim = palette.second if ink != palette.second else palette.accent

    def _placed(self, points: Sequence[Point]) -> list[Point]:
        return [(self.x + x * self.size, self.y - y * self.size) for x, y in points]

    def shape(self, points: Sequence[Point], colour: Colour, alpha: float = 1) -> None:
        self.pen.shape(self._placed(points), colour, alpha)

    def blob(self, points: Sequence[Point], colour: Colour, alpha: float = 1) -> None:
        self.pen.blob(self._placed(points), colour, alpha)

    def curve(self, points: Sequence[Point], width: float, colour: Colour, alpha: float = 1) -> None:
        self.pen.curve(self._placed(points), width * self.size, colour, alpha)

    def oval(self, x: float, y: float, rx: float, ry: float, colour: Colour, alpha: float = 1) -> None:
        self.pen.oval(self.x + x * self.size, self.y - y * self.size, rx * self.size, ry * self.size, colour, alpha)

    def disc(self, x: float, y: float, r: float, colour: Colour, alpha: float = 1) -> None:
        self.oval(x, y, r, r, colour, alpha)

    def box(
        self, x0: float, y0: float, x1: float, y1: float, colour: Colour, alpha: float = 1, radius: float = 0
    ) -> None:
        """From the lower left corner to the upper right one."""
        (left, bottom), (right, top) = self._placed([(x0, y0), (x1, y1)])
        self.pen.box(left, top, right, bottom, colour, alpha, radius * self.size)

    def pie(self, x: float, y: float, r: float, start: float, end: float, colour: Colour, alpha: float = 1) -> None:
        (cx, cy), *_ = self._placed([(x, y)])
        self.pen.pie(cx, cy, r * self.size, start, end, colour, alpha)

    def shadow(self, half: float, y: float = 0.0) -> None:
        self.oval(half * 0.15, y, half * 1.15, half * 0.17, (15, 8, 35), 0.22)

    def eye(self, x: float, y: float, r: float) -> None:
        self.disc(x, y, r, INK)
        self.disc(x - r * 0.3, y + r * 0.35, r * 0.35, WHITE)

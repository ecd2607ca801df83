"""Charts: SVG made here, with the same figures in a table below for whoever cannot see them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.template.loader import render_to_string
from django.utils.safestring import SafeString

Show = Callable[[int], str]
WIDTH, HEIGHT, FOOT, LEFT = 720, 200, 20, 76
COLOURS = 6


@dataclass(frozen=True, slots=True)
class Rect:
    x: float
    y: float
    width: float
    height: float
    colour: int
    tip: str


def columns(
    title: str, labels: Sequence[str], series: Mapping[str, Sequence[int]], show: Show = str, height: int = HEIGHT
) -> SafeString:
    """Stacked columns: one per label, one colour per series.

    `series` maps a name to as many values as there are labels; `show` writes a value for people.
    The sixth colour is shared by all series from the sixth on.
    """
    sums = [sum(values) for values in zip(*series.values(), strict=True)] or [0] * len(labels)
    top = _round_up(max(sums, default=0))
    room, step = height - FOOT - 8, (WIDTH - LEFT) / max(len(labels), 1)
    rects: list[Rect] = []
    for i, label in enumerate(labels):
        base = float(height - FOOT)
        for colour, (name, values) in enumerate(series.items(), 1):
            tall = room * values[i] / top
            base -= tall
            if tall:
                x = LEFT + i * step + step * 0.12
                tip = f"{label}, {name}: {show(values[i])}"
                rects.append(Rect(_r(x), _r(base), _r(step * 0.76), _r(tall), min(colour, COLOURS), tip))
    every = max(1, len(labels) // 8)
    context: dict[str, Any] = {
        "title": title,
        "width": WIDTH,
        "height": height,
        "left": LEFT,
        "rects": rects,
        "lines": [(_r(height - FOOT - room * value / top), show(value)) for value in _grid(top)],
        "marks": [(_r(LEFT + (i + 0.5) * step), label) for i, label in enumerate(labels) if i % every == 0],
        "legend": [(name, min(n, COLOURS)) for n, name in enumerate(series, 1)] if len(series) > 1 else [],
        "names": list(series),
        "table": [(label, [show(values[i]) for values in series.values()]) for i, label in enumerate(labels)],
    }
    return SafeString(render_to_string("ui/columns.html", context))


def sparkline(title: str, values: Sequence[int]) -> SafeString:
    """A small line without axes, of at least two values."""
    top = max(values, default=0) or 1
    step = 120 / max(len(values) - 1, 1)
    points = " ".join(f"{_r(i * step)},{_r(26 - 24 * value / top)}" for i, value in enumerate(values))
    return SafeString(render_to_string("ui/sparkline.html", {"title": title, "points": points}))


def _grid(top: int) -> list[int]:
    """Without the middle where that is no whole number."""
    return [0, top] if top % 2 else [0, top // 2, top]


def _r(value: float) -> float:
    return round(value, 1)


def _round_up(value: int) -> int:
    """To 1, 2 or 5 times a power of ten, so that the grid has round figures."""
    size: int = 10 ** (len(str(max(value, 1))) - 1)
    return next(size * step for step in (1, 2, 5, 10) if size * step >= value)

"""Puts the things a prompt names where they belong on the stage."""

from collections.abc import Callable

from generation.sandbox import nature, things
from generation.sandbox.figure import Figure
from generation.sandbox.idea import Wanted
from generation.sandbox.palette import Colour, colour, luma, shade
from generation.sandbox.stage import Stage

DRAWINGS: dict[str, Callable[[Figure], None]] = {
    drawing.__name__: drawing
    for drawing in (
        things.astronaut, things.balloon, things.boat, things.bottle, things.box, things.car, things.cup, things.house,
        things.lamp, things.lighthouse, things.robot, things.rocket,
        nature.banana, nature.bird, nature.cactus, nature.cat, nature.dog, nature.egg, nature.face, nature.fish,
        nature.flower, nature.fox, nature.fruit, nature.mushroom, nature.planet, nature.plant, nature.tree,
    )
}  # fmt: skip
NATURAL = {
    "cat": (0.72, 0.13, 62), "dog": (0.66, 0.11, 58), "fox": (0.68, 0.17, 48), "tree": (0.58, 0.13, 145),
    "egg": (0.90, 0.05, 75), "fruit": (0.60, 0.20, 28), "mushroom": (0.56, 0.19, 27), "lighthouse": (0.56, 0.19, 27),
    "fish": (0.72, 0.18, 52), "plant": (0.66, 0.11, 45),
}  # fmt: skip
AIRBORNE = frozenset({"balloon", "rocket", "fish", "planet"})
MERRY = (colour((0.70, 0.17, 20)), colour((0.80, 0.15, 85)), colour((0.62, 0.14, 250)))
SIZES = {
    "car": 0.52, "banana": 0.62, "fruit": 0.72, "cup": 0.80, "egg": 0.78, "house": 0.95, "box": 0.9, "bottle": 1.15,
    "tree": 1.35, "lighthouse": 1.5, "face": 1.25, "rocket": 1.2, "balloon": 1.2,
}  # fmt: skip


def place(stage: Stage, floor: float, middle: float = 0.5) -> None:
    """Draws every wanted thing standing on `floor`, or in the air, side by side around `middle` of the width."""
    crowd = [wanted for wanted in stage.idea.subjects for _ in range(wanted.count)]
    if not crowd:
        return
    pen, random = stage.pen, stage.random
    slot = pen.width * (1 if len(crowd) == 1 else 0.70) / len(crowd)
    reach = min(540.0 if len(crowd) == 1 else 430.0, slot * 1.05, pen.height * 0.5)
    left = pen.width * middle - slot * len(crowd) / 2
    for i, wanted in enumerate(crowd):
        size = reach * SIZES.get(wanted.name, 1.0) * random.uniform(0.92, 1.06)
        x = left + slot * (i + 0.5) + random.uniform(-0.04, 0.04) * slot
        y = floor + random.uniform(-6, 14)
        if wanted.name in AIRBORNE:
            y = floor - size * random.uniform(0.15, 0.35) if wanted.name != "fish" else pen.height * 0.5 + size * 0.5
            x, y = x + random.uniform(-0.08, 0.08) * pen.width, max(size * 1.06, y + random.uniform(-50, 50))
        elif wanted.name == "face" and stage.idea.scene != "meadow":
            y = pen.height
        luck = random.randrange(1000)
        DRAWINGS[wanted.name](Figure(pen, stage.palette, (x, y), size, _ink(stage, wanted, i), luck))


def _ink(stage: Stage, wanted: Wanted, place_in_row: int) -> Colour:
    if wanted.tone:
        return colour(wanted.tone)
    if stage.idea.grey:
        return shade(stage.palette.near, -0.2)
    if wanted.name in NATURAL:
        return colour(NATURAL[wanted.name])
    own = (stage.palette.accent, stage.palette.second, *MERRY)[place_in_row % (2 + len(MERRY))]
    return shade(own, 0.15 if luma(own) > 0.75 else 0)

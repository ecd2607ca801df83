"""Places. Each draws itself on the stage and returns the height at which things stand."""

import math
from collections.abc import Callable

from generation.sandbox.palette import WHITE, Colour, colour, mix, shade
from generation.sandbox.pen import ground, ridge, roll
from generation.sandbox.stage import Stage, birds, sky, stars

GRASS = (0.66, 0.14, 140)
PINE = (0.48, 0.09, 160)
AUTUMN = (0.60, 0.15, 48)
SAND = (0.78, 0.11, 70)
WATER = (0.60, 0.11, 235)


def sea(stage: Stage) -> float:
    pen, random = stage.pen, stage.random
    horizon = pen.height * random.uniform(0.46, 0.56)
    x, _ = sky(stage, horizon)
    water = stage.palette.grown(WATER, 0.55 if stage.idea.hue is None else 0)
    if not stage.plain:
        island = ridge(random, pen.width * random.uniform(0.4, 0.6), horizon - 40, 45, 5)
        shift = pen.width * random.choice((-0.12, 0.55))
        pen.shape(ground([(px + shift, min(py, horizon)) for px, py in island], horizon + 1), water.land(0.25))
    pen.box(0, horizon, pen.width, pen.height, water.land(0.10))
    depth = pen.height - horizon
    for i in range(1, 9):
        top = horizon + depth * (i / 9) ** 1.5
        pen.shape(ground(roll(random, pen.width, top, 3 + i * 2.2, 4 + random.randint(0, 3)), pen.height),
                  water.land(0.10 + i * 0.095))  # fmt: skip
    for i in range(16):
        y = horizon + 6 + depth * 0.6 * (i / 16) ** 1.4
        half = random.uniform(0.25, 1) * (110 - i * 2)
        pen.box(x - half, y, x + half, y + 5 + i * 0.25, stage.palette.sun, 0.62 - i * 0.028, radius=4)
    birds(stage, horizon)
    return horizon + depth * 0.42


def mountains(stage: Stage) -> float:
    pen, random = stage.pen, stage.random
    horizon = pen.height * random.uniform(0.60, 0.68)
    sky(stage, horizon)
    palette = stage.palette
    land = palette.grown(PINE, 0.35 if stage.idea.hue is None else 0)
    peak = min(420, horizon * 0.62)
    for i in range(2):
        line = ridge(random, pen.width, horizon - peak * (0.52 - i * 0.22), peak * 0.22)
        pen.shape(ground(line, pen.height), land.land(0.05 + i * 0.17))
    summit = random.uniform(0.3, 0.7)
    for share, rise in ((summit - 0.30, 0.72), (summit + 0.27, 0.80), (summit, 1.12)):
        _peak(stage, share * pen.width, horizon + 45, peak * rise * random.uniform(0.92, 1.08))
    for i in range(3):
        line = roll(random, pen.width, horizon + 30 + i * (pen.height - horizon) * 0.25, 34, 3 + i)
        pen.shape(ground(line, pen.height), land.land(0.55 + i * 0.17))
        if i < 2 and not stage.plain:
            for px, py in line[:: random.randint(3, 5)]:
                if random.random() < 0.75:
                    _pine(stage, px, py + 14, random.uniform(40, 80) * (1 + i * 0.7), land.land(0.66 + i * 0.17))
    birds(stage, horizon)
    return horizon + (pen.height - horizon) * 0.62


def _peak(stage: Stage, x: float, base: float, rise: float) -> None:
    """One great mountain: lit side, shaded side, snow."""
    random, pen = stage.random, stage.pen
    half, top = rise * random.uniform(0.95, 1.3), base - rise
    face = stage.palette.land(0.42)
    crest = [(x, top), (x + half * 0.07, top + rise * 0.22), (x - half * 0.05, top + rise * 0.45),
             (x + half * 0.12, top + rise * 0.72), (x, base)]  # fmt: skip
    pen.shape([(x - half, base), (x, top), (x + half, base)], face)
    pen.shape([*crest, (x + half, base)], shade(face, 0.16))
    snow = mix(stage.palette.horizon, WHITE, 0.25 if stage.palette.dark else 0.75)
    line = 0.34
    left = [(x - half * line * share, top + rise * line * (share + jag))
            for share, jag in ((1.0, 0), (0.72, 0.34), (0.5, 0.12), (0.22, 0.42), (0.0, 0.3))]  # fmt: skip
    right = [(x + half * line * share, top + rise * line * (share + jag))
             for share, jag in ((0.0, 0.3), (0.25, 0.0), (0.5, 0.36), (0.75, 0.1), (1.0, 0))]  # fmt: skip
    pen.shape([(x, top), *left], snow)
    pen.shape([(x, top), *right], mix(snow, face, 0.28))


def _pine(stage: Stage, x: float, y: float, size: float, ink: Colour) -> None:
    for lift, half in ((0.12, 0.30), (0.38, 0.24), (0.62, 0.17)):
        foot = y - size * lift
        stage.pen.shape([(x - size * half, foot), (x, foot - size * 0.46), (x + size * half, foot)], ink)
        stage.pen.shape([(x, foot), (x, foot - size * 0.46), (x + size * half, foot)], shade(ink, 0.14))


def forest(stage: Stage) -> float:
    pen, random = stage.pen, stage.random
    horizon = pen.height * 0.66
    sky(stage, horizon)
    floor = pen.height * 0.80
    needles = AUTUMN if stage.idea.light == "golden" else PINE
    palette = stage.palette.grown(needles, 0.6 if stage.idea.hue is None else 0)
    for layer in range(5):
        near = 0.06 + layer * 0.2
        foot = horizon + (floor - horizon) * layer / 4
        pen.shape(ground(roll(random, pen.width, foot, 16, 5), pen.height), palette.land(near))
        count = int(pen.width / (62 + layer * 34))
        if stage.plain:
            count //= 3
        for i in range(count):
            x = (i + random.uniform(0.1, 0.9)) * pen.width / count
            if layer > 2 and abs(x - pen.width / 2) < pen.width * 0.20:
                continue  # a clearing
            _pine(stage, x, foot + 18, random.uniform(0.75, 1.2) * (150 + layer * 95), palette.land(near + 0.08))
    pen.shape(ground(roll(random, pen.width, floor, 12, 4), pen.height), palette.land(0.92))
    return pen.height * 0.87


def desert(stage: Stage) -> float:
    pen, random = stage.pen, stage.random
    horizon = pen.height * random.uniform(0.52, 0.6)
    sky(stage, horizon)
    palette = stage.palette.grown(SAND, 0.6 if stage.idea.hue is None else 0)
    mesa = pen.width * random.uniform(0.1, 0.7)
    if not stage.plain:
        for dx, half, rise in ((0, 120, 120), (260, 60, 175)):
            x = mesa + dx
            pen.shape([(x - half, horizon + 40), (x - half * 0.72, horizon - rise), (x + half * 0.7, horizon - rise),
                       (x + half, horizon + 40)], palette.land(0.30))  # fmt: skip
            pen.shape([(x + half * 0.2, horizon + 40), (x + half * 0.3, horizon - rise),
                       (x + half * 0.7, horizon - rise), (x + half, horizon + 40)], palette.land(0.42))  # fmt: skip
    for i in range(4):
        top = horizon + (pen.height - horizon) * i * 0.2
        line = roll(random, pen.width, top, 26 + i * 10, 2 + i % 2)
        pen.shape(ground(line, pen.height), palette.land(0.18 + i * 0.2))
        crest = max(range(len(line)), key=lambda k: -line[k][1])
        shadow = [*line[crest:], (line[-1][0], pen.height), (line[crest][0] + 140, pen.height)]
        pen.shape(shadow, shade(palette.land(0.18 + i * 0.2), 0.14))
    return horizon + (pen.height - horizon) * 0.72


def meadow(stage: Stage) -> float:
    pen, random = stage.pen, stage.random
    horizon = pen.height * random.uniform(0.54, 0.62)
    sky(stage, horizon)
    palette = stage.palette.grown(GRASS, 0.75 if stage.idea.hue is None else 0.15)
    for i in range(5):
        top = horizon + (pen.height - horizon) * (i / 5) ** 1.2
        line = roll(random, pen.width, top, 44 - i * 5, 3)
        hill = palette.land(0.10 + i * 0.19)
        pen.shape(ground(line, pen.height), hill)
        if stage.plain:
            continue
        if i < 3:
            for px, py in line[2 :: random.randint(4, 7)]:
                if random.random() < 0.55:
                    size = random.uniform(16, 30) * (1 + i * 0.55)
                    pen.box(px - size * 0.08, py - size, px + size * 0.08, py + 4, shade(hill, 0.45))
                    pen.oval(px, py - size * 1.15, size * 0.55, size * 0.72, shade(hill, 0.24))
                    pen.oval(px - size * 0.12, py - size * 1.25, size * 0.38, size * 0.5, shade(hill, 0.14))
    if not stage.plain:
        inks = (stage.palette.accent, stage.palette.second, WHITE)
        for _ in range(int(pen.width * 0.055)):
            y = pen.height * random.uniform(0.84, 1)
            pen.disc(random.uniform(0, pen.width), y, 4 + (y / pen.height - 0.84) * 28, random.choice(inks))
    birds(stage, horizon)
    return horizon + (pen.height - horizon) * 0.58


def city(stage: Stage) -> float:
    pen, random = stage.pen, stage.random
    floor = pen.height * 0.80
    sky(stage, floor)
    for layer in range(3):
        near = 0.16 + layer * 0.36
        x = -random.uniform(0, 60)
        while x < pen.width:
            wide = random.uniform(55, 120) * (1 + layer * 0.25)
            tall = random.uniform(0.35, 1) * min(620, floor * 0.72) * (1 - layer * 0.24)
            _tower(stage, x, floor - tall, wide, floor, near)
            x += wide + random.choice((0, 0, 6, 26)) * (1 + layer)
    street = stage.palette.land(1)
    pen.box(0, floor, pen.width, pen.height, street)
    for _ in range(26):
        y = floor + (pen.height - floor) * random.random()
        x, half = random.uniform(0, pen.width), random.uniform(20, 110)
        lamp = random.choice((stage.palette.horizon, stage.palette.sun, stage.palette.accent))
        pen.box(x - half, y, x + half, y + 4, lamp, 0.22, radius=2)
    return floor + (pen.height - floor) * 0.55


def _tower(stage: Stage, x: float, top: float, wide: float, floor: float, near: float) -> None:
    pen, random = stage.pen, stage.random
    wall = stage.palette.land(near)
    pen.box(x, top, x + wide, floor, wall)
    pen.box(x + wide * 0.72, top, x + wide, floor, shade(wall, 0.12))
    roof = random.randrange(5)
    if roof == 0:
        pen.shape([(x, top + 1), (x + wide / 2, top - wide * 0.6), (x + wide, top + 1)], wall)
    elif roof == 1:
        pen.box(x + wide * 0.25, top - wide * 0.3, x + wide * 0.75, top, wall)
        pen.box(x + wide * 0.48, top - wide * 0.9, x + wide * 0.52, top, wall)
    elif roof == 2:
        pen.pie(x + wide / 2, top + 1, wide / 2, 180, 360, wall)
    if stage.plain or near < 0.3:
        return
    lit = mix(stage.palette.sun, (255, 214, 120), 0.6) if stage.palette.dark else mix(wall, WHITE, 0.32)
    if stage.idea.light == "neon":
        lit = mix(wall, random.choice((stage.palette.sun, stage.palette.accent, stage.palette.second)), 0.55)
    columns, step = max(2, int(wide / 24)), 30
    cell = wide / columns
    for row in range(int((floor - top - 20) / step)):
        for column in range(columns):
            if random.random() < (0.42 if stage.palette.dark else 0.62):
                wx, wy = x + column * cell + cell * 0.28, top + 16 + row * step
                pen.box(wx, wy, wx + cell * 0.44, wy + 14, lit)


def space(stage: Stage) -> float:
    pen, random = stage.pen, stage.random
    hue = random.choice((265, 290, 320, 200)) if stage.idea.hue is None else stage.idea.hue
    deep, haze = colour((0.16, 0.06, hue)), colour((0.45, 0.15, hue + 40))
    centre = (pen.width * random.uniform(0.3, 0.7), pen.height * random.uniform(0.25, 0.6))
    stage.paint([(0, deep), (0.6, mix(deep, haze, 0.35)), (1, shade(deep, 0.3))], (centre, 900, haze))
    stars(stage, pen.height, 60 if stage.plain else 260)
    if "planet" not in {wanted.name for wanted in stage.idea.subjects}:
        x = pen.width * random.choice((0.2, 0.8))
        r = random.uniform(110, 170)
        ball = colour((0.66, 0.13, hue + random.choice((90, 160, 220))))
        orb(stage, x, pen.height * random.uniform(0.22, 0.34), r, ball, ringed=random.random() < 0.7)
    land = colour((0.36, 0.08, hue + 30))
    pen.disc(pen.width / 2, pen.height * 0.80 + pen.width * 1.4, pen.width * 1.4, land)
    for _ in range(14):
        x, y, r = random.uniform(0, pen.width), pen.height * random.uniform(0.88, 0.99), random.uniform(14, 46)
        pen.oval(x, y, r, r * 0.3, shade(land, 0.22))
        pen.oval(x, y + r * 0.06, r * 0.86, r * 0.22, shade(land, 0.1))
    return pen.height * 0.87


def orb(stage: Stage, x: float, y: float, r: float, ball: Colour, ringed: bool) -> None:
    """A planet with a night side and perhaps a ring."""
    pen = stage.pen
    ring = [(x + 1.75 * r * math.cos(t / 24 * math.pi), y + 0.42 * r * math.sin(t / 24 * math.pi) - 0.3 * r
             * math.cos(t / 24 * math.pi)) for t in range(49)]  # fmt: skip
    if ringed:
        pen.line(ring[24:], r * 0.13, mix(ball, WHITE, 0.45))
    pen.disc(x, y, r, ball)
    for lift, thick, amount in ((-0.45, 0.12, -0.15), (-0.05, 0.18, 0.10), (0.40, 0.10, -0.1)):
        half = r * math.sqrt(1 - lift**2) * 0.97
        pen.box(x - half, y + lift * r, x + half * 0.9, y + (lift + thick) * r, shade(ball, amount), radius=r)
    night = [(x + r * math.sin(t / 20 * math.pi), y - r * math.cos(t / 20 * math.pi)) for t in range(21)]
    inner = [(x + 0.5 * r * math.sin(t / 20 * math.pi), y - r * math.cos(t / 20 * math.pi)) for t in range(20, -1, -1)]
    pen.shape([*night, *inner], (10, 6, 30), 0.34)
    if ringed:
        pen.line(ring[:25], r * 0.13, mix(ball, WHITE, 0.55))


def underwater(stage: Stage) -> float:
    pen, random = stage.pen, stage.random
    hue = 220 if stage.idea.hue is None else stage.idea.hue
    light = 0.62 if stage.palette.dark else 0.86
    top, low = colour((light, 0.10, hue - 15)), colour((0.34, 0.10, hue + 15))
    stage.paint([(0, top), (1, low)], ((pen.width * 0.5, -60), 900, mix(top, WHITE, 0.6)))
    for _ in range(6):
        x, wide = random.uniform(0, pen.width), random.uniform(30, 110)
        lean = (x - pen.width / 2) * 0.5
        pen.shape([(x, 0), (x + wide, 0), (x + wide * 2.2 + lean, pen.height * 0.85), (x + lean, pen.height * 0.85)],
                  WHITE, 0.07)  # fmt: skip
    for i in range(3):
        line = roll(random, pen.width, pen.height * (0.74 + i * 0.09), 30, 4)
        pen.shape(ground(line, pen.height), mix(low, colour((0.25, 0.08, hue + 25)), 0.35 + i * 0.3))
    for _ in range(int(pen.width / 85)):
        x, tall, sway = random.uniform(0, pen.width), random.uniform(120, 320), random.choice((-1, 1)) * 26
        ink = random.choice((stage.palette.accent, stage.palette.second, colour((0.55, 0.12, 160))))
        foot = pen.height + 10
        pen.curve([(x, foot), (x + sway, foot - tall * 0.35), (x - sway, foot - tall * 0.7), (x + sway, foot - tall)],
                  random.uniform(12, 22), mix(ink, low, 0.45))  # fmt: skip
    for _ in range(26):
        x, y, r = random.uniform(0, pen.width), random.uniform(0, pen.height * 0.9), random.uniform(4, 16)
        pen.disc(x, y, r, WHITE, 0.22)
        pen.disc(x - r * 0.3, y - r * 0.3, r * 0.3, WHITE, 0.6)
    return pen.height * 0.66


def studio(stage: Stage) -> float:
    """A wall, a table and a great disc behind the thing on it."""
    pen, random = stage.pen, stage.random
    palette = stage.palette
    wall = palette.sky if palette.dark else mix(palette.horizon, WHITE, 0.25)
    table = pen.height * random.uniform(0.70, 0.75)
    x = pen.width * 0.5
    stage.paint([(0, mix(wall, palette.sky, 0.35)), (1, wall)], ((x, table * 0.5), 800, mix(wall, WHITE, 0.35)))
    disc = mix(wall, palette.sky if not palette.dark else palette.horizon, 0.75)
    form = random.randrange(3)
    half = min(360, pen.width * 0.36)
    if form == 0:
        pen.disc(x + random.uniform(-60, 60), table - half * 0.75, half, disc)
    elif form == 1:
        pen.disc(x, table - half * 1.05, half * 0.85, disc)
        pen.box(x - half * 0.85, table - half * 1.05, x + half * 0.85, table, disc)
    else:
        for i in range(3):
            pen.pie(x, table, half * (1.5 - i * 0.36), 180, 360, mix(disc, wall, i * 0.34))
    if not stage.plain and stage.idea.light != "neon":
        left = pen.width * random.uniform(0.05, 0.2)
        for pane in range(3):
            x0 = left + pane * 120
            pen.shape([(x0, 0), (x0 + 95, 0), (x0 + 95 + table * 0.45, table), (x0 + table * 0.45, table)],
                      WHITE, 0.06 if palette.dark else 0.20)  # fmt: skip
    top = palette.land(0.62)
    pen.box(0, table, pen.width, pen.height, top)
    pen.box(0, table, pen.width, table + 9, mix(top, WHITE, 0.28))
    pen.box(0, table + (pen.height - table) * 0.72, pen.width, pen.height, shade(top, 0.18))
    return table + (pen.height - table) * 0.34


def abstract(stage: Stage) -> float:
    """A tiling of quarter discs, rings and leaves."""
    pen, random, palette = stage.pen, stage.random, stage.palette
    paper = palette.near if palette.dark else mix(palette.horizon, WHITE, 0.5)
    stage.paint([(0, paper), (1, shade(paper, 0.05))])
    inks = (palette.accent, palette.second, palette.sky, palette.near if not palette.dark else palette.horizon,
            palette.land(0.45), palette.sun)  # fmt: skip
    across = 3 if stage.plain else random.choice((4, 5))
    cell = 1000 / across
    for row in range(math.ceil(pen.height / cell)):
        for column in range(math.ceil(pen.width / cell)):
            x, y = column * cell, row * cell
            ink, other = random.sample(inks, 2)
            if random.random() < (0.55 if stage.plain else 0.9):
                random.choice(TILES)(stage, x, y, cell, ink, other)
    return pen.height * 0.8


def _quarter(stage: Stage, x: float, y: float, s: float, ink: Colour, other: Colour) -> None:
    right, low = stage.random.randrange(2), stage.random.randrange(2)
    start = {(0, 0): 0, (1, 0): 90, (1, 1): 180, (0, 1): 270}[right, low]
    stage.pen.box(x, y, x + s, y + s, other)
    for share, tint in ((1, ink), (0.62, other), (0.3, ink)):
        stage.pen.pie(x + right * s, y + low * s, s * share, start, start + 90, tint)


def _ring(stage: Stage, x: float, y: float, s: float, ink: Colour, other: Colour) -> None:
    stage.pen.box(x, y, x + s, y + s, other)
    stage.pen.disc(x + s / 2, y + s / 2, s * 0.40, ink)
    stage.pen.disc(x + s / 2, y + s / 2, s * 0.20, other)


def _halves(stage: Stage, x: float, y: float, s: float, ink: Colour, other: Colour) -> None:
    stage.pen.box(x, y, x + s, y + s, ink)
    turn = stage.random.choice((0, 90, 180, 270))
    stage.pen.pie(x + s / 2, y + s / 2, s / 2, turn, turn + 180, other)


def _leaf(stage: Stage, x: float, y: float, s: float, ink: Colour, other: Colour) -> None:
    stage.pen.box(x, y, x + s, y + s, other)
    bow = [(s * math.sin(t * math.pi / 24), s * (1 - math.cos(t * math.pi / 24))) for t in range(13)]
    leaf = [(x + dx, y + dy) for dx, dy in bow] + [(x + s - dx, y + s - dy) for dx, dy in bow]
    stage.pen.shape(leaf if stage.random.random() < 0.5 else [(2 * x + s - px, py) for px, py in leaf], ink)


TILES = (_quarter, _quarter, _ring, _halves, _leaf)
SCENES: dict[str, Callable[[Stage], float]] = {
    scene.__name__: scene
    for scene in (sea, mountains, forest, desert, meadow, city, space, underwater, studio, abstract)
}

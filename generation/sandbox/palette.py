"""Colours that go together: mixed in OKLCH, where equal steps look equal."""

import math
from dataclasses import dataclass
from random import Random

Colour = tuple[int, int, int]
Tone = tuple[float, float, float]  # lightness 0..1, chroma 0..0.3, hue in degrees

WHITE: Colour = (255, 255, 255)

# sky at the top, sky at the horizon, sun or moon, far land, near land
LIGHTS: dict[str, tuple[Tone, Tone, Tone, Tone, Tone]] = {
    "dawn": ((0.74, 0.09, 300), (0.93, 0.07, 65), (0.98, 0.06, 90), (0.82, 0.07, 340), (0.40, 0.09, 300)),
    "day": ((0.70, 0.11, 240), (0.94, 0.04, 205), (0.98, 0.09, 100), (0.82, 0.06, 215), (0.42, 0.09, 215)),
    "golden": ((0.80, 0.10, 70), (0.95, 0.08, 95), (0.99, 0.06, 100), (0.80, 0.10, 60), (0.38, 0.09, 35)),
    "sunset": ((0.46, 0.14, 305), (0.83, 0.15, 55), (0.95, 0.12, 85), (0.66, 0.14, 20), (0.27, 0.09, 315)),
    "dusk": ((0.40, 0.11, 275), (0.78, 0.11, 355), (0.96, 0.05, 80), (0.56, 0.11, 315), (0.25, 0.08, 285)),
    "night": ((0.19, 0.06, 275), (0.44, 0.10, 255), (0.95, 0.04, 100), (0.38, 0.08, 260), (0.15, 0.05, 275)),
    "storm": ((0.50, 0.03, 245), (0.82, 0.02, 220), (0.93, 0.02, 100), (0.68, 0.03, 230), (0.30, 0.04, 240)),
    "winter": ((0.76, 0.06, 245), (0.96, 0.02, 220), (0.99, 0.03, 100), (0.93, 0.02, 235), (0.55, 0.07, 255)),
    "neon": ((0.15, 0.08, 290), (0.36, 0.17, 335), (0.80, 0.20, 350), (0.34, 0.14, 300), (0.13, 0.06, 285)),
}
DARK = frozenset({"night", "neon", "dusk"})
OFFSETS = (0, 28, 45, 10, -12)  # how far each of the five strays from a hue the prompt names


def colour(tone: Tone) -> Colour:
    """OKLCH to sRGB, less saturated where sRGB has no such colour."""
    lightness, chroma, hue = tone
    while True:
        linear = _linear(lightness, chroma, hue)
        if chroma < 0.005 or all(-0.0005 <= part <= 1.0005 for part in linear):
            break
        chroma *= 0.93
    red, green, blue = (_gamma(part) for part in linear)
    return red, green, blue


def _linear(lightness: float, chroma: float, hue: float) -> tuple[float, float, float]:
    a, b = chroma * math.cos(math.radians(hue)), chroma * math.sin(math.radians(hue))
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
    )


def _gamma(part: float) -> int:
    part = min(1.0, max(0.0, part))
    return round(255 * (12.92 * part if part <= 0.0031308 else 1.055 * part ** (1 / 2.4) - 0.055))


def _vivid(hue: float, chroma: float, lightness: float) -> Colour:
    """Lighter towards yellow, which is olive where it is dark."""
    yellow = max(0.0, math.cos(math.radians(hue - 100)))
    return colour((lightness + (0.88 - lightness) * yellow**3, chroma, hue))


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """`share` of the way from one colour to the other; clamped to 0..1."""
    share = min(1.0, max(0.0, share))
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def shade(base: Colour, amount: float) -> Colour:
    """Darker by `amount` 0..1, or lighter where it is negative."""
    return mix(base, (12, 8, 32), amount) if amount >= 0 else mix(base, WHITE, -amount)


def luma(base: Colour) -> float:
    return (0.299 * base[0] + 0.587 * base[1] + 0.114 * base[2]) / 255


@dataclass(frozen=True, slots=True)
class Palette:
    sky: Colour
    horizon: Colour
    sun: Colour
    far: Colour
    near: Colour
    accent: Colour
    second: Colour
    dark: bool

    def land(self, nearness: float) -> Colour:
        """Aerial perspective: 0 melts into the horizon, 1 stands before us."""
        return mix(self.far, self.near, nearness)

    def grown(self, tone: Tone, share: float = 0.6) -> "Palette":
        """The same light on land of another colour: grass, sand, water."""
        lightness, chroma, hue = tone
        dim = 0.45 if self.dark else 1.0
        far = mix(self.far, colour((min(0.9, lightness + 0.22), chroma * 0.7, hue)), share * dim)
        near = mix(self.near, colour((lightness * (0.62 if self.dark else 0.9), chroma, hue)), share * dim)
        return Palette(self.sky, self.horizon, self.sun, far, near, self.accent, self.second, self.dark)


def blend(light: str, hue: float | None, grey: bool, random: Random) -> Palette:
    """The palette of a light, turned to `hue` where the prompt names a colour."""
    turn = random.uniform(-14, 14)
    tones = []
    for (lightness, chroma, own), offset in zip(LIGHTS[light], OFFSETS, strict=True):
        if hue is None:
            tones.append((lightness, chroma, own + turn))
        else:
            tones.append((lightness, max(chroma, 0.07) * 1.15, hue + offset + turn / 3))
    if grey:
        tones = [(lightness, chroma * 0.08, own) for lightness, chroma, own in tones]
    sky, horizon, sun, far, near = map(colour, tones)
    dark = light in DARK
    start = tones[0][2] if hue is None else hue
    spread = random.choice((150, 180, 205))
    vivid = 0.01 if grey else 0.17
    accent = _vivid(start + spread if hue is None else hue, vivid, 0.70 if dark else 0.62)
    second = _vivid(start + spread + random.choice((-60, 60, 90)), vivid * 0.8, 0.78 if dark else 0.70)
    return Palette(sky, horizon, sun, far, near, accent, second, dark)

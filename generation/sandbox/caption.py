"""The prompt written under the picture, and the mark that says where it came from."""

import unicodedata
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

from generation.sandbox.palette import WHITE, Colour

LONGEST = 240  # characters of a prompt that are worth fitting
DARK: Colour = (14, 10, 30)
SPELT = str.maketrans({"–": "-", "—": "-", "ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ı": "i"})


@lru_cache(maxsize=64)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=size)


@lru_cache(maxsize=4096)
def _drawable(character: str) -> bool:
    """Whether the packaged font has the character, rather than its box for a missing one."""
    font = _font(16)
    return character == " " or bytes(font.getmask(character)) != bytes(font.getmask("\uffff"))


def readable(text: str) -> str:
    """What the packaged font can write of a text: accents are dropped, other scripts left out."""
    spaced = " ".join(text[: LONGEST * 4].split())[:LONGEST]
    plain = "".join(
        character
        for character in unicodedata.normalize("NFKD", spaced.translate(SPELT))
        if character.isprintable() and not unicodedata.combining(character) and _drawable(character)
    )
    words = " ".join(plain.split())
    return words + ("…" if words and len(text) > LONGEST else "")


def write(picture: Image.Image, text: str, accent: Colour, paper: Colour | None = None) -> None:
    """Fits the text into the lower left corner and sets the mark in the lower right one, in place: white on a
    darkened foot, or dark on `paper`.
    """
    short = min(picture.size)
    margin = round(short * 0.045)
    _fade(picture, round(min(picture.height * 0.34, short * 0.36)), paper or DARK, 250 if paper else 205)
    ink = DARK if paper else WHITE
    draw = ImageDraw.Draw(picture)
    mark = _mark(draw, picture.size, margin, ink)
    lines, size = _fit(readable(text), picture.width - 3 * margin - mark, short)
    height = round(size * 1.25)
    foot = picture.height - margin
    for i, line in enumerate(reversed(lines)):
        draw.text((margin, foot - i * height), line, fill=ink, font=_font(size), anchor="ls")
    if lines:
        top = foot - height * len(lines)
        bar = max(2, round(short * 0.006))
        draw.rectangle((margin, top - bar * 3, margin + short * 0.07, top - bar * 2), fill=accent)


def _fade(picture: Image.Image, height: int, into: Colour, most: int) -> None:
    """Lets the foot of the picture fade into one colour so that letters read on anything."""
    ramp = Image.linear_gradient("L").point([v * v * most // 65025 for v in range(256)])
    picture.paste(into, (0, picture.height - height), ramp.resize((picture.width, height)))


def _mark(draw: ImageDraw.ImageDraw, size: tuple[int, int], margin: int, ink: Colour) -> float:
    """Draws the mark; returns its width."""
    font = _font(max(8, round(min(size) * 0.019)))
    spaced = " ".join("SANDBOX")
    width = draw.textlength(spaced, font=font)
    draw.text((size[0] - margin - width, size[1] - margin), spaced, fill=ink, font=font, anchor="ls")
    return width


def _fit(text: str, width: float, short: int) -> tuple[list[str], int]:
    """The largest type in which the text takes at most two lines, cut off in the smallest."""
    if not text:
        return [], 1
    lines: list[str] = []
    size = 8
    for share in (0.050, 0.042, 0.035, 0.029):
        size = max(8, round(short * share))
        lines = _wrap(text, width, size)
        if len(lines) <= (1 if share > 0.045 else 2):
            return lines, size
    kept = lines[:3]
    if len(lines) > 3:
        kept[2] = kept[2][:-1].rstrip(" …") + "…"
    return kept, size


def _wrap(text: str, width: float, size: int) -> list[str]:
    font = _font(size)
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width:
            lines[-1] = longer
            continue
        while font.getlength(word) > width and len(word) > 1:
            head = next((n for n in range(len(word) - 1, 1, -1) if font.getlength(word[:n]) <= width), 1)
            lines.append(word[:head])
            word = word[head:]
        lines.append(word)
    return [line for line in lines if line]

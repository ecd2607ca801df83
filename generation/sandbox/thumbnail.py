"""References made small enough to travel inside a job's id."""

import io

from PIL import Image, ImageOps

FORMATS = ("PNG", "JPEG", "WEBP")
BUDGET = 12_000  # bytes for all the references of a job
SIDES = ((1, 384), (4, 224), (9, 128))  # up to so many references, pixels on the long side
QUALITIES = (70, 50, 30, 15)


def thumbnails(paths: list[str]) -> tuple[list[bytes], str]:
    """WebP bytes of every picture and the ratio "w:h" of the first; OSError or ValueError where one cannot be read."""
    side = next(side for most, side in SIDES if len(paths) <= most)
    small = [_load(path, side) for path in paths]
    width, height = small[0][1]
    return [_packed(image, BUDGET // len(paths)) for image, _ in small], f"{width}:{height}"


def _load(path: str, side: int) -> tuple[Image.Image, tuple[int, int]]:
    """The picture at most `side` pixels long, upright and opaque, and the size it had."""
    try:
        with Image.open(path, formats=FORMATS) as opened:
            full = opened.size
            opened.draft("RGB", (side * 2, side * 2))
            image = opened if opened.mode in {"L", "RGB"} else opened.convert("RGBA")
            image.thumbnail((side, side))
            turned = ImageOps.exif_transpose(image)
    except (SyntaxError, Image.DecompressionBombError) as error:  # how some broken files surface
        raise ValueError("not a picture") from error
    if (turned.width > turned.height) != (image.width > image.height):
        full = (full[1], full[0])
    paper = Image.new("RGBA", turned.size, "white")
    paper.alpha_composite(turned.convert("RGBA"))
    return paper.convert("RGB"), full


def _packed(image: Image.Image, budget: int) -> bytes:
    """The best WebP that fits, smaller where no quality does."""
    for quality in QUALITIES:
        target = io.BytesIO()
        image.save(target, "WEBP", quality=quality, method=4)
        if target.tell() <= budget:
            return target.getvalue()
    return _packed(image.resize((max(1, image.width * 2 // 3), max(1, image.height * 2 // 3))), budget)

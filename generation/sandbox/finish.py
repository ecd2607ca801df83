"""What a style does to the finished picture."""

from collections.abc import Callable
from random import Random

from PIL import Image, ImageChops, ImageEnhance, ImageFilter, ImageOps

from generation.sandbox.palette import Colour

Size = tuple[int, int]
PAPER: Colour = (250, 247, 240)
ON_PAPER = frozenset({"watercolor", "sketch"})


def neon(picture: Image.Image, random: Random) -> Image.Image:
    """Every outline a glowing tube."""
    half = picture.reduce(2).filter(ImageFilter.GaussianBlur(min(picture.size) / 1100))
    tubes = half.filter(ImageFilter.FIND_EDGES).filter(ImageFilter.MaxFilter(3))
    tubes = ImageOps.autocontrast(tubes.point([max(0, v - 9) for v in range(256)] * 3), cutoff=(0, 3))
    tubes = ImageEnhance.Color(tubes).enhance(2.2)
    rim = Image.new("L", tubes.size, 0)
    rim.paste(255, (3, 3, tubes.width - 3, tubes.height - 3))  # the filter finds an edge all round the picture
    tubes = ImageChops.multiply(tubes, rim.convert("RGB"))
    glow = tubes.reduce(4).filter(ImageFilter.GaussianBlur(min(half.size) / 90))
    glow = glow.point([min(255, v * 2) for v in range(256)] * 3).resize(picture.size)
    dim = picture.point([v // 2 for v in range(256)] * 3)
    return ImageChops.screen(ImageChops.screen(dim, tubes.resize(picture.size)), glow)


def watercolor(picture: Image.Image, random: Random) -> Image.Image:
    """Pigment that pools and bleeds on white paper with a ragged edge."""
    small = picture.resize(_fitted(picture.size, 900))
    wet = ImageEnhance.Color(small.filter(ImageFilter.GaussianBlur(1.6))).enhance(1.5)
    rims = ImageOps.invert(small.convert("L").filter(ImageFilter.FIND_EDGES).filter(ImageFilter.GaussianBlur(1)))
    pooled = ImageChops.multiply(wet, Image.merge("RGB", [rims] * 3))
    paper = Image.new("RGB", small.size, PAPER)
    for cells, strength in (((9, 6), 120), ((40, 26), 48), ((small.width // 2, small.height // 2), 22)):
        pooled = Image.composite(paper, pooled, _noise(random, cells, small.size, strength))
    return Image.composite(pooled, paper, _ragged(random, small.size)).resize(picture.size, Image.Resampling.BICUBIC)


def _fitted(size: Size, longest: int) -> Size:
    share = longest / max(size)
    return max(1, round(size[0] * share)), max(1, round(size[1] * share))


def _noise(random: Random, cells: Size, size: Size, strength: int) -> Image.Image:
    """Cloudy grey, 0..strength."""
    coarse = Image.frombytes("L", cells, random.randbytes(cells[0] * cells[1]))
    return coarse.resize(size, Image.Resampling.BICUBIC).point([v * strength // 255 for v in range(256)])


def _ragged(random: Random, size: Size) -> Image.Image:
    """A mask with a margin no brush keeps quite straight."""
    margin = min(size) // 22
    sheet = Image.new("L", size, 0)
    sheet.paste(255, (margin, margin, size[0] - margin, size[1] - margin))
    soft = sheet.filter(ImageFilter.GaussianBlur(margin / 2))
    torn = ImageChops.add(soft, _noise(random, (max(2, size[0] // 14), max(2, size[1] // 14)), size, 150), offset=-75)
    return torn.point([min(255, max(0, (v - 110) * 6)) for v in range(256)])


def pixel(picture: Image.Image, random: Random) -> Image.Image:
    small = picture.resize(_fitted(picture.size, 150), Image.Resampling.BOX)
    few = small.quantize(32, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).convert("RGB")
    return few.resize(picture.size, Image.Resampling.NEAREST)


def sketch(picture: Image.Image, random: Random) -> Image.Image:
    """Pencil lines and a little tone on paper."""
    grey = picture.convert("L")
    lines = ImageOps.invert(grey.filter(ImageFilter.FIND_EDGES)).point(
        [max(0, 255 - (255 - v) * 5) for v in range(256)]
    )
    tone = grey.point([165 + v * 90 // 255 for v in range(256)])
    return ImageOps.colorize(ImageChops.multiply(lines, tone), (52, 48, 60), PAPER)


def mono(picture: Image.Image, random: Random) -> Image.Image:
    return ImageOps.autocontrast(picture.convert("L"), cutoff=1).convert("RGB")


FINISHES: dict[str, Callable[[Image.Image, Random], Image.Image]] = {
    "neon": neon, "watercolor": watercolor, "pixel": pixel, "sketch": sketch, "mono": mono,
}  # fmt: skip

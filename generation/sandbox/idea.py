"""What a prompt asks for: its words choose the scene, the things in it, the light and the style."""

import re
from dataclasses import dataclass
from random import Random

from generation.sandbox.palette import Tone


def _words(**groups: str) -> dict[str, str]:
    return {word: name for name, words in groups.items() for word in words.split()}


SCENES = _words(
    sea="sea ocean beach wave coast harbor harbour island bay lagoon surf lighthouse lake river sail",
    mountains="mountain peak alps alpine hill summit everest fuji cliff canyon valley glacier volcano landscape",
    city="city skyline skyscraper town street building tower cyberpunk downtown tokyo paris london york urban",
    forest="forest wood jungle pine woodland grove rainforest",
    desert="desert dune sand sahara cactus oasis egypt",
    meadow="meadow field garden park farm countryside grass prairie picnic village vineyard",
    space="space galaxy planet cosmos universe nebula mars orbit astronaut saturn",
    studio="studio table desk kitchen product room interior cafe shelf breakfast packshot",
    underwater="underwater reef aquarium coral diving submarine",
    abstract="abstract geometric bauhaus pattern shapes mosaic logo",
)
SUBJECTS = _words(
    cup="cup mug coffee tea espresso latte cappuccino cocoa teacup",
    bottle="bottle wine perfume lotion shampoo flask potion vial",
    box="box package gift present parcel carton packaging crate",
    plant="plant pot houseplant fern monstera leaf succulent bonsai",
    cactus="cactus cacti",
    flower="flower rose tulip daisy sunflower bouquet blossom orchid poppy lily",
    tree="tree oak birch maple willow",
    face="face portrait woman man girl boy person people child selfie lady queen king headshot",
    cat="cat kitten kitty tabby tiger lion leopard",
    dog="dog puppy corgi dachshund husky poodle",
    fox="fox wolf coyote",
    bird="bird parrot sparrow owl robin penguin chicken duck chick",
    fish="fish goldfish shark koi whale dolphin salmon",
    house="house home cottage cabin hut barn villa",
    boat="boat ship sailboat yacht sail",
    balloon="balloon airship zeppelin",
    rocket="rocket spaceship spacecraft shuttle",
    robot="robot android droid mech cyborg",
    astronaut="astronaut cosmonaut spaceman",
    car="car taxi automobile van",
    egg="egg",
    banana="banana nanobanana",
    fruit="apple fruit peach cherry tomato",
    lighthouse="lighthouse",
    planet="planet saturn",
    mushroom="mushroom toadstool fungus",
    lamp="lamp lantern candle",
)
HOME = {  # where a thing is at home when the prompt names no place
    **dict.fromkeys(("cup", "bottle", "box", "plant", "egg", "banana", "fruit", "lamp", "robot", "face"), "studio"),
    **dict.fromkeys(("cat", "dog", "fox", "flower", "tree", "bird", "house", "car", "mushroom", "balloon"), "meadow"),
    **dict.fromkeys(("boat", "lighthouse"), "sea"),
    **dict.fromkeys(("rocket", "planet", "astronaut"), "space"),
    "fish": "underwater",
    "cactus": "desert",
}
LIGHTS = _words(
    night="night midnight moon moonlit moonlight starry stars dark nocturnal halloween",
    neon="neon cyberpunk synthwave vaporwave",
    sunset="sunset sundown",
    dusk="dusk twilight evening mystical dream dreamy magic magical fantasy",
    dawn="dawn sunrise morning pastel spring",
    golden="golden autumn fall warm cozy cosy vintage retro",
    day="day noon sunny summer sun bright daylight",
    storm="storm stormy rain rainy fog foggy misty mist moody thunder cloudy overcast",
    winter="winter snow snowy ice icy frozen christmas snowman snowing arctic",
)
STYLES = _words(
    neon="neon cyberpunk synthwave vaporwave",
    minimal="minimal minimalist minimalistic simple",
    watercolor="watercolor watercolour aquarelle painting painted painterly",
    pixel="pixel pixelated 8bit pixelart voxel",
    sketch="sketch pencil drawing lineart charcoal",
    mono="monochrome noir greyscale grayscale",
)
WEATHER = _words(
    rain="rain rainy storm stormy raining",
    snow="snow snowy snowing snowfall winter christmas blizzard",
    clouds="cloud cloudy sky overcast",
    birds="bird gull seagull flock",
    rainbow="rainbow",
    stars="star starry stars",
    confetti="party celebration confetti birthday festival",
)
HUES: dict[str, Tone] = {
    "red": (0.58, 0.21, 27), "crimson": (0.52, 0.20, 20), "orange": (0.72, 0.18, 55), "amber": (0.78, 0.16, 75),
    "yellow": (0.86, 0.17, 98), "gold": (0.80, 0.14, 88), "golden": (0.82, 0.14, 88), "green": (0.65, 0.17, 145),
    "lime": (0.82, 0.19, 125), "olive": (0.55, 0.10, 115), "emerald": (0.62, 0.15, 160), "mint": (0.88, 0.08, 165),
    "teal": (0.60, 0.11, 195), "turquoise": (0.75, 0.12, 190), "cyan": (0.80, 0.12, 210), "blue": (0.58, 0.17, 255),
    "navy": (0.32, 0.11, 262), "indigo": (0.45, 0.17, 280), "purple": (0.55, 0.19, 305), "violet": (0.60, 0.18, 298),
    "lavender": (0.80, 0.09, 300), "magenta": (0.62, 0.24, 340), "pink": (0.78, 0.14, 355), "rose": (0.70, 0.15, 8),
    "coral": (0.73, 0.15, 32), "brown": (0.46, 0.08, 55), "beige": (0.88, 0.04, 85), "cream": (0.95, 0.04, 95),
    "black": (0.22, 0.01, 280), "white": (0.97, 0.005, 90), "grey": (0.65, 0.01, 260), "gray": (0.65, 0.01, 260),
    "silver": (0.82, 0.01, 250),
}  # fmt: skip
NUMBERS = {"two": 2, "three": 3, "four": 4, "five": 5, "2": 2, "3": 3, "4": 4, "5": 5, "pair": 2, "couple": 2}
WANDERINGS = ("mountains", "sea", "meadow", "desert", "forest", "abstract")
ADDING = frozenset({"add", "adding", "with", "plus", "insert", "include"})
MOST_SUBJECTS = 3


@dataclass(frozen=True, slots=True)
class Wanted:
    """A thing to draw, in a colour of its own if the prompt gives it one."""

    name: str
    tone: Tone | None = None
    count: int = 1


@dataclass(frozen=True, slots=True)
class Idea:
    scene: str
    placed: bool  # the prompt names the place
    subjects: tuple[Wanted, ...]
    light: str
    style: str
    hue: float | None
    grey: bool
    weather: frozenset[str]


def understand(prompt: str, negative_prompt: str, random: Random, editing: bool = False) -> Idea:
    """Reads both prompts; what they leave open is drawn from `random`.

    Editing, a thing named is in the customer's picture already, unless the prompt says to add it.
    """
    unwanted = _meanings(_split(negative_prompt))
    words = _split(prompt)
    new = next((i for i, word in enumerate(words) if word in ADDING), len(words)) if editing else 0
    subjects, claimed = _subjects(words[new:], unwanted)
    free = [HUES[word] for word in words if word in HUES and word not in claimed]
    tones = free or [HUES[word] for word in words if word in HUES]
    coloured = [tone for tone in tones if tone[1] > 0.03]
    style = _first(words, STYLES, unwanted) or ("mono" if {"black", "white"} <= set(words) else "")
    wild = random.choice(WANDERINGS)
    named = _first(words, SCENES, unwanted)
    scene = named or (HOME[subjects[0].name] if subjects else wild)
    light = _first(words, LIGHTS, unwanted) or random.choice(("dawn", "day", "day", "golden", "sunset"))
    return Idea(
        scene=scene,
        placed=bool(named),
        subjects=subjects,
        light="neon" if style == "neon" else light,
        style=style,
        hue=coloured[0][2] if coloured else None,
        grey=style == "mono" or bool(tones and not coloured),
        weather=frozenset(WEATHER[word] for word in words if word in WEATHER) - unwanted,
    )


def _split(text: str) -> list[str]:
    """Lower-case words, in the singular where only that means something to us."""
    return [_singular(word) for word in re.findall(r"[a-z0-9]+", text.casefold().replace("'s", ""))]


def _known(word: str) -> bool:
    return any(word in words for words in (SCENES, SUBJECTS, LIGHTS, STYLES, WEATHER, HUES, NUMBERS))


def _singular(word: str) -> str:
    if _known(word):
        return word
    endings = (word[:-1] if word.endswith("s") else "", word[:-2] if word.endswith("es") else "")
    return next((ending for ending in endings if ending and _known(ending)), word)


def _meanings(words: list[str]) -> frozenset[str]:
    return frozenset(
        table[word] for table in (SCENES, SUBJECTS, LIGHTS, STYLES, WEATHER) for word in words if word in table
    )


def _first(words: list[str], table: dict[str, str], unwanted: frozenset[str]) -> str:
    return next((table[word] for word in words if word in table and table[word] not in unwanted), "")


def _subjects(words: list[str], unwanted: frozenset[str]) -> tuple[tuple[Wanted, ...], set[str]]:
    """The things named, and the colour words that belong to them ("a small red cup")."""
    found: dict[str, Wanted] = {}
    claimed: set[str] = set()
    for i, word in enumerate(words):
        name = SUBJECTS.get(word, "")
        if not name or name in unwanted or name in found:
            continue
        before = words[max(0, i - 2) : i]
        hue = next((near for near in reversed(before) if near in HUES and near != word), "")
        claimed.update({hue} - {""})
        count = next((NUMBERS[near] for near in before if near in NUMBERS), 1)
        found[name] = Wanted(name, HUES.get(hue), count)
    return tuple(found.values())[:MOST_SUBJECTS], claimed

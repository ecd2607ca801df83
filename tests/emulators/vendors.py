"""Every vendor there is an emulator of, and how the tests buy from it: adding a vendor is one entry here."""

from dataclasses import dataclass

from tests.emulators.apixo import Apixo
from tests.emulators.eggapi import EggAPI
from tests.emulators.fal import Fal
from tests.emulators.gemini import Gemini, Vertex
from tests.emulators.kie import Kie
from tests.emulators.nananobanana import Nananobanana
from tests.emulators.openai import OpenAI
from tests.emulators.openrouter import OpenRouter
from tests.emulators.replicate import Replicate
from tests.emulators.upstream import Upstream


@dataclass(frozen=True)
class Vendor:
    """`fast` and `pro` are its models behind nanobanana and nanobanana-pro; `references` is the most that `pro` takes.

    A `synchronous` vendor answers a submit with the pictures. `per_call` is how many images one submit gives.
    """

    adapter: str
    emulator: type[Upstream]
    fast: str
    pro: str
    references: int
    has_4k: bool = True
    per_call: int = 1
    synchronous: bool = False

    def __str__(self) -> str:
        return self.adapter


VENDORS = (
    Vendor("apixo", Apixo, "nano-banana", "nano-banana-pro", references=14),
    Vendor("eggapi", EggAPI, "nanobanana", "nanobanana-pro", references=9, per_call=4),
    Vendor("fal", Fal, "fal-ai/nano-banana", "fal-ai/nano-banana-pro", references=14, per_call=4),
    Vendor("gemini", Gemini, "gemini-2.5-flash-image", "gemini-3-pro-image", references=14, synchronous=True),
    Vendor("kie", Kie, "google/nano-banana", "nano-banana-pro", references=8),
    Vendor("nananobanana", Nananobanana, "nano-banana", "nanobanan2&pro", references=9, has_4k=False),
    Vendor("openai", OpenAI, "gpt-image-2", "gpt-image-2", references=16, per_call=4, synchronous=True),
    Vendor(
        "openrouter",
        OpenRouter,
        "google/gemini-2.5-flash-image",
        "google/gemini-3-pro-image",
        references=14,
        synchronous=True,
    ),
    Vendor("replicate", Replicate, "google/nano-banana", "google/nano-banana-pro", references=14),
    Vendor("vertex", Vertex, "gemini-2.5-flash-image", "gemini-3-pro-image", references=14, synchronous=True),
)
BY_NAME = {vendor.adapter: vendor for vendor in VENDORS}

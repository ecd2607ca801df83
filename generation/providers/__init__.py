"""The registry: adding a provider is one file here and one line below."""

from generation.providers.apixo import Apixo
from generation.providers.base import Provider
from generation.providers.eggapi import EggAPI
from generation.providers.fal import Fal
from generation.providers.gemini import Gemini
from generation.providers.kie import Kie
from generation.providers.nananobanana import Nananobanana
from generation.providers.openai import OpenAI
from generation.providers.openrouter import OpenRouter
from generation.providers.replicate import Replicate
from generation.providers.sandbox import Sandbox
from generation.providers.vertex import Vertex

ADAPTERS: dict[str, type[Provider]] = {
    adapter.name: adapter
    for adapter in (
        Apixo,
        EggAPI,
        Fal,
        Gemini,
        Kie,
        Nananobanana,
        OpenAI,
        OpenRouter,
        Replicate,
        Sandbox,
        Vertex,
    )
}

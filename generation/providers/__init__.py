"""The registry: adding a provider is one file here and one line below."""

from generation.providers.base import Provider
from generation.providers.sandbox import Sandbox

ADAPTERS: dict[str, type[Provider]] = {adapter.name: adapter for adapter in (Sandbox,)}

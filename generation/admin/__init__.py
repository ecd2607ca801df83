"""The operators' pages of what is sold, where it is bought, and what became of tasks."""

from generation.admin import providers, routes, switches, tasks

__all__ = ["providers", "routes", "switches", "tasks"]

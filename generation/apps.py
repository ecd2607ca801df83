from django.apps import AppConfig


class GenerationConfig(AppConfig):
    name = "generation"

    def ready(self) -> None:
        from billing import mix
        from generation import catalog

        mix.priced_by(catalog.cheapest)

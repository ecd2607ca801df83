"""The house plan, checked: who may import whom, how long things may be, and what files are called.

eggapi kit < accounts < billing | webhooks < generation < eggapi.urls, .settings, .serving, .operating, .management
in an app: models < step modules < serializers, forms < api, views, admin; tasks are leaves
"""

import ast
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

pytestmark = pytest.mark.once

ROOT = Path(__file__).resolve().parent.parent
# Package -> the packages it may import beside itself. "top" is what ties the house together.
MAY_IMPORT = {
    "eggapi": set[str](),
    "accounts": {"eggapi"},
    "billing": {"eggapi", "accounts"},
    "webhooks": {"eggapi", "accounts"},
    "generation": {"eggapi", "accounts", "billing", "webhooks"},
    "top": {"eggapi", "accounts", "billing", "webhooks", "generation"},
}
TOP_MODULES = re.compile(r"eggapi\.(urls|settings|serving|management|operating)\b")
KIT, MODELS, STEP, SHAPES, DOORS, TOP = range(6)
RANKS = {"models": MODELS, "serializers": SHAPES, "forms": SHAPES}
RANKS |= dict.fromkeys(["api", "views", "admin", "urls", "apps", "management"], DOORS)
LONGEST_FILE = 400
LONGEST_FUNCTION = 60
NAMES_OF_NOTHING = re.compile(r"(util|helper|service|manager|handler|processor|common|misc)s?")
PLACES_AND_TICKETS = re.compile(r"/w[o]rk/|\bissues?\s+#?\d+|\(#\d+\)", re.IGNORECASE)
TEXT = {"", ".py", ".md", ".toml", ".html", ".css", ".js", ".sh", ".in", ".txt", ".yml", ".yaml"}
SKIPPED_FOLDERS = {"var", "__pycache__", "node_modules"}


def files() -> Iterator[Path]:
    """Every file of the project, relative to its root."""
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [f for f in folders if f not in SKIPPED_FOLDERS and (not f.startswith(".") or f == ".ci")]
        yield from (Path(folder, name).relative_to(ROOT) for name in names)


def module_name(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def product() -> dict[str, str]:
    """Source text of every module of the product by its name, without migrations."""
    return {
        module_name(path): (ROOT / path).read_text()
        for path in files()
        if path.suffix == ".py" and path.parts[0] in MAY_IMPORT and "migrations" not in path.parts
    }


def imports(source: str, package: str, modules: Mapping[str, str]) -> set[str]:
    """The modules among `modules` that `source` imports anywhere; `package` is what its dots start from."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, base]).rstrip(".")
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                found.add(inner if inner in modules else base)
    return found & modules.keys()


def import_graph(modules: Mapping[str, str]) -> dict[str, set[str]]:
    packages = {name for name in modules if any(other.startswith(f"{name}.") for other in modules)}
    return {
        name: imports(source, name if name in packages else name.rpartition(".")[0], modules) - {name}
        for name, source in modules.items()
    }


def layer(module: str) -> str:
    """eggapi is two: the kit below everybody, and what ties the house together above everybody."""
    return "top" if TOP_MODULES.match(module) else module.partition(".")[0]


def rank(module: str) -> int:
    """How high a module stands, in its own app as in another's."""
    if layer(module) in ("eggapi", "top"):
        return KIT if layer(module) == "eggapi" else TOP
    parts = module.split(".")
    return RANKS.get(parts[1] if len(parts) > 1 else "", STEP)


def reachable(module: str, graph: Mapping[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        for imported in graph[waiting.pop()] - seen:
            seen.add(imported)
            waiting.append(imported)
    return seen


def is_pure(module: str, graph: Mapping[str, set[str]]) -> bool:
    """A step that knows nothing of models, not even through others: models may be built with it."""
    return rank(module) == STEP and not any(rank(name) == MODELS for name in reachable(module, graph))


def crossings(graph: Mapping[str, set[str]]) -> list[str]:
    """Every import that goes the wrong way, as a sentence."""
    wrong = []
    for module, imported in sorted((m, i) for m, found in graph.items() for i in found):
        edge = f"{module} imports {imported}"
        if layer(imported) != layer(module) and layer(imported) not in MAY_IMPORT[layer(module)]:
            wrong.append(f"{edge}: {layer(module)} stands below {layer(imported)}")
        elif imported.endswith(".tasks"):
            wrong.append(f"{edge}: ring a task by its name")
        elif rank(module) < rank(imported) and not (rank(module) == MODELS and is_pure(imported, graph)):
            wrong.append(f"{edge}: which stands above it")
        if module in reachable(imported, graph):
            wrong.append(f"{edge}: and back")
    return wrong


def long_functions(source: str) -> list[str]:
    return [
        node.name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or node.lineno) - node.lineno + 1 > LONGEST_FUNCTION
    ]


def test_imports_go_one_way() -> None:
    assert crossings(import_graph(product())) == []


def test_files_and_functions_stay_short() -> None:
    code = [p for p in files() if p.suffix == ".py" and "migrations" not in p.parts and p.parts[0] != "tests"]
    assert [str(p) for p in code if len((ROOT / p).read_text().splitlines()) > LONGEST_FILE] == []
    assert [f"{p}: {name}" for p in code for name in long_functions((ROOT / p).read_text())] == []


def test_files_are_named_after_a_thing() -> None:
    assert [str(path) for path in files() if NAMES_OF_NOTHING.fullmatch(path.stem)] == []


def test_files_speak_of_the_project_alone() -> None:
    texts = ((p, (ROOT / p).read_text(errors="ignore")) for p in files() if p.suffix in TEXT and ".min." not in p.name)
    assert [f"{path}: {found[0]}" for path, text in texts if (found := PLACES_AND_TICKETS.search(text))] == []


def test_requirements_name_no_index() -> None:
    assert [p.name for p in (ROOT / "requirements").glob("*.txt") if re.search(r"://|^-", p.read_text(), re.M)] == []


# -- the checker itself ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "modules",
    [
        {"eggapi.money": "import accounts.models", "accounts.models": ""},
        {"eggapi.money": "import eggapi.urls", "eggapi.urls": ""},
        {"accounts.keys": "from billing import ledger", "billing.ledger": ""},
        {"accounts.keys": "from eggapi.urls import urlpatterns", "eggapi.urls": ""},
        {"billing.ledger": "from webhooks.events import publish", "webhooks.events": ""},
        {"webhooks.events": "from billing.models import Wallet", "billing.models": ""},
        {"webhooks.events": "def f():\n    from generation import models", "generation.models": ""},
        {
            "billing.models": "from billing import ledger",
            "billing.ledger": "import accounts.models",
            "accounts.models": "",
        },
        {"billing.models": "from . import ledger", "billing": "", "billing.ledger": "from .models import Hold"},
        {"billing.ledger": "from .serializers import body", "billing.serializers": ""},
        {"billing.serializers": "from billing.api import view", "billing.api": ""},
        {"generation.submit": "from billing.views import page", "billing.views": ""},
        {"generation.submit": "from generation import tasks", "generation.tasks": ""},
        {"eggapi.urls": "from generation.tasks import advance", "generation.tasks": ""},
        {"generation.route": "import generation.save", "generation.save": "import generation.route"},
    ],
)
def test_it_rejects_an_import_the_wrong_way(modules: dict[str, str]) -> None:
    assert crossings(import_graph(modules)) != []


@pytest.mark.parametrize(
    "modules",
    [
        {"eggapi.urls": "from generation.api import routes", "generation.api": ""},
        {"eggapi.management.commands.serve": "from generation import engine", "generation.engine": ""},
        {
            "generation.models": "from .providers.base import Outcome",
            "generation.providers.base": "import eggapi.money",
        },
        {"generation.tasks": "from generation import engine", "generation.engine": "from generation import models"},
        {"billing.models": "import accounts.models", "accounts.models": "import eggapi.clock"},
        {"billing.api": "from accounts.api import V1View", "accounts.api": "from django.db import models"},
    ],
)
def test_it_lets_the_others_pass(modules: dict[str, str]) -> None:
    assert crossings(import_graph(modules)) == []


def test_it_resolves_dots_from_packages_and_modules() -> None:
    modules = {"billing": "from . import ledger", "billing.ledger": "from .models import Hold", "billing.models": ""}
    assert import_graph(modules) == {
        "billing": {"billing.ledger"},
        "billing.ledger": {"billing.models"},
        "billing.models": set(),
    }


def test_it_rejects_a_long_function() -> None:
    line = "    pass\n"
    assert long_functions("async def long():\n" + line * LONGEST_FUNCTION) == ["long"]
    assert long_functions("def short():\n" + line * (LONGEST_FUNCTION - 1)) == []


@pytest.mark.parametrize("name", ["utils", "helpers", "service", "handlers"])
def test_it_rejects_a_name_of_nothing(name: str) -> None:
    assert NAMES_OF_NOTHING.fullmatch(name)


@pytest.mark.parametrize("text", ["see /w" + "ork/notes", "for issue" + " 12", "Fix leak (#" + "7)"])
def test_it_rejects_places_and_tickets(text: str) -> None:
    assert PLACES_AND_TICKETS.search(text)

"""Imports go down only, never in a circle, and the pure packages stay pure."""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import apsw
import pytest

ROOT = Path(__file__).parents[2] / "src" / "nagara"

LAYERS: dict[str, int] = {
    "domain": 0,
    "runtime": 0,
    "patience": 0,
    "dialects": 1,
    "operations": 1,
    "providers": 1,
    "routing": 1,
    "access": 1,
    "billing": 1,
    "catalogue": 2,
    "storage": 2,
    "limits": 2,
    "media": 2,
    "upstream": 2,
    "observe": 2,
    "sandbox": 2,
    "pipeline": 3,
    "admitted": 3,
    "delivery": 3,
    "finding": 3,
    "bill": 3,
    "settlement": 3,
    "reaping": 3,
    "answer_headers": 3,
    "outcomes": 3,
    "responses": 3,
    "idempotency": 3,
    "web": 4,
    "cli": 5,
    "app": 5,
    "parts": 5,
    "settings": 5,
    "config": 5,
    "__main__": 5,
}

PURE = {"domain", "dialects", "operations", "providers", "routing", "access", "billing"}
IMPURE_MODULES = {
    "asyncio", "datetime", "http", "io", "logging", "os", "pathlib", "random", "secrets", "socket",
    "sqlite3", "apsw", "ssl", "subprocess", "sys", "threading", "time", "uuid", "uvloop", "uvicorn",
    "starlette", "httptools", "urllib.request",
}  # fmt: skip
IMPURE_EXCEPTIONS = {
    # Only the level numbers of its table.
    ("nagara.domain.errors", "logging"),
    # Finds the provider files that lie beside it, once, at import.
    ("nagara.providers", "pkgutil"),
    ("nagara.providers", "importlib"),
}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): ast.parse(path.read_text()) for path in sorted(ROOT.rglob("*.py"))}


def imported_names(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                dotted = f"{node.module}.{alias.name}"
                yield dotted if dotted in MODULES else node.module


def own_imports(name: str) -> set[str]:
    return {n for n in imported_names(MODULES[name]) if n in MODULES and n not in (name, "nagara")}


def room_of(name: str) -> str:
    return name.split(".")[1] if "." in name else ""


@pytest.mark.parametrize("name", [name for name in MODULES if name != "nagara"])
def test_module_has_a_layer_and_imports_downwards_only(name: str) -> None:
    layer = LAYERS[room_of(name)]
    for target in own_imports(name):
        assert LAYERS[room_of(target)] <= layer, f"{name} imports upwards: {target}"


def test_there_is_no_import_cycle() -> None:
    graph = {name: own_imports(name) for name in MODULES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"import cycle: {' -> '.join(error.args[1])}")


@pytest.mark.parametrize("name", [name for name in MODULES if room_of(name) in PURE])
def test_pure_module_does_no_io(name: str) -> None:
    for target in imported_names(MODULES[name]):
        is_impure = target in IMPURE_MODULES or target.split(".")[0] in IMPURE_MODULES
        assert not is_impure or (name, target) in IMPURE_EXCEPTIONS, f"{name} imports {target}"
    awaits = [n for n in ast.walk(MODULES[name]) if isinstance(n, ast.AsyncFunctionDef | ast.Await)]
    assert not awaits, f"{name} is pure and must not be async"


@pytest.mark.parametrize("name", list(MODULES))
def test_module_says_what_it_is_for(name: str) -> None:
    assert ast.get_docstring(MODULES[name]), f"{name} has no docstring"


def test_one_sqlite_alone_is_in_the_process() -> None:
    # Two copies of the library would not see each other's locks on one file.
    users = [name for name, tree in MODULES.items() if "sqlite3" in imported_names(tree)]
    assert not users


def test_sqlite_is_one_without_the_wal_reset_bug() -> None:
    # See docs/decisions/0021-own-sqlite.md.
    assert tuple(map(int, apsw.sqlite_lib_version().split("."))) >= (3, 51, 3)

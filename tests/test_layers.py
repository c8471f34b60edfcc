"""The layers: dependencies point downward only (cli → reports → audit → capture → cases → formulations → numerics → leaves)."""

import ast
from collections.abc import Iterator
from pathlib import Path

import cestab

ROOT = Path(cestab.__file__).parent
LAYERS = (
    *(
        "cli",
        "commands",
        "api",
        "answers",
        "options",
        "primitives",
        "reports",
        "audit",
        "capture",
        "cases",
        "formulations",
        "numerics",
    ),
    *("results", "errors"),
)
FORBIDDEN = {"reports": {"audit", "capture", "cases", "formulations", "numerics"}}


def layer_of(module: str) -> str:
    return module.split(".")[1]


def imports_of(path: Path) -> Iterator[str]:
    """Yield the cestab modules that a file imports anywhere, in functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module] if node.module != "cestab" else [f"cestab.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        yield from (name for name in names if name.startswith("cestab."))


def test_no_lower_layer_imports_a_higher_one() -> None:
    wrong = []
    for path in sorted(ROOT.rglob("*.py")):
        own = path.relative_to(ROOT).with_suffix("").parts[0]
        if own in ("__init__", "__main__"):
            continue
        for name in imports_of(path):
            other = layer_of(name)
            if LAYERS.index(other) < LAYERS.index(own) or other in FORBIDDEN.get(own, set()):
                wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert wrong == []


def test_every_module_is_in_a_layer() -> None:
    names = {path.relative_to(ROOT).with_suffix("").parts[0] for path in ROOT.rglob("*.py")}
    assert names == {*LAYERS, "__init__", "__main__"}


def test_no_file_is_imported_by_relative_name() -> None:
    relative = [
        str(path.relative_to(ROOT))
        for path in ROOT.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert relative == []

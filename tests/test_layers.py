"""The layers: dependencies point downward only, and a command's room imports no other's but those named here."""

import ast
from collections.abc import Iterator
from pathlib import Path

import cestab

ROOT = Path(cestab.__file__).parent
LAYERS = (
    *("api", "commands", "capture", "reports", "evaluation", "judgement", "external", "cases", "primitives"),
    *("formulations", "truth", "numerics", "vocabulary", "streams", "errors"),
)
ALLOWED = {"reports": {"reports", "vocabulary", "errors"}}
ROOMS = {
    "sweep": {"explain"},
    "check": {"sweep", "audit"},
    **{room: {"sweep", "diff"} for room in ("report", "plot", "verify")},
    **{room: {"sweep"} for room in ("advise", "audit", "compare", "diff")},
}


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
            if LAYERS.index(other) < LAYERS.index(own) or other not in ALLOWED.get(own, {*LAYERS}):
                wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert wrong == []


def test_a_room_imports_no_other_room() -> None:
    rooms = {path.name for path in (ROOT / "commands").iterdir() if (path / "__init__.py").exists()}
    wrong = []
    for path in sorted((ROOT / "commands").glob("*/*.py")):
        own = path.parent.name
        for name in imports_of(path):
            other = name.split(".")[2] if name.startswith("cestab.commands.") else own
            if other in rooms - {own} - ROOMS.get(own, set()):
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

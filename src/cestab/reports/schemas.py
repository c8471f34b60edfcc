"""The JSON Schemas of cestab's reports, as they are shipped: one file per report, and the names of them all."""

from importlib.resources import files

from cestab.errors import unknown_name

_FOLDER = files("cestab") / "schema"


def schema_names() -> list[str]:
    """Return the names of the reports that have a schema."""
    return sorted(path.name.removesuffix(".json") for path in _FOLDER.iterdir())


def read_schema(name: str) -> str:
    """Return the text of one schema."""
    if name not in schema_names():
        raise unknown_name("schema", name, schema_names())
    return (_FOLDER / f"{name}.json").read_text(encoding="utf-8")

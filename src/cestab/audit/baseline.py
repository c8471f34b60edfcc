"""The baseline of `cestab check`: strict JSON of the findings that are known, keyed by audit, setting and kind."""

import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any, NoReturn

from cestab.errors import UsageError
from cestab.results import (
    Baseline,
    BaselineEntry,
    BaselineKey,
    CheckReport,
    Coverage,
    Finding,
    FindingKind,
    Objective,
    Setting,
    Summation,
    Verdict,
    show_magnitude,
)

SCHEMA = "cestab.baseline/1"
HOW_TO_UPDATE = "cestab check --update-baseline"
MOST_BYTES = 64 * 2**20  # 100,000 findings
LONGEST_MESSAGE = 160  # of jsonschema, which shows whole values

Json = dict[str, Any]
_KINDS = {kind.label: kind for kind in FindingKind}


def read_baseline(path: str, name: str, *, may_be_missing: bool = False) -> Baseline:
    """Return the baseline in a file, which sentences call `name`; whatever is wrong with it is a UsageError."""
    try:
        if Path(path).stat().st_size > MOST_BYTES:
            raise UsageError(f"the baseline '{name}' is larger than {MOST_BYTES // 2**20} MiB, as none of cestab's is")
        content = Path(path).read_bytes()
    except FileNotFoundError:
        if may_be_missing:
            return {}
        raise UsageError(f"there is no baseline '{name}'; {HOW_TO_UPDATE} writes it") from None
    except OSError as error:
        raise UsageError(f"cannot read the baseline '{name}': {error.strerror}") from None
    try:
        parsed = json.loads(content.decode(), object_pairs_hook=_unique, parse_constant=_refuse_constant)
        _validate(parsed)
        return _make_baseline(parsed)
    except json.JSONDecodeError as error:
        where = f"{error.msg} (line {error.lineno}, column {error.colno})"
        raise UsageError(f"the baseline '{name}' is not JSON, or was cut off: {where}") from None
    except (ValueError, OverflowError) as error:  # ours, not UTF-8, a number beyond all
        raise UsageError(f"the baseline '{name}' cannot be used: {error}") from None
    except RecursionError:
        raise UsageError(f"the baseline '{name}' is nested too deeply for one") from None


def _unique(pairs: list[tuple[str, Any]]) -> Json:
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} stands twice in one object")
    return dict(pairs)


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON number")


def _validate(parsed: Any) -> None:
    """Raise a ValueError that says where the value differs from the schema."""
    schema = parsed.get("schema") if isinstance(parsed, dict) else None
    if schema != SCHEMA:
        raise ValueError(f"its schema is {_shorten(repr(schema))}, not '{SCHEMA}'")
    from jsonschema import Draft202012Validator  # noqa: PLC0415  # takes as long to import as all else together

    text = (files("cestab") / "schema" / "baseline.json").read_text(encoding="utf-8")
    error = next(Draft202012Validator(json.loads(text)).iter_errors(parsed), None)
    if error is not None:
        place = error.json_path.removeprefix("$").removeprefix(".") or "at the top"
        raise ValueError(f"{place}: {_shorten(error.message)}")


def _shorten(text: str) -> str:
    return text if len(text) <= LONGEST_MESSAGE else f"{text[:LONGEST_MESSAGE]}…"


def _make_baseline(parsed: Json) -> Baseline:
    found: dict[BaselineKey, BaselineEntry] = {}
    for audit, settings in parsed["audits"].items():
        for shown in settings:
            setting = _read_setting(shown["setting"])
            for finding in shown["findings"]:
                key = audit, setting, _KINDS[finding["kind"]]
                if key in found:
                    raise ValueError(f"{audit}: {setting}: {finding['kind']} stands there twice")
                found[key] = _read_entry(finding)
    return found


def _read_setting(shown: Json) -> Setting:
    return Setting(
        shown["formulation"],
        Objective(shown["objective"]),
        shown["dtype"],
        shown["compute"],
        Summation(shown["summation"]),
        shown["pattern"],
        int(shown["classes"]),
        shown["target"],
        float(shown["loss_scale"]),
    )


def _read_entry(shown: Json) -> BaselineEntry:
    cases, coverage = int(shown["cases"]), Coverage(shown["coverage"])
    if "first" not in shown:
        return BaselineEntry(cases, coverage)
    first = shown["first"]
    float.fromhex(first["hex"])  # beyond float64 it is an error
    return BaselineEntry(cases, coverage, float(first["t"]), first["hex"])


def make_baseline(report: CheckReport, old: Baseline) -> Baseline:
    """Return the baseline that accepts all that is gated in a report made without one.

    What is known of a setting that crashed this time stays as it was.
    """
    crashed = {
        (checked.audit.name, result.setting)
        for checked in report.audits
        for result in checked.report.settings
        if result.verdict is Verdict.ERROR
    }
    kept = {key: entry for key, entry in old.items() if key[:2] in crashed}
    return kept | {
        (checked.audit.name, each.result.setting, each.finding.kind): _make_entry(each.finding, each.result.coverage)
        for checked, each in report.gated()
    }


def _make_entry(finding: Finding, coverage: Coverage) -> BaselineEntry:
    first = finding.first
    if first.hexadecimal is None:
        return BaselineEntry(finding.cases, coverage)
    return BaselineEntry(finding.cases, coverage, float(first.decimal), first.hexadecimal)


def write_baseline(baseline: Baseline) -> str:
    """Return the baseline as JSON: the same bytes for the same findings, whatever their order."""
    audits: dict[str, list[Json]] = {}
    previous = None
    for key in sorted(baseline, key=_order):
        audit, setting, kind = key
        settings = audits.setdefault(audit, [])
        if (audit, setting) != previous:
            settings.append({"setting": _show_setting(setting), "findings": []})
            previous = audit, setting
        settings[-1]["findings"].append({"kind": kind.label, **_show_entry(baseline[key])})
    return json.dumps({"schema": SCHEMA, "audits": audits}, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _order(key: BaselineKey) -> tuple[str, str, int, str, int]:
    audit, setting, kind = key
    return audit, setting.formulation, setting.classes, repr(setting), list(FindingKind).index(kind)


def _show_setting(setting: Setting) -> Json:
    return dict(vars(setting))


def _show_entry(entry: BaselineEntry) -> Json:
    shown: Json = {"cases": entry.cases, "coverage": entry.coverage}
    if entry.t is not None:
        shown["first"] = {"t": entry.t, "hex": entry.hexadecimal}
    return shown


def list_changes(old: Baseline, new: Baseline) -> Iterator[str]:
    """Yield a line for every entry that was added (+), removed (-) or changed (~)."""
    for key in sorted({**old, **new}, key=_order):
        audit, setting, kind = key
        before, after = old.get(key), new.get(key)
        if before != after:
            sign = "+" if before is None else "-" if after is None else "~"
            extents = " → ".join(describe_entry(entry) for entry in (before, after) if entry is not None)
            yield f"{sign} {audit}: {setting}: {kind.label} {extents}"


def describe_entry(entry: BaselineEntry) -> str:
    """Return where the finding of an entry begins, or in how many rows it is."""
    return f"in {entry.cases:,} rows" if entry.t is None else f"from |t| = {show_magnitude(entry.t)}"

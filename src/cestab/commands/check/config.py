"""From the tables of a configuration to the audits of `cestab check`: keys, types, names, and whether they can be run."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cestab.cases.recording import open_recording
from cestab.commands import values
from cestab.commands.audit.request import list_recorded, make_audit_request
from cestab.commands.case_options import CaseOptions, RecordingOptions, RowOptions
from cestab.commands.check.answer import Allowance, CheckAudit, CheckConfig
from cestab.commands.check.config_file import AUDIT, Source, show_path
from cestab.commands.option_groups import keys_of
from cestab.commands.options import (
    CertifyOptions,
    CurveOptions,
    EvaluationOptions,
    FormulationOptions,
    GateOptions,
    SweepOptions,
    WorkOptions,
)
from cestab.commands.sweep.request import make_sweep_request
from cestab.errors import OptionName, UsageError, unknown_name
from cestab.evaluation.plan import group_by_options, plan_arithmetics, plan_sweep
from cestab.external.formulation import ExternalFormulation, find_any_formulation
from cestab.external.names import list_loss_files
from cestab.reports.gate import Location
from cestab.vocabulary.kinds import FindingKind
from cestab.vocabulary.requests import AuditRequest, SweepRequest

Readers = dict[str, Callable[[str, Any], Any]]  # of a key and its value


def _keep(_key: str, value: object) -> object:
    return value  # it is read later


def _readers_of(*groups: type) -> Readers:
    return {key: field.kind.read for key, field in keys_of(*groups).items()}


OPTIONS = keys_of(FormulationOptions, SweepOptions, RecordingOptions)
SHARED: Readers = {
    "name": values.read_line,
    **_readers_of(FormulationOptions, EvaluationOptions, GateOptions),
    "allow": _keep,
}
SWEEP: Readers = SHARED | _readers_of(CaseOptions, RowOptions, CertifyOptions, CurveOptions, WorkOptions)
RECORDED: Readers = SHARED | {"file": values.read_line} | _readers_of(RecordingOptions)
TOP: Readers = {"baseline": values.read_line, AUDIT: _keep}
ALLOW: Readers = {
    "finding": values.read_name,
    "reason": values.read_name,
    "formulation": values.read_name,
    "dtype": values.read_name,
}
ALLOW_SWEEP: Readers = ALLOW | {
    "pattern": values.read_name,
    "classes": values.read_integer,
    "target": values.read_name,
    "from": values.read_number,
}
DEFAULT_FAIL_ON = ("fail",)  # check is a gate by nature


def make_config(source: Source) -> CheckConfig:
    """Return the audits of a configuration; any mistake in it is a UsageError with its line where that is known."""
    top = _read_keys(source, source.table, TOP, "key")
    tables = top.get(AUDIT)
    if not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
        raise source.error("it names no audit; each is a table [[audit]], in pyproject.toml [[tool.cestab.audit]]", key=AUDIT)
    audits: list[CheckAudit] = []
    for index, table in enumerate(tables):
        audit = _make_audit(source, index, table)
        if audit.name in [other.name for other in audits]:
            raise source.error(f"two audits are called '{audit.name}'; names are unique", index, "name")
        audits.append(audit)
    baseline = top.get("baseline")
    if baseline is None:
        return CheckConfig(file=source.name, audits=tuple(audits), folder=str(source.folder))
    path = source.folder / baseline
    return CheckConfig(
        file=source.name,
        audits=tuple(audits),
        baseline=str(path.absolute()),
        baseline_name=show_path(path),
        folder=str(source.folder),
    )


def list_files(config: CheckConfig) -> list[str]:
    """Return the files that a check reads but for its baseline."""
    files = [config.file]
    for audit in config.audits:
        losses = [str(Path(config.folder) / file) for file in list_loss_files(audit.request.formulations)]
        recorded = list_recorded(audit.request) if isinstance(audit.request, AuditRequest) else []
        files += losses + recorded
    return files


def _read_keys(
    source: Source, table: Mapping[str, Any], readers: Readers, what: str, audit: int | None = None
) -> dict[str, Any]:
    """Return the values of a table by key, each of its type."""
    found = {}
    for key, value in table.items():
        if key not in readers:
            raise source.error(unknown_name(what, key, readers), audit, key)
        try:
            found[key] = readers[key](key, value)
        except UsageError as error:
            raise source.error(error, audit, key) from None
    return found


def spell_option(option: OptionName) -> str:
    """Return an option as it is written in a configuration."""
    key = next((key for key, field in OPTIONS.items() if field.name == option.name), option.name)
    return f"{key} = {option.value}" if option.value else key


def _make_audit(source: Source, index: int, table: dict[str, Any]) -> CheckAudit:
    is_recorded = "file" in table
    what = "key of an audit of a file" if is_recorded else "key of an audit"
    keys = _read_keys(source, table, RECORDED if is_recorded else SWEEP, what, index)
    name = keys.get("name", f"audit-{index + 1}")
    try:
        request = _make_request(source, keys)
        _check_files(request, source.folder)
        _check_request(request)
    except UsageError as error:
        raise source.error(f"audit '{name}': {error.spell(spell_option)}", index) from None
    allow = _make_allowances(source, index, keys.get("allow", []), request)
    return CheckAudit(
        name=name, request=request, allow=allow, location=Location(file=source.path, line=source.line(index) or 1)
    )


def _make_request(source: Source, keys: Mapping[str, Any]) -> SweepRequest | AuditRequest:
    options = {"fail_on": DEFAULT_FAIL_ON} | {OPTIONS[key].name: value for key, value in keys.items() if key in OPTIONS}
    if "file" not in keys:
        return make_sweep_request(**options)
    if "labels" in keys:
        options["labels"] = show_path(source.folder / keys["labels"])
    return make_audit_request(show_path(source.folder / keys["file"]), **options)


def _check_files(request: SweepRequest | AuditRequest, folder: Path) -> None:
    """Refuse losses in files that are not there; what is in the files is seen when they are loaded."""
    for formulation in map(find_any_formulation, request.formulations):
        if isinstance(formulation, ExternalFormulation):
            file = formulation.parsed.file
            if file and not (folder / file).is_file():
                raise UsageError(f"there is no file '{file}' in '{show_path(folder)}'")


def _check_request(request: SweepRequest | AuditRequest) -> None:
    """Raise what running the request would raise before its work: impossible combinations, unreadable files."""
    if isinstance(request, SweepRequest):
        plan_sweep(request)
        return
    for options in group_by_options(request.formulations):
        list(plan_arithmetics(request.arithmetics, request.objective, options))
    with open_recording(request, request.objective):
        pass


def _make_allowances(source: Source, index: int, tables: object, request: SweepRequest | AuditRequest) -> tuple[Allowance, ...]:
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise source.error('allow takes a list of tables such as {finding = "zeroed-gradient", reason = "…"}', index, "allow")
    try:
        return tuple(_make_allowance(table, request) for table in tables)
    except UsageError as error:
        raise source.error(f"allow: {error}", index, "allow") from None


def _make_allowance(table: dict[str, Any], request: SweepRequest | AuditRequest) -> Allowance:
    is_sweep = isinstance(request, SweepRequest)
    readers = ALLOW_SWEEP if is_sweep else ALLOW
    for key in table:
        if key not in readers:
            raise unknown_name("key", key, readers)
    for key in ("finding", "reason"):
        if key not in table:
            raise UsageError(f"{key} is missing; every allowed finding has a finding and a reason")
    keys = {key: readers[key](key, value) for key, value in table.items()}
    kinds = {kind.label: kind for kind in FindingKind}
    if keys["finding"] not in kinds:
        raise unknown_name("finding", keys["finding"], kinds)
    for key, known in _find_selectable(request).items():
        if key in keys and keys[key] not in known:
            raise unknown_name(f"{key} of this audit", str(keys[key]), map(str, known))
    start = keys.get("from")
    if start is not None and not 0 <= start < math.inf:
        raise UsageError(f"from {start!r} is not a finite magnitude from 0 on")
    filters = {key: keys.get(key) for key in ("formulation", "dtype", "pattern", "classes", "target")}
    return Allowance(finding=kinds[keys["finding"]], reason=keys["reason"], **filters, start=start)


def _find_selectable(request: SweepRequest | AuditRequest) -> dict[str, tuple[Any, ...]]:
    """Return what the filters of an allowance may name: what the audit has."""
    found: dict[str, tuple[Any, ...]] = {"formulation": request.formulations, "dtype": request.arithmetics.dtypes}
    if isinstance(request, SweepRequest):
        found |= {"pattern": request.patterns, "classes": request.classes, "target": request.targets}
    return found

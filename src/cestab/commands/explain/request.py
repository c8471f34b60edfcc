"""The request of explain: one case, named by its logits, by a magnitude t, or by a row of a file."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Unpack

from cestab.cases.patterns import find_pattern
from cestab.cases.target_kinds import expand_target
from cestab.commands import values
from cestab.commands.case_options import SingleCaseOptions
from cestab.commands.option_groups import read_options
from cestab.commands.options import ExplainOptions, RuleOptions, SingleFormatOptions
from cestab.commands.resolve import assemble_arithmetics, find_objective, make_guard, make_rows
from cestab.errors import UsageError, name_options
from cestab.external.names import list_loss_files
from cestab.vocabulary.objectives import Objective
from cestab.vocabulary.phrases import show_list
from cestab.vocabulary.requests import Arithmetics, ExplainRequest, GeneratedCase, GivenCase, RecordedCase

Case = GivenCase | GeneratedCase | RecordedCase
_BELONGING = {
    "logits": ("target",),
    "at": ("pattern", "classes", "target", "seed"),
    "file": ("row", "labels", "logits_key", "labels_key", "class_axis", "ignore_index"),
}


def make_explain_request(formulation: str, **options: Unpack[ExplainOptions]) -> ExplainRequest:
    """Return the request of explain: one formulation, one case, one number format."""
    name, arithmetics = values.read_name("formulation", formulation), _make_arithmetics(options)
    checked = read_options(SingleCaseOptions, options)
    way = _find_way(checked)
    against = options.get("against")
    compared = [name] if against is None else [name, values.read_name("against", against)]
    objective = find_objective(compared, options.get("objective"))
    return ExplainRequest(
        objective=objective,
        formulation=name,
        arithmetics=arithmetics,
        case=_MAKERS[way](checked, objective),
        against=against,
        guard=make_guard(options),
        **make_rows(options),
    )


def _make_arithmetics(options: ExplainOptions) -> Arithmetics:
    single = read_options(SingleFormatOptions, options)
    lists = {f"{name}s": (single.pop(name),) for name in ("dtype", "summation", "loss_scale")}
    return assemble_arithmetics(lists | single | read_options(RuleOptions, options))


def _find_way(checked: dict[str, Any]) -> str:
    """Return the option that names the case; refuse one that does not go with it."""
    ways = [way for way in _BELONGING if way in checked]
    if len(ways) != 1:
        known = "one case is named by {logits}, by {at} (a magnitude t) or by {file=FILE} {row=N}"
        given = f"{show_list(_in_braces(ways))} were" if ways else "nothing was"
        raise UsageError(*name_options(f"{known}; {given} given"))
    (way,) = ways
    for option in checked:
        if option not in (way, *_BELONGING[way]):
            known = ", ".join(_in_braces(_BELONGING[way]))
            raise UsageError(*name_options(f"{{{option}}} does not go with {{{way}}}, which takes {known}"))
    return way


def _in_braces(options: Sequence[str]) -> list[str]:
    return [f"{{{option}}}" for option in options]


def _make_given(checked: dict[str, Any], _objective: Objective) -> GivenCase:
    if not checked["logits"]:
        raise UsageError("the selection is empty: no logits are named")
    if "target" not in checked:
        needed = "{logits=Z,…} needs a {target}: a class, weights with commas, or a label, e.g. {logits=100,0} {target=1}"
        raise UsageError(*name_options(needed))
    return GivenCase(**checked)


def _make_generated(checked: dict[str, Any], objective: Objective) -> GeneratedCase:
    default = {"pattern": "margin", "classes": 1 if objective.is_binary else 2, "target": "wrong"}
    case = GeneratedCase(**default | checked)
    find_pattern(case.pattern)
    targets = list(expand_target(case.target, objective))
    if len(targets) != 1:
        raise UsageError(f"target '{case.target}' is {len(targets)} targets; one case has one")
    return case


def _make_recorded(checked: dict[str, Any], _objective: Objective) -> RecordedCase:
    if "row" not in checked:
        raise UsageError(*name_options("{file=FILE} needs {row=N}, the number of the row from 0 on"))
    return RecordedCase(**checked)


_MAKERS: Mapping[str, Callable[[dict[str, Any], Objective], Case]] = {
    "logits": _make_given,
    "at": _make_generated,
    "file": _make_recorded,
}


def list_files(request: ExplainRequest) -> list[str]:
    """Return the files that an explanation reads."""
    named = [request.formulation] if request.against is None else [request.formulation, request.against]
    recorded = [request.case.file, request.case.labels] if isinstance(request.case, RecordedCase) else []
    return [file for file in recorded if file is not None] + list_loss_files(named)

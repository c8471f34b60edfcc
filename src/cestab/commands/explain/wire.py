"""The JSON report cestab.explain/1."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from cestab.commands.explain import answer
from cestab.commands.explain.answer import Cause
from cestab.reports.json import write_json
from cestab.reports.wire.settings import Environment, Options, write_environment, write_options
from cestab.reports.wire.types import (
    Batch,
    Count,
    Kind,
    Positive,
    Report,
    Scale,
    Size,
    Wire,
    Word,
    describe_ways,
    require_one_way,
)
from cestab.reports.wire.types import Number as Value
from cestab.vocabulary.kinds import FindingKind, Fp8Overflow, Severity, Summation
from cestab.vocabulary.loss_options import Reduction
from cestab.vocabulary.requests import GeneratedCase, GivenCase, RecordedCase

Ulps = Annotated[
    Size | Literal["inf"] | None,
    Meta(title="Ulps", description="an error in ulps of the format; null where a value is not finite"),
]
NumberHex = Annotated[str, Meta(title="NumberHex", pattern=r"^(-?0x[01](\.[0-9a-f]+)?p[+-][0-9]+|nan|-?inf)$")]
WAYS = (  # in which a case is named
    ("logits", "target"),
    ("pattern", "classes", "target", "at", "seed"),
    ("from", "row", "labels", "axis", "ignore_index"),
)


class NamedCase(Wire):
    """The case as it was named, by the names of the options: its logits, a magnitude t, or a row of a file."""

    logits: tuple[Value, ...] | UnsetType = UNSET
    pattern: str | UnsetType = UNSET
    classes: Positive | UnsetType = UNSET
    target: str | UnsetType = UNSET
    at: float | UnsetType = UNSET
    seed: Count | UnsetType = UNSET
    from_: str | UnsetType = UNSET
    row: Count | UnsetType = UNSET
    labels: str | UnsetType | None = UNSET
    logits_key: str | UnsetType | None = UNSET
    labels_key: str | UnsetType | None = UNSET
    axis: int | UnsetType = UNSET
    ignore_index: int | UnsetType = UNSET

    def __post_init__(self) -> None:
        require_one_way(self, WAYS)


class Request(Wire):
    """Every option as resolved; `against` is null where the best formulation was chosen."""

    formulation: str
    objective: Word
    dtype: str
    compute: str
    summation: Summation
    loss_scale: Scale
    batch: Batch = 1
    reduction: Reduction = Reduction.MEAN
    options: Options = Options()
    rtol: Size
    atol: Size
    fp8_overflow: Fp8Overflow
    flush_subnormals: bool
    case: Annotated[NamedCase, describe_ways(WAYS)]
    against: str | None


class Number(Wire):
    """A number of the format, and exactly."""

    value: Value
    hex: NumberHex


class Loss(Number):
    """A loss, and its error."""

    ulps: Ulps


class Case(Wire):
    """The case: classes in `shown` are those of the logits, of a dense target, and of gradients and entries."""

    source: Annotated[str, Meta(description="where the case is from, in words")]
    roundings: Annotated[tuple[str, ...], Meta(description="sentences on given numbers that rounding to the format changed")]
    classes: Positive
    shown: tuple[Count, ...]
    logits: tuple[Number, ...]
    target: Annotated[Count | tuple[Size, ...], Meta(description="a class, or the weights of the classes shown")]


class Entry(Wire):
    """An entry of an operation's result; the class is null where there is one number for all."""

    class_: Count | None
    value: Value
    hex: NumberHex
    exact: Annotated[
        str,
        Meta(
            description="what the computation without rounding, clips and epsilons has here: a decimal, 'computed + 4.2e-18' "
            "where one that tells them apart is longer than 18 characters, '?' where it could not be known"
        ),
    ]
    ulps: Ulps
    cause: Cause | None
    words: str


class Operation(Wire):
    """One operation, `name = expression`."""

    name: str
    expression: str
    pass_: Literal["forward", "backward"]
    entries: tuple[Entry, ...]


class RootCause(Wire):
    """Why a finding arose; `sole`: the operation's exact result alone removes it."""

    operation: Annotated[str, Meta(description="name = expression of one of the operations")]
    cause: Cause
    finding: Kind
    sole: bool
    sentence: str


class Truth(Wire):
    """Decimals of proven digits."""

    loss: str
    gradient: tuple[str, ...]


class Finding(Wire):
    """A kind of defect."""

    kind: Kind
    severity: Severity


class Outcome(Wire):
    """What a formulation gives."""

    formulation: str
    loss: Loss
    gradient: tuple[Number, ...]
    gradient_ulps: Ulps
    findings: tuple[Finding, ...]


class Explain(Report, tag="cestab.explain/1"):
    """One case, operation by operation, beside exact arithmetic."""

    version: str
    environment: Environment
    request: Request
    case: Case
    operations: Annotated[tuple[Operation, ...], Meta(description="in the order of computation")]
    root_cause: RootCause | None
    limits: Annotated[
        tuple[str, ...], Meta(description="sentences on a truth that is beyond the format, so that no operation is to blame")
    ]
    truth: Truth
    formulation: str
    loss: Loss
    gradient: tuple[Number, ...]
    gradient_ulps: Ulps
    findings: tuple[Finding, ...]
    against: Annotated[Outcome | None, Meta(description="another formulation on the same case")]


def render(explanation: answer.Explanation) -> str:
    """Return the explanation as JSON, with a newline at the end."""
    root = explanation.root_cause
    return write_json(
        Explain(
            version=explanation.version,
            environment=write_environment(explanation.environment),
            request=_write_request(explanation),
            case=Case(
                source=explanation.source,
                roundings=explanation.roundings,
                classes=explanation.setting.classes,
                shown=explanation.shown,
                logits=_write_numbers(explanation.logits),
                target=explanation.target,
            ),
            operations=tuple(_write_operation(operation) for operation in explanation.operations),
            root_cause=None if root is None else _write_root_cause(root),
            limits=explanation.limits,
            truth=Truth(loss=explanation.true_loss, gradient=explanation.true_gradient),
            **_write_outcome(explanation.outcome),
            against=None if explanation.against is None else Outcome(**_write_outcome(explanation.against)),
        )
    )


def _write_request(explanation: answer.Explanation) -> Request:
    setting, request = explanation.setting, explanation.request
    return Request(
        formulation=setting.formulation,
        objective=setting.objective.name,
        dtype=setting.dtype,
        compute=setting.compute,
        summation=setting.summation,
        loss_scale=setting.loss_scale,
        **write_options(setting.options),
        rtol=explanation.rtol,
        atol=explanation.atol,
        fp8_overflow=request.arithmetics.fp8_overflow,
        flush_subnormals=request.arithmetics.flush_subnormals,
        case=_name_case(request.case),
        against=request.against,
    )


def _name_case(case: GivenCase | GeneratedCase | RecordedCase) -> NamedCase:
    fields: dict[str, Any] = vars(case)
    if isinstance(case, RecordedCase):
        names = {"file": "from_", "class_axis": "axis"}
        fields = {names.get(name, name): value for name, value in fields.items()}
    return NamedCase(**fields)


def _write_operation(operation: answer.Operation) -> Operation:
    return Operation(
        name=operation.name,
        expression=operation.expression,
        pass_="backward" if operation.is_backward else "forward",
        entries=tuple(_write_entry(entry) for entry in operation.entries),
    )


def _write_entry(entry: answer.Entry) -> Entry:
    return Entry(
        class_=entry.index,
        **_write_number(entry.computed),
        exact=entry.exact,
        ulps=entry.ulps,
        cause=entry.cause,
        words=entry.words,
    )


def _write_root_cause(root: answer.RootCause) -> RootCause:
    return RootCause(
        operation=root.operation,
        cause=root.cause,
        finding=root.finding.label,
        sole=root.is_sole,
        sentence=root.sentence,
    )


def _write_outcome(outcome: answer.Outcome) -> dict[str, Any]:
    return {
        "formulation": outcome.formulation,
        "loss": Loss(**_write_number(outcome.loss), ulps=outcome.loss_ulps),
        "gradient": _write_numbers(outcome.gradient),
        "gradient_ulps": outcome.gradient_ulps,
        "findings": tuple(_write_kind(kind) for kind in outcome.findings),
    }


def _write_kind(kind: FindingKind) -> Finding:
    return Finding(kind=kind.label, severity=kind.severity)


def _write_numbers(numbers: tuple[answer.Number, ...]) -> tuple[Number, ...]:
    return tuple(Number(**_write_number(number)) for number in numbers)


def _write_number(number: answer.Number) -> dict[str, Any]:
    return {"value": float(number.decimal), "hex": number.hexadecimal}

"""What explain answers: one case, operation by operation, and why its finding arose."""

from dataclasses import dataclass
from enum import StrEnum

from cestab.vocabulary.kinds import FindingKind
from cestab.vocabulary.requests import ExplainRequest
from cestab.vocabulary.settings import Environment, Setting


class Cause(StrEnum):
    """What an operation did to its result."""

    # the worst first
    INFINITY_MINUS_INFINITY = "infinity-minus-infinity"
    ZERO_TIMES_INFINITY = "zero-times-infinity"
    DIVISION_BY_ZERO = "division-by-zero"
    OVERFLOW = "overflow"
    CLIPPED = "clipped"
    UNDERFLOW = "underflow"
    ABSORPTION = "absorption"
    CANCELLATION = "cancellation"
    ROUNDING = "rounding"


@dataclass(frozen=True, kw_only=True)
class Number:
    """A number of a format: the shortest decimal that reads back, and hexadecimal."""

    value: float
    decimal: str
    hexadecimal: str


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One entry of an operation's result (`index` its class, None where there is one number per case).

    `exact` is what the whole computation gives there without rounding, clips and epsilons: a decimal; `computed + 4.2e-18`
    where a decimal that differs from the computed one is too long; `?` where the precision did not suffice. `ulps` is the
    error against it in ulps of the operation's format, None where a value is not finite. `cause` and `words` say what this
    operation did.
    """

    index: int | None
    computed: Number
    exact: str
    ulps: float | None
    cause: Cause | None
    words: str


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One operation, `name = expression`, of the forward or the backward pass, with the entries that are shown."""

    name: str
    expression: str
    is_backward: bool
    entries: tuple[Entry, ...]


@dataclass(frozen=True, kw_only=True)
class RootCause:
    """Why a finding arose: the operation, what it did, and a sentence.

    `is_sole`: its exact result alone removes the finding; else it is where the error begins that ends in the finding.
    """

    finding: FindingKind
    operation: str
    cause: Cause
    sentence: str
    is_sole: bool


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One formulation's loss and gradient of the case (the classes that are shown), and its findings."""

    formulation: str
    loss: Number
    loss_ulps: float | None
    gradient: tuple[Number, ...]
    gradient_ulps: float | None
    findings: tuple[FindingKind, ...]


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """One case explained.

    Logits, the weights of a dense target (an index target is one number) and gradients are those of the classes in `shown`;
    truth's numbers are decimals of proven digits. `rtol` and `atol` are those of the request or the format's; `roundings` says
    which given numbers the format changed, `limits` which true value is beyond it, so that no operation is to blame.
    """

    version: str
    environment: Environment
    request: ExplainRequest
    setting: Setting
    rtol: float
    atol: float
    source: str
    roundings: tuple[str, ...]
    shown: tuple[int, ...]
    logits: tuple[Number, ...]
    target: int | tuple[float, ...]
    operations: tuple[Operation, ...]
    outcome: Outcome
    root_cause: RootCause | None
    limits: tuple[str, ...]
    true_loss: str
    true_gradient: tuple[str, ...]
    against: Outcome | None

    def to_json(self) -> str:
        """Return the explanation as the strict JSON that the command writes."""
        from cestab.commands.explain import wire

        return wire.render(self)

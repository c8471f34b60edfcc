"""What advise answers: statements, each with the case that proves it and a command that shows it."""

from dataclasses import dataclass
from enum import StrEnum

from cestab.errors import ExitStatus
from cestab.vocabulary.requests import AdviseRequest
from cestab.vocabulary.settings import Environment


class Topic(StrEnum):
    """What a statement is about."""

    FORMULATION = "formulation"
    EPSILON = "epsilon"
    LOSS_SCALE = "loss-scale"
    ACCUMULATOR = "accumulator"


@dataclass(frozen=True, kw_only=True)
class Proof:
    """The case that proves a statement: a finding, its t and pattern, in which setting; a command that shows the case."""

    finding: str
    t: float
    setting: str
    reproduce: str


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One piece of advice for a dtype; `proofs` are none where nothing fails, which `reproduce` shows."""

    dtype: str
    topic: Topic
    sentence: str
    reproduce: str
    proofs: tuple[Proof, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Advice:
    """What advise returns and prints. An interrupted one holds the statements that were finished."""

    version: str
    environment: Environment
    request: AdviseRequest
    statements: tuple[Statement, ...]
    is_interrupted: bool = False

    def exit_status(self) -> ExitStatus:
        """Return whether it was finished: advice is no gate."""
        return ExitStatus.INTERRUPTED if self.is_interrupted else ExitStatus.DONE

    def to_json(self) -> str:
        """Return the advice as the strict JSON that the command writes."""
        from cestab.commands.advise import wire

        return wire.render(self)

"""The JSON report cestab.advice/1."""

from dataclasses import asdict
from typing import Any

from msgspec import UNSET, UnsetType

from cestab.commands.advise import answer
from cestab.commands.advise.answer import Topic
from cestab.reports.json import write_json
from cestab.reports.wire.settings import Environment, write_environment
from cestab.reports.wire.types import Batch, Interrupted, Kind, Names, Positive, Report, Text, Wire, Word
from cestab.vocabulary.loss_options import Reduction


class Request(Wire):
    """Every option as resolved; an empty list of formulations is the family's sound ones."""

    objective: Word
    formulation: tuple[Word, ...]
    dtype: Names
    compute: Word | None
    logits: Word
    classes: Positive
    batch: Batch
    reduction: Reduction


class Proof(Wire):
    """The case that proves a statement, and a command line that shows it."""

    finding: Kind
    t: float
    setting: Text
    reproduce: Text


class Statement(Wire):
    """One piece of advice; `reproduce` is a command line that shows it."""

    dtype: Word
    topic: Topic
    sentence: Text
    reproduce: Text
    proofs: tuple[Proof, ...]


class Advice(Report, tag="cestab.advice/1"):
    """The report of cestab advise."""

    version: Word
    environment: Environment
    request: Request
    interrupted: Interrupted | UnsetType = UNSET
    statements: tuple[Statement, ...]


def render(advice: answer.Advice) -> str:
    """Return the advice as JSON, with a newline at the end."""
    request = advice.request
    own: dict[str, Any] = {
        "version": advice.version,
        "environment": write_environment(advice.environment),
        "request": Request(
            objective=request.objective.name,
            formulation=request.formulations,
            dtype=request.arithmetics.dtypes,
            compute=request.arithmetics.compute,
            logits=str(request.logits),
            classes=request.classes,
            batch=request.batch,
            reduction=request.reduction,
        ),
        "interrupted": advice.is_interrupted or UNSET,
        "statements": tuple(
            Statement(
                dtype=statement.dtype,
                topic=statement.topic,
                sentence=statement.sentence,
                reproduce=statement.reproduce,
                proofs=tuple(Proof(**asdict(proof)) for proof in statement.proofs),
            )
            for statement in advice.statements
        ),
    }
    return write_json(Advice(**own))

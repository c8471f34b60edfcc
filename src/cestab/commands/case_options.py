"""The options of cases, once, in groups: generated ones, recorded ones, and the single one of explain."""

from collections.abc import Iterable, Sequence
from typing import Annotated, TypedDict

from cestab.commands import values
from cestab.commands.option_groups import CASES, FilePath, Integers, Label, Names, Option
from cestab.vocabulary.loss_options import Reduction
from cestab.vocabulary.requests import DEFAULT_IGNORE_INDEX


def _patterns() -> Iterable[str]:
    from cestab.cases.patterns import PATTERNS

    return PATTERNS


def _targets() -> Iterable[str]:
    from cestab.cases.target_kinds import TARGET_KINDS

    return TARGET_KINDS


Labels = Annotated[
    FilePath | None,
    Option(panel=CASES, metavar="FILE", read=values.read_path, help="Labels in a file of their own."),
]


class RowOptions(TypedDict, total=False):
    """The rows of a batch."""

    batch: Annotated[int, Option(panel=CASES, metavar="N", default=1, help="Rows that are reduced to one loss.")]
    reduction: Annotated[
        str,
        Option(
            panel=CASES,
            metavar="mean|sum",
            default="mean",
            read=values.one_of(Reduction, "reduction"),
            help="How the rows of a batch are reduced.",
        ),
    ]


class CaseOptions(TypedDict, total=False):
    """Generated cases."""

    logits: Annotated[
        str,
        Option(
            panel=CASES,
            metavar="LO:HI[:N][:log|linear]",
            default="all",
            read=values.read_range,
            help="Range of the magnitude t, e.g. -100:100 or 0:20:1001:linear; all is the format's whole finite range.",
        ),
    ]
    patterns: Annotated[
        Names | None,
        Option(
            flag="--pattern",
            panel=CASES,
            metavar="NAME,…",
            complete=_patterns,
            read=values.read_pattern,
            help="How t becomes a logit vector. Default: margin,offset.",
        ),
    ]
    classes: Annotated[Integers | None, Option(panel=CASES, metavar="N,…", help="Number of classes. Default: 2,1000.")]
    targets: Annotated[
        Names | None,
        Option(
            flag="--target",
            panel=CASES,
            metavar="KIND,…",
            complete=_targets,
            help="Which class is true, e.g. correct, wrong, smooth:0.1. Default: correct,wrong.",
        ),
    ]
    seed: Annotated[int, Option(panel=CASES, default=0, read=values.read_seed, help="Seed of the gaussian pattern.")]


class RecordingOptions(TypedDict, total=False):
    """Recorded cases."""

    labels: Labels
    class_axis: Annotated[
        int,
        Option(
            flag="--axis",
            panel=CASES,
            default=1,
            read=values.read_class_axis,
            help="Axis of the classes: 1 for cases first, 0 for classes first.",
        ),
    ]
    ignore_index: Annotated[int, Option(panel=CASES, default=DEFAULT_IGNORE_INDEX, help="Rows with this label are not judged.")]
    sample: Annotated[
        int | None, Option(panel=CASES, metavar="N", read=values.read_sample, help="Judge N rows drawn by --seed.")
    ]
    seed: Annotated[int, Option(panel=CASES, default=0, read=values.read_seed, help="Seed of --sample.")]


class SingleCaseOptions(TypedDict, total=False):
    """One case: given, generated, or recorded; an option that does not belong to its way is refused, so none has a default."""

    logits: Annotated[Sequence[float] | None, Option(panel=CASES, metavar="Z,…", help="The logits, e.g. 100,0.")]
    target: Annotated[
        Label | None,
        Option(panel=CASES, metavar="T", help="Class, weights, label, or a target kind; wrong with --at."),
    ]
    pattern: Annotated[str | None, Option(panel=CASES, metavar="NAME", help="Of a generated case. Default: margin.")]
    classes: Annotated[int | None, Option(panel=CASES, metavar="N", help="Its classes. Default: 2.")]
    at: Annotated[float | None, Option(panel=CASES, metavar="T", help="Its magnitude t.")]
    seed: Annotated[int | None, Option(panel=CASES, read=values.read_seed, help="Its seed (gaussian). Default: 0.")]
    file: Annotated[
        FilePath | None,
        Option(flag="--from", panel=CASES, metavar="FILE", read=values.read_path, help="Recorded logits, as in audit."),
    ]
    row: Annotated[int | None, Option(panel=CASES, metavar="N", help="Row of the file, from 0.")]
    labels: Labels
    class_axis: Annotated[
        int | None,
        Option(flag="--axis", panel=CASES, read=values.read_class_axis, help="Axis of the classes, as in audit."),
    ]
    ignore_index: Annotated[int | None, Option(panel=CASES, help="Label of rows that are no case.")]

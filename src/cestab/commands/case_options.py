"""The options of cases, once, in groups: generated ones, recorded ones, and the single one of explain."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated, TypedDict

from cestab.commands import values
from cestab.commands.option_groups import FilePath, Integers, Label, Names, Option, registered
from cestab.vocabulary.loss_options import DEFAULT_IGNORE_INDEX, Reduction
from cestab.vocabulary.requests import DEFAULT_CLASS_AXIS

of_cases = partial(Option, panel="Cases")

Labels = Annotated[FilePath | None, of_cases(metavar="FILE", read=values.read_path, help="Labels in a file of their own.")]
Key = Annotated[str | None, of_cases(metavar="NAME", read=values.read_name, help="Name of the array. Default: a common one.")]


class CaseOptions(TypedDict, total=False):
    """Generated cases."""

    logits: Annotated[
        str,
        of_cases(
            metavar="LO:HI[:N][:log|linear]",
            default="-10000:10000",
            read=values.read_range,
            help="Range of the magnitude t, e.g. -100:100 or 0:20:1001:linear; all is the format's whole finite range.",
        ),
    ]
    patterns: Annotated[
        Names | None,
        of_cases(
            flag="--pattern",
            metavar="NAME,…",
            complete=registered("cestab.cases.patterns", "ALL_PATTERNS"),
            read=values.read_pattern,
            help="How t becomes a logit vector. Default: margin,offset.",
        ),
    ]
    classes: Annotated[Integers | None, of_cases(metavar="N,…", help="Number of classes. Default: 2,1000.")]
    targets: Annotated[
        Names | None,
        of_cases(
            flag="--target",
            metavar="KIND,…",
            complete=registered("cestab.cases.target_kinds", "TARGET_KINDS"),
            help="Which class is true, e.g. correct, wrong, smooth:0.1. Default: correct,wrong.",
        ),
    ]
    seed: Annotated[int, of_cases(default=0, read=values.read_seed, help="Seed of the gaussian pattern.")]
    exhaustive: Annotated[bool, of_cases(default=False, help="Try every float of the range, in any format.")]


class RowOptions(TypedDict, total=False):
    """The rows of a batch."""

    batch: Annotated[int, of_cases(metavar="N", default=1, help="Rows that are reduced to one loss.")]
    reduction: Annotated[
        str,
        of_cases(
            metavar="mean|sum",
            default="mean",
            read=values.one_of(Reduction, "reduction"),
            help="How the rows of a batch are reduced.",
        ),
    ]


class RecordingOptions(TypedDict, total=False):
    """Recorded cases."""

    labels: Labels
    logits_key: Key
    labels_key: Key
    class_axis: Annotated[
        int,
        of_cases(
            flag="--axis",
            default=DEFAULT_CLASS_AXIS,
            read=values.read_class_axis,
            help="Axis of the classes: -1 for the last, 1 for (N, C, H, W), 0 for classes first.",
        ),
    ]
    ignore_index: Annotated[int, of_cases(default=DEFAULT_IGNORE_INDEX, help="Rows with this label are not judged.")]
    sample: Annotated[int | None, of_cases(metavar="N", read=values.read_sample, help="Judge N rows drawn by --seed.")]
    seed: Annotated[int, of_cases(default=0, read=values.read_seed, help="Seed of --sample.")]


class SingleCaseOptions(TypedDict, total=False):
    """One case: given, generated, or recorded; an option that does not belong to its way is refused, so none has a default."""

    logits: Annotated[Sequence[float] | None, of_cases(metavar="Z,…", help="The logits, e.g. 100,0.")]
    target: Annotated[Label | None, of_cases(metavar="T", help="Class, weights, label, or a target kind; wrong with --at.")]
    pattern: Annotated[str | None, of_cases(metavar="NAME", help="Of a generated case. Default: margin.")]
    classes: Annotated[int | None, of_cases(metavar="N", help="Its classes. Default: 2.")]
    at: Annotated[float | None, of_cases(metavar="T", help="Its magnitude t.")]
    seed: Annotated[int | None, of_cases(read=values.read_seed, help="Its seed (gaussian). Default: 0.")]
    file: Annotated[
        FilePath | None,
        of_cases(flag="--from", metavar="FILE", read=values.read_path, help="Recorded logits, as in audit."),
    ]
    row: Annotated[int | None, of_cases(metavar="N", help="Row of the file, from 0.")]
    labels: Labels
    logits_key: Key
    labels_key: Key
    class_axis: Annotated[
        int | None, of_cases(flag="--axis", read=values.read_class_axis, help="Axis of the classes, as in audit.")
    ]
    ignore_index: Annotated[int | None, of_cases(help="Label of rows that are no case.")]

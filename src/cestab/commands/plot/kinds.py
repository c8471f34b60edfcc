"""What a figure shows."""

from enum import StrEnum


class FigureKind(StrEnum):
    """What a figure shows."""

    MAP = "map"
    ERRORS = "errors"

"""Recorded logits in whatever file: that it holds them, or is told in one sentence; shared by the tests beside it."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from cestab import api
from cestab.cases.recording import open_recording
from cestab.errors import UsageError
from cestab.vocabulary.objectives import BINARY_CROSS_ENTROPY, SOFTMAX_CROSS_ENTROPY, Objective
from cestab.vocabulary.requests import RecordingSource

Array = npt.NDArray[Any]
SOFTMAX, BINARY = SOFTMAX_CROSS_ENTROPY, BINARY_CROSS_ENTROPY
ROWS = 500
RNG = np.random.default_rng(0)
LOGITS = (RNG.normal(size=(ROWS, 5)) * 10).astype(np.float32)
LABELS = RNG.integers(0, 5, ROWS)
DRAWN = np.array([0, 3, 77, 150, 151, 499])


def check(
    file: Path, logits: Array, labels: Array = LABELS, apart: Path | None = None, axis: int = -1, objective: Objective = SOFTMAX
) -> None:
    """Assert that a file holds these, read whole, in parts, backwards and by numbers of rows."""
    wide = np.asarray(logits, dtype=np.float64).reshape(ROWS, -1)
    with open_recording(
        RecordingSource(file=str(file), labels=None if apart is None else str(apart), class_axis=axis), objective
    ) as recording:
        assert recording.rows == ROWS
        for rows in (slice(0, ROWS), slice(120, 340), slice(60, 61), slice(499, 500), DRAWN, DRAWN[3:], slice(0, 2)):
            found, own = recording.read(rows)
            np.testing.assert_array_equal(found, wide[rows].T)
            np.testing.assert_array_equal(own, labels[rows])


def refusal(file: Path) -> str:
    """Return the sentence with which a file is refused, be it opened or read."""
    with pytest.raises(UsageError) as caught, open_recording(RecordingSource(file=str(file)), SOFTMAX) as recording:
        recording.read(slice(0, recording.rows))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400
    return str(caught.value)


def check_damage(file: Path, writes: Callable[[], object], damaged: int) -> None:
    """Assert that cut and overwritten copies of a file are read or told in one sentence, many of them told."""
    writes()
    content, rng, refused = file.read_bytes(), random.Random(20261125), 0  # noqa: S311  # seeded, no secret
    for count in range(200):
        copy = bytearray(content)
        if count % 2:
            del copy[rng.randrange(len(copy)) :]
        else:
            start = rng.choice(
                [rng.randrange(len(copy)), rng.randrange(min(400, len(copy))), len(copy) - rng.randrange(1, 400)]
            )
            copy[start : start + 8] = rng.randbytes(8)
        file.write_bytes(copy)
        try:
            api.audit(file, formulations="naive", dtypes="float32")
        except UsageError as error:
            assert "\n" not in str(error)  # noqa: PT017  # a copy may be whole where it matters
            refused += 1
    assert refused >= damaged

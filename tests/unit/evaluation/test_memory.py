"""Requests beyond memory: refused with their size before anything is allocated."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from cestab import sweep
from cestab.errors import UsageError
from cestab.evaluation.memory import refuse_classes, refuse_magnitudes


@pytest.fixture(autouse=True)
def _two_gibibytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=2**31))


@pytest.mark.parametrize(
    ("refuse", "count", "what", "option"),
    [
        (refuse_classes, 100_000_000, "100,000,000 classes", "classes"),
        (refuse_magnitudes, 10**9, "a range of 1,000,000,000 magnitudes", "logits"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_size(refuse: Callable[[int], None], count: int, what: str, option: str) -> None:
    """Both are 10^11 bytes, which are 93.1 GiB."""
    with pytest.raises(UsageError) as caught:
        refuse(count)
    assert str(caught.value) == f"{what} would need about 93.1 GiB of memory, and 2.0 are free: ask for fewer with {option}"


@pytest.mark.parametrize(("refuse", "count"), [(refuse_classes, 2_000_000), (refuse_magnitudes, 20_000_000)])
def test_what_fits_is_not_refused(refuse: Callable[[int], None], count: int) -> None:
    refuse(count)


@pytest.mark.parametrize("options", [{"classes": 3_000_000}, {"logits": "0:1:30000000"}])
def test_a_sweep_asks_before_it_begins(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="would need about"):
        sweep(formulations="naive", dtypes="float32", **options)

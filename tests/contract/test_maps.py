"""Laws of every map of t: no gaps, boundaries between neighbouring floats, and findings that agree with it."""

from itertools import pairwise

import pytest

from cestab import api
from cestab.numerics.formats import FORMATS
from cestab.numerics.rounding import round_number
from cestab.vocabulary.settings import Interval, SettingResult

pytestmark = pytest.mark.thorough
REQUESTS = {
    "softmax": {"patterns": ["margin", "offset"], "classes": [3, 40]},
    "other patterns": {"patterns": ["gaussian", "masked"], "classes": [3], "dtypes": ["float16", "float32", "float64"]},
    "dense": {"targets": ["uniform", "smooth:0.1"], "classes": [2], "dtypes": ["float32", "float64"]},
    "dense, exhaustive": {"targets": ["smooth:0.1"], "classes": [2], "dtypes": ["bfloat16"]},
    "binary": {"objective": "binary-cross-entropy", "targets": ["correct", "wrong", "soft:0.3"]},
    "8-bit": {"dtypes": ["float8_e4m3fn", "float8_e5m2"], "classes": [3], "fp8_overflow": "saturate"},
    "scaled": {"loss_scales": [1024.0, 1e-4], "dtypes": ["float16", "float32"], "classes": [2]},
}


def settings_of(name: str) -> tuple[SettingResult, ...]:
    return api.sweep(**REQUESTS[name]).settings  # type: ignore[arg-type]


def distance_to_zero(interval: Interval) -> float:
    low, high = interval.start.value, interval.stop.value
    return 0.0 if low <= 0 <= high else min(abs(low), abs(high))


@pytest.mark.parametrize("name", REQUESTS)
def test_maps(name: str) -> None:
    settings = settings_of(name)
    hard_findings = 0
    for result in settings:
        fmt = FORMATS[result.setting.dtype]
        assert result.unrefined_boundaries == 0
        for place in (place for interval in result.intervals for place in (interval.start, interval.stop)):
            assert place.hexadecimal is not None
            assert float.fromhex(place.hexadecimal) == round_number(float(place.decimal), fmt) == place.value
        for before, after in pairwise(result.intervals):
            assert after.start.position == before.stop.position + 1
            assert (after.loss, after.gradient) != (before.loss, before.gradient)
        if result.interval_count > len(result.intervals):
            continue
        for finding in (finding for finding in result.findings if finding.kind.is_hard):
            hard_findings += 1
            having = [interval for interval in result.intervals if finding.kind in (interval.loss, interval.gradient)]
            assert abs(finding.first.value) == min(map(distance_to_zero, having))
            assert finding.lowest.value == having[0].start.value
            assert finding.highest.value == having[-1].stop.value
    assert hard_findings > 0

"""The magnitudes t that are tried: ranges, grids and the format's edge values, as ordinals of the format's floats."""

import math

import numpy as np
import numpy.typing as npt

from cestab.errors import UsageError, unknown_name
from cestab.numerics.formats import Format
from cestab.numerics.rounding import IntArray, distinct, from_ordinal, round_to_format, shortest_decimal, to_ordinal
from cestab.vocabulary.requests import LogitRange

Doubles = npt.NDArray[np.float64]

DEFAULT_COUNT = 129
# Four per octave from 1 to 1024, where exp and log show all their behaviour in any format. Findings that flicker with the
# rounding have no boundary to search for; on this grid they are seen to begin at most 19 % late.
FINE_MAGNITUDES = 2.0 ** (np.arange(41) / 4)
MOST_DIGITS = 12  # of a count of magnitudes: these take 8 TB
EXHAUSTIVE_BITS = 16
EXHAUSTIVE_CLASSES = 16


def parse_range(text: str) -> LogitRange:
    """Return the range that `LO:HI[:N][:log|linear]` names; `all` and empty ends mean the whole finite range."""
    if text == "all":
        return LogitRange()
    ends, *options = _split(text)
    low, high = ends
    count, spacing = None, "log"
    for option in options:
        if option[0].lstrip("+").isdecimal():
            if len(option[0].lstrip("+0")) > MOST_DIGITS:
                raise UsageError(f"the range '{text}' asks for more magnitudes than any memory holds")
            count = int(option[0])
        elif option[0] in ("log", "linear"):
            spacing = option[0]
        elif option[0][0] in "+-.0123456789":
            raise UsageError(f"the range '{text}' asks for {option[0]} magnitudes; a whole number of at least 2 is needed")
        else:
            raise unknown_name("spacing", option[0], ("log", "linear"))
    parsed = LogitRange(low=_number(low, text), high=_number(high, text), count=count, spacing=spacing)
    if parsed.low is not None and parsed.high is not None and parsed.low > parsed.high:
        raise UsageError(f"the range '{text}' is empty: {low} is above {high}; did you mean {high}:{low}?")
    if count is not None and count < 2 and parsed.low != parsed.high:
        raise UsageError(f"the range '{text}' asks for {count} magnitudes; at least 2 are needed")
    return parsed


def _split(text: str) -> list[tuple[str, ...]]:
    """Return [(LO, HI), (N,), (spacing,)] as far as they are given."""
    parts = [part.strip() for part in text.split(":")]
    if not 2 <= len(parts) <= 4 or "" in parts[2:]:
        raise UsageError(f"the range '{text}' is not LO:HI[:N][:log|linear], e.g. -100:100 or 0:20:1001:linear")
    return [(parts[0], parts[1]), *((part,) for part in parts[2:])]


def _number(text: str, whole: str) -> float | None:
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UsageError(f"'{text}' in the range '{whole}' is not a finite number")
    return value


def resolve_range(logits: LogitRange, fmt: Format) -> tuple[int, int]:
    """Return the ordinals of the smallest and largest float of the format within the range.

    An end that is the shortest decimal of a float, as reports print it, is that float; every other is rounded inwards.
    """
    low = -fmt.max if logits.low is None else min(max(logits.low, -fmt.max), fmt.max)
    high = fmt.max if logits.high is None else min(max(logits.high, -fmt.max), fmt.max)
    nearest = round_to_format(np.array([low, high]), fmt)
    first, last = (int(k) for k in to_ordinal(nearest, fmt))
    ends = low if logits.low is None else logits.low, high if logits.high is None else logits.high
    is_named = [_is_printed(float(x), end, fmt) for x, end in zip(nearest, ends, strict=True)]
    first += float(nearest[0]) < ends[0] and not is_named[0]
    last -= float(nearest[1]) > ends[1] and not is_named[1]
    if first > last:
        raise UsageError(f"the range {logits} holds no finite {fmt.name} number")
    return first, last


def _is_printed(x: float, end: float, fmt: Format) -> bool:
    """Whether the end of a range is what is printed of a float of the format."""
    return math.isfinite(x) and float(shortest_decimal(x + 0.0, fmt)) == end  # −0 is printed as 0


def is_exhaustive(logits: LogitRange, fmt: Format, classes: int) -> bool:
    """Whether every float of the range is to be tried."""
    return logits.count is None and fmt.bits <= EXHAUSTIVE_BITS and classes <= EXHAUSTIVE_CLASSES


def sample_ordinals(logits: LogitRange, fmt: Format) -> IntArray:
    """Return the ordinals of the grid and of the format's edge values within the range, ascending."""
    first, last = resolve_range(logits, fmt)
    low, high = (float(x) for x in from_ordinal(np.array([first, last]), fmt))
    count = DEFAULT_COUNT if logits.count is None else logits.count
    grid = np.linspace(low, high, count) if logits.spacing == "linear" else _log_grid(low, high, count, fmt)
    if logits.count is None:
        grid = np.concatenate((grid, FINE_MAGNITUDES, -FINE_MAGNITUDES))
    within = grid[(grid >= low) & (grid <= high)]
    points = np.concatenate((to_ordinal(round_to_format(within, fmt), fmt), _edge_ordinals(fmt), [first, last]))
    return distinct(points[(points >= first) & (points <= last)])


def _log_grid(low: float, high: float, count: int, fmt: Format) -> Doubles:
    """Return a geometric grid; for a range across 0, one per sign, from the unit roundoff up, and 0.

    Below the unit roundoff exp(t) rounds to 1, and the edge values lie there.
    """
    if low > 0 or high < 0:
        return np.copysign(_geometric(abs(low), abs(high), count), high)
    sides = [end for end in (low, high) if end != 0]
    share = max(2, (count - 1) // max(1, len(sides)))
    grids = [np.copysign(_geometric(min(fmt.unit_roundoff, abs(end)), abs(end), share), end) for end in sides]
    return np.concatenate([*grids, [0.0]])


def _geometric(start: float, stop: float, count: int) -> Doubles:
    """Return `count` points from start to stop in geometric progression; np.geomspace overflows at the largest float64."""
    between = np.exp2(np.linspace(math.log2(start), math.log2(stop), count)[1:-1])
    return np.concatenate(([start], between, [stop]))


def _edge_ordinals(fmt: Format) -> IntArray:
    """Return the format's edge values, of both signs.

    Where exp over- and underflows, 1/exp overflows, exp becomes subnormal, 1 + exp(−t) rounds to 1 (p·ln 2) and so
    does 1 − exp(−t) ((p + 1)·ln 2), with both neighbours; powers of two up to beyond the exact integers; max,
    smallest normal and subnormal, 0.
    """
    tiny = math.log(fmt.smallest_subnormal)
    absorbed = [-math.log(fmt.unit_roundoff), -math.log(fmt.unit_roundoff / 2)]
    logarithms = [math.log(fmt.max), math.log(fmt.smallest_normal), tiny, tiny - math.log(2), *absorbed]
    edges = to_ordinal(round_to_format(np.clip(logarithms, -fmt.max, fmt.max), fmt), fmt)
    powers = 2.0 ** np.arange(-3, min(fmt.precision + 3, fmt.max_exponent + 1))
    plain = to_ordinal(
        round_to_format(np.array([*powers, fmt.max, fmt.smallest_normal, fmt.smallest_subnormal, 0.0]), fmt), fmt
    )
    one_sign = np.concatenate((edges - 1, edges, edges + 1, plain))
    return np.concatenate((one_sign, -one_sign))

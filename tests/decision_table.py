"""DESIGN's table of findings, written once more in mpmath for one case at a time: what the judge is held against."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

from mpmath import mp, mpf

from cestab.evaluation.blocks import Conditions
from cestab.vocabulary.kinds import FindingKind

K = FindingKind


def exceeds(a: Any, b: Any) -> bool:
    """Whether a > b beyond the digits that mpmath carries: an exact tie is none."""
    return bool(a - b > max(abs(a), abs(b)) * mp.eps * 2**20)


class Table:
    """DESIGN section 6 in words, for one case; nothing here is vectorised or shares code with judge.py.

    The kinds of a loss or gradient are all rows that apply, in order: the first is the finding, the first hard one the map's.
    """

    def __init__(self, conditions: Conditions, scale: Any) -> None:
        fmt, self.u = conditions.fmt, mpf(conditions.upstream)
        self.fmt, self.scale, self.loss_scale = fmt, scale, mpf(conditions.loss_scale)
        self.rtol, self.atol, self.roundoff = mpf(conditions.rtol), mpf(conditions.atol), mp.ldexp(1, -fmt.precision)
        self.normal, self.flushes = mp.ldexp(1, fmt.min_exponent), conditions.flush_subnormals
        self.smallest = self.normal if self.flushes else mp.ldexp(1, fmt.min_exponent - fmt.precision + 1)
        self.half_ulp_of_max = mp.ldexp(1, fmt.max_exponent - fmt.precision)
        self.phi = min(mpf(1), max(64 * self.roundoff, mp.ldexp(1, -14))) * scale * self.u

    def overflows(self, x: Any) -> bool:
        """To nearest even; the largest e4m3fn number has an even significand, so that its midpoint stays finite."""
        edge = mpf(self.fmt.max) + self.half_ulp_of_max
        return bool(x > edge if self.fmt.top_code_is_nan else x >= edge)

    def is_set_aside(self, computed: float, x: Any) -> bool:
        if not self.overflows(abs(x) * (1 if math.isfinite(computed) else 1 + 4 * self.roundoff)):
            return False
        signed_inf = math.inf if x > 0 else -math.inf
        signed_max = math.copysign(self.fmt.max, signed_inf)
        return computed == signed_inf or (not self.fmt.has_infinity and (math.isnan(computed) or computed == signed_max))

    def misses(self, computed: float, x: Any, upstream: Any) -> bool:
        floor = max(self.atol * self.scale * upstream, self.smallest)
        return exceeds(abs(mpf(computed) - x), floor + self.rtol * abs(x))

    def excess(self, computed: float, x: Any) -> Any:
        if self.flushes and abs(x) < self.normal:
            rounding = self.normal
        else:
            binade = max(mp.floor(mp.log(abs(x), 2)), self.fmt.min_exponent) if x else self.fmt.min_exponent
            rounding = mp.ldexp(1, int(binade) - self.fmt.precision)
        return max(mpf(0), abs(mpf(computed) - x) - rounding)

    def loss_kinds(self, computed: float, x: Any) -> Iterator[FindingKind]:
        aside = self.is_set_aside(computed, x)
        if math.isnan(computed) and not aside:
            yield K.NAN_LOSS
        if math.isinf(computed) and not aside:
            yield K.INF_LOSS
        if math.isfinite(computed) and not aside and exceeds(self.excess(computed, x), max(self.scale, abs(x)) / 10):
            yield K.WRONG_LOSS
        if aside or (math.isfinite(computed) and self.loss_scale > 1 and self.overflows(abs(mpf(computed)) * self.loss_scale)):
            yield K.OVERFLOWING_LOSS
        if math.isfinite(computed) and not aside:
            if computed < 0:
                yield K.NEGATIVE_LOSS
            if self.misses(computed, x, 1):
                yield K.INACCURATE_LOSS
            if computed == 0 and abs(x) > self.normal:
                yield K.ZEROED_LOSS

    def gradient_kinds(self, computed: Sequence[float], true: Sequence[Any]) -> Iterator[FindingKind]:
        pairs = [(c, x) for c, x in zip(computed, true, strict=True) if not self.is_set_aside(c, x)]
        norm, peak, is_zero = mp.fsum(abs(x) for x in true), max(abs(x) for x in true), not any(computed)
        is_lost = is_zero and norm > self.phi / 10
        finite = [(c, x) for c, x in pairs if math.isfinite(c)]
        if any(math.isnan(c) for c, _ in pairs):
            yield K.NAN_GRADIENT
        if any(math.isinf(c) for c, _ in pairs):
            yield K.INF_GRADIENT
        if is_lost and peak >= self.smallest:
            yield K.VANISHING_GRADIENT
        if not is_zero and exceeds(mp.fsum(self.excess(c, x) for c, x in finite), max(norm, self.phi) / 10):
            yield K.WRONG_GRADIENT
        if len(pairs) < len(true):
            yield K.OVERFLOWING_GRADIENT
        if is_lost and peak < self.smallest:
            yield K.UNDERFLOWING_GRADIENT
        if any(self.misses(c, x, self.u) for c, x in finite):
            yield K.INACCURATE_GRADIENT
        if any(c == 0 and abs(x) > max(self.roundoff * peak, self.normal) for c, x in pairs):
            yield K.ZEROED_GRADIENT

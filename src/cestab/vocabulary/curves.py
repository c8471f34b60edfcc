"""The bins of curves: of equal ratio over DECADES below the end of the range; the innermost holds all that is nearer to 0."""

import math

BINS = 32  # on either side of 0
DECADES = 6  # log-sum-exp loses its first digits at 0.3, and what is far below is one bin


def find_bin(t: float, end: float) -> int:
    """Return the bin of |t|, from 0, in a range whose largest |t| is `end`."""
    if t == 0:
        return 0
    return min(max(math.floor(((math.log10(abs(t)) - math.log10(end)) / DECADES + 1) * BINS), 0), BINS - 1)

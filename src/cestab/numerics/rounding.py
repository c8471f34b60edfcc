"""Rounding to a format, once, to nearest even; and the integer order of a format's floats."""

from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_UP, Context, Decimal
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from cestab.numerics.formats import Format

FloatArray: TypeAlias = npt.NDArray[np.floating[Any]]
IntArray: TypeAlias = npt.NDArray[np.int64]


def round_to_odd_float32(x: FloatArray) -> npt.NDArray[np.float32]:
    """Return float32 neighbours of x whose last digit is odd wherever x is not a float32.

    Rounding the result to any format of at most 22 digits then equals rounding x itself (Boldo & Melquiond 2008).
    """
    nearest = x.astype(np.float32)
    is_even = (nearest.view(np.uint32) & 1) == 0
    inexact = is_even & (nearest.astype(np.float64) != x) & ~np.isnan(x)
    toward = np.where(nearest < x, np.float32(np.inf), np.float32(-np.inf))
    return np.where(inexact, np.nextafter(nearest, toward), nearest)


def round_to_format(x: npt.ArrayLike, fmt: Format) -> FloatArray:
    """Return RN(x) for float64 (or narrower) x, in the format's storage type.

    Overflow gives inf, or NaN in a format without infinity. A cast of ml_dtypes from float64 would round twice.
    """
    x = np.asarray(x)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        if not fmt.is_narrow:
            return x.astype(fmt.storage)
        single = x if x.dtype == np.float32 else round_to_odd_float32(x.astype(np.float64))
        return cast_narrow(single, fmt)


def cast_narrow(x: npt.NDArray[np.float32], fmt: Format) -> npt.NDArray[np.float32]:
    """Return RN(x) for float32 x in a format of less than 32 bits, as float32: a cast, but for float16."""
    return _round_to_half(x) if fmt.name == "float16" and x.ndim else x.astype(fmt.dtype).astype(np.float32)


def _round_to_half(x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return RN(x) in float16, by integers: NumPy's cast takes 70 ns for a subnormal number.

    Of a normal number the lower 13 of the 23 bits are rounded away, half to even; a carry goes into the exponent. Below
    2^-14 numbers are multiples of 2^-24, the spacing of float32 from 0.5 on, so a sum with 0.5 rounds to them.
    """
    magnitude = np.abs(x)
    bits = magnitude.view(np.int32)
    codes = (bits >> 13) & 1  # the last digit that stays
    codes += bits
    codes += 0xFFF
    codes &= ~0x1FFF
    rounded = codes.view(np.float32)
    with np.errstate(invalid="ignore"):  # a signalling NaN
        np.copyto(rounded, (magnitude + np.float32(0.5)) - np.float32(0.5), where=magnitude < np.float32(2.0**-14))
    np.copyto(rounded, np.float32(np.inf), where=rounded > np.float32(65504))
    np.copyto(rounded, magnitude, where=np.isnan(magnitude))
    return np.copysign(rounded, x)


def round_number(x: float, fmt: Format) -> float:
    """Return RN(x) of one number."""
    return float(round_to_format(np.float64(x).reshape(1), fmt)[0])


def round_quotient(x: float, n: int, fmt: Format) -> float:
    """Return RN(x/n) of a number and a whole one up to 2^24.

    The quotient is rounded to float64 first, which never moves it onto a midpoint m of the format's numbers (25 digits at
    most): n·m has 49, so x − n·m is 0 or at least an ulp of x, and x/n is further than half an ulp from m.
    """
    return round_number(x / n, fmt)


def flush_subnormals(x: FloatArray, fmt: Format) -> FloatArray:
    """Return x with subnormal numbers replaced by 0, of their sign where there are two, as flush-to-zero modes do."""
    zero = np.copysign(x.dtype.type(0), x) if fmt.has_negative_zero else x.dtype.type(0)
    return np.where(np.abs(x) < fmt.smallest_normal, zero, x)


def to_ordinal(x: npt.ArrayLike, fmt: Format) -> IntArray:
    """Return the place of each float of the format in their order: 0 for 0, ±1 for ± the smallest subnormal, …"""
    values = np.asarray(x, dtype=fmt.storage)
    codes: IntArray = np.abs(values).astype(fmt.dtype).view(f"u{fmt.dtype.itemsize}").astype(np.int64)
    ordinals: IntArray = np.where(values < 0, -codes, codes)
    return ordinals


def from_ordinal(ordinal: npt.ArrayLike, fmt: Format) -> FloatArray:
    """Return the float of the format at each place; the inverse of to_ordinal."""
    ordinals = np.asarray(ordinal, dtype=np.int64)
    magnitudes = np.abs(ordinals).astype(f"u{fmt.dtype.itemsize}").view(fmt.dtype).astype(fmt.storage)
    return np.where(ordinals < 0, -magnitudes, magnitudes)


def distinct(ordinals: IntArray) -> IntArray:
    """Return ordinals ascending, each once; of a million, NumPy's own hashes them, which takes twenty times as long."""
    ascending = np.sort(ordinals)
    is_first = np.concatenate((np.ones(min(1, ascending.size), dtype=np.bool_), ascending[1:] != ascending[:-1]))
    found: IntArray = ascending[is_first]
    return found


def without(ordinals: IntArray, others: IntArray) -> IntArray:
    """Return the distinct ordinals that are not among others, which are distinct and ascending."""
    own = distinct(ordinals)
    places = np.searchsorted(others, own)
    is_other = places < others.size
    is_other[is_other] = others[places[is_other]] == own[is_other]
    new: IntArray = own[~is_other]
    return new


@lru_cache(maxsize=4096)
def shortest_decimal(x: float, fmt: Format) -> str:
    """Return the shortest decimal that reads back to the finite number x in the format, of those the nearest."""
    for digits in range(1, 17):
        for direction in (ROUND_HALF_EVEN, ROUND_DOWN, ROUND_UP):
            candidate = float(Context(prec=digits, rounding=direction).create_decimal(Decimal(x)))
            if round_number(candidate, fmt) == x:
                return repr(candidate)
    return repr(x)


def hexadecimal(x: float) -> str:
    """Return x as a C99 hexadecimal float without trailing zeros, e.g. 0x1.62e43p+6."""
    text = float(x).hex()
    if "." not in text:
        return text
    digits, exponent = text.split("p")
    return f"{digits.rstrip('0').rstrip('.')}p{exponent}"

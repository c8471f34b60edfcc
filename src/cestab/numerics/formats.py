"""Floating-point formats as rows of data; everything else about them is derived. Rounding is in rounding.py."""

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import ml_dtypes
import numpy as np

from cestab.errors import UsageError, unknown_name


@dataclass(frozen=True, kw_only=True)
class Format:
    """A binary floating-point format with subnormals.

    `precision` counts the significant digits p, the implicit one included; a normal number is m·2^(e − p + 1) with
    p-digit m and min_exponent ≤ e ≤ max_exponent. `top_code_is_nan`: the largest significand of the top binade is
    taken by NaN (the OCP e4m3fn). `rtol` and `atol` are the default tolerances.
    """

    name: str
    bits: int
    precision: int
    min_exponent: int
    max_exponent: int
    rtol: float
    atol: float
    has_infinity: bool = True
    top_code_is_nan: bool = False
    missing: str = ""

    @cached_property
    def dtype(self) -> np.dtype[Any]:
        """The NumPy or ml_dtypes scalar type of the same name."""
        scalar: type[Any] = getattr(np, self.name, None) or getattr(ml_dtypes, self.name)
        return np.dtype(scalar)

    @cached_property
    def storage(self) -> np.dtype[Any]:
        """The native type that holds its values in arrays: float64 for itself, else float32."""
        return np.dtype(np.float64 if self.bits > 32 else np.float32)

    @cached_property
    def has_negative_zero(self) -> bool:
        """Whether there is a −0; its code is NaN in the formats whose names end in uz."""
        return bool(np.signbit(np.array(-0.0, dtype=self.dtype).astype(self.storage)))

    @cached_property
    def max(self) -> float:
        """Largest finite number: (2 − 2^(1−p))·2^emax, one step less where the top code is NaN."""
        steps = 2 if self.top_code_is_nan else 1
        return math.ldexp(2.0 - steps * 2.0 ** (1 - self.precision), self.max_exponent)

    @cached_property
    def smallest_normal(self) -> float:
        """2^emin."""
        return math.ldexp(1.0, self.min_exponent)

    @cached_property
    def smallest_subnormal(self) -> float:
        """2^(emin − p + 1)."""
        return math.ldexp(1.0, self.min_exponent - self.precision + 1)

    @cached_property
    def unit_roundoff(self) -> float:
        """u = 2^−p, half the spacing at 1."""
        return math.ldexp(1.0, -self.precision)

    @cached_property
    def overflow_threshold(self) -> Fraction:
        """Magnitudes from here on round beyond max: max plus half an ulp, exactly.

        That midpoint itself overflows (ties to even) unless max has an even significand: then it is the next float64.
        """
        if self.top_code_is_nan:
            return Fraction(math.nextafter(self.max + math.ldexp(1.0, self.max_exponent - self.precision), math.inf))
        return Fraction(self.max) + Fraction(2) ** (self.max_exponent - self.precision)

    @property
    def is_narrow(self) -> bool:
        """Whether its values live in float32 and are rounded after every primitive."""
        return self.bits < 32

    def holds(self, other: "Format") -> bool:
        """Whether every number of `other` is one of this format."""
        return (
            self.precision >= other.precision
            and self.smallest_subnormal <= other.smallest_subnormal
            and self.max >= other.max
            and self.has_infinity >= other.has_infinity
        )


def _row(name: str, precision: int, exponents: tuple[int, int], *, missing: str = "", **flags: bool) -> Format:
    """Return an 8-bit or smaller format of ml_dtypes with the tolerances 4u and 1e-2."""
    bits = int(name.split("_", maxsplit=1)[0].removeprefix("float"))
    return Format(
        name=name,
        bits=bits,
        precision=precision,
        min_exponent=exponents[0],
        max_exponent=exponents[1],
        rtol=4 * 2.0**-precision,
        atol=1e-2,
        missing=missing,
        **flags,
    )


# Exponent ranges: IEEE 754-2019 table 3.5, the OCP 8-bit and MX specifications, ml_dtypes' README for the others.
# Tolerances of float32 are those of torch.testing.assert_close; rtol of narrower ones is 4u.
_ALL = (
    Format(name="float64", bits=64, precision=53, min_exponent=-1022, max_exponent=1023, rtol=2**-40, atol=2**-40),
    Format(name="float32", bits=32, precision=24, min_exponent=-126, max_exponent=127, rtol=1.3e-6, atol=1e-5),
    Format(name="float16", bits=16, precision=11, min_exponent=-14, max_exponent=15, rtol=2**-9, atol=1e-5),
    Format(name="bfloat16", bits=16, precision=8, min_exponent=-126, max_exponent=127, rtol=2**-6, atol=1e-5),
    Format(
        name="float8_e4m3fn",
        bits=8,
        precision=4,
        min_exponent=-6,
        max_exponent=8,
        rtol=2**-2,
        atol=1e-2,
        has_infinity=False,
        top_code_is_nan=True,
    ),
    Format(name="float8_e5m2", bits=8, precision=3, min_exponent=-14, max_exponent=15, rtol=2**-1, atol=1e-2),
    _row("float8_e3m4", 5, (-2, 3)),
    _row("float8_e4m3", 4, (-6, 7)),
    _row("float8_e4m3b11fnuz", 4, (-10, 4), has_infinity=False),
    _row("float8_e4m3fnuz", 4, (-7, 7), has_infinity=False),
    _row("float8_e5m2fnuz", 3, (-15, 15), has_infinity=False),
    _row("float8_e8m0fnu", 1, (-127, 127), has_infinity=False, missing="sign and zero"),
    _row("float6_e2m3fn", 4, (0, 2), has_infinity=False, missing="NaN"),
    _row("float6_e3m2fn", 3, (-2, 4), has_infinity=False, missing="NaN"),
    _row("float4_e2m1fn", 2, (0, 2), has_infinity=False, missing="NaN"),
)

FORMATS = {fmt.name: fmt for fmt in _ALL if not fmt.missing}
REFUSED_FORMATS = {fmt.name: fmt for fmt in _ALL if fmt.missing}


def find_format(name: str, what: str = "dtype") -> Format:
    """Return the format called `name`; a UsageError names the nearest, or says why it cannot be swept."""
    if name in FORMATS:
        return FORMATS[name]
    if name in REFUSED_FORMATS:
        raise UsageError(f"{what} '{name}' cannot be swept: it has no {REFUSED_FORMATS[name].missing}")
    raise unknown_name(what, name, FORMATS)

"""What the compiled kernels share: how they are compiled, and exponentials that the compiler can vectorise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
from numba.core import types
from numba.extending import intrinsic

__all__ = ["compiled", "exp", "exp_single"]

_F = TypeVar("_F", bound=Callable[..., Any])

_LOG2E = 1.4426950408889634
_LN2_HIGH, _LN2_LOW = 0.6931471803691238, 1.9082149292705877e-10
_ROUND = 6755399441055744.0  # 1.5 * 2**52: added, it leaves the rounded number in the low bits
_SINGLE = numba.float32
_ROUND_SINGLE = numba.float32(12582912.0)  # 1.5 * 2**23


def compiled(function: _F, *, exact: bool = False) -> _F:
    """Compile a function. Unless `exact`, sums may be taken in any order; NaN and infinity stay what they are.

    Kept on disk where a folder can be written, else in memory.
    """
    flags = {"contract"} if exact else {"contract", "reassoc", "nsz"}
    try:
        made = numba.njit(cache=True, nogil=True, fastmath=flags, error_model="numpy")(function)
    except RuntimeError:  # no folder for the cache
        made = numba.njit(nogil=True, fastmath=flags, error_model="numpy")(function)
    return cast("_F", made)


def _cast(source: Any, target: Any) -> Any:
    """Make a function that takes the bits of one type for those of another."""

    @intrinsic
    def bits(context: Any, value: Any) -> Any:
        def generate(_: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.bitcast(arguments[0], context_type(signature.return_type))

        def context_type(kind: Any) -> Any:
            from llvmlite import ir

            return {
                types.int64: ir.IntType(64),
                types.float64: ir.DoubleType(),
                types.int32: ir.IntType(32),
                types.float32: ir.FloatType(),
            }[kind]

        return target(source), generate

    return bits


_to_bits, _from_bits = _cast(types.float64, types.int64), _cast(types.int64, types.float64)
_to_bits_single, _from_bits_single = _cast(types.float32, types.int32), _cast(types.int32, types.float32)


def _exp(x: float) -> float:
    """Return exp(x) for |x| < 708, to about one rounding: 2**n times a Taylor polynomial."""
    shifted = x * _LOG2E + _ROUND
    n = shifted - _ROUND
    r = (x - n * _LN2_HIGH) - n * _LN2_LOW
    p = 1 / 479001600
    for k in (
        1 / 39916800, 1 / 3628800, 1 / 362880, 1 / 40320, 1 / 5040, 1 / 720, 1 / 120, 1 / 24, 1 / 6, 0.5, 1.0, 1.0,
    ):  # fmt: skip
        p = p * r + k
    return _from_bits(_to_bits(p) + (_to_bits(shifted) << 52))


exp = compiled(_exp, exact=True)

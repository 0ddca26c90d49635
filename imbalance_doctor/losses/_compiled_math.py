"""What the compiled kernels share: how they are compiled, exponentials and comparisons side by side."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

__all__ = ["LANES", "compiled", "equal", "exp", "exp_single", "first", "not_above", "not_below", "ones"]

LANES = 32
"""Values compared at once."""

_F = TypeVar("_F", bound=Callable[..., Any])

_LOG2E = 1.4426950408889634
_LN2_HIGH, _LN2_LOW = 0.6931471803691238, 1.9082149292705877e-10
_ROUND = 6755399441055744.0  # 1.5 * 2**52: added, it leaves the rounded number in the low bits
_ROUND_SINGLE = np.float32(12582912.0)  # 1.5 * 2**23


def compiled(function: _F, *, exact: bool = False) -> _F:
    """Compile a function; unless it has to be `exact`, sums may be taken in any order.

    Kept on disk where a folder can be written, else in memory.
    """
    flags = {"contract"} if exact else {"contract", "reassoc", "nsz"}
    try:
        made = numba.njit(cache=True, nogil=True, fastmath=flags, error_model="numpy")(function)
    except RuntimeError:  # no folder for the cache
        made = numba.njit(nogil=True, fastmath=flags, error_model="numpy")(function)
    return cast("_F", made)


def _bits_of(source: Any, target: Any, kind: Any) -> Any:
    """Make a function that takes the bits of one type for those of another."""

    @intrinsic
    def bits(_context: Any, _value: Any) -> Any:
        return target(source), lambda _, builder, __, arguments: builder.bitcast(arguments[0], kind)

    return bits


_to_bits = _bits_of(types.float64, types.int64, ir.IntType(64))
_from_bits = _bits_of(types.int64, types.float64, ir.DoubleType())
_to_bits_single = _bits_of(types.float32, types.int32, ir.IntType(32))
_from_bits_single = _bits_of(types.int32, types.float32, ir.FloatType())


def _exp(x: Any) -> Any:
    """Return exp(x) for |x| < 708, to about one rounding: 2**n times a Taylor polynomial."""
    shifted = x * _LOG2E + _ROUND
    n = shifted - _ROUND
    r = (x - n * _LN2_HIGH) - n * _LN2_LOW
    p = 1 / 479001600
    for k in (
        1 / 39916800, 1 / 3628800, 1 / 362880, 1 / 40320, 1 / 5040, 1 / 720, 1 / 120, 1 / 24, 1 / 6,
        0.5, 1.0, 1.0,
    ):  # fmt: skip
        p = p * r + k
    return _from_bits(_to_bits(p) + (_to_bits(shifted) << 52))


exp = compiled(_exp, exact=True)


def _exp_single(x: Any) -> Any:
    """Return exp(x) for |x| < 87 in single precision."""
    shifted = x * np.float32(_LOG2E) + _ROUND_SINGLE
    n = shifted - _ROUND_SINGLE
    r = (x - n * np.float32(0.693145751953125)) - n * np.float32(1.428606765330187e-06)
    p = np.float32(1 / 5040)
    for k in (1 / 720, 1 / 120, 1 / 24, 1 / 6, 0.5, 1.0, 1.0):
        p = p * r + np.float32(k)
    whole = np.int32(_to_bits_single(shifted)) << np.int32(23)
    return _from_bits_single(np.int32(_to_bits_single(p) + whole))


exp_single = compiled(_exp_single, exact=True)


# -- many comparisons in one word --------------------------------------------------------------------


def _marks(sign: str) -> Any:
    """Make a function that compares neighbouring values with as many bounds: bit k tells of the k-th.

    ``marks(values, at, bounds, start)`` looks at ``values[at : at + LANES]`` and at the bounds from `start`
    on, in contiguous arrays of one type. Numpy and a loop would write every answer to memory to look for the
    few that hold. A NaN holds whatever it is compared with.
    """

    def load(context: Any, builder: Any, kind: Any, array: Any, start: Any) -> Any:
        data = context.make_array(kind)(context, builder, array).data
        lanes = ir.VectorType(context.get_data_type(kind.dtype), LANES).as_pointer()
        loaded = builder.load(builder.bitcast(builder.gep(data, [start]), lanes))
        loaded.align = kind.dtype.bitwidth // 8
        return loaded

    @intrinsic
    def marks(_context: Any, values: Any, _at: Any, bounds: Any, _start: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
            left = load(context, builder, signature.args[0], given[0], given[1])
            right = load(context, builder, signature.args[2], given[2], given[3])
            real = isinstance(values.dtype, types.Float)
            compare = builder.fcmp_unordered if real else builder.icmp_signed
            bits = builder.bitcast(compare(sign, left, right), ir.IntType(LANES))
            return builder.zext(bits, ir.IntType(64))

        return types.uint64(values, types.intp, bounds, types.intp), generate

    return marks


not_below, not_above, equal = _marks(">="), _marks("<="), _marks("==")


@intrinsic
def _first(_context: Any, _bits: Any) -> Any:
    """Return the place of the lowest bit that is set; one has to be."""
    known = ir.Constant(ir.IntType(1), 1)
    return types.intp(types.uint64), lambda _, builder, __, given: builder.cttz(given[0], known)


@intrinsic
def _ones(_context: Any, _bits: Any) -> Any:
    """Return how many bits are set."""
    return types.intp(types.uint64), lambda _, builder, __, given: builder.ctpop(given[0])


first: Any = _first
ones: Any = _ones

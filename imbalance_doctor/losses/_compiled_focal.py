"""The sigmoid focal loss with its gradient in one compiled pass, in single precision."""

from __future__ import annotations

import numpy as np

from imbalance_doctor.losses._compiled_math import compiled, exp_single

__all__ = ["focal"]

_BLOCK = 4096
_ONE, _ZERO, _LEAST = np.float32(1), np.float32(0), np.float32(-87)
# log(1 + u) / u on [0, 1] to 3e-8, by falling powers of u.
_LOG = (
    0.0052534578, -0.0295885074, 0.078361668, -0.136747697, 0.191114311, -0.248443699, 0.333192713,
    -0.499995015, 0.999999971,
)  # fmt: skip


def _block(
    x: np.ndarray,
    y: np.ndarray,
    weights: tuple[np.float32, np.float32],
    gamma: np.float32,
    gradient: np.ndarray,
) -> tuple[np.float32, np.float32]:
    """Do what :func:`focal` does; sums in single precision."""
    negative, positive = weights
    total = odd = _ZERO
    for i in range(x.size):
        sign = _ONE - y[i] - y[i]
        z = x[i] * sign
        odd += abs(y[i] * (_ONE - y[i])) + abs(z - z)
        u = exp_single(max(-abs(z), _LEAST))
        log = np.float32(_LOG[0])
        for k in _LOG[1:]:
            log = log * u + np.float32(k)
        log *= u
        ce = log + max(z, _ZERO)
        near = _ONE / (_ONE + u)
        far = near * u
        q, right = (near, far) if z > _ZERO else (far, near)
        if gamma == np.float32(2):
            power = q * q
        elif gamma == _ZERO:
            power = _ONE
        else:
            exponent = gamma * (min(z, _ZERO) - log)
            power = exp_single(max(exponent, _LEAST))
            power = power if exponent > _LEAST else _ZERO
        power *= positive if y[i] > _ZERO else negative
        total += power * ce
        gradient[i] = power * sign * (q + gamma * right * ce)
    return total, odd


_sum_block = compiled(_block)


def _focal(
    x: np.ndarray,
    y: np.ndarray,
    weights: tuple[np.float32, np.float32],
    gamma: np.float32,
    gradient: np.ndarray,
) -> tuple[float, bool]:
    """Return the sum of the losses, and whether it holds.

    Parameters
    ----------
    x, y
        Logits and labels, float32 [n].
    weights
        Of a negative and of a positive.
    gamma
        Exponent.
    gradient
        Takes the derivative by each logit, float32 [n].

    Returns
    -------
    tuple
        False where a label is not 0 or 1, or a logit is not finite: the results are of no use then.
    """
    total = odd = 0.0
    for start in range(0, x.size, _BLOCK):
        part = slice(start, start + _BLOCK)
        more, strange = _sum_block(x[part], y[part], weights, gamma, gradient[part])
        total += float(more)
        odd += float(strange)
    return total, odd == 0


focal = compiled(_focal)

"""The risk of a focal loss under a known probability, and the prediction that minimises it.

With ``phi(p) = -(1 - p)^gamma log p`` the risk of predicting p where the positive has probability eta is
``eta a phi(p) + (1 - eta) b phi(1 - p)``. It is a proper scoring rule for gamma 0 only: for gamma above 0 its
minimum lies nearer to one half than eta. All of it is computed in the logit x of p, so that
probabilities near 0 and 1 keep their digits.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_HALVINGS = 60
_GRID_LIMIT = 80.0  # logits beyond which a share is 0 for every purpose here
_GRID_STEPS = 8001


def _softplus(x: float) -> float:
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def sigmoid(x: float) -> float:
    """Return ``1 / (1 + exp(-x))``."""
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def _log_pull(x: float, gamma: float) -> float:
    """Return ``log(-phi'(p))`` at logit x: how strongly a class pulls its own probability up.

    ``-phi'(p) = (1 - p)^gamma / p * (1 + gamma p (-log p) / (1 - p))``; it falls as p grows.
    """
    near = _softplus(-x)
    # p (-log p) / (1 - p) = exp(x) softplus(-x), which tends to 1
    odds_loss = math.exp(x) * near if x < 30 else 1.0  # noqa: PLR2004  1 to within rounding
    return near - gamma * _softplus(x) + math.log1p(gamma * odds_loss)


@lru_cache(maxsize=512)
def best_logit(positive: float, negative: float, gamma: float) -> float | None:
    """Return the logit that minimises the risk; infinite where one side weighs nothing.

    Parameters
    ----------
    positive, negative
        Probability times weight of the two outcomes, ``eta a`` and ``(1 - eta) b``.

    Returns
    -------
    float or None
        None where both weigh nothing: then every prediction is as good.
    """
    if positive <= 0 and negative <= 0:
        return None
    if positive <= 0 or negative <= 0:
        return math.copysign(math.inf, positive - negative)
    proper = math.log(positive) - math.log(negative)
    low, high = min(0.0, proper), max(0.0, proper)  # focusing moves the minimum towards one half
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if proper + _log_pull(middle, gamma) - _log_pull(-middle, gamma) > 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def risk(x: float, positive: float, negative: float, gamma: float) -> float:
    """Return the risk of predicting logit x, in nats; 0 at the infinities `best_logit` returns."""
    if math.isinf(x):
        return 0.0
    away, near = _softplus(-x), _softplus(x)  # -log p, -log(1 - p)
    return positive * math.exp(-gamma * near) * away + negative * math.exp(-gamma * away) * near


@lru_cache(maxsize=16)
def _pull_table(gamma: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    import numpy as np

    logits = np.linspace(-_GRID_LIMIT, _GRID_LIMIT, _GRID_STEPS)
    pulls = np.array([_log_pull(float(x), gamma) for x in logits])
    return pulls[::-1].copy(), logits[::-1].copy()


@lru_cache(maxsize=64)
def best_shares(weights: tuple[float, ...], gamma: float) -> tuple[float, ...] | None:
    """Return the softmax prediction that minimises the focal risk over several classes.

    At the minimum all classes pull equally hard, ``weight_c * -phi'(p_c) = lambda``; lambda is
    found by halving, each p_c from a table of the pull.

    Parameters
    ----------
    weights
        Probability times class weight, per class.

    Returns
    -------
    tuple of float or None
        Probability per class, to about 1e-4 relative; None where no class weighs anything.
    """
    import numpy as np

    values = np.array(weights)
    present = values > 0
    if not present.any():
        return None
    pulls, logits = _pull_table(gamma)
    logs = np.log(values[present])

    def shares(log_lambda: float) -> NDArray[np.float64]:
        return np.asarray(1 / (1 + np.exp(-np.interp(log_lambda - logs, pulls, logits))))

    low, high = float(logs.min() + pulls[0]), float(logs.max() + pulls[-1])
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if shares(middle).sum() > 1:
            low = middle
        else:
            high = middle
    out = np.zeros(len(values))
    out[present] = shares((low + high) / 2)
    return tuple((out / out.sum()).tolist())

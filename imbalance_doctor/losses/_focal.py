"""What the focal losses share: the stable loss of a margin, the reductions, the checks of arguments.

Let z be the margin by which the wrong answer beats the right one (sigmoid: -x for a positive and x for a
negative; softmax: the logsumexp of the other classes minus the logit of the true one). Then the probability
of the right answer is p_t = sigmoid(-z), and with q = 1 - p_t = sigmoid(z) and CE = -log p_t = softplus(z)::

    L     = q^gamma CE                             q^gamma = exp(gamma (z - CE)), as log q = z - CE
    dL/dz = q^gamma (q + gamma p_t CE)

No term is a difference of nearly equal numbers, and none is a power with a negative exponent, so value and
slope are finite for every finite z and every gamma >= 0, also where p_t rounds to 0 or 1.
"""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ParamSpec, cast

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import functional

from imbalance_doctor.losses.gather import should_gather

# The temporaries of one piece hold this many elements per thread: few enough for the cache, and to stay below
# the memory of plain cross-entropy at a million elements; enough to pay for opening a dozen parallel regions.
# An accelerator takes everything at once, up to a bound on its temporaries.
_CACHE_ELEMENTS = 393_216
_DEVICE_ELEMENTS = 1 << 24
_APART = 272
_P = ParamSpec("_P")
_SQUARE = 2.0  # the usual gamma, for which the power is one product


def eager(function: Callable[_P, Tensor]) -> Callable[_P, Tensor]:
    """Let ``torch.compile`` call `function` as it is: one break in the graph instead of one per piece.

    ``torch.compiler.disable`` at import time would do the same, and import the compiler for everyone.
    """

    @functools.wraps(function)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> Tensor:
        if torch.compiler.is_compiling():
            result: Tensor = torch.compiler.disable(function)(*args, **kwargs)  # type: ignore[no-untyped-call]
            return result
        return function(*args, **kwargs)

    return call


def compute_dtype(inputs: Tensor) -> torch.dtype:
    """Return the dtype to compute and to return in: float64 for float64, else float32."""
    return torch.float64 if inputs.dtype == torch.float64 else torch.float32


def piece_elements(device: torch.device, temporaries: int) -> int:
    """Return how many elements to treat at once, when each takes some temporary ones."""
    if device.type != "cpu":
        return _DEVICE_ELEMENTS
    return _CACHE_ELEMENTS * torch.get_num_threads() // temporaries


def spare_terms(gamma: float) -> int:
    """Return how many tensors :func:`focal_terms` needs beside those it returns."""
    return 0 if gamma in {0, _SQUARE} else 1


def focal_terms(z: Tensor, gamma: float, scratch: tuple[Tensor, ...]) -> tuple[Tensor | None, Tensor, Tensor]:
    """Return the parts of the focal loss of margins and of its slope.

    Parameters
    ----------
    z
        Margins, [n]; overwritten.
    gamma
        Exponent, finite and >= 0.
    scratch
        Two tensors like `z`, three where :func:`spare_terms` says so, that are overwritten, of which the
        results are made.

    Returns
    -------
    tuple
        (f, CE, s), each [n], with L = f CE and dL/dz = f s. f is None for gamma = 0, where it is 1.
    """
    ce, slope = scratch[:2]
    # Below this threshold exp does not overflow, above it softplus(z) = z in this precision.
    functional.softplus(z, 1, 700 if z.dtype == torch.float64 else 80, out=ce)  # type: ignore[call-arg]
    if gamma == 0:
        return None, ce, torch.sigmoid(z, out=slope)
    if gamma == _SQUARE:
        q = torch.sigmoid(z, out=z)
        torch.addcmul(ce, q, ce, value=-1, out=slope)
        torch.add(q, slope, alpha=gamma, out=slope)
        return q.mul_(q), ce, slope
    torch.sigmoid(z, out=slope)
    z.sub_(ce)
    power = z.mul_(gamma).exp_()
    rest = torch.addcmul(ce, slope, ce, value=-1, out=scratch[2])
    return power, ce, slope.add_(rest, alpha=gamma)


def check_options(gamma: float, reduction: str, supported: tuple[str, ...]) -> None:
    """Raise ValueError unless `gamma` is finite and >= 0 and `reduction` is one of `supported`."""
    if not (math.isfinite(gamma) and gamma >= 0):
        raise ValueError(f"gamma: expected a finite number of at least 0, but got {gamma}")
    if reduction not in supported:
        raise ValueError(f"reduction: expected one of {', '.join(supported)}, but got {reduction!r}")


def check_logits(inputs: Tensor) -> None:
    """Raise ValueError unless `inputs` are real floating-point logits."""
    if not inputs.is_floating_point():
        raise ValueError(f"inputs: expected floating-point logits, but got {inputs.dtype}")


def check_range(targets: Tensor) -> None:
    """Raise ValueError unless all labels are in [0, 1]."""
    low, high = torch.stack(torch.aminmax(targets)).tolist() if targets.numel() else (0, 1)
    if not (low >= 0 and high <= 1):
        raise ValueError(f"targets: expected labels in [0, 1], but got values from {low:g} to {high:g}")


def check_shape(targets: Tensor, shape: torch.Size) -> None:
    """Raise ValueError unless labels have the shape of the logits."""
    if targets.shape != shape:
        raise ValueError(f"targets: expected {list(shape)} like inputs, but got {list(targets.shape)}")


def check_sample_weight(weight: Tensor | None, shape: torch.Size, like: str) -> Tensor | None:
    """Return the weights detached, checked: finite, at least 0, and as long as the batch.

    Raises
    ------
    ValueError
        If `weight` does not broadcast to `shape`, or has a value that is negative or not finite.
    """
    if weight is None:
        return None
    weight = weight.detach()
    if weight.ndim != len(shape) or any(
        w not in ({n} if dim == 0 else {1, n})
        for dim, (w, n) in enumerate(zip(weight.shape, shape, strict=True))
    ):
        raise ValueError(f"sample_weight: expected {list(shape)} like {like}, but got {list(weight.shape)}")
    if weight.numel():
        low, high = torch.stack(torch.aminmax(weight)).tolist()
        if not (low >= 0 and math.isfinite(high)):
            raise ValueError(
                f"sample_weight: expected finite numbers of at least 0, but got values from {low} to {high}"
            )
        if high == 0:
            warnings.warn(
                "sample_weight is 0 for every row of this call, which therefore trains nothing",
                UserWarning,
                stacklevel=4,
            )
    return weight


def whole_batch(
    total: Tensor, mass: Tensor | float | None, inputs: Tensor, *, gather_distributed: bool | None
) -> Tensor:
    """Divide the sum of this process's losses by the mass of the whole batch.

    Data-parallel training averages the gradients of W processes. Each process therefore contributes W * sum /
    mass, in which only the mass is of all processes: no logits travel, and the average is the gradient of the
    whole batch, however unequal the shares are.

    Parameters
    ----------
    total
        Sum over the own rows, scalar with gradient.
    mass
        Count or weight of the own rows in the denominator, scalar; None for a plain sum. A mass of 0 in all
        divides by 1.
    inputs
        The logits of the call.
    gather_distributed
        False: this process alone. None or True: all processes, if there are several.

    Returns
    -------
    Tensor
        Scalar: the value of the whole batch, the same on every process.
    """
    if not should_gather(gather_distributed, inputs):
        if isinstance(mass, Tensor):
            return total / torch.where(mass > 0, mass, 1).to(total.dtype)
        return total / mass if mass else total
    own = torch.as_tensor(0.0 if mass is None else mass, dtype=torch.float64, device=total.device)
    sums = torch.stack([total.detach().double(), own])
    dist.all_reduce(sums)
    divisor = torch.where(sums[1] > 0, sums[1], 1)
    share = total * (dist.get_world_size() / divisor).to(total.dtype)
    # The gradient is that of the share; the value that everyone reports is that of the whole batch.
    return share + ((sums[0] / divisor).to(total.dtype) - share).detach()


def scratch(rows: int, size: int, like: Tensor, dtype: torch.dtype) -> tuple[Tensor, ...]:
    """Return `rows` uninitialised tensors [size], apart enough not to compete for lines of the cache."""
    return torch.empty(rows, size + _APART, dtype=dtype, device=like.device)[:, :size].unbind()


class _Once(torch.autograd.Function):
    """A gradient that knows what it depends on, but not how."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, *causes: Tensor) -> Tensor:  # noqa: ARG004
        return gradient.view_as(gradient)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:  # noqa: ARG004
        raise RuntimeError(
            "this loss can be differentiated once: it keeps its gradient, not how that depends on the logits"
        )


def keep(ctx: Any, inputs: Tensor, gradient: Tensor) -> None:
    """Keep what :func:`kept_times` needs; the logits only as what a second derivative would ask for."""
    ctx.save_for_backward(inputs, gradient)


def kept_times(ctx: Any, above: Tensor) -> Tensor:
    """Return the kept gradient times the one from above.

    On a CPU the usual 1 costs nothing; elsewhere one would have to wait to see it.
    """
    inputs, gradient = ctx.saved_tensors
    with torch.no_grad():
        if above.device.type != "cpu" or above.numel() != 1 or above.item() != 1:
            gradient = gradient * above
        gradient = gradient.to(inputs.dtype)
    if torch.is_grad_enabled():
        gradient = _Once.apply(gradient, inputs, above)  # type: ignore[no-untyped-call]
    return cast("Tensor", gradient)


def no_autocast(inputs: Tensor) -> AbstractContextManager[Any]:
    """Return a context in which no operation changes the precision on its own account."""
    kind = inputs.device.type
    return torch.autocast(kind, enabled=False) if torch.is_autocast_enabled(kind) else nullcontext()

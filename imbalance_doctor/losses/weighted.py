r"""Class-weighted and class-balanced cross-entropy, one class of many or binary.

Weights of classes with n_c training rows, each scaled to a mean of 1::

    class-balanced      w_c ~ 1 / E_c,  E_c = (1 - beta^n_c) / (1 - beta)
    inverse frequency   w_c ~ n_c^-power

E_c is the effective number of rows: beta = 0 weighs all classes alike, beta = 1 by the inverse of their
frequency.

Weighted BCE over mined hard negatives keeps the positives and the highest-scored share of the negatives of a
batch.

Source: Cui, Jia, Lin, Song, Belongie, "Class-Balanced Loss Based on Effective Number of Samples", CVPR 2019;
mining: Shrivastava, Gupta, Girshick, "Training Region-based Object Detectors with Online Hard Example
Mining", CVPR 2016.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from imbalance_doctor.losses import _focal
from imbalance_doctor.losses.softmax_focal import softmax_focal

__all__ = [
    "ClassBalancedBCELoss",
    "ClassBalancedCELoss",
    "MinedBCELoss",
    "WeightedBCELoss",
    "WeightedCELoss",
    "class_balanced_pos_weight",
    "class_balanced_weights",
    "inverse_frequency_weights",
    "mined_bce",
]

_REDUCTIONS = ("none", "mean", "sum")


def class_balanced_weights(counts: Tensor | Sequence[float], beta: float = 0.999) -> Tensor:
    """Return a weight for each class from the effective number of its rows.

    Parameters
    ----------
    counts
        Training rows of each class, [C], each at least 1.
    beta
        In [0, 1]: 0 gives equal weights, 1 the inverse of the counts. Rows beyond about 1/(1 - beta) hardly
        count.

    Returns
    -------
    Tensor
        [C], float32, mean 1.

    Raises
    ------
    ValueError
        For a count below 1 or a beta outside [0, 1].

    Examples
    --------
    >>> class_balanced_weights([990, 10], beta=1)
    tensor([0.0200, 1.9800])
    >>> class_balanced_weights([990, 10], beta=0.99)
    tensor([0.1746, 1.8254])
    """
    return _mean_one(1 / _effective_number(_counts("counts", counts), beta))


def inverse_frequency_weights(counts: Tensor | Sequence[float], power: float = 0.5) -> Tensor:
    """Return a weight for each class that falls with a power of its count.

    Parameters
    ----------
    counts
        Training rows of each class, [C], each at least 1.
    power
        At least 0. 1 is the inverse frequency; 1/2, its root, is milder on rare classes that overlap others.

    Returns
    -------
    Tensor
        [C], float32, mean 1.

    Raises
    ------
    ValueError
        For a count below 1 or a power that is negative or not finite.

    Examples
    --------
    >>> inverse_frequency_weights([900, 100])
    tensor([0.5000, 1.5000])
    """
    if not (math.isfinite(power) and power >= 0):
        raise ValueError(f"power: expected a finite number of at least 0, but got {power}")
    return _mean_one(_counts("counts", counts) ** -power)


def class_balanced_pos_weight(
    positives: Tensor | Sequence[float], negatives: Tensor | Sequence[float], beta: float = 0.999
) -> Tensor:
    """Return the weight of positives, that of negatives being 1, from the effective numbers of both.

    Parameters
    ----------
    positives, negatives
        Training rows of each output, [C] each, each at least 1.
    beta
        As in :func:`class_balanced_weights`.

    Returns
    -------
    Tensor
        [C], float32: E(negatives) / E(positives), ready for ``pos_weight``.

    Raises
    ------
    ValueError
        For a count below 1, a beta outside [0, 1] or lengths that differ.

    Examples
    --------
    >>> class_balanced_pos_weight([10], [990], beta=1)
    tensor([99.])
    """
    few, many = _counts("positives", positives), _counts("negatives", negatives)
    if few.shape != many.shape:
        raise ValueError(f"negatives: expected {list(few.shape)} like positives, but got {list(many.shape)}")
    return (_effective_number(many, beta) / _effective_number(few, beta)).float()


def mined_bce(logits: Tensor, targets: Tensor, *, pos_weight: float, share: float = 0.1) -> Tensor:
    r"""Return weighted binary cross-entropy over the positives and the hardest negatives of a batch.

    With H the k negatives of the highest logits, k = max(1, round(share * negatives))::

        L = (sum over H of softplus(x) + pos_weight * sum over positives of softplus(-x)) / k

    Without negatives, the sum over the positives is divided by 1. Each process mines its own batch.

    Parameters
    ----------
    logits
        Any shape; with several columns, [N, C], the negatives of all of them compete.
    targets
        0 or 1 (or bool), of the same shape.
    pos_weight
        Finite and >= 0. With share * negatives / positives of the training data, the positives together
        weigh as much as the negatives kept; below 1 it would hold the rare class down.
    share
        Of the negatives kept, in (0, 1].

    Returns
    -------
    Tensor
        Scalar, float64 for float64 logits, else float32; 0 for an empty batch.

    Raises
    ------
    ValueError
        For targets of another shape or other than 0 and 1, or options out of range.

    Source: Shrivastava, Gupta, Girshick, "Training Region-based Object Detectors with Online Hard Example
    Mining", CVPR 2016; here of negatives only, the positives all stay.

    Examples
    --------
    >>> mined_bce(torch.tensor([0.0, 0.0, -9.0]), torch.tensor([1, 0, 0]), pos_weight=3.0, share=0.5)
    tensor(2.7726)
    """
    _check_mining(pos_weight, share)
    _focal.check_logits(logits)
    _focal.check_shape(targets, logits.shape)
    positive = targets.detach() == 1
    if not bool((positive | (targets.detach() == 0)).all()):
        raise ValueError("targets: expected 0 and 1 only, as rows are mined by class, but got other values")
    with _focal.no_autocast(logits):
        logits = logits.to(_focal.compute_dtype(logits))
        hardest = logits[~positive]
        if hardest.numel():
            hardest = hardest.topk(max(1, round(share * hardest.numel()))).values
        cost = functional.softplus(hardest).sum() + pos_weight * functional.softplus(-logits[positive]).sum()
        return cost / max(1, hardest.numel())


class MinedBCELoss(nn.Module):
    """Weighted binary cross-entropy over mined hard negatives: :func:`mined_bce`.

    Parameters
    ----------
    pos_weight, share
        As in :func:`mined_bce`.
    """

    def __init__(self, pos_weight: float, share: float = 0.1) -> None:
        super().__init__()
        _check_mining(pos_weight, share)
        self.pos_weight = pos_weight
        self.share = share

    def extra_repr(self) -> str:
        """Return the settings."""
        return f"pos_weight={self.pos_weight}, share={self.share}"

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of logits and labels 0 and 1 of one shape."""
        return mined_bce(logits, targets, pos_weight=self.pos_weight, share=self.share)


class WeightedCELoss(nn.Module):
    """Cross-entropy with a weight for each class.

    As :class:`torch.nn.CrossEntropyLoss` with ``weight``: the mean divides by the sum of the rows' weights.
    Unlike there, that sum is of the whole batch under data-parallel training, ignored rows may hold NaN, and
    half-precision logits are summed in float32.

    Parameters
    ----------
    weight
        [C], finite and >= 0. Kept as a float32 buffer of that name.
    reduction
        ``"mean"``, ``"sum"`` or ``"none"``.
    ignore_index
        Rows with this target cost 0 and get no gradient.
    gather_distributed
        None or True: over all processes. False: over this process. See
        :func:`~imbalance_doctor.losses.softmax_focal.softmax_focal`.
    """

    weight: Tensor

    def __init__(
        self,
        weight: Tensor | Sequence[float],
        reduction: str = "mean",
        ignore_index: int = -100,
        gather_distributed: bool | None = None,
    ) -> None:
        super().__init__()
        _focal.check_options(0, reduction, _REDUCTIONS)
        self.register_buffer("weight", _weights("weight", weight))
        self.reduction = reduction
        self.ignore_index = ignore_index
        self.gather_distributed = gather_distributed

    def forward(self, inputs: Tensor, targets: Tensor, *, sample_weight: Tensor | None = None) -> Tensor:
        """Return the loss of logits [N, C, ...] and class ids [N, ...]; `sample_weight` is like the ids."""
        classes = self.weight.numel()
        if inputs.ndim > 1 and inputs.shape[1] != classes:
            raise ValueError(f"inputs: expected {classes} classes, as weight has, but got {inputs.shape[1]}")
        # Ids out of range stay for softmax_focal to refuse or to ignore.
        weight = self.weight[targets.detach().long().clamp(0, classes - 1)]
        return softmax_focal(
            inputs,
            targets,
            gamma=0,
            reduction=self.reduction,
            ignore_index=self.ignore_index,
            sample_weight=weight if sample_weight is None else weight * sample_weight.detach(),
            gather_distributed=self.gather_distributed,
        )


class ClassBalancedCELoss(WeightedCELoss):
    """Cross-entropy with :func:`class_balanced_weights`.

    Parameters
    ----------
    counts, beta
        As in :func:`class_balanced_weights`.
    reduction, ignore_index, gather_distributed
        As in :class:`WeightedCELoss`.
    """

    def __init__(
        self,
        counts: Tensor | Sequence[float],
        beta: float = 0.999,
        reduction: str = "mean",
        ignore_index: int = -100,
        gather_distributed: bool | None = None,
    ) -> None:
        super().__init__(class_balanced_weights(counts, beta), reduction, ignore_index, gather_distributed)


class WeightedBCELoss(nn.Module):
    """Binary cross-entropy with a weight for positives.

    As :class:`torch.nn.BCEWithLogitsLoss` with ``pos_weight``: the mean divides by the number of elements.
    Unlike there, that number is of the whole batch under data-parallel training, integer targets are taken,
    and half-precision logits are summed in float32.

    Parameters
    ----------
    pos_weight
        Scalar, or [C] for logits [..., C]; finite and >= 0. Kept as a float32 buffer of that name.
    reduction
        ``"mean"``, ``"sum"`` or ``"none"``.
    gather_distributed
        None or True: over all processes. False: over this process. See
        :func:`~imbalance_doctor.losses.sigmoid_focal.sigmoid_focal`.
    """

    pos_weight: Tensor

    def __init__(
        self,
        pos_weight: Tensor | Sequence[float] | float,
        reduction: str = "mean",
        gather_distributed: bool | None = None,
    ) -> None:
        super().__init__()
        _focal.check_options(0, reduction, _REDUCTIONS)
        self.register_buffer("pos_weight", _weights("pos_weight", pos_weight))
        self.reduction = reduction
        self.gather_distributed = gather_distributed

    def forward(self, inputs: Tensor, targets: Tensor, *, sample_weight: Tensor | None = None) -> Tensor:
        """Return the loss of logits and labels in [0, 1] of one shape.

        `sample_weight` has dimension 0 of `inputs`, the others too or 1; the mean divides by its sum.
        """
        _focal.check_logits(inputs)
        _focal.check_shape(targets, inputs.shape)
        if targets.dtype != torch.bool:
            _focal.check_range(targets.detach())
        if self.pos_weight.numel() > 1 and inputs.shape[-1:] != self.pos_weight.shape:
            raise ValueError(
                f"inputs: expected [..., {self.pos_weight.numel()}] as pos_weight, got {list(inputs.shape)}"
            )
        weight = _focal.check_sample_weight(sample_weight, inputs.shape, "inputs")
        dtype = _focal.compute_dtype(inputs)
        mass: Tensor | float | None = inputs.numel() if self.reduction == "mean" else None
        if weight is not None:
            weight = weight.to(dtype).expand(inputs.shape)
            mass = mass if mass is None else weight.sum()
        with _focal.no_autocast(inputs):
            loss = functional.binary_cross_entropy_with_logits(
                inputs.to(dtype),
                targets.detach().to(dtype),
                weight,
                reduction="none" if self.reduction == "none" else "sum",
                pos_weight=self.pos_weight.to(dtype),
            )
            if self.reduction == "none":
                return loss
            return _focal.whole_batch(loss, mass, inputs, gather_distributed=self.gather_distributed)


class ClassBalancedBCELoss(WeightedBCELoss):
    """Binary cross-entropy with :func:`class_balanced_pos_weight`.

    Parameters
    ----------
    positives, negatives, beta
        As in :func:`class_balanced_pos_weight`.
    reduction, gather_distributed
        As in :class:`WeightedBCELoss`.
    """

    def __init__(
        self,
        positives: Tensor | Sequence[float],
        negatives: Tensor | Sequence[float],
        beta: float = 0.999,
        reduction: str = "mean",
        gather_distributed: bool | None = None,
    ) -> None:
        super().__init__(class_balanced_pos_weight(positives, negatives, beta), reduction, gather_distributed)


def _counts(name: str, counts: Tensor | Sequence[float]) -> Tensor:
    given = torch.as_tensor(counts).detach().double()
    if given.ndim != 1 or not given.numel():
        raise ValueError(f"{name}: expected a count for each class, [C], but got {list(given.shape)}")
    if not bool((torch.isfinite(given) & (given >= 1)).all()):
        raise ValueError(
            f"{name}: expected counts of at least 1, but got {given.tolist()}; leave out classes without rows"
        )
    return given


def _effective_number(counts: Tensor, beta: float) -> Tensor:
    """Return (1 - beta^n) / (1 - beta), n for beta = 1; no digits are lost for a beta close to 1."""
    if not 0 <= beta <= 1:
        raise ValueError(f"beta: expected a number in [0, 1], but got {beta}")
    if beta in (0, 1):
        return counts if beta == 1 else torch.ones_like(counts)
    return -torch.expm1(counts * math.log(beta)) / (1 - beta)


def _check_mining(pos_weight: float, share: float) -> None:
    if not (math.isfinite(pos_weight) and pos_weight >= 0):
        raise ValueError(f"pos_weight: expected a finite number of at least 0, but got {pos_weight}")
    if not 0 < share <= 1:
        raise ValueError(f"share: expected a number in (0, 1], but got {share}")


def _mean_one(weights: Tensor) -> Tensor:
    return (weights / weights.mean()).float()


def _weights(name: str, weights: Tensor | Sequence[float] | float) -> Tensor:
    given = torch.as_tensor(weights).detach().float()
    if given.ndim > 1 or not given.numel() or not bool((torch.isfinite(given) & (given >= 0)).all()):
        raise ValueError(f"{name}: expected finite weights of at least 0, [C], but got {given.tolist()}")
    return given.clone()

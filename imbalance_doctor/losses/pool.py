"""Capping the pool: fewer rows, the same objective.

When the pool fits into memory no cap is needed, and the losses of this package need memory proportional to
the pool only. Where a cap is wanted all the same, two samplers stand ready:

``weighted``
    Stratified by class. Live rows stay; stored rows are drawn, every class getting the same number as long as
    it has that many. A row kept with probability p counts 1/p times wherever the loss sums over rows (Horvitz
    and Thompson 1952), so prevalence, thresholds and the objective stay what they were.
``quota``
    The reference library's sampler: half the rows are divided equally among classes, the rest is drawn
    uniformly, live or not. It raises the prevalence of rare classes, and with it the objective.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor

__all__ = ["Cap", "Sample", "quota_sample", "weighted_sample"]

Cap = Literal["weighted", "quota"]


class Sample(NamedTuple):
    """Rows drawn from a pool.

    Attributes
    ----------
    rows
        Their places in the pool, ascending, int64 [K].
    weight
        Inverse of the probability of being drawn, [K], or None for 1.
    """

    rows: Tensor
    weight: Tensor | None


def _places(mask: Tensor) -> Tensor:
    return mask.nonzero().squeeze(1)


def quota_sample(targets: Tensor, size: int, generator: torch.Generator | None = None) -> Sample:
    """Draw as the reference library draws.

    Parameters
    ----------
    targets
        Class ids of the pool, [M], M above `size`.
    size
        Rows wanted.
    generator
        Source of randomness on the device of `targets`; None for the global one.

    Returns
    -------
    Sample
        Of `size` rows, unweighted.
    """

    def some(places: Tensor, count: int) -> Tensor:
        order = torch.randperm(places.shape[0], device=targets.device, generator=generator)
        return places[order[:count]]

    classes = torch.unique(targets)
    quota = max(1, size // (2 * classes.shape[0]))
    reserved = torch.cat([some(_places(targets == c), quota) for c in classes])
    if reserved.shape[0] >= size:
        return Sample(some(reserved, size).sort().values, None)
    free = torch.ones_like(targets, dtype=torch.bool)
    free[reserved] = False
    rest = some(_places(free), size - reserved.shape[0])
    return Sample(torch.cat([reserved, rest]).sort().values, None)


def _shares(counts: list[int], size: int) -> list[int]:
    """Divide `size` rows among strata: as equally as their counts allow, never more than a stratum has."""
    shares = [0] * len(counts)
    left = size
    order = sorted(range(len(counts)), key=counts.__getitem__)
    for done, stratum in enumerate(order):
        shares[stratum] = min(counts[stratum], left // (len(counts) - done))
        left -= shares[stratum]
    return shares


def _stratified(
    targets: Tensor, scores: Tensor, size: int, generator: torch.Generator | None
) -> tuple[Tensor, Tensor]:
    """Draw rows of each class: places and inverse probabilities.

    Half of a class's rows are its highest scores, which are certain to be taken: thresholds, ranks and
    budgets rest on them. The others are lined up by score and every n-th is taken from a random start, so
    that the sample's scores follow the pool's more closely than independent draws would.
    """
    count, device = targets.shape[0], targets.device
    if size <= 0:
        return torch.zeros(0, dtype=torch.int64, device=device), scores.new_zeros(0, dtype=torch.float64)
    _, stratum, counts = torch.unique(targets, return_inverse=True, return_counts=True)
    if counts.shape[0] > size:  # a stratum without a row would be lost to the objective
        stratum = torch.zeros_like(stratum)
        counts = counts.new_tensor([count])
    share = torch.tensor(_shares(counts.tolist(), size), device=device)
    certain = torch.where(share < counts, share // 2, share)
    by_score = scores.argsort()
    order = by_score[stratum[by_score].argsort(stable=True)]
    group = stratum[order]
    rank = torch.arange(count, device=device) - (counts.cumsum(0) - counts)[group]
    drawn, others = (share - certain).double(), counts - certain
    rate = drawn / others.clamp(min=1)
    start = torch.rand(counts.shape[0], dtype=torch.float64, device=device, generator=generator)[group]
    end = rank + 1 == others[group]
    upper = torch.where(end, drawn[group], (rank + 1) * rate[group])
    taken = (upper - start).ceil() > (rank * rate[group] - start).ceil()
    top = rank >= others[group]
    weight = torch.where(top, 1.0, 1 / rate.where(rate > 0, 1.0)[group])
    chosen = (taken | top).nonzero().squeeze(1)
    places = order[chosen]
    by_place = places.argsort()
    return places[by_place], weight[chosen][by_place]


def weighted_sample(
    targets: Tensor, scores: Tensor, live: int, size: int, generator: torch.Generator | None = None
) -> Sample:
    """Draw so that weighted sums over the sample estimate sums over the pool without bias.

    Parameters
    ----------
    targets
        Class ids of the pool, [M], M above `size`.
    scores
        By which the rows of a class are lined up, [M].
    live
        Rows ``[0, live)`` are of this step and carry the gradient.
    size
        Rows wanted.
    generator
        Source of randomness on the device of `targets`; None for the global one.

    Returns
    -------
    Sample
        Of `size` rows. All live rows are in it when they fit; when they do not, the sample is drawn from them
        alone and estimates the objective of the live batch.
    """
    if live > size:
        return Sample(*_stratified(targets[:live], scores[:live], size, generator))
    chosen, weight = _stratified(targets[live:], scores[live:], size - live, generator)
    fresh = torch.arange(live, device=targets.device)
    return Sample(torch.cat([fresh, chosen + live]), torch.cat([weight.new_ones(live), weight]))

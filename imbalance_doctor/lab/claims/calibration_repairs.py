"""Temperature scaling alone does not repair focal probabilities."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from imbalance_doctor.lab.claims.base import (
    CONFIRMED,
    CONTRADICTED,
    SHARPENED,
    Claim,
    Draw,
    Figures,
    Verdict,
    below,
    settle,
)
from imbalance_doctor.lab.claims.focal_probabilities import minimiser

__all__ = ["CLAIM"]

_SHIFT, _GAP = -4.6, 1.5


def _error(p: Tensor, true: Tensor) -> float:
    return float((p - true).abs().mean() / true.mean())


def _fitted(x: Tensor, y: Tensor, *, shift: bool) -> Tensor:
    """Scale logits, and shift them, so that the log loss is least."""
    knobs = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([knobs], max_iter=100, line_search_fn="strong_wolfe")

    def answer() -> Tensor:
        return knobs[0].exp() * x + (knobs[1] if shift else 0)

    def cost() -> Tensor:
        optimiser.zero_grad()
        loss = functional.binary_cross_entropy_with_logits(answer(), y)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimiser.step(cost)  # type: ignore[no-untyped-call]
    return torch.sigmoid(answer()).detach()


def _answers(true: Tensor, alpha: float) -> Tensor:
    """Return the logits that are best under gamma 2 for rows with these probabilities."""
    rates = torch.logspace(-4.3, -0.001, 200, dtype=torch.float64)
    table = torch.tensor([minimiser(float(r), 2.0, alpha) for r in rates], dtype=torch.float64)
    at = torch.bucketize(true, rates).clamp(1, len(rates) - 1)
    low, high = rates[at - 1].log(), rates[at].log()
    mix = ((true.log() - low) / (high - low)).clamp(0, 1)
    return torch.logit(table[at - 1]) * (1 - mix) + torch.logit(table[at]) * mix


def _measure(draw: Draw) -> Figures:
    generator = draw.generator()
    x = _SHIFT + _GAP * torch.randn(draw.size(30_000, 5000), generator=generator, dtype=torch.float64)
    true = torch.sigmoid(x)
    y = (torch.rand(len(x), generator=generator, dtype=torch.float64) < true).double()
    found = {}
    for name, alpha in (("plain", -1.0), ("weighted", 0.25)):
        logits = _answers(true, alpha)
        found[f"{name}_raw"] = _error(torch.sigmoid(logits), true)
        found[f"{name}_temperature"] = _error(_fitted(logits, y, shift=False), true)
        found[f"{name}_platt"] = _error(_fitted(logits, y, shift=True), true)
    return found


def _judge(f: Figures) -> Verdict:
    good = 0.1  # of the prevalence
    repaired = (
        below(f, "plain_temperature", good),
        below(f, "plain_platt", good),
        below(f, "weighted_platt", good),
    )
    return settle(
        (CONFIRMED, (*repaired, below(f, "weighted_temperature", good))),
        (SHARPENED, repaired),
        otherwise=CONTRADICTED,
    )


CLAIM = Claim(
    covers=("F-8", "G-11"),
    document="A calibration step repairs it: Platt, isotonic or temperature scaling.",
    measure=_measure,
    tell=(
        "The best answers under gamma 2 are off by {plain_raw:.0%} of the prevalence on average, by "
        "{plain_temperature:.0%} after temperature scaling and {plain_platt:.0%} after Platt scaling; "
        "with alpha 0.25 by {weighted_raw:.0%}, {weighted_temperature:.0%} and {weighted_platt:.0%}."
    ),
    judge=_judge,
)

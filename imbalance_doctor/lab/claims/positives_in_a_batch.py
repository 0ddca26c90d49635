"""Less than one positive in a batch is common far above 0.01 %."""

from __future__ import annotations

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

__all__ = ["CLAIM"]


def _measure(draw: Draw) -> Figures:
    del draw  # nothing is random
    return {"stated": 64 * 1e-4, "hundredfold": 64 * 0.01, "bound": 1 / 64, "apart": 1 / (64 * 1e-4)}


def _judge(f: Figures) -> Verdict:
    return settle(
        (SHARPENED, (below(f, "stated", 1), below(f, "hundredfold", 1))),
        (CONFIRMED, (below(f, "stated", 1),)),
        otherwise=CONTRADICTED,
    )


CLAIM = Claim(
    covers=("F-5",),
    document="Below 0.01 % positives a batch of 64 holds less than one.",
    measure=_measure,
    tell=(
        "It holds {stated:.4f} at 0.01 %, one in {apart:.0f} batches, but less than one at 1 % too "
        "({hundredfold:.2f}): the limit for 64 is {bound:.1%}."
    ),
    judge=_judge,
)

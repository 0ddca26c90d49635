"""810 published runs: which gamma ended in NaN."""

from __future__ import annotations

import csv

from imbalance_doctor.lab.claims._stats import proportion
from imbalance_doctor.lab.claims.base import (
    CONFIRMED,
    CONTRADICTED,
    OPEN,
    Claim,
    Draw,
    Figures,
    Verdict,
    above,
    below,
    settle,
)

__all__ = ["CLAIM"]


def read_runs(draw: Draw) -> list[dict[str, str]]:
    """Read the published runs."""
    assert draw.folder is not None  # noqa: S101  the claim says that it needs the file
    with (draw.folder / "focal_instability_runs.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def share_of_nan(name: str, runs: list[dict[str, str]]) -> dict[str, float]:
    """Measure the share of runs that ended in NaN, and their number."""
    return {**proportion(name, sum(float(r["nan"]) > 0 for r in runs), len(runs)), f"{name}_runs": len(runs)}


def _measure(draw: Draw) -> Figures:
    runs = [r for r in read_runs(draw) if r["kind"] != "Fixed"]
    between = [r for r in runs if 0 < float(r["gamma"]) < 1]
    return {
        **share_of_nan("between", between),
        **share_of_nan("other", [r for r in runs if not 0 < float(r["gamma"]) < 1]),
    }


def _judge(f: Figures) -> Verdict:
    return settle(
        (CONFIRMED, (above(f, "between", 0.5), below(f, "other", 0.05))),
        (CONTRADICTED, (below(f, "between", 0.5),)),
        otherwise=OPEN,
    )


CLAIM = Claim(
    covers=("C13", "ST-1"),
    document="Training with gamma between 0 and 1 ends in NaN, with 0, 1, 2, 3, 4 and 5 it does not.",
    measure=_measure,
    tell=(
        "{between:.0%} [{between_low:.0%}, {between_high:.0%}] of {between_runs:.0f} published runs "
        "between 0 and 1 ended in NaN, {other:.0%} [0 %, {other_high:.1%}] of {other_runs:.0f} others."
    ),
    judge=_judge,
    data="focal_instability_runs.csv",
)

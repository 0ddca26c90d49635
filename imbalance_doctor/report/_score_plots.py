"""Pictures of a score dump, from its facts: how the scores lie, what they mean, and where a loss acts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from imbalance_doctor.diagnose import Diagnosis
from imbalance_doctor.facts.base import Facts
from imbalance_doctor.report._format import number
from imbalance_doctor.report._svg import Plot, drift

__all__ = ["Picture", "pictures"]

_UNIT = (0.0, 1.0)


@dataclass(frozen=True)
class Picture:
    """One picture: its title, how to read it (plain text, not yet escaped), and itself as SVG."""

    title: str
    note: str
    svg: str


def pictures(diagnosis: Diagnosis) -> list[Picture]:
    """Return the pictures that the facts suffice for; none without a score dump."""
    facts = diagnosis.facts
    scores = facts.family("scores")
    if scores is None:
        return []
    curves = facts.family("score_curves")
    found = [*_of_curves(scores, curves)] if curves is not None else []
    return [*found, *_gradient(scores, facts), *_drift(diagnosis)]


def _of_curves(scores: Any, curves: Any) -> Iterator[Picture]:
    if curves.score_edges is not None:
        yield _histogram(curves)
    if curves.reliability_rows is not None:
        yield _reliability(scores, curves)
    if curves.recall is not None:
        yield _precision(scores, curves)
        yield _roc(scores, curves)


def _histogram(curves: Any) -> Picture:
    edges = curves.score_edges
    sides = (("negatives", curves.negative_counts, "dim"), ("positives", curves.positive_counts, "error"))
    shares = [[count / (sum(counts) or 1) for count in counts] for _, counts, _ in sides]
    highest = max(map(max, shares))
    plot = Plot(
        "scores by class",
        (edges[0], edges[-1]),
        (0.0, highest),
        across="score in logits",
        up="share of class",
    )
    for (name, counts, color), heights in zip(sides, shares, strict=True):
        if sum(counts):
            plot.outline(edges, heights, f"{sum(counts):,} {name}", color)
    told = " and ".join(f"{sum(counts):,} {name} ({_COLORS[color]})" for name, counts, color in sides[::-1])
    return Picture("Scores by class", f"{told}, each as shares of its own class", plot.svg())


def _reliability(scores: Any, curves: Any) -> Picture:
    bins = [
        (p, share, low, high, rows)
        for p, share, low, high, rows in zip(
            curves.reliability_probability,
            curves.reliability_share,
            curves.reliability_low,
            curves.reliability_high,
            curves.reliability_rows,
            strict=True,
        )
        if rows
    ]
    plot = Plot("reliability", _UNIT, _UNIT, across="mean probability", up="share of positives")
    plot.guide([(0, 0), (1, 1)], "calibrated")
    plot.line([(p, share) for p, share, *_ in bins], "share of positives")
    for p, share, low, high, rows in bins:
        interval = f"{number(low)} to {number(high)}"
        tip = f"{rows:,} rows: probability {number(p)}, positives {number(share)} ({interval})"
        plot.dot(p, share, tip, reach=(low, high))
    note = "on the dashed line a probability is what it says; bars: 95 % intervals"
    return Picture("Reliability", f"calibration error {number(scores.ece)}; {note}", plot.svg())


def _precision(scores: Any, curves: Any) -> Picture:
    found, share = scores.recall_at_quantile, number(scores.quantile)
    plot = Plot("precision over recall", _UNIT, _UNIT, across="recall", up="precision")
    note = f"average precision {number(scores.average_precision)}; dashed: prevalence"
    if found is not None:
        plot.band(0.0, found, f"the top share {share} of the rows")
        note += f"; shaded: the top share {share} of the rows, recall {number(found)}"
    plot.guide([(0, scores.prevalence), (1, scores.prevalence)], f"prevalence {number(scores.prevalence)}")
    first = curves.precision[0]
    plot.line([(0.0, first), *zip(curves.recall, curves.precision, strict=True)], "precision")
    return Picture("Precision over recall", note, plot.svg())


def _roc(scores: Any, curves: Any) -> Picture:
    low, high = scores.partial_auc_fpr_low, scores.partial_auc_fpr_high
    least = min(rate for rate in (*curves.false_positive_rate, high) if rate > 0)
    start = 10.0 ** math.floor(min(math.log10(least), -1))
    plot = Plot(
        "ROC", (start, 1.0), _UNIT, across="false positive rate, by powers of ten", up="recall", log=True
    )
    plot.band(max(low, start), high, f"false positive rates {number(low)} to {number(high)}")
    chance = [start ** (1 - step / 40) for step in range(41)]
    plot.guide(zip(chance, chance, strict=True), "chance")
    points = zip(curves.false_positive_rate, curves.recall, strict=True)
    plot.line(((max(rate, start), found) for rate, found in points), "recall")
    note = f"ROC AUC {number(scores.roc_auc)}; dashed: chance; shaded: false positive rates {number(low)} to "
    return Picture("ROC", f"{note}{number(high)}, mean recall there {number(scores.partial_auc)}", plot.svg())


_COLORS = {"dim": "grey", "error": "red", "curve": "blue", "warning": "orange"}


def _gradient(scores: Any, facts: Facts) -> Iterator[Picture]:
    """Show how many positives still have a gradient, by the temperature of the loss."""
    sides = [
        (name, shares, color)
        for name, shares, color in (
            ("recall-at-quantile", scores.live_at_quantile_by_temperature, "curve"),
            ("pauc-at-budget", scores.live_in_band_by_temperature, "warning"),
        )
        if shares
    ]
    if not sides:
        return
    temperatures = scores.temperatures
    ends = temperatures[0], temperatures[-1]
    across = "temperature, by powers of ten"
    plot = Plot("live gradient", ends, _UNIT, across=across, up="share of positives", log=True)
    planned = facts.value("plan.temperature")
    note = "positives with a live gradient: " + ", ".join(f"{_COLORS[c]}: {name}" for name, _, c in sides)
    if planned:
        plot.guide([(planned, 0), (planned, 1)], f"the plan's temperature {number(planned)}")
        note += f"; dashed: the plan's temperature {number(planned)}"
        if scores.temperature_over_spread is not None:
            note += f", {number(scores.temperature_over_spread)} of the spread of the scores"
    over: Sequence[float | None] = scores.temperature_over_spread_by_temperature or (None,) * len(
        temperatures
    )
    for name, shares, color in sides:
        plot.line(zip(temperatures, shares, strict=True), name, color)
        for temperature, share, spread in zip(temperatures, shares, over, strict=True):
            of_spread = "" if spread is None else f" ({number(spread)} of the spread)"
            plot.dot(
                temperature,
                share,
                f"{name}, temperature {number(temperature)}{of_spread}: {number(share)}",
                color,
            )
    yield Picture("Gradient over temperature", note, plot.svg())


def _drift(diagnosis: Diagnosis) -> Iterator[Picture]:
    """Show where the scores in the queue lie against those of the batch, run by run."""
    for run in diagnosis.trained:
        queue, batch = run.log.get("queue_score_mean"), run.log.get("score_mean")
        if queue is None or batch is None or min(len(queue), len(batch)) < 2:  # noqa: PLR2004  a line has two ends
            continue
        svg = drift([(batch, "dim"), (queue, "curve")], axis=run.log.axis)
        if svg:
            title = (
                "Queue drift"
                if len(diagnosis.trained) == 1
                else f"Queue drift of {run.name or run.log.source}"
            )
            yield Picture(title, "mean score of the batch (grey) and of the queue (blue)", svg)

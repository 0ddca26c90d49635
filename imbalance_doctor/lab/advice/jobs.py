"""One job: a world and a seed, all arms and the recommended plan trained side by side, kept as a file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from imbalance_doctor.engine.base import Merit
from imbalance_doctor.engine.loader import Rule
from imbalance_doctor.errors import InputError
from imbalance_doctor.evidence import LabelCounts, PlannedRun, TrainingPlan
from imbalance_doctor.lab.advice.arms import BASELINE, fixed_arms, key_of, loss_of
from imbalance_doctor.lab.advice.training import Schedule, Split, split, train
from imbalance_doctor.lab.worlds import World
from imbalance_doctor.recommend.advise import recommend

__all__ = ["Job", "Size", "run_job"]

_PROTOCOL = 1  # raised whenever stored figures would come out differently
_POSITIVES = 2  # expected in a batch, at least
_LARGEST = 4096
_LEAST = 10  # rows of each class: a fifth of them are for validation


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much is trained.

    Attributes
    ----------
    steps
        Of Adam, in each run.
    rates
        Learning rates among which that of BCE is tuned; every other arm takes the winner over.
    """

    steps: int = 800
    rates: tuple[float, ...] = (1e-3, 3e-3, 1e-2)


@dataclass(frozen=True, kw_only=True)
class Job:
    """What came of one world and seed.

    Attributes
    ----------
    prevalence, rows
        Of the training part.
    baseline
        What a user knows of the tuned, early-stopped BCE: ``metric`` and ``roc_auc`` on validation,
        ``spread`` of its logits, ``rate``.
    arms
        Metric on the test part by name of the arm.
    chosen
        The same for the recommended plan.
    plan
        What the recommended plan trains.
    loss, stated
        The recommended loss, and the gain over plain BCE that was stated: value, low, high; None where the
        tool stated none.
    final
        As `arms`, at the last step instead of the best one.
    rates
        Metric of BCE on the test part by learning rate.
    """

    world: str
    seed: int
    metric: str
    prevalence: float
    rows: int
    baseline: dict[str, float]
    arms: dict[str, float]
    chosen: float
    plan: str
    loss: str
    stated: tuple[float, float, float] | None
    final: dict[str, float]
    rates: dict[str, float]


def run_job(world: World, seed: int, rules: Sequence[Rule], folder: Path | None, size: Size) -> Job:
    """Train what is not stored yet, ask for advice, and return the figures.

    Parameters
    ----------
    world
        A binary one.
    seed
        Draws the split, the start of the network and the batches.
    rules
        By which the advice is given; stored runs hold for any rules.
    folder
        Where trained runs are kept, one file a job; None for nowhere.
    size
        How much is trained.

    Raises
    ------
    InputError
        The world is not binary, or a class has fewer than ten rows.
    """
    labels = _counts(world)
    batch = _batch(labels, rules)
    schedule = Schedule(seed=seed, steps=size.steps, batch=batch)
    bench = _Bench(world, schedule, folder)
    rates = {rate: bench.run(TrainingPlan(loss="bce"), rate) for rate in size.rates}
    rate = max(rates, key=lambda r: rates[r]["validation"])
    baseline = rates[rate]
    prevalence = float(labels.counts[1] / labels.rows)
    fixed = {
        name: bench.run(plan, rate)
        for name, plan in fixed_arms(prevalence, labels.rows, batch, baseline["spread"]).items()
    }
    advice = recommend(
        rules,
        PlannedRun(
            plan=TrainingPlan(
                metric=schedule.metric,
                batch_size=batch,
                learning_rate=rate,
                score_std=float(f"{baseline['spread']:.3g}"),
                baseline_roc_auc=baseline["roc_auc"],
                baseline_metric=baseline["validation"],
            )
        ),
        labels=labels,
    )
    chosen = bench.run(advice.plan, rate)
    gain = advice.gain
    return Job(
        world=world.name,
        seed=seed,
        metric=schedule.metric,
        prevalence=prevalence,
        rows=labels.rows,
        baseline={
            "metric": baseline["validation"],
            "roc_auc": baseline["roc_auc"],
            "spread": baseline["spread"],
            "rate": rate,
        },
        arms={name: run["test"] for name, run in fixed.items()},
        chosen=chosen["test"],
        plan=key_of(advice.plan),
        loss=advice.plan.loss or BASELINE,
        stated=None if gain is None else _stated(gain),
        final={name: run["final"] for name, run in fixed.items()},
        rates={f"{rate:g}": run["test"] for rate, run in rates.items()},
    )


def _stated(gain: Merit) -> tuple[float, float, float]:
    """Return the gain that was stated for a single data set, where none was for the mean of many."""
    if gain.one_low is None or gain.one_high is None:
        return gain.value, gain.low, gain.high
    return gain.value, gain.one_low, gain.one_high


class _Bench:
    """Trains runs of one world and seed, or reads them where they are stored."""

    def __init__(self, world: World, schedule: Schedule, folder: Path | None) -> None:
        self._world, self._schedule = world, schedule
        self._parts: Split | None = None
        digest = hashlib.sha256(world.features.tobytes() + world.labels.tobytes())
        digest.update(repr((_PROTOCOL, schedule)).encode())
        self._path = None
        self._stored: dict[str, dict[str, float]] = {}
        if folder is not None:
            self._path = folder / f"{world.name}-{schedule.seed}-{digest.hexdigest()[:12]}.json"
            if self._path.exists():
                self._stored = json.loads(self._path.read_text(encoding="utf-8"))

    def run(self, plan: TrainingPlan, rate: float) -> dict[str, float]:
        key = f"{key_of(plan)} rate={rate:g}"
        if key not in self._stored:
            if self._parts is None:
                self._parts = split(self._world, self._schedule.seed)
            prevalence = float(self._parts.train.labels.mean())
            trained = train(self._parts, loss_of(plan, prevalence), rate, self._schedule)
            self._stored[key] = asdict(trained)
            if self._path is not None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                partly = self._path.with_suffix(".part")
                partly.write_text(json.dumps(self._stored, indent=1), encoding="utf-8")
                partly.replace(self._path)
        return self._stored[key]


def _counts(world: World) -> LabelCounts:
    """Count the labels that a user trains on."""
    rows = np.bincount(world.labels.ravel(), minlength=2)
    if world.task != "binary" or len(rows) > 2 or rows.min() < _LEAST:  # noqa: PLR2004
        raise InputError(
            f"expected two classes of {_LEAST} rows or more, but got {world.task} of {rows.tolist()}",
            where=world.name,
        )
    half = [round(float((world.labels == label).sum()) / 2) for label in (0, 1)]
    return LabelCounts(classes=("0", "1"), counts=np.array(half), rows=sum(half), positive=1)


def _batch(labels: LabelCounts, rules: Sequence[Rule]) -> int:
    """Return the batch of the user's baseline: as advised for plain BCE, doubled until it holds positives."""
    plan = TrainingPlan(loss="bce", metric="average_precision")
    batch = recommend(rules, PlannedRun(plan=plan), labels=labels).plan.batch_size or 256
    while batch < _LARGEST and batch * labels.counts[1] < _POSITIVES * labels.rows:
        batch *= 2
    return batch

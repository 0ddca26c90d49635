"""Labelled runs on disk: what a user would have of a run, and apart from it what was done and what came.

::

    FOLDER/runs/NAME/      the log in some dialect, plan.yaml, val.scores
    FOLDER/labels/NAME.json

A fault writes two runs, itself and its twin. Whether a run is harmed is judged by its outcome against the
twin's, not by what was done to it.
"""

from __future__ import annotations

import functools
import json
import math
import shutil
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import yaml

from imbalance_doctor.errors import InputError
from imbalance_doctor.lab.base import Draw, Setup, find, setup_of
from imbalance_doctor.lab.dialects import DIALECTS, write_log
from imbalance_doctor.lab.metrics import precision_at_hits
from imbalance_doctor.lab.training import Run, train
from imbalance_doctor.lab.worlds import World, world_named
from imbalance_doctor.record import record_scores

__all__ = ["Harm", "Job", "Labelled", "Progress", "make", "make_all", "read_labels", "severity_of", "silent"]

Harm = Literal["severe", "mild", "harmless", "unsure"]
SEVERE, MILD = 0.10, 0.02
"""Average precision lost against the twin from which a run counts as harmed (the protocol's classes)."""
SHORT = 0.05
"""Average precision below what the data give from which an unharmed run is no example of health: one that
never learned, or lost what it had, may rightly be called faulty, with or without an injected fault."""
_ERRORS = 2.0
"""A loss within so many standard errors may be chance: such a run is neither harmed nor clean."""


_WHOLE = tuple(name for name, dialect in DIALECTS.items() if not dialect.drops and name != "tensorboard")
"""Dialects that hold everything and need no further package: those drawn from where none is named."""
Progress = Callable[[int, int], None]
"""Called with how many are done, of how many."""


def silent(done: int, of: int) -> None:
    """Show no progress."""


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """What is known of a run and not shown to the tool.

    Attributes
    ----------
    name
        Of the run's folder.
    kind, world, seed, held_out
        What was trained, on what; settings from the held-out parts of the ranges.
    causes
        Right answers; empty for a healthy run.
    outcome, twin
        Average precision at the end, and that of the twin.
    error
        Standard error of their difference.
    reachable
        What the data give: the best of the early-stopped outcomes of this run, and of plain cross-entropy.
    harm
        ``severe``, ``mild``, ``harmless``, or ``unsure`` where the loss may be chance, and where an unharmed
        run ended far below what the data give.
    onset
        Step at which the fault begins.
    steps
        Of the run.
    dialect
        Of the log.
    """

    name: str
    kind: str
    world: str
    seed: int
    held_out: bool
    causes: tuple[str, ...]
    outcome: float
    twin: float
    error: float
    reachable: float
    harm: Harm
    onset: int
    steps: int
    dialect: str
    task: str

    @property
    def harmed(self) -> bool:
        """Whether the tool should raise an alarm."""
        return self.harm in {"severe", "mild"}

    @property
    def clean(self) -> bool:
        """Whether an alarm would be false."""
        return self.harm == "harmless"


@dataclass(frozen=True, kw_only=True)
class Job:
    """A run to be made; `data` is the folder of real data sets, or None for worlds that need none."""

    kind: str
    world: str
    seed: int
    held_out: bool = False
    data: str | None = None
    dialect: str | None = None
    steps: int | None = None

    @property
    def name(self) -> str:
        """Of the run's folder."""
        short = f"-{self.steps}steps" if self.steps else ""
        return f"{self.kind}__{self.world}__s{self.seed}{'h' if self.held_out else ''}{short}"


def severity_of(outcome: float, twin: float, error: float, *, short: float = 0.0) -> Harm:
    """Return how much a run was harmed; `short` is how far it ended below what the data give.

    >>> severity_of(0.5, 0.7, 0.03), severity_of(0.65, 0.7, 0.01), severity_of(0.69, 0.7, 0.0)
    ('severe', 'mild', 'harmless')
    >>> severity_of(0.65, 0.7, 0.04), severity_of(0.2, 0.2, 0.0, short=0.4)
    ('unsure', 'unsure')
    """
    lost = twin - outcome
    if lost < MILD:
        return "unsure" if short >= SHORT else "harmless"
    if lost < _ERRORS * error:
        return "unsure"
    return "severe" if lost >= SEVERE else "mild"


@functools.lru_cache(maxsize=64)
def _reference(name: str, seed: int, data: str | None, steps: int) -> Run:
    """Return the plain run that shows what a world gives."""
    return _plainly(world_named(name, seed, data), seed, steps)


def _plainly(world: World, seed: int, steps: int) -> Run:
    return train(find("plain"), Setup(steps=steps, every=max(1, steps // 30)), world, seed)


def make(job: Job, folder: Path) -> list[Labelled]:
    """Train a run, and for a fault its twin, and write them; runs that are there already are read.

    Returns
    -------
    list of Labelled
        The run, and its twin where it has one.
    """
    torch.set_num_threads(1)
    kind = find(job.kind)
    names = [job.name, f"{job.name}-twin"] if kind.is_fault else [job.name]
    if all((folder / "labels" / f"{name}.json").is_file() for name in names):
        known = [_label(folder / "labels" / f"{name}.json") for name in names]
        if job.dialect in {None, *(label.dialect for label in known)}:
            return known
    given = world_named(job.world, job.seed, job.data)
    world, setup, own = setup_of(kind, given, job.seed, held_out=job.held_out)
    if job.steps is not None:
        own, setup = (s.but(steps=job.steps, every=max(1, job.steps // 20)) for s in (own, setup))
    run = train(kind, setup, world, job.seed)
    twin = train(find(kind.of), own, world, job.seed) if kind.is_fault else run
    steps = job.steps or Setup().steps
    plain = (
        _reference(job.world, job.seed, job.data, steps)
        if world is given
        else _plainly(world, job.seed, steps)
    )
    error = paired_error(run, twin)
    made = []
    for name, each, healthy in zip(names, (run, twin), (not kind.is_fault, True), strict=False):
        reachable = max(each.stopped, plain.stopped)
        short = reachable - each.outcome
        label = Labelled(
            name=name,
            kind=kind.of if healthy and kind.is_fault else kind.id,
            world=world.name,
            seed=job.seed,
            held_out=job.held_out,
            causes=() if healthy else kind.causes,
            outcome=each.outcome,
            twin=twin.outcome,
            error=0.0 if healthy else error,
            reachable=reachable,
            harm=severity_of(
                each.outcome,
                each.outcome if healthy else twin.outcome,
                0.0 if healthy else error,
                short=short,
            ),
            onset=0 if healthy else int(kind.onset * setup.steps),
            steps=each.setup.steps,
            dialect=_written(each, world, name, job, folder / "runs" / name),
            task=world.task,
        )
        path = folder / "labels" / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(label), indent=1) + "\n", encoding="utf-8")
        made.append(label)
    return made


def _written(run: Run, world: World, name: str, job: Job, folder: Path) -> str:
    """Write what a user would have of a run; return the dialect of the log."""
    if folder.is_dir():  # an earlier run that was cut off, or wrote another dialect
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    draw = Draw("dialect", name)
    dialect = job.dialect or draw.choice(_WHOLE)
    write_log(run.rows, folder, dialect, draw)
    plan = plan_of(run, world)
    (folder / "plan.yaml").write_text(yaml.safe_dump(plan, sort_keys=False), encoding="utf-8")
    if np.isfinite(run.scores).all():
        scores = run.scores[:, 0] if world.task == "binary" else run.scores
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # logits of a run that hardly learnt may well lie in [0, 1]
            record_scores(folder / "val.scores", scores, run.labels, step=run.setup.steps, overwrite=True)
    return dialect


def plan_of(run: Run, world: World) -> dict[str, Any]:
    """Return the training plan that a user would have written for a run."""
    s = run.setup
    multi = world.task == "multiclass"
    loss = {"bce": "ce", "weighted-bce": "weighted-ce", "sigmoid-focal": "softmax-focal"}.get(s.loss, s.loss)
    plan: dict[str, Any] = {
        "loss": loss if multi else s.loss,
        "task": world.task,
        "batch_size": s.batch_size,
        "steps": s.steps,
        "learning_rate": s.learning_rate,
        "optimizer": s.optimizer.lower(),
        "prevalence": round(run.prevalence, 6),
        "metric": "average_precision",
    }
    if s.ranks:
        plan |= {"num_classes": 1, "queue_size": s.queue_size, "max_pool_size": s.max_pool_size}
        if s.warmup:
            plan |= {"warmup_steps": s.warmup_steps, "temp_start": s.temp_start, "temp_end": s.temp_end}
            plan |= {"final_main_weight": s.final_main_weight}
        else:
            plan |= {"temperature": s.temp_start}
    if "focal" in s.loss:
        plan |= {"gamma": s.gamma, "alpha": s.alpha}
    if s.loss == "recall-at-quantile":
        plan |= {"quantile": s.quantile or min(0.5, s.times_prevalence * run.prevalence)}
    if s.loss == "pauc-at-budget":
        plan |= {"beta": s.beta, "surrogate": s.surrogate}
    if s.loss == "weighted-bce" and not multi:
        plan |= {"pos_weight": s.pos_weight or (1 - run.prevalence) / run.prevalence}
    return {name: value for name, value in plan.items() if value is not None}


def paired_error(run: Run, twin: Run) -> float:
    """Return the standard error of the difference of two runs' average precision on the same rows.

    From the difference in the precision at each positive; 0.5 / sqrt(P) at most, and that where the rows
    are not the same.
    """
    errors = []
    ours, theirs = precision_at_hits(run.scores, run.labels), precision_at_hits(twin.scores, twin.labels)
    if [len(c) for c in ours] != [len(c) for c in theirs]:
        return 0.5 / math.sqrt(max(1, min(len(c) for c in (*ours, *theirs))))
    for own, other in zip(ours, theirs, strict=True):
        spread = float(np.std(own - other, ddof=1)) if len(own) > 1 else 0.5
        errors.append(min(spread, 0.5) / math.sqrt(len(own)))
    return math.sqrt(sum(e * e for e in errors)) / len(errors)


def make_all(
    jobs: Sequence[Job],
    folder: Path,
    *,
    workers: int = 1,
    progress: Progress = silent,
) -> list[Labelled]:
    """Make every run, several at a time; what is on disk already is not trained again."""
    made: list[Labelled] = []
    progress(0, len(jobs))
    if workers <= 1:
        for done, job in enumerate(jobs, 1):
            made += make(job, folder)
            progress(done, len(jobs))
        return sorted(made, key=lambda label: label.name)
    with ProcessPoolExecutor(workers) as pool:
        waiting = [pool.submit(make, job, folder) for job in jobs]
        try:
            for done, future in enumerate(as_completed(waiting), 1):
                made += future.result()
                progress(done, len(jobs))
        except BaseException:  # Ctrl-C too: what has not begun is not waited for
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return sorted(made, key=lambda label: label.name)


def read_labels(folder: Path) -> Iterator[Labelled]:
    """Read the labels of every run in a folder.

    Raises
    ------
    InputError
        There are none, or a file is no label.
    """
    paths = sorted((folder / "labels").glob("*.json"), key=lambda path: path.stem)
    if not paths:
        raise InputError(
            "expected labelled runs, but got none", where=str(folder), hint="make some with `lab run`"
        )
    for path in paths:
        yield _label(path)


def _label(path: Path) -> Labelled:
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        return Labelled(**{**said, "causes": tuple(said["causes"])})
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(f"expected the label of a run, but got {error}", where=str(path)) from error

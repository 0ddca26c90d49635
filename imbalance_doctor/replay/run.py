"""Feeds a dump of scores through a loss and writes down what it does."""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from imbalance_doctor.errors import InputError
from imbalance_doctor.evidence import ScoreDump, TrainingLog
from imbalance_doctor.replay._losses import Ranked, build
from imbalance_doctor.replay._measure import DEAD, Measured, Worker, spread
from imbalance_doctor.replay._rows import Step, steps
from imbalance_doctor.replay._trace import Trace
from imbalance_doctor.replay.settings import ReplaySettings

__all__ = ["replay"]

_PRECISIONS = {
    "fp64": torch.float64,
    "fp32": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
}
_MOST_SAID = 20
_EPOCHS = ("warmup_epochs", "blend_epochs", "reset_queue_each_epoch")


def replay(
    dump: ScoreDump,
    settings: ReplaySettings,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> TrainingLog:
    """Feed a dump step by step through a loss.

    Each step is one call of the loss in training mode on the rows of that step, and its derivative by their
    logits; nothing is trained. Counts over several classes are means over the classes, so are those of
    simulated workers over the workers. A gradient is that of the mean over the workers.

    Parameters
    ----------
    dump
        Scores and labels. Probabilities become logits, which is noted.
    settings
        The loss and all around it.
    progress
        Called with the rows done and all rows.

    Returns
    -------
    TrainingLog
        With a series for each of ``loss``, ``chance_level``, ``gradient_norm``, ``gradient_share_positive``,
        ``pool_size`` and so on (see `evidence.SERIES`), over the steps. Of more than 20,000 steps every
        second is left out, as often as needed.

    Raises
    ------
    InputError
        The loss does not fit the scores, a setting is out of range, or the dump has no steps and
        `settings` no batch size.
    """
    ignore_index = dump.ignore_index if settings.ignore_index is None else settings.ignore_index
    workers = [
        Worker(build(settings, dump.kind, dump.classes, ignore_index), settings, ignore_index)
        for _ in range(settings.workers)
    ]
    rows = None if settings.batch_size is None else settings.batch_size * (settings.world_size or 1)
    told = _Told(dump, ignore_index, len(workers))
    trace = Trace()
    done = position = 0
    epoch = None
    with _heard(told.said):
        for count, step in enumerate(steps(dump, rows)):
            if not count:
                _check_epochs(settings, step, dump)
            position = max(position, step.number) if count else step.number
            now = None if step.epoch is None else math.floor(step.epoch[0])
            for worker in workers:
                wrapper = worker.built.wrapper
                if wrapper is not None:
                    if now is not None and now != epoch:
                        wrapper.on_train_epoch_start(now)
                    wrapper.on_train_batch_start(position)
            epoch = now
            try:
                trace.add(position, told.add(step, _step(workers, step, settings, count)))
            except (ValueError, RuntimeError) as error:
                raise InputError(f"step {step.number}: {error}", where=dump.source or settings.loss) from None
            done += len(step)
            if progress is not None:
                progress(done, dump.rows)
    if not done:
        raise InputError("expected rows to replay, but got none", where=dump.source)
    return TrainingLog(
        series=trace.series(),
        axis="step",
        source=dump.source,
        format=f"replay of {settings.loss}",
        hints=told.hints(settings),
        notes=told.notes(trace.stride),
    )


def _check_epochs(settings: ReplaySettings, step: Step, dump: ScoreDump) -> None:
    needs = [name for name in _EPOCHS if getattr(settings, name)]
    if needs and step.epoch is None:
        raise InputError(
            f"expected an epoch for each row with {needs[0]}, but got none",
            where=dump.source,
            hint="give lengths in steps",
        )


def _step(workers: list[Worker], step: Step, settings: ReplaySettings, count: int) -> Measured:
    """Put one step through every worker, and sum up."""
    cuts = [round(len(step) * k / len(workers)) for k in range(len(workers) + 1)]
    results = []
    for worker, low, high in zip(workers, cuts[:-1], cuts[1:], strict=True):
        x = torch.from_numpy(step.scores[low:high]).to(_PRECISIONS.get(settings.precision or ""), copy=True)
        y = torch.from_numpy(step.targets[low:high])
        told = settings.iid_mask is not False and step.iid is not None
        iid = torch.from_numpy(step.iid[low:high]) if told and step.iid is not None else None
        results.append(worker.step(x.requires_grad_(), y, iid, count))
    first = workers[0].built
    if len(results) == 1:
        loss, gradient, found = results[0]
    else:
        losses = np.array([loss for loss, _, _ in results])
        loss = float(losses.mean())
        gradient = np.concatenate([g for _, g, _ in results]) / len(results)
        found = _means([m for _, _, m in results])
        found |= {
            "rank_loss_std": float(losses.std()),
            "rank_loss_min": float(losses.min()),
            "rank_loss_max": float(losses.max()),
        }
        empty = [not bool((step.targets[a:b] == 1).any()) for a, b in pairwise(cuts)]
        if step.scores.shape[1] == 1:
            found["batch_without_positives_share"] = sum(empty) / len(empty)
    found["loss"] = loss
    if isinstance(first.main, Ranked):
        found["temperature"] = first.main.temperature
    if first.wrapper is not None:
        weight = float(first.wrapper.main_weight)
        final = float(first.wrapper.final_main_weight)
        found |= {"main_weight": weight, "stage": 0.0 if weight <= 0 else 1.0 if weight < final else 2.0}
    return found | _gradient(gradient, step)


def _means(measured: list[Measured]) -> Measured:
    names = dict.fromkeys(name for each in measured for name in each)
    values = {name: [each[name] for each in measured if name in each] for name in names}
    return {name: sum(found) / len(found) for name, found in values.items()}


def _gradient(gradient: NDArray[Any], step: Step) -> Measured:
    """Return size, share and direction of the gradient; positives are each class's own rows."""
    flat = gradient.ravel()
    own = _own(step).ravel()
    size = np.abs(flat)
    total = float(size.sum(dtype=np.float64))
    found = {"gradient_norm": math.sqrt(float(np.dot(flat, flat)))}
    if (found["gradient_norm"] == 0 and total > 0) or flat.dtype == np.float16:
        found["gradient_norm"] = float(np.linalg.norm(flat.astype(np.float64)))  # squares underflow
    mine = size[own]
    share = float(mine.sum(dtype=np.float64))
    if total > 0:
        found["gradient_share_positive"] = share / total
    if share > 0:
        found["gradient_sign_positive"] = -float(flat[own].sum(dtype=np.float64)) / share
    if len(mine):
        found["positives_with_gradient"] = float(np.count_nonzero(mine > DEAD)) / len(mine)
    return found


def _own(step: Step) -> NDArray[np.bool_]:
    """Return which row is a positive of which class, bool [N, C]."""
    classes = step.scores.shape[1]
    targets = step.targets if step.targets.ndim > 1 else step.targets[:, None]
    several = step.targets.ndim == 1 and classes > 1
    own: NDArray[np.bool_] = targets == (np.arange(classes) if several else 1)
    return own


class _Told:
    """What a replay says beside its curves."""

    def __init__(self, dump: ScoreDump, ignore_index: int, workers: int) -> None:
        self._dump = dump
        self._ignore = ignore_index
        self._workers = workers
        self._positives = self._rows = 0
        self._sizes: Counter[int] = Counter()
        self.said: dict[str, None] = {}

    def add(self, step: Step, found: Measured) -> Measured:
        """Add what the scores of the step themselves show."""
        self._sizes[len(step)] += 1
        x, own, known = step.scores, _own(step), step.targets != self._ignore
        if not known.all():
            x = x[known] if known.ndim == 1 else x[known.any(1)]
        classes = own.shape[1]
        positives = int(np.count_nonzero(own))
        self._positives += positives
        self._rows += int(np.count_nonzero(known))
        found["positives_in_batch"] = positives / classes / self._workers
        if len(x):
            found["score_mean"], found["score_std"] = spread(x)
            found["score_absmax"] = float(max(x.max(), -x.min()))
        return found

    def hints(self, settings: ReplaySettings) -> dict[str, float]:
        """Return the numbers stated beside the curves."""
        workers = settings.world_size or 1
        size = self._sizes.most_common(1)[0][0]
        hints = {"num_classes": float(self._dump.classes), "batch_size": float(-(-size // workers))}
        if self._dump.kind == "binary":
            hints |= {"positives": float(self._positives), "negatives": float(self._rows - self._positives)}
        return hints

    def notes(self, stride: int) -> tuple[str, ...]:
        """Say what was done to the scores."""
        notes = []
        if self._dump.scale == "probabilities":
            notes.append("probabilities were turned into logits, kept 1e-7 away from 0 and 1")
        if self._dump.kind == "multilabel":
            notes.append("each label is ranked by itself; the loss is the mean over labels")
        if stride > 1:
            notes.append(f"every {stride}th step is shown")
        return (*notes, *self.said)


@contextmanager
def _heard(said: dict[str, None]) -> Iterator[None]:
    """Collect what the losses warn of, each sentence once."""

    def hear(message: Warning | str, *_: Any, **__: Any) -> None:
        if len(said) < _MOST_SAID:
            said[" ".join(str(message).split())] = None

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = hear
        yield

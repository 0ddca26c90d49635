"""What every kind of run in the lab is: a setup that works, and what a fault changes about it.

A kind is one module in ``healthy/`` or ``faults/`` with a `KIND`; its id is the module's name with dashes. A
fault names the healthy kind that it spoils, its twin: both train on the same data, split, initial weights and
batches, and only what the fault changes differs.
"""

from __future__ import annotations

import importlib
import math
import pkgutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from imbalance_doctor.errors import InputError, did_you_mean
from imbalance_doctor.lab.worlds import Task, World

if TYPE_CHECKING:
    from torch import Tensor, nn

    from imbalance_doctor.lab.training import Training

__all__ = ["Draw", "Kind", "Setup", "Split", "faults", "find", "healthy", "setup_of"]


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What one run is trained with, under the names of a training plan where it has one.

    Attributes
    ----------
    loss
        ``bce`` (``ce`` for classes), ``weighted-bce``, ``sigmoid-focal`` (``softmax-focal``), ``smooth-ap``,
        ``recall-at-quantile`` or ``pauc-at-budget``.
    model
        ``mlp``, ``linear``, ``cnn`` for square pictures, ``sequence``.
    every
        Steps between two rows of the log.
    pos_weight
        Weight of the positives; None for the imbalance ratio where the loss is weighted.
    warmup
        Share of the steps trained with the plain loss first.
    temp_start, temp_end
        Temperature at the switch and after 60 % of the main phase; geometric between.
    times_prevalence
        Review share q in prevalences; `quantile` where it is given outright.
    score_scale
        Factor on the logits before the loss.
    world_size
        Workers among which the batch is split.
    train_positives
        Most positives among the training rows of a binary task; None for all.
    severity
        How strong a fault is where no value of a plan says it: a share or a factor, as the fault documents.
    """

    loss: str = "bce"
    model: str = "mlp"
    hidden: int = 64
    activation: str = "ReLU"
    optimizer: str = "Adam"
    learning_rate: float = 1e-3
    batch_size: int = 128
    steps: int = 600
    every: int = 10
    label_smoothing: float = 0.0
    pos_weight: float | None = None
    gamma: float = 2.0
    alpha: float = -1.0
    queue_size: int = 0
    max_pool_size: int | None = None
    warmup: float = 0.0
    temp_start: float = 0.1
    temp_end: float = 0.1
    final_main_weight: float = 1.0
    times_prevalence: float = 1.5
    quantile: float | None = None
    beta: float = 0.05
    surrogate: str = "pairwise"
    score_scale: float = 1.0
    world_size: int = 1
    train_positives: int | None = None
    severity: float = 0.0

    def but(self, **changes: Any) -> Self:
        """Return the setup with some values changed."""
        return replace(self, **changes)

    @property
    def ranks(self) -> bool:
        """Whether the main loss ranks a pool."""
        return self.loss in {"smooth-ap", "recall-at-quantile", "pauc-at-budget"}

    @property
    def warmup_steps(self) -> int:
        """Steps with the plain loss."""
        return int(self.warmup * self.steps) if self.ranks else 0


class Draw:
    """Random values of one run: knobs of a fault, and what differs between runs without being one.

    Parameters
    ----------
    seed
        Of the run, with its kind and world.
    held_out
        Draw from the outer two fifths of every range instead of the inner three: settings on which nothing
        was tuned.
    """

    def __init__(self, *seed: Any, held_out: bool = False) -> None:
        text = "/".join(str(part) for part in seed)
        self._g = np.random.default_rng(list(text.encode()))
        self.held_out = held_out

    def between(self, low: float, high: float) -> float:
        """Return a number of the range, even in its logarithm where both ends are above 0."""
        share = self._g.random()
        if self.held_out:
            share = 0.5 * share * 0.4 if share < 0.5 else 1 - (1 - share) * 0.4  # noqa: PLR2004  halves
        else:
            share = 0.2 + 0.6 * share
        if low > 0 and high > 0:
            return float(math.exp(math.log(low) + share * (math.log(high) - math.log(low))))
        return float(low + share * (high - low))

    def whole(self, low: int, high: int) -> int:
        """Return a whole number of the range, see `between`."""
        return round(self.between(low, high))

    def choice(self, values: Sequence[Any]) -> Any:
        """Return one of the values, each equally likely."""
        return values[int(self._g.integers(len(values)))]

    def chance(self, share: float) -> bool:
        """Return True in this share of the draws."""
        return bool(self._g.random() < share)


@dataclass(frozen=True)
class Split:
    """Rows of a run: training, validation (what the log shows), and all held-out rows, by which harm is told.

    Features are float32 [n, ...], labels int64 as those of a `World`.
    """

    x: np.ndarray
    y: np.ndarray
    val_x: np.ndarray
    val_y: np.ndarray
    outcome_x: np.ndarray
    outcome_y: np.ndarray


class Kind:
    """A kind of run. Subclasses change what they are about and leave the rest.

    Attributes
    ----------
    what
        One sentence.
    causes
        Ids in ``causes.yaml`` that are right answers, the injected one first; empty for healthy kinds.
    of
        Id of the healthy kind that a fault spoils.
    tasks
        Labels it can train on.
    onset
        Share of the run at which the fault begins.
    remedy
        What a user would have to change back; a sentence.
    ugly
        Why a healthy run of this kind may look ill.
    """

    what: str = ""
    causes: tuple[str, ...] = ()
    of: str = ""
    tasks: tuple[Task, ...] = ("binary",)
    onset: float = 0.0
    ugly: str = ""

    @property
    def id(self) -> str:
        """Name of the module, with dashes."""
        return type(self).__module__.rpartition(".")[2].replace("_", "-")

    @property
    def is_fault(self) -> bool:
        """Whether something is wrong with it."""
        return bool(self.causes)

    # -- the same for a fault and its twin -----------------------------------

    def world(self, world: World, draw: Draw) -> World:
        """Return the data that this kind needs; the twin of a fault gets the same."""
        return world

    def ground(self, setup: Setup, world: World, draw: Draw) -> Setup:
        """Return a setup on which the fault can show; its twin starts from the same."""
        return setup

    # -- what is different -----------------------------------------------------

    def knobs(self, setup: Setup, world: World, draw: Draw) -> Setup:
        """Return the setup of this kind: a healthy kind's choice of loss, a fault's wrong value."""
        return setup

    def rows(self, split: Split, setup: Setup, draw: np.random.Generator) -> Split:
        """Return other rows or labels to train on or to judge by, spoilt as much as the setup says."""
        return split

    def chosen(self, rows: np.ndarray, step: int, training: Training) -> np.ndarray:
        """Return the training rows of a step in place of those drawn, ids [batch size]."""
        return rows

    def network(self, net: nn.Sequential) -> nn.Sequential:
        """Return the network, spoilt."""
        return net

    def targets(self, targets: Tensor, training: Training) -> Tensor:
        """Return the labels of a batch as the loss gets them."""
        return targets

    def plain(self, logits: Tensor, targets: Tensor, training: Training) -> Tensor | None:
        """Return another loss of single rows; None for the setup's own."""
        return None

    def ranked(self, logits: Tensor, targets: Tensor, training: Training) -> Tensor | None:
        """Return another ranking loss; None for the setup's own."""
        return None

    def before_step(self, step: int, training: Training) -> None:
        """Do something to the training before a step, the first of which is 1."""

    def temperature(self, temperature: float, step: int, training: Training) -> float:
        """Return the temperature of a step."""
        return temperature

    def gradient(self, training: Training) -> None:
        """Do something to the gradients before the optimiser's step."""

    def shown(self, scores: np.ndarray) -> np.ndarray:
        """Return the validation scores as the metrics get them."""
        return scores


@cache
def _kinds(folder: str) -> Mapping[str, Kind]:
    package = importlib.import_module(f"imbalance_doctor.lab.{folder}")
    names = sorted(m.name for m in pkgutil.iter_modules(package.__path__) if not m.name.startswith("_"))
    found = [importlib.import_module(f"{package.__name__}.{name}").KIND for name in names]
    return {kind.id: kind for kind in found}


def healthy() -> Mapping[str, Kind]:
    """Return every healthy kind by id."""
    return _kinds("healthy")


def faults() -> Mapping[str, Kind]:
    """Return every fault by id."""
    return _kinds("faults")


def find(name: str) -> Kind:
    """Return the kind of this id.

    Raises
    ------
    InputError
        There is none.
    """
    known = {**healthy(), **faults()}
    if name not in known:
        raise InputError(
            f"expected a fault or a healthy kind, but got '{name}'",
            hint=did_you_mean(name, known) or "`imbalance-doctor lab list` names them all",
        )
    return known[name]


def setup_of(kind: Kind, world: World, seed: int, *, held_out: bool = False) -> tuple[World, Setup, Setup]:
    """Draw the data and the setups of a run.

    Returns
    -------
    tuple
        The data, the setup of the kind, and that of its twin; the same where nothing is wrong.
    """
    base = find(kind.of) if kind.is_fault else kind
    nuisance = Draw("nuisance", kind.id, world.name, seed, held_out=held_out)
    setup = _nuisance(nuisance, world)
    knob = Draw("knob", kind.id, world.name, seed, held_out=held_out)
    world = kind.world(world, knob)
    twin = base.knobs(kind.ground(setup, world, knob), world, Draw("twin", kind.id, world.name, seed))
    return world, kind.knobs(twin, world, knob) if kind.is_fault else twin, twin


def _nuisance(draw: Draw, world: World) -> Setup:
    """Return what differs between runs without being a fault."""
    model = "mlp"
    if world.features.ndim == 3:  # noqa: PLR2004  rows, steps, channels
        model = "sequence"
    elif world.features.shape[1] >= 100:  # noqa: PLR2004  embeddings: a linear layer on top is what people train
        model = draw.choice(["linear", "mlp"])
    elif world.features.shape[1] == 64:  # noqa: PLR2004  8 x 8 pictures
        model = draw.choice(["cnn", "mlp"])
    return Setup(
        model=model,
        hidden=draw.whole(24, 128),
        activation=draw.choice(["ReLU", "Tanh", "GELU"] if draw.held_out else ["ReLU", "ReLU", "SiLU"]),
        optimizer=draw.choice(["Adam", "AdamW"]),
        learning_rate=draw.between(3e-4, 4e-3) * (3 if model == "linear" else 1),
        batch_size=draw.whole(48, 300),
        steps=draw.whole(350, 900),
        every=draw.whole(5, 25),
        label_smoothing=0.05 if draw.chance(0.1) else 0.0,
        queue_size=draw.whole(768, 4096),
    )

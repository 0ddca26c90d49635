"""Every cause has a fault, and a fault differs from its twin in nothing but what is wrong."""

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

import imbalance_doctor.causes
from imbalance_doctor.lab import base
from imbalance_doctor.lab.base import Draw, Kind
from imbalance_doctor.lab.training import Training, split_of, train
from imbalance_doctor.lab.worlds import clouds, many_classes, many_labels

CAUSES = yaml.safe_load(Path(imbalance_doctor.causes.__file__).with_suffix(".yaml").read_text("utf-8"))
WORLDS = {
    "binary": clouds(0, rows=1500),
    "multiclass": many_classes(0, rows=1500),
    "multilabel": many_labels(0, rows=1500),
}
HOOKS = (
    "rows", "chosen", "network", "targets", "plain", "ranked", "before_step", "temperature",
    "gradient", "shown",
)  # fmt: skip
FAULTS = base.faults()
EVERY = [pytest.param(kind, task, id=f"{kind.id}-{task}") for kind in FAULTS.values() for task in kind.tasks]
IN_THE_START = {"network", "rows"}
"""Hooks by which a fault may start from other weights or rows."""


def _hooks(kind):
    return {name for name in HOOKS if getattr(type(kind), name) is not getattr(Kind, name)}


def _short(kind, task, seed=3):
    world, setup, twin = base.setup_of(kind, WORLDS[task], seed)
    return world, setup.but(steps=40, every=10), twin.but(steps=40, every=10)


def test_every_cause_has_a_fault():
    injected = {kind.causes[0] for kind in FAULTS.values()}
    assert set(CAUSES["causes"]) - injected == set()


def test_there_are_many_ways_to_be_wrong():
    assert len(FAULTS) >= 70


@pytest.mark.parametrize("kind", FAULTS.values(), ids=list(FAULTS))
def test_fault_is_declared_in_known_words(kind):
    assert set(kind.causes) <= set(CAUSES["causes"])
    assert len(set(kind.causes)) == len(kind.causes) <= 3
    twin = base.healthy()[kind.of]
    assert not twin.is_fault
    assert set(kind.tasks) <= set(twin.tasks)
    assert 0 <= kind.onset < 1
    assert kind.what
    assert type(kind).__doc__ != Kind.__doc__


@pytest.mark.parametrize(("kind", "task"), EVERY)
def test_fault_differs_from_its_twin(kind, task):
    _, setup, twin = _short(kind, task)
    assert setup != twin or _hooks(kind)


@pytest.mark.parametrize(("kind", "task"), EVERY)
def test_both_start_from_the_same_weights_and_rows(kind, task):
    world, setup, twin = _short(kind, task)
    split = split_of(world, 3)
    spoilt = kind.rows(split, setup, np.random.default_rng(1))
    if "rows" not in _hooks(kind):
        assert spoilt is split
    if _hooks(kind) & IN_THE_START or setup.hidden != twin.hidden:
        return
    one, other = (
        Training(k, s, split, world.task, 3) for k, s in ((kind, setup), (base.find(kind.of), twin))
    )
    for a, b in zip(one.net.parameters(), other.net.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(("kind", "task"), EVERY)
def test_spoilt_rows_keep_their_shape_and_the_original_untouched(kind, task):
    world, setup, _ = _short(kind, task)
    split = split_of(world, 3)
    before = {name: value.copy() for name, value in vars(split).items()}
    spoilt = kind.rows(split, setup, np.random.default_rng(1))
    assert len(spoilt.x) == len(spoilt.y)
    assert len(spoilt.val_x) == len(spoilt.val_y)
    assert len(spoilt.outcome_x) == len(spoilt.outcome_y)
    for name, value in before.items():
        assert np.array_equal(getattr(split, name), value)


def _figures(run):
    return [{k: v for k, v in row.items() if isinstance(v, int | float)} for row in run.rows]


@pytest.mark.parametrize(
    "name", [name for name, kind in FAULTS.items() if _hooks(kind) & {"rows", "chosen", "before_step"}]
)
def test_same_seed_gives_the_same_rows(name):
    kind = FAULTS[name]
    world, setup, _ = _short(kind, kind.tasks[0])
    one, other = (_figures(train(kind, setup, world, 3)) for _ in range(2))
    assert len(one) == 4
    for a, b in zip(one, other, strict=True):
        np.testing.assert_equal(a, b)


class _Noted(Draw):
    """Remembers where in its range each number was drawn."""

    seen: list

    def between(self, low, high):
        value = super().between(low, high)
        if low < high:
            logarithmic = low > 0 and high > 0
            a, b, v = np.log([low, high, value]) if logarithmic else (low, high, value)
            self.seen.append((v - a) / (b - a))
        return value


@pytest.mark.parametrize(("kind", "task"), EVERY)
def test_held_out_draws_are_not_those_of_tuning(kind, task):
    world, _, twin = _short(kind, task)
    places = {}
    for held_out in (False, True):
        places[held_out] = []
        for seed in range(20):
            draw = _Noted(seed, held_out=held_out)
            draw.seen = places[held_out]
            kind.knobs(kind.ground(twin, kind.world(world, draw), draw), world, draw)
    assert all(0.2 <= place <= 0.8 for place in places[False])
    assert not any(0.2 + 1e-9 < place < 0.8 - 1e-9 for place in places[True])
    assert len(places[False]) == len(places[True])


@pytest.mark.parametrize("name", ["all-rows-ignored", "unstable-gamma", "labels-of-minus-one-and-one"])
def test_what_a_fault_is_known_by(name):
    kind = FAULTS[name]
    world, setup, _ = base.setup_of(kind, WORLDS["binary"], 0)
    losses = [row["train.loss"] for row in train(kind, setup.but(steps=200, every=10), world, 0).rows]
    assert {
        "all-rows-ignored": lambda: set(losses) == {0.0},
        "unstable-gamma": lambda: np.isnan(losses[-1]),
        "labels-of-minus-one-and-one": lambda: losses[-1] < 0,
    }[name]()


def test_gathered_loss_is_told_apart_by_its_shards():
    kind = FAULTS["missing-gather"]
    world, setup, twin = _short(kind, "binary")
    assert setup.world_size == twin.world_size > 1
    assert train(kind, setup, world, 3).rows[-1]["train.rank_loss_std"] > 0
    assert "train.rank_loss_std" not in train(base.find(kind.of), twin, world, 3).rows[-1]


def test_gradient_is_divided_by_the_workers():
    kind = FAULTS["gradient-scale-by-world-size"]
    world, setup, twin = _short(kind, "binary")
    small, whole = (
        train(k, s.but(steps=1, every=1), world, 3).rows[0]["train.gradient_norm"]
        for k, s in ((kind, setup), (base.find(kind.of), twin))
    )
    assert small == pytest.approx(whole / setup.world_size)


def test_labels_are_spoilt_by_the_share_that_is_said():
    kind = FAULTS["noisy-positives"]
    world, setup, _ = _short(kind, "binary")
    split = split_of(world, 3)
    noisy = kind.rows(split, setup.but(severity=0.5), np.random.default_rng(1))
    assert (noisy.y == 1).sum() == 2 * (split.y == 1).sum()
    assert np.array_equal(noisy.y[split.y == 1], split.y[split.y == 1])
    assert noisy.val_y is split.val_y

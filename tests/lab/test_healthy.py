"""Healthy kinds train on what they say they do, and the ugly ones look as ill as they say."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from imbalance_doctor.lab import base
from imbalance_doctor.lab.base import Draw, Kind
from imbalance_doctor.lab.training import Training, split_of, train
from imbalance_doctor.lab.worlds import clouds, many_classes, many_labels, sequences

WORLDS = {
    "binary": clouds(0, rows=1500),
    "multiclass": many_classes(0, rows=1500),
    "multilabel": many_labels(0, rows=1500),
}
HEALTHY = base.healthy()
UGLY = {name: kind for name, kind in HEALTHY.items() if kind.ugly}
EVERY = [pytest.param(k, task, id=f"{k.id}-{task}") for k in HEALTHY.values() for task in k.tasks]


def _run(name, task="binary", *, steps=40, every=10, world=None, **changes):
    kind = base.find(name)
    world, setup, _ = base.setup_of(kind, world or WORLDS[task], 3)
    return train(kind, setup.but(steps=steps, every=every, **changes), world, 3)


def _column(run, name):
    return np.array([row[name] for row in run.rows])


@pytest.mark.parametrize(("kind", "task"), EVERY)
def test_a_healthy_kind_trains(kind, task):
    world, setup, twin = base.setup_of(kind, WORLDS[task], 3)
    assert setup == twin
    if len(world) > 10_000:
        world = replace(world, features=world.features[:3000], labels=world.labels[:3000])
    run = train(kind, setup.but(steps=40, every=10), world, 3)
    assert len(run.rows) == 4
    assert np.isfinite(_column(run, "train.loss")).all()
    assert np.isfinite(_column(run, "train.gradient_norm")).all()
    assert all(math.isfinite(outcome) for outcome in run.outcomes)


def test_there_are_many_ways_to_look_ill():
    assert len(UGLY) >= 20
    assert len(HEALTHY) - len(UGLY) >= 8
    assert all(kind.what and not kind.causes for kind in HEALTHY.values())
    assert len({kind.ugly for kind in UGLY.values()}) == len(UGLY)


@pytest.mark.parametrize("name", ["easy-data", "noise-limited"])
def test_data_of_another_difficulty_keep_their_labels(name):
    for world in (WORLDS["binary"], sequences(0, rows=800)):
        kind = base.find(name)
        changed = kind.world(world, Draw("world"))
        assert changed.features.dtype == np.float32
        assert changed.features.shape == world.features.shape
        assert changed.labels is world.labels
        assert not np.array_equal(changed.features, world.features)
        assert np.array_equal(kind.world(world, Draw("world")).features, changed.features)


def test_easy_data_are_ranked_nearly_perfectly():
    run = _run("easy-data", steps=200)
    assert run.outcome > 0.95
    assert _column(run, "train.loss")[-1] < 0.1


def test_few_positives_are_left_to_validate_on():
    split = split_of(WORLDS["binary"], 0)
    kind = base.find("few-validation-positives")
    counts = {
        int(kind.rows(split, base.Setup(), np.random.default_rng(seed)).val_y.sum()) for seed in range(20)
    }
    assert counts == set(range(4, 10))
    some = kind.rows(split, base.Setup(), np.random.default_rng(0))
    assert (some.val_y == 0).sum() == (split.val_y == 0).sum()
    assert some.outcome_y is split.outcome_y  # harm is told by all of them


def test_the_rarest_class_is_missing_in_validation_alone():
    split = split_of(WORLDS["multiclass"], 0)
    some = base.find("class-absent-in-validation").rows(split, base.Setup(), np.random.default_rng(0))
    rarest = np.bincount(split.y).argmin()
    assert rarest not in some.val_y
    assert rarest in some.outcome_y
    assert len(some.val_x) == len(some.val_y) == (split.val_y != rarest).sum()


def test_the_loss_jumps_where_the_warm_up_ends():
    run = _run("switch-jump", steps=200, every=10)
    loss, stage = _column(run, "train.loss"), _column(run, "train.stage")
    assert 0.3 < (stage == 0).mean() < 0.7
    assert loss[stage == 2].min() > 1.5 * loss[stage == 0][-1]


def test_losses_have_the_scale_that_is_said():
    plain = _run("plain", label_smoothing=0.0)
    reference = _column(plain, "train.loss")[-1]
    assert (_column(_run("negative-loss"), "train.loss") < 0).all()
    assert _column(_run("negative-loss"), "val.loss")[-1] > 0
    assert _column(_run("tiny-focal-loss"), "train.loss")[-1] < 0.2 * reference
    assert (_column(_run("heavy-weights"), "train.loss") > math.log(2)).all()
    assert _column(_run("summed-loss"), "train.loss")[-1] > 20 * reference


@pytest.mark.parametrize("name", ["negative-loss", "summed-loss"])
def test_another_scale_is_the_same_training_under_adam(name):
    kind, plain = base.find(name), base.find("plain")
    world, setup, _ = base.setup_of(kind, WORLDS["binary"], 1)
    setup = setup.but(steps=60, every=10, optimizer="Adam")
    same, other = train(kind, setup, world, 1), train(plain, setup, world, 1)
    np.testing.assert_allclose(same.scores, other.scores, atol=0.02)


def test_the_smoothed_loss_has_a_floor():
    kind = base.find("smoothing-floor")
    _, setup, _ = base.setup_of(kind, WORLDS["binary"], 3)
    smooth = setup.label_smoothing / 2
    floor = -(smooth * math.log(smooth) + (1 - smooth) * math.log(1 - smooth))
    assert _column(_run("smoothing-floor", steps=150), "train.loss").min() > floor > 0.19


def test_clipped_gradients_have_one_norm():
    norms = _column(_run("clipped-gradient"), "train.gradient_norm")
    np.testing.assert_allclose(norms, 0.01, rtol=1e-3)


def test_dropout_is_for_training_alone():
    kind = base.find("dropout")
    world, setup, _ = base.setup_of(kind, WORLDS["binary"], 3)
    training = Training(kind, setup, split_of(world, 3), "binary", 3)
    once, again = training.evaluated(training.x[:50]), training.evaluated(training.x[:50])
    np.testing.assert_array_equal(once, again)
    assert not torch.equal(training.net(training.x[:50]), training.net(training.x[:50]))


@pytest.mark.parametrize(
    ("name", "check"),
    [
        ("plateau-at-the-ceiling", lambda lr: lr[-1] == pytest.approx(0.01 * lr[0])),
        ("stepped-learning-rate", lambda lr: len(np.unique(lr.round(12))) == 3),
        ("warm-restarts", lambda lr: (np.diff(lr) > 0).sum() == 3),
        ("warmed-up-learning-rate", lambda lr: 0.2 < lr.argmax() / len(lr) < 0.45 and lr[-1] < 1e-9),
        ("plain", lambda lr: len(set(lr)) == 1),
    ],
)
def test_schedules_are_as_said(name, check):
    assert check(_column(_run(name, steps=80, every=1), "train.learning_rate"))


def test_rows_and_steps_are_as_said():
    def setup_of(name):
        return base.setup_of(base.find(name), WORLDS["binary"], 3)[1]

    seldom = setup_of("seldom-logged")
    assert seldom.steps // seldom.every == 8
    assert 12 <= setup_of("tiny-batches").batch_size <= 24
    run = _run("tiny-batches", steps=200, every=100)
    assert _column(run, "train.batch_without_positives_share").min() > 0.2
    slow = setup_of("slow-and-sure")
    nuisance = base._nuisance(Draw("nuisance", "slow-and-sure", "clouds", 3), WORLDS["binary"])
    assert slow.learning_rate * 3 == pytest.approx(nuisance.learning_rate)
    assert slow.steps == 3 * nuisance.steps


def test_coarse_scores_tie_but_tell_much_the_same():
    kind = base.find("coarse-scores")
    scores = np.random.default_rng(0).normal(0, 2, 2000)
    assert np.abs(kind.shown(scores) - scores).max() <= 0.05 + 1e-9
    assert len(np.unique(kind.shown(scores))) < 200


def test_tiny_prevalence_is_tiny_and_keeps_its_name():
    world = base.find("tiny-prevalence").world(WORLDS["binary"], Draw("rare"))
    assert world.name == "clouds"
    assert 0.002 < world.prevalence < 0.007
    assert world.labels.sum() > 100


def test_no_kind_changes_what_another_trains_on():
    assert base.find("plain").world(WORLDS["binary"], Draw(0)) is WORLDS["binary"]
    assert all(type(kind).rows is Kind.rows for name, kind in HEALTHY.items() if name not in UGLY)

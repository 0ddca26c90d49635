"""What a plan runs with when it leaves things out, and what stays unknown."""

import pytest

from imbalance_doctor.evidence import (
    LOSS_DEFAULTS,
    LOSS_FIELDS,
    LOSSES,
    PLAN_FIELDS,
    RANKING_LOSSES,
    Location,
    PlannedRun,
    TrainingPlan,
)


def test_defaults_of_the_reference_are_filled_in_and_named():
    plan, assumed = PlannedRun(plan=TrainingPlan(loss="smooth-ap", queue_size=64)).completed()
    assert (plan.queue_size, plan.temperature, plan.world_size) == (64, 0.01, 1)
    assert "temperature" in assumed
    assert "queue_size" not in assumed


def test_a_value_that_could_not_be_read_is_not_replaced_by_a_default():
    run = PlannedRun(plan=TrainingPlan(loss="smooth-ap"), unreadable={"queue_size": "'cfg.q' is unknown"})
    plan, assumed = run.completed()
    assert plan.queue_size is None
    assert "queue_size" not in assumed


def test_an_unreadable_sampler_is_not_taken_for_plain_shuffling():
    read, _ = PlannedRun(plan=TrainingPlan(loss="bce")).completed()
    unread, _ = PlannedRun(
        plan=TrainingPlan(loss="bce"), unreadable={"sampler": "made elsewhere"}
    ).completed()
    assert read.sampler == "shuffle"
    assert unread.sampler == "weighted"


def test_a_wrapper_brings_its_schedule_and_workers_their_gathering():
    plan, _ = PlannedRun(plan=TrainingPlan(loss="smooth-ap", warmup_epochs=1, world_size=4)).completed()
    assert (plan.temp_start, plan.temp_end, plan.temp_decay_steps) == (0.05, 0.005, 10_000)
    assert plan.gather_distributed is True
    alone, _ = PlannedRun(plan=TrainingPlan(loss="smooth-ap")).completed()
    assert alone.temp_start is None
    assert alone.gather_distributed is None


@pytest.mark.parametrize(
    ("loss", "name"),
    [
        ("smooth-ap", "SmoothAPLoss"),
        ("recall-at-quantile", "RecallAtQuantileLoss"),
        ("pauc-at-budget", "PAUCAtBudgetLoss"),
        ("sigmoid-focal", "SigmoidFocalLoss"),
        ("softmax-focal", "SoftmaxFocalLoss"),
    ],
)
def test_the_defaults_are_those_of_the_reference_library(loss, name):
    import inspect

    import imbalanced_losses

    signature = inspect.signature(getattr(imbalanced_losses, name)).parameters
    for field, value in LOSS_DEFAULTS[loss].items():
        assert signature[field].default == value, field
    if loss in RANKING_LOSSES:
        assert signature["queue_size"].default == LOSS_DEFAULTS[loss]["queue_size"]


def test_every_field_is_documented():
    for name, spec in PLAN_FIELDS.items():
        assert spec.metadata["help"], name
        assert spec.metadata["group"], name
        assert spec.metadata["example"], name


@pytest.mark.parametrize(
    ("fields", "unused"),
    [
        ({"loss": "bce", "quantile": 0.01, "gamma": 2.0}, ("quantile", "gamma")),
        ({"loss": "recall-at-quantile", "quantile": 0.01}, ()),
        ({"loss": "bce", "metric_quantile": 0.01}, ("metric_quantile",)),
        ({"loss": "bce", "metric": "recall_at_quantile", "metric_quantile": 0.01}, ()),
        ({"loss": "recall-at-quantile", "metric_quantile": 0.01}, ()),
        ({"metric": "partial_auc", "metric_fpr_high": 0.1, "metric_quantile": 0.1}, ("metric_quantile",)),
        ({"metric_fpr_low": 0.0}, ("metric_fpr_low",)),
        ({"queue_size": 64, "gamma": 2.0}, ()),  # which loss would take them is not known
        ({"loss": "bce", "batch_size": 8, "num_classes": 1, "ignore_index": -1}, ()),
    ],
)
def test_fields_that_say_nothing_are_named(fields, unused):
    assert PlannedRun(plan=TrainingPlan(**fields)).unused == unused


def test_every_loss_takes_what_it_has_defaults_for():
    assert set(LOSS_FIELDS) == set(LOSSES)
    for loss, defaults in LOSS_DEFAULTS.items():
        assert set(defaults) <= LOSS_FIELDS[loss] | {"ignore_index"}
    assert set().union(*LOSS_FIELDS.values()) <= {
        name for name, spec in PLAN_FIELDS.items() if spec.metadata["group"] == "Loss"
    }


def test_the_place_of_a_length_is_where_either_unit_was_given():
    here, there = Location(path="train.py", line=3), Location(path="train.py", line=4)
    run = PlannedRun(plan=TrainingPlan(), where={"warmup_epochs": here, "steps": there})
    assert run.place("warmup_steps") == run.place("warmup_epochs") == here
    assert run.place("epochs") == there
    assert run.place("blend_steps") is run.place("loss") is None


def test_workers_that_are_set_at_launch_are_gathered_by_a_ranking_loss():
    run = PlannedRun(plan=TrainingPlan(loss="smooth-ap"), unreadable={"world_size": "set at launch"})
    plan, _ = run.completed()
    assert plan.world_size is None
    assert plan.gather_distributed is True

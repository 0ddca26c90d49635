"""Facts of the curves that every log has."""

import math
import statistics
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imbalance_doctor.evidence import LabelCounts, Series, TrainingLog
from imbalance_doctor.facts.base import Evidence, fact_specs, measure

NAN, INF = math.nan, math.inf


def curve(name, values, phase="train", part="", key="", steps=None, order=None):
    count = len(values)
    return Series(
        key=key or f"{phase}_{name}{part}",
        name=name,
        phase=phase,
        part=part,
        steps=np.arange(count, dtype=float) if steps is None else np.array(steps, dtype=float),
        values=np.array(values, dtype=float),
        order=np.arange(count) if order is None else np.array(order),
        lines=np.arange(count) + 2,
    )


def facts(*series, labels=None, **log):
    return measure(Evidence(labels=labels, log=TrainingLog(series=series, **log)))


def fact(name, *series, **log):
    return facts(*series, **log).value(f"training.{name}")


def noisy(values, scale, seed=0):
    return np.array(values) + np.random.default_rng(seed).normal(0, scale, len(values))


def test_without_a_log_nothing_is_known():
    assert not [name for name in measure(Evidence()).known() if name.startswith("training.")]


def test_a_log_without_loss_counts_no_loss():
    found = facts(curve("accuracy", [0.5, 0.6, 0.7], "val"))
    assert found.value("training.loss_points") == 0
    assert found.value("training.validation_points") == 3
    assert found.value("training.loss_end") is None
    assert found.value("training.metric_end") == 0.7


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([("loss", "train", ""), ("loss", "", ""), ("loss_mean", "train", "")], 10.0),
        ([("loss", "", ""), ("loss_mean", "train", "")], 10.0),
        ([("loss_mean", "train", ""), ("loss_component", "train", "box")], 10.0),
        ([("loss_component", "train", "box"), ("loss_component", "train", "cls")], 21.0),
        ([("loss", "val", "")], None),
    ],
)
def test_which_series_is_the_training_loss(names, expected):
    series = [curve(n, [10.0 + i] * 5, phase, part) for i, (n, phase, part) in enumerate(names)]
    assert fact("loss_end", *series) == expected


def test_parts_in_other_records_are_not_added():
    box, cls = curve("loss_component", [1.0] * 6, part="box"), curve("loss_component", [5.0] * 4, part="cls")
    assert fact("loss_end", box, cls) == 1.0


def test_a_sum_with_a_missing_part_is_missing():
    box = curve("loss_component", [1.0, 1.0, NAN, 1.0], part="box")
    assert fact("loss_bad_share", box, curve("loss_component", [5.0] * 4, part="cls")) == 0.25


def test_a_metric_per_class_alone_is_averaged_over_the_known_classes():
    first, second = (curve("dice", v, "val", p) for v, p in (([0.2, 0.4], "0"), ([NAN, 0.8], "1")))
    assert fact("metric_start", first, second) == pytest.approx(0.2)
    assert fact("metric_end", first, second) == pytest.approx(0.6)


def test_the_metric_that_sees_rare_classes_best_is_the_metric():
    series = [curve(n, [0.1] * 4, "val", key=n) for n in ("accuracy", "roc_auc", "f1", "average_precision")]
    assert [fact("metric", *series[: i + 1]) for i in range(4)] == [
        "accuracy",
        "roc_auc",
        "f1",
        "average_precision",
    ]


def test_a_metric_with_a_course_goes_before_a_single_value():
    single, course = curve("average_precision", [0.4], "val"), curve("accuracy", [0.9] * 5, "val")
    assert fact("metric_kind", single, course) == "accuracy"
    assert fact("metric_kind", single, curve("accuracy", [0.9] * 4, "val")) == "accuracy"
    assert fact("metric_kind", curve("average_precision", [0.4] * 5, "val"), course) == "average_precision"


def test_values_per_class_go_before_a_single_average():
    parts = [curve("dice", [v] * 6, "val", p) for v, p in ((0.2, "0"), (0.4, "1"))]
    assert fact("metric_end", curve("dice", [0.9], "val"), *parts) == pytest.approx(0.3)


def test_a_metric_of_unknown_phase_counts_when_there_is_no_other():
    unknown, known = curve("f1", [0.3] * 3, ""), curve("accuracy", [0.9] * 3, "val")
    assert fact("metric_end", unknown) == 0.3
    assert fact("metric_end", unknown, known) == 0.9


# ---- values that are not finite


def test_where_the_loss_fails_and_that_it_stays_so():
    found = facts(curve("loss", [1.0, 1.1, 0.9, 1.0, 1.0, 1.2, NAN, 0.5, INF, NAN]))
    assert found.value("training.loss_bad_share") == 0.3
    assert found.value("training.loss_bad_at") == pytest.approx(6 / 9)
    assert found.value("training.loss_bad_after") == 0.75
    assert found.value("training.loss_jump_before_bad") == pytest.approx(1.2)
    (span,) = found.seen("training.loss_bad_after")
    assert (span.first, span.last, span.first_line, span.last_line) == (6, 9, 8, 11)


def test_a_sound_loss_has_no_failure():
    found = facts(curve("loss", [1.0, 0.9, 0.8]))
    assert found.value("training.loss_bad_share") == 0
    assert found.value("training.loss_bad_after") is None
    assert found.value("training.loss_jump_before_bad") is None


@pytest.mark.parametrize("values", [[NAN] * 5, [1.0, NAN, NAN], [-1.0] * 9 + [NAN]])
def test_a_climb_needs_positive_losses_to_compare_with(values):
    assert fact("loss_jump_before_bad", curve("loss", values)) is None


def test_zeros_beside_a_gradient_of_nan_are_hidden_failures():
    loss = curve("loss", [0.5, 0.4, 0.0, 0.0])
    assert fact("loss_hidden_bad_share", loss, curve("gradient_norm", [1.0, 1.0, 1.0, NAN], "")) == 0.25
    assert fact("loss_hidden_bad_share", loss, curve("gradient_norm", [1.0] * 4, "")) == 0
    assert fact("loss_hidden_bad_share", loss) is None


def test_only_records_that_hold_both_are_compared():
    loss = curve("loss", [0.0, 0.0], order=[1, 3])
    assert fact("loss_hidden_bad_share", loss, curve("gradient_norm", [NAN, NAN], "", order=[0, 3])) == 1
    assert fact("loss_hidden_bad_share", loss, curve("gradient_norm", [NAN, NAN], "", order=[0, 2])) is None


# ---- the course of the loss


def test_levels_of_the_loss_ignore_single_values():
    values = [1.0] * 20 + [0.5] * 20
    values[-1] = 99.0
    found = facts(curve("loss", values))
    assert found.value("training.loss_start") == 1.0
    assert found.value("training.loss_end") == 0.5
    assert found.value("training.loss_left") == 0.5
    assert fact("loss_fall_bars", curve("loss", noisy(np.linspace(2, 1, 100), 0.1))) == pytest.approx(
        9.5, abs=2
    )
    levels = [statistics.median(values[i : i + 5]) for i in range(36)]
    assert found.value("training.loss_range") == pytest.approx(0.5 / statistics.median(levels))


def test_a_negative_loss_has_no_ratio():
    found = facts(curve("loss", np.linspace(0.5, -0.9, 40)))
    assert found.value("training.loss_left") is None
    assert found.value("training.loss_rise") is None
    assert found.value("training.loss_range") > 1


def test_a_climb_is_told_from_one_jump():
    climb = facts(curve("loss", noisy(np.r_[np.linspace(1, 0.2, 20), np.linspace(0.2, 4, 40)], 0.01)))
    jump = facts(curve("loss", noisy([0.2] * 30 + [0.9] * 30, 0.01)))
    assert climb.value("training.loss_rise") > 10
    assert climb.value("training.loss_rise_trend") > 5
    assert climb.value("training.loss_steps_up") < 0.1
    assert climb.value("training.loss_late_trend") > 4
    assert jump.value("training.loss_rise") > 3
    assert jump.value("training.loss_steps_up") > 0.5


def test_spikes_are_counted_and_placed():
    values = noisy([1.0] * 60, 0.01)
    values[[20, 40]] = 5.0, 7.0
    found = facts(curve("loss", values))
    assert found.value("training.loss_spikes") == 2
    assert found.value("training.loss_highest_spike") == pytest.approx(7 / max(values[39], values[41]))
    assert [s.first for s in found.seen("training.loss_spikes")] == [20, 40]


# ---- closed-form levels


@pytest.mark.parametrize("classes", [2, 4, 10])
def test_the_loss_of_a_uniform_answer_names_the_number_of_classes(classes):
    loss = curve("loss", noisy([math.log(classes)] * 40, 0.002))
    accuracy = curve("accuracy", noisy([1 / classes] * 40, 0.002), "train")
    assert fact("uniform_classes", loss, accuracy) == classes
    assert fact("uniform_share", loss, accuracy) == 1


def test_many_classes_are_named_by_the_accuracy_or_by_the_log():
    loss = curve("loss", [math.log(200)] * 10)
    assert fact("uniform_classes", loss, curve("accuracy", [0.005] * 10)) == 200
    assert fact("uniform_classes", loss, hints={"num_classes": 200.0}) == 200
    assert fact("uniform_classes", loss) is None


def test_a_guessed_number_of_classes_needs_a_loss_that_never_left_it():
    steady, noise = noisy([math.log(5)] * 60, 0.002), noisy([math.log(5)] * 60, 0.03)
    assert fact("uniform_classes", curve("loss", steady)) == 5
    assert fact("uniform_share", curve("loss", noise)) < 0.5
    assert fact("uniform_share", curve("loss", noise), hints={"num_classes": 5.0}) > 0.6
    assert fact("uniform_share", curve("loss", np.r_[np.linspace(3, 1.7, 10), steady])) is None


def test_ranks_above_chance_speak_against_a_uniform_answer():
    loss = curve("loss", [math.log(2)] * 10)
    assert fact("uniform_share", loss, curve("roc_auc", [0.55] * 10, "val")) == 1
    assert fact("uniform_share", loss, curve("roc_auc", [0.7] * 10, "val")) is None


def test_an_accuracy_above_chance_speaks_against_a_uniform_answer():
    loss = curve("loss", [math.log(2)] * 10)
    assert fact("uniform_share", loss, curve("accuracy", [0.9] * 10)) is None


def test_a_run_that_leaves_the_uniform_level_was_there_for_a_part():
    values = [math.log(4)] * 30 + list(np.linspace(1.3, 1.02, 70))
    assert fact("uniform_share", curve("loss", values), hints={"num_classes": 4.0}) == pytest.approx(
        0.3, abs=0.05
    )


def test_the_price_of_an_error():
    loss, accuracy = curve("loss", [7.6666] * 5), curve("accuracy", [0.5] * 5)
    assert fact("loss_per_error", loss, accuracy) == pytest.approx(15.33, abs=0.01)
    assert fact("loss_per_error", loss, curve("accuracy", [1.0] * 5)) is None


def test_a_loss_at_the_entropy_of_the_accuracy():
    loss, accuracy = curve("loss", [0.327] * 6, "val"), curve("accuracy", [0.899] * 6, "val")
    assert fact("prior_entropy_ratio", loss, accuracy) == pytest.approx(1, abs=0.01)
    assert fact("prior_entropy_ratio", loss, curve("accuracy", [1.0] * 6, "val")) is None


# ---- validation


def test_the_rise_of_the_validation_loss_and_what_happened_meanwhile():
    valley = list(np.linspace(0.6, 0.2, 30)) + list(np.linspace(0.2, 0.4, 30))
    found = facts(
        curve("loss", np.linspace(0.6, 0.06, 60)),
        curve("loss", noisy(valley, 0.001), "val"),
        curve("f1", np.linspace(0.1, 0.4, 60), "val"),
    )
    levels = [statistics.median(valley[i : i + 7]) for i in range(54)]
    assert found.value("training.validation_loss_rise") == pytest.approx(
        levels[-1] / min(levels) - 1, abs=0.02
    )
    assert found.value("training.validation_loss_rise_bars") > 50
    assert found.value("training.validation_loss_rise_trend") > 6
    assert found.value("training.validation_loss_best_at") == pytest.approx(0.5, abs=0.03)
    assert found.value("training.validation_loss_wobble") == pytest.approx(0.001 / 0.3, rel=0.5)
    assert found.value("training.loss_left_since_best") == pytest.approx(0.086 / 0.33, rel=0.1)
    assert found.value("training.metric_gain_since_best") == pytest.approx(0.14, abs=0.02)


def test_curves_logged_at_other_times_are_compared_by_their_records():
    valley = np.r_[np.linspace(1, 0.5, 6), np.linspace(0.6, 1, 6)]
    validation = curve("loss", valley, "val", order=np.arange(12) * 10 + 9)
    training = curve("loss", np.linspace(12, 0.1, 120), order=[i for i in range(135) if i % 10 != 9][:120])
    then = np.linspace(12, 0.1, 120)[53]
    assert fact("loss_left_since_best", training, validation) == pytest.approx(0.7 / then, rel=0.15)


def test_the_log_loss_is_preferred_and_named():
    loss, log_loss = curve("loss", [0.9] * 5, "val"), curve("bce", [0.3] * 5, "val")
    assert fact("validation_loss_end", loss, log_loss) == 0.3
    assert fact("validation_log_loss_end", loss, log_loss) == 0.3
    assert fact("validation_log_loss_end", loss) is None
    assert fact("validation_log_loss_end", loss, curve("accuracy", [0.9] * 5, "val")) is None
    assert fact("validation_log_loss_end", loss, curve("average_precision", [0.5] * 5, "val")) == 0.9
    assert fact("validation_log_loss_end", loss, curve("roc_auc", [0.5] * 5, "val")) == 0.9


def test_a_metric_is_held_against_random_scores():
    precision, prevalence = (
        curve("average_precision", [0.1] * 8, "val"),
        curve("prevalence", [0.04] * 8, "val"),
    )
    assert fact("metric_over_chance", precision, prevalence) == pytest.approx(2.5)
    assert fact("metric_over_chance", precision) is None
    assert fact("metric_over_chance", curve("roc_auc", [0.75] * 8, "val")) == pytest.approx(1.5)
    assert fact("metric_over_chance", curve("f1", [0.75] * 8, "val")) is None


def test_how_straight_the_validation_loss_falls():
    line, bent = np.linspace(0.7, 0.69, 40), 0.2 + 0.5 * np.exp(-np.arange(40) / 5)
    straight = facts(curve("loss", noisy(line, 0.02)), curve("bce", line, "val"))
    assert straight.value("training.validation_loss_straightness") == pytest.approx(1)
    assert straight.value("training.validation_loss_tau") == pytest.approx(-1)
    assert straight.value("training.validation_loss_left") == pytest.approx(0.69 / 0.7, abs=2e-3)
    falling = facts(curve("loss", bent), curve("bce", bent, "val"))
    assert falling.value("training.validation_loss_straightness") < 0.1
    assert falling.value("training.validation_loss_tau") == pytest.approx(-1)
    assert fact("validation_loss_straightness", curve("bce", line[::-1], "val")) == pytest.approx(1)
    assert fact("validation_loss_straightness", curve("bce", [0.7] * 40, "val")) is None


def test_a_rise_of_the_validation_loss_in_one_step_or_in_many():
    climbing, jumped = np.r_[np.ones(20), np.linspace(1, 9, 20)], np.r_[np.ones(20), np.full(20, 9.0)]
    assert fact("validation_loss_step_up", curve("bce", climbing, "val")) < 0.2
    assert fact("validation_loss_step_up", curve("bce", jumped, "val")) == pytest.approx(1)
    assert fact("validation_log_loss_peak", curve("bce", jumped, "val")) == 9
    assert fact("validation_log_loss_start", curve("bce", jumped, "val")) == 1
    assert fact("validation_log_loss_peak", curve("loss", jumped, "val")) is None


@pytest.mark.parametrize("share", [0.03, 0.4])
def test_the_log_loss_over_that_of_the_prevalence(share):
    prior = -share * math.log(share) - (1 - share) * math.log(1 - share)
    bce = curve("bce", [2 * prior] * 12, "val")
    counts = np.array([1000 - round(1000 * share), round(1000 * share)])
    labelled = LabelCounts(classes=("0", "1"), counts=counts, rows=1000, positive=1)
    assert fact("prior_loss_ratio", bce, curve("prevalence", [share] * 12, "val")) == pytest.approx(2)
    assert facts(bce, labels=labelled).value("training.prior_loss_ratio") == pytest.approx(2)
    assert fact("prior_loss_ratio", bce) is None
    assert fact("prior_loss_ratio", bce, curve("prevalence", [1.0] * 12, "val")) is None


def test_the_training_loss_beside_the_validation_log_loss():
    bce = curve("bce", [0.4] * 20, "val")
    assert fact("loss_over_validation", curve("loss", [0.1] * 10 + [9.0] * 10), bce) == pytest.approx(0.25)
    assert fact("loss_over_validation", bce) is None


def test_what_the_training_loss_did_since_the_metric_was_best():
    metric = curve("f1", np.r_[np.linspace(0, 0.8, 20), np.linspace(0.8, 0.4, 20)], "val")
    loss = np.r_[np.linspace(2, 1, 20), np.linspace(1, 0.5, 20)]
    assert fact("loss_left_since_metric_best", curve("loss", loss), metric) == pytest.approx(0.5, abs=0.06)
    assert fact("loss_left_since_metric_best", curve("loss", -loss), metric) is None
    assert fact("loss_left_since_metric_best", metric) is None


def test_what_the_last_third_gained():
    assert fact("metric_late_gain", curve("f1", np.linspace(0, 0.6, 61), "val")) == pytest.approx(
        0.2, abs=0.03
    )
    assert fact("metric_late_gain", curve("f1", [0.1] * 20 + [0.6] * 40, "val")) == 0


def test_how_far_the_metric_fell_from_its_best():
    values = noisy(np.r_[np.linspace(0.3, 0.9, 30), np.linspace(0.9, 0.6, 30)], 0.002)
    found = facts(curve("average_precision", values, "val"), curve("prevalence", [0.1] * 60, "val"))
    assert found.value("training.metric_best") == pytest.approx(0.88, abs=0.02)
    assert found.value("training.metric_best_at") == pytest.approx(0.5, abs=0.03)
    assert found.value("training.metric_drop_share") == pytest.approx(0.27 / 0.78, abs=0.03)
    assert found.value("training.metric_bar") == pytest.approx(0.002, rel=0.7)
    assert found.value("training.metric_drop_trend") < -5
    assert found.value("training.metric_late_trend") < -4


def test_from_where_the_metric_stays_near_its_end():
    values = noisy(np.r_[np.linspace(0.1, 0.7, 30), [0.7] * 70], 0.001)
    assert fact("metric_settled_at", curve("f1", values, "val")) == pytest.approx(0.28, abs=0.03)
    assert fact("metric_settled_at", curve("f1", np.linspace(0, 1, 100), "val")) > 0.85
    assert fact("metric_settled_at", curve("f1", [0.5] * 10, "val")) == pytest.approx(1 / 9)
    assert fact("metric_gain_bars", curve("f1", values, "val")) > 100


def test_a_fall_in_sampling_errors():
    metric = curve("average_precision", [0.3, 0.5, 0.5, 0.4], "val")
    recall = curve("recall_at_quantile", [k / 48 for k in (7, 11, 13, 17)], "val")
    assert fact("metric_drop_deviations", metric) == pytest.approx(0.1 / 0.5)
    assert fact("metric_drop_errors", metric) is None
    assert fact("validation_positives", metric, recall) == 48
    assert fact("metric_drop_errors", metric, recall) == pytest.approx(0.1 / 0.5 * math.sqrt(48))
    assert fact("metric_drop_deviations", curve("mcc", [-0.1] * 4, "val")) is None


def test_one_odd_evaluation_is_no_swing_of_the_validation_loss():
    values = noisy([1.0] * 30, 0.02)
    values[10] = 50.0
    assert fact("validation_loss_wobble", curve("loss", values, "val")) < 0.05


def test_chance_is_taken_off_where_it_is_known():
    auc = curve("roc_auc", [0.6, 0.8, 0.8, 0.7], "val")
    assert fact("metric_drop_share", auc) == pytest.approx(0.1 / 0.3)
    ap = curve("average_precision", [0.6, 0.8, 0.8, 0.7], "val")
    assert fact("metric_drop_share", ap) == pytest.approx(0.1 / 0.8)
    stated = {"hints": {"positives": 20.0, "negatives": 80.0}}
    assert fact("metric_drop_share", ap, **stated) == pytest.approx(0.1 / 0.6)
    assert fact("metric_drop_share", ap, hints={"prevalence": 0.3}) == pytest.approx(0.1 / 0.5)
    labels = LabelCounts(classes=("0", "1"), counts=np.array([60, 40]), rows=100, positive=1)
    assert fact("metric_drop_share", ap, labels=labels, **stated) == pytest.approx(0.1 / 0.4)


def test_no_share_of_what_was_never_above_chance():
    assert fact("metric_drop_share", curve("roc_auc", [0.4, 0.3, 0.3, 0.3], "val")) is None


def test_repeated_values():
    assert fact("metric_repeats", curve("accuracy", [0.8, 0.8, 0.8, 0.5, NAN], "val")) == 0.6
    assert fact("metric_repeats", curve("accuracy", [NAN, NAN], "val")) == 0


def test_repeated_values_of_the_later_half():
    late = curve("f1", list(np.linspace(0.1, 0.4, 10)) + [0.35] * 9 + [0.31], "val")
    assert fact("metric_late_repeats", late) == 0.9
    assert fact("metric_repeats", late) == 0.45


def test_roc_auc_beside_another_metric():
    found = facts(
        curve("average_precision", [0.1] * 8, "val"), curve("roc_auc", np.linspace(0.9, 0.5, 8), "val")
    )
    assert found.value("training.metric_kind") == "average_precision"
    assert found.value("training.roc_auc_best") > 0.8
    assert found.value("training.roc_auc_end") < 0.6
    assert found.value("training.roc_auc_late_trend") is None  # three values show no trend


def test_answers_that_are_all_negative_or_all_positive():
    zero = curve("recall", [0.5] * 4 + [0.0] * 3 + [0.2], "val")
    assert fact("recall_zero_share", zero) == 0.75
    assert fact("recall_points", zero) == 8
    one = [curve(n, [0.3] * 4, "val") for n in ("precision", "accuracy")]
    recall = curve("recall", [1.0] * 4, "val")
    assert fact("all_positive_share", recall, *one) == 1
    assert fact("all_positive_share", recall, one[0]) is None
    assert fact("all_positive_share", recall, one[0], curve("accuracy", [0.39] * 4, "val")) == 1
    assert fact("all_positive_share", recall, one[0], curve("accuracy", [0.41] * 4, "val")) == 0
    assert fact("all_positive_share", curve("recall", [0.99] * 4, "val"), *one) == 0


def test_classes_that_stay_at_zero():
    late = curve("recall", [0.0] * 10 + [0.5] * 5, "val", "0")
    never = curve("recall", [0.4] + [0.0] * 14, "val", "1")
    good = curve("recall", [0.8] * 15, "val", "2")
    found = facts(late, never, good)
    assert found.value("training.classes_logged") == 3
    assert found.value("training.classes_at_zero") == 1
    assert found.value("training.classes_median") == 0.5
    assert [s.key for s in found.seen("training.classes_at_zero")] == ["val_recall1"]
    assert fact("classes_logged", good) is None


def test_a_class_that_is_absent_is_not_a_class_at_zero():
    absent, good = curve("dice", [NAN] * 9, "val", "0"), curve("dice", [0.8] * 9, "val", "1")
    assert fact("classes_at_zero", absent, good) == 0


def test_a_class_needs_three_values_to_stay_at_zero():
    one, two = (curve("f1", [v] * 2, "val", p) for v, p in ((0.0, "a"), (0.8, "b")))
    assert fact("classes_logged", one, two) is None


def test_the_gap_between_training_and_validation():
    train, val = curve("f1", [0.99] * 6), curve("f1", [0.6] * 6, "val")
    assert fact("metric_gap", train, val) == pytest.approx(0.39)
    assert fact("train_metric_end", train, val) == 0.99
    assert fact("metric_gap", curve("accuracy", [0.9] * 6), val) is None
    assert fact("metric_gap", train) is None


@pytest.mark.parametrize(
    ("series", "expected"),
    [
        (curve("accuracy", [0.9] * 3, "val"), False),
        (curve("accuracy", [0.9] * 3, "val", "cat"), True),
        (curve("recall", [0.9] * 3, "val"), True),
        (curve("average_precision", [0.9] * 3), False),
        (curve("loss", [0.9] * 3, "val"), False),
        (curve("f1", [0.9] * 3, ""), True),
    ],
)
def test_which_metrics_show_a_rare_class(series, expected):
    assert fact("rare_class_metric", series) is expected


# ---- the optimiser and the run


def test_gradients():
    norms = [0.0] * 10 + [2.0] * 29 + [100.0]
    found = facts(curve("gradient_norm", norms, ""))
    assert found.value("training.gradient_zero_share") == 0.25
    assert found.value("training.gradient_peak") == 50
    assert found.value("training.gradient_growth") is None
    assert fact("gradient_growth", curve("gradient_norm", [1.0] * 20 + [8.0] * 20, "")) == 8
    assert fact("gradient_peak", curve("gradient_norm", [0.0] * 4, "")) is None


def test_gradients_that_fail():
    found = facts(curve("gradient_norm", [1.0, NAN, 1.0, 1.0], ""))
    assert found.value("training.gradient_bad_share") == 0.25
    assert found.value("training.gradient_bad_after") == pytest.approx(1 / 3)


def test_a_learning_rate_of_zero():
    assert fact("learning_rate_zero_share", curve("learning_rate", [0.1, 0.0, 0.0, 0.0], "")) == 0.75


@pytest.mark.parametrize(
    ("crash", "kind"),
    [
        ("", "none"),
        ("RuntimeError: CUDA out of memory", "exception"),
        ("ValueError: bad information", "exception"),
        ("FloatingPointError: Loss became infinite or NaN at iteration=166!", "not finite"),
        ("AssertionError: loss is nan", "not finite"),
        ("KeyboardInterrupt", "stopped"),
        ("SignalException: Process 54958 got signal: 15", "stopped"),
    ],
)
def test_what_ended_the_run(crash, kind):
    assert fact("crash_kind", curve("loss", [1.0]), crash=crash) == kind
    assert fact("crash", curve("loss", [1.0]), crash=crash) == (crash or None)


@pytest.mark.parametrize(
    ("axis", "hints", "expected"),
    [
        ("epoch", {"planned_epochs": 18.0}, 0.5),
        ("step", {"planned_steps": 90.0}, 0.1),
        ("step", {"planned_epochs": 18.0}, None),
        ("row", {"planned_epochs": 18.0}, None),
        ("epoch", {}, None),
    ],
)
def test_progress(axis, hints, expected):
    assert fact("progress", curve("loss", [1.0] * 10), axis=axis, hints=hints) == expected


# ---- all of them


@st.composite
def logs(draw):
    names = (
        "loss",
        "bce",
        "accuracy",
        "roc_auc",
        "average_precision",
        "recall",
        "precision",
        "gradient_norm",
    )
    values = st.lists(
        st.one_of(st.sampled_from([0.0, 1.0, 0.5, NAN, INF, -INF, 1e300]), st.floats(-1e6, 1e6)),
        min_size=1,
        max_size=30,
    )
    found = []
    for name in draw(st.lists(st.sampled_from(names), min_size=1, max_size=6)):
        phase = draw(st.sampled_from(["train", "val", ""]))
        found.append(curve(name, draw(values), phase, draw(st.sampled_from(["", "", "a", "b"]))))
    return TrainingLog(series=tuple(found), axis=draw(st.sampled_from(["step", "epoch", "row"])))


@settings(max_examples=150, deadline=None)
@given(logs())
@pytest.mark.filterwarnings("ignore:overflow encountered", "ignore:invalid value encountered")
def test_any_log_gives_finite_facts_and_places_inside_it(log):
    found = measure(Evidence(log=log))
    for name, value in found.known().items():
        if not name.startswith("training."):
            continue
        if isinstance(value, float):
            assert math.isfinite(value), name
        if name.endswith(("_share", "_at", "_after", "_repeats")) and "drop_share" not in name:
            assert 0 <= value <= 1, name
        for span in found.seen(name):
            assert span.first <= span.last


def test_every_fact_can_be_measured():
    length = 60
    valley = np.r_[np.linspace(0.9, 0.2, 30), np.linspace(0.2, 0.5, 30)]
    rich = facts(
        curve("loss", noisy(np.r_[0.0, valley[1:-4], [9.0], [NAN] * 3], 0.001)),
        curve("bce", noisy(valley, 0.001), "val"),
        *(
            curve(n, noisy(1 - valley, 0.001), phase)
            for n in ("average_precision", "accuracy")
            for phase in ("train", "val")
        ),
        curve("roc_auc", noisy(1 - valley, 0.001), "val"),
        curve("prevalence", [0.1] * length, "val"),
        curve("recall", np.arange(length) / 67, "val"),
        curve("precision", [0.0] * length, "val"),
        *(curve("recall", [0.1] * length, "val", p) for p in "ab"),
        curve("gradient_norm", [NAN] + [1.0] * (length - 2) + [NAN], ""),
        curve("learning_rate", [0.1] * length, ""),
        axis="step",
        hints={"planned_steps": 60.0, "num_classes": 2.0},
        crash="KeyboardInterrupt",
    ).known()
    calm = facts(
        curve(
            "loss",
            noisy(
                [math.log(2)] * 20 + list(np.linspace(0.69, 0.1, 20)) + list(np.linspace(0.1, 0.4, 20)), 1e-3
            ),
        ),
        hints={"num_classes": 2.0},
    ).known()
    spiked = np.ones(length) + 0.01 * np.sin(np.arange(length) ** 2)
    spiked[30] = 9
    known = set(rich) | set(calm) | set(facts(curve("loss", spiked)).known())
    assert [n for n in fact_specs() if n.startswith("training.") and n not in known] == []


def test_long_curves_cost_little():
    names = ("loss", "gradient_norm", "learning_rate")
    long = [curve(n, noisy([1.0] * 20_000, 0.1), "") for n in names]
    val = [
        curve(n, noisy([0.5] * 20_000, 0.1), "val") for n in ("bce", "average_precision", "roc_auc", "recall")
    ]
    facts(*long, *val).known()
    began = time.perf_counter()
    facts(*long, *val).family("training")
    assert time.perf_counter() - began < 0.25  # a twentieth of a second on an idle machine


@pytest.mark.parametrize("size", [1e150, 1e300, 1.7e308])
def test_absurdly_large_values_raise_no_warning(size):
    rng = np.random.default_rng(0)
    for scale in (size, -size):
        values = scale * rng.random(60)
        curves = (
            curve("loss", values),
            curve("loss", values, "val"),
            curve("average_precision", values, "val"),
        )
        known = measure(Evidence(log=TrainingLog(series=curves))).known()
        assert known["training.loss_points"] == 60


@pytest.mark.parametrize(
    ("values", "share"),
    [
        (np.linspace(0, 1, 101), 0.4),
        (np.r_[np.linspace(0, 1, 20), np.ones(81)], 1.0),
        (np.full(50, 0.3), None),
    ],
)
def test_how_early_the_training_metric_rises(values, share):
    flat = curve("average_precision", np.full(len(values), 0.1), "val")
    found = fact("train_metric_early", flat, curve("average_precision", values))
    assert found == (None if share is None else pytest.approx(share, abs=0.03))

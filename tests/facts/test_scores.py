"""Facts of score dumps: against scikit-learn, plain loops and numpy, whole and in pieces."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    log_loss,
    precision_score,
    recall_score,
    roc_auc_score,
)

from imbalance_doctor.evidence import ScoreBlock, ScoreDump, TrainingPlan
from imbalance_doctor.facts import scores as module
from imbalance_doctor.facts._score_columns import against_rest, column, log_odds, sigmoid
from imbalance_doctor.facts._score_tally import Course, Moments
from imbalance_doctor.facts.base import Evidence, fact_specs, measure

FLOATS = {"rtol": 0, "atol": 1e-12}


def dump(scores, targets, kind="binary", scale="logits", *, size=999, step=None, names=()):
    scores = np.asarray(scores)
    scores = scores[:, None] if scores.ndim == 1 else scores
    targets = np.asarray(targets)

    def blocks():
        for start in range(0, len(scores), size):
            cut = slice(start, start + size)
            yield ScoreBlock(
                scores=scores[cut], targets=targets[cut], step=None if step is None else step[cut]
            )

    return ScoreDump(
        rows=len(scores),
        classes=scores.shape[1],
        kind=kind,
        scale=scale,
        blocks=blocks,
        names=names,
        has_steps=step is not None,
    )


def facts(given, **plan):
    return measure(Evidence(plan=TrainingPlan(**plan), scores=given))


def binary(rows=4000, prevalence=0.05, apart=2.0, seed=0):
    rng = np.random.default_rng(seed)
    targets = (rng.random(rows) < prevalence).astype(np.int64)
    return rng.normal(size=rows) + apart * targets - 3, targets


def test_metrics_are_those_of_scikit_learn():
    scores, targets = binary()
    p = 1 / (1 + np.exp(-scores))
    called = p >= 0.5
    value = facts(dump(scores, targets)).value
    expected = {
        "roc_auc": roc_auc_score(targets, scores),
        "average_precision": average_precision_score(targets, scores),
        "brier": brier_score_loss(targets, p),
        "log_loss": log_loss(targets, p),
        "recall": recall_score(targets, called),
        "precision": precision_score(targets, called),
        "specificity": recall_score(1 - targets, ~called),
        "false_positives_over_predictions": (called & (targets == 0)).mean(),
        "false_negatives_over_events": (~called[targets == 1]).mean(),
        "hard_share": (called != (targets == 1)).mean(),
        "mean_probability": p.mean(),
        "std": scores.std(),
        "iqr": np.subtract(*np.quantile(scores, [0.75, 0.25])),
        "negative_iqr": np.subtract(*np.quantile(scores[targets == 0], [0.75, 0.25])),
        "lowest": scores.min(),
        "absmax": np.abs(scores).max(),
    }
    for name, wanted in expected.items():
        assert value(f"scores.{name}") == pytest.approx(wanted, abs=1e-12), name
    assert value("scores.class_average_precision") == pytest.approx(
        [average_precision_score(1 - targets, -scores), expected["average_precision"]], abs=1e-12
    )
    assert value("scores.class_recall") == pytest.approx([expected["specificity"], expected["recall"]])
    assert value("scores.roc_auc_low") < expected["roc_auc"] < value("scores.roc_auc_high")
    assert value("scores.focus_class") == "1"


def test_probabilities_give_what_their_logits_give():
    scores, targets = binary(rows=1500)
    one = facts(dump(scores, targets), temperature=0.1).known()
    two = facts(dump(sigmoid(scores), targets, scale="probabilities"), temperature=0.1).known()
    assert two.pop("scores.scale") == "probabilities"
    for name, value in two.items():
        if name.startswith("scores.") and isinstance(value, float):
            assert value == pytest.approx(one[name], rel=1e-9, abs=1e-9), name


def test_certain_probabilities_stay_finite():
    value = facts(dump(np.array([0.0, 1.0, 0.0, 1.0]), np.array([0, 1, 1, 0]), scale="probabilities")).value
    assert value("scores.brier") == 0.5
    assert math.isfinite(value("scores.log_loss"))
    assert value("scores.absmax") == pytest.approx(math.log(2**53), rel=1e-3)


def test_classes_are_measured_one_against_the_rest():
    rng = np.random.default_rng(3)
    targets = rng.choice(4, size=3000, p=[0.7, 0.2, 0.07, 0.03])
    logits = rng.normal(size=(3000, 5))
    logits[np.arange(3000), targets] += 1.5
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    value = facts(dump(logits, targets, "multiclass", names=("a", "b", "c", "d", "e"))).value
    assert value("scores.focus_class") == "d"
    assert value("scores.num_classes") == 5
    assert value("scores.class_rows") == (*np.bincount(targets).astype(float), 0.0)
    for c in range(4):
        flags = targets == c
        assert value("scores.class_average_precision")[c] == pytest.approx(
            average_precision_score(flags, shares[:, c]), abs=1e-12
        )
        assert value("scores.class_roc_auc")[c] == pytest.approx(
            roc_auc_score(flags, shares[:, c]), abs=1e-12
        )
        assert value("scores.class_brier")[c] == pytest.approx(
            ((shares[:, c] - flags) ** 2).mean(), abs=1e-12
        )
    answers = logits.argmax(axis=1)
    np.testing.assert_allclose(
        value("scores.class_recall")[:4],
        recall_score(targets, answers, average=None, labels=range(4)),
        **FLOATS,
    )
    np.testing.assert_allclose(
        value("scores.class_precision")[:4],
        precision_score(targets, answers, average=None, labels=range(4)),
        **FLOATS,
    )
    for name in ("roc_auc", "average_precision", "recall", "recall_low", "partial_auc"):
        assert value(f"scores.class_{name}")[4] is None, name
    assert value("scores.accuracy") == (answers == targets).mean()
    assert value("scores.worst_recall") == min(value("scores.class_recall")[:4])
    assert value("scores.hard_share") == (shares[np.arange(3000), targets] < 0.5).mean()


def test_a_label_can_be_missing_for_one_class_only():
    rng = np.random.default_rng(4)
    targets = (rng.random((500, 3)) < 0.2).astype(np.int8)
    targets[rng.random((500, 3)) < 0.1] = -100
    targets[:5] = -100
    scores = rng.normal(size=(500, 3))
    value = facts(dump(scores, targets, "multilabel")).value
    assert (value("scores.rows"), value("scores.ignored")) == (495, 5)
    for c in range(3):
        kept = targets[:, c] != -100
        assert value("scores.class_roc_auc")[c] == pytest.approx(
            roc_auc_score(targets[kept, c], scores[kept, c]), abs=1e-12
        )


@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel"])
def test_pieces_give_what_the_whole_gives(kind, monkeypatch):
    rng = np.random.default_rng(6)
    width = 1 if kind == "binary" else 3
    targets = rng.integers(0, 2 if kind == "binary" else 3, size=700)
    if kind == "multilabel":
        targets = rng.integers(0, 2, size=(700, 3)).astype(np.int8)
    scores = np.round(rng.normal(size=(700, width)), 2)
    step = np.arange(700) // 10
    plan = {"loss": "recall-at-quantile", "temperature": 0.1, "queue_size": 100, "batch_size": 10}
    whole = facts(dump(scores, targets, kind, step=step), **plan).known()
    for limit in (60, 1000):  # read anew for each pass; held one class at a time
        monkeypatch.setattr(module, "LIMIT", limit)
        pieces = facts(dump(scores, targets, kind, size=37, step=step), **plan).known()
        assert pieces.keys() == whole.keys()
        for name, value in pieces.items():
            if isinstance(value, str):
                assert value == whole[name], name
            else:
                assert value == pytest.approx(whole[name], rel=1e-11, abs=1e-11), name


def test_rows_that_are_not_finite_are_counted_and_left_out():
    scores, targets = binary(rows=1000)
    broken = np.concatenate([scores, [np.nan, np.inf, -np.inf, np.nan]])
    labels = np.concatenate([targets, [1, 0, 1, -100]])
    value = facts(dump(broken, labels)).value
    assert value("scores.non_finite_share") == 3 / 1003
    assert (value("scores.rows"), value("scores.ignored")) == (1003, 1)
    assert value("scores.roc_auc") == facts(dump(scores, targets)).value("scores.roc_auc")


@pytest.mark.parametrize("targets", [[0, 0, 0], [1, 1, 1]])
def test_one_class_alone_gives_no_order(targets):
    value = facts(dump(np.array([0.1, 2.0, -1.0]), np.array(targets))).value
    for name in ("roc_auc", "roc_auc_low", "partial_auc", "label_noise", "easy_negative_share"):
        got = value(f"scores.{name}")
        assert got is None or (name == "easy_negative_share" and 0 <= got <= 1), name
    assert (value("scores.average_precision") is None) is (targets[0] == 0)
    assert (value("scores.recall") is None) is (targets[0] == 0)
    assert value("scores.std") > 0


def test_nothing_but_broken_rows():
    known = facts(dump(np.full(3, np.nan), np.array([0, 1, 0]))).known()
    assert known["scores.non_finite_share"] == 1
    assert "scores.std" not in known


def test_every_number_is_finite_and_plain():
    scores, targets = binary(rows=600)
    plan = {"loss": "pauc-at-budget", "beta": 0.05, "temperature": 0.1, "queue_size": 100, "batch_size": 10}
    known = facts(dump(scores, targets, step=np.arange(600) // 10), precision="fp16", **plan).known()
    for name, value in known.items():
        if name.startswith("scores."):
            members = value if isinstance(value, tuple) else (value,)
            assert all(isinstance(v, str | float | int) for v in members), name
            assert all(isinstance(v, str) or math.isfinite(v) for v in members), name
    names = {name for name in fact_specs() if name.startswith("scores.")}
    other = facts(dump(scores * 6, targets), loss="recall-at-quantile", temperature=0.1, quantile=0.1).known()
    apart = facts(dump(*binary(apart=8.0))).known()
    assert names - set(known) - set(other) - set(apart) == set()


def test_calibration_error_by_bins():
    rng = np.random.default_rng(8)
    p = rng.random(5000)
    targets = (rng.random(5000) < p**2).astype(np.int64)
    value = facts(dump(p, targets, scale="probabilities")).value
    bins = np.minimum((p * 15).astype(int), 14)
    wanted = sum((bins == b).mean() * abs(p[bins == b].mean() - targets[bins == b].mean()) for b in range(15))
    assert value("scores.ece") == pytest.approx(wanted, abs=1e-12)
    assert value("scores.ece_debiased") == pytest.approx(wanted, abs=0.002)


def test_a_calibrated_model_has_no_debiased_error():
    plain, debiased = [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        p = rng.random(400)
        value = facts(dump(p, (rng.random(400) < p).astype(int), scale="probabilities")).value
        plain.append(value("scores.ece"))
        debiased.append(value("scores.ece_debiased"))
    assert np.mean(plain) > 0.05
    assert np.mean(debiased) < 0.4 * np.mean(plain)


@pytest.mark.parametrize("alpha", [-1.0, 0.25])
def test_focal_loss_percentiles(alpha):
    scores, targets = binary(rows=3000)
    p = 1 / (1 + np.exp(-np.where(targets == 1, scores, -scores)))
    losses = (1 - p) ** 1.5 * -np.log(p)
    if alpha >= 0:
        losses = losses * np.where(targets == 1, alpha, 1 - alpha)
    value = facts(dump(scores, targets), loss="sigmoid-focal", gamma=1.5, alpha=alpha).value
    got = [value(f"scores.focal_loss_{name}") for name in ("median", "high", "extreme", "mean")]
    assert got == pytest.approx([*np.quantile(losses, [0.5, 0.9, 0.99]), losses.mean()], abs=1e-12)
    assert value("scores.focal_tail") == pytest.approx(np.sort(losses)[-30:].sum() / losses.sum(), abs=1e-12)


@pytest.mark.parametrize(("precision", "limit"), [("fp16", 8.5), ("bf16", 6.25), ("fp32", 16.75)])
def test_saturation_starts_at_the_limit_of_the_format(precision, limit):
    scores = np.array([limit, -limit, np.nextafter(limit, 0), 0.0])
    value = facts(dump(scores, np.array([1, 0, 1, 0])), precision=precision).value
    assert value("scores.saturated") == value(f"scores.saturated_{precision}") == 0.5
    assert value("scores.true_logit_max") == limit


def test_live_positives_under_recall_at_quantile():
    scores, targets = binary(rows=2000, prevalence=0.2)
    value = facts(dump(scores, targets), loss="recall-at-quantile", quantile=0.05, temperature=0.05).value
    threshold = np.quantile(scores, 0.95, method="higher")
    x = (scores[targets == 1] - threshold) / 0.05
    kernel = 1 / (4 * np.cosh(np.clip(x / 2, -300, 300)) ** 2)
    assert value("scores.live_at_quantile") == (kernel >= 0.01 / 4).mean()
    assert value("scores.positives_over_threshold") == (x > 0).mean()
    by = value("scores.live_at_quantile_by_temperature")
    assert len(by) == len(value("scores.temperatures")) == 9
    assert list(by) == sorted(by)
    assert value("scores.live_in_band") is None


@pytest.mark.parametrize("surrogate", ["trapezoid", "pairwise"])
def test_live_positives_under_pauc(surrogate):
    scores, targets = binary(rows=2000, prevalence=0.2)
    plan = {"alpha": 0.01, "beta": 0.1, "n_knots": 3, "surrogate": surrogate, "temperature": 0.02}
    value = facts(dump(scores, targets), loss="pauc-at-budget", **plan).value
    negatives = scores[targets == 0]
    knots = np.quantile(negatives, 1 - np.linspace(0.01, 0.1, 3), method="higher")
    scale = np.subtract(*np.quantile(negatives, [0.75, 0.25], method="higher"))
    reach = 2 * math.acosh(10) * 0.02 * scale
    positives = scores[targets == 1]
    if surrogate == "pairwise":
        live = (positives >= knots.min() - reach) & (positives <= knots.max() + reach)
    else:
        live = (np.abs(positives[:, None] - knots) <= reach).any(axis=1)
    assert value("scores.live_in_band") == live.mean()


def test_two_heaps_and_outliers():
    rng = np.random.default_rng(9)
    targets = np.zeros(1000, dtype=int)
    targets[:100] = 1
    one = rng.normal(size=1000)
    two = one / 20 + np.where(np.arange(1000) % 2, 1.0, -1.0)
    assert facts(dump(one, targets)).value("scores.bimodality") < 0.4
    assert facts(dump(two, targets)).value("scores.bimodality") > 0.9
    assert facts(dump(one, targets)).value("scores.outlier_share") == 0
    one[-7:] = 100
    assert facts(dump(one, targets)).value("scores.outlier_share") == 0.007


@pytest.mark.parametrize("speed", [0.0, 0.01, 0.05])
def test_drift_within_one_rotation(speed):
    rng = np.random.default_rng(10)
    step = np.arange(32_000) // 32
    targets = (rng.random(32_000) < 0.05).astype(int)
    scores = rng.normal(size=32_000) + speed * step
    value = facts(dump(scores, targets, step=step), loss="smooth-ap", queue_size=640, batch_size=32).value
    error = value("scores.queue_shift_error")
    assert error == pytest.approx(math.sqrt(2 / (640 * 0.95)), rel=0.05)
    assert value("scores.queue_shift") == pytest.approx(20 * speed / scores.std(), abs=2 * error)
    assert value("scores.queue_shift_most") >= value("scores.queue_shift")


def test_drift_needs_steps_and_a_queue():
    scores, targets = binary(rows=500)
    assert facts(dump(scores, targets), queue_size=64, batch_size=8).value("scores.queue_shift") is None
    stepped = dump(scores, targets, step=np.arange(500) // 8)
    assert facts(stepped).value("scores.queue_shift") is None
    assert facts(stepped, queue_size=64, batch_size=8).value("scores.queue_shift") is not None


def test_many_steps_share_bins():
    course, fine = Course(most=10), Course()
    for start in range(0, 160, 40):
        part = _steps(np.arange(start, start + 40))
        course.add(part)
        fine.add(part)
    assert len(course.bins) <= 10
    assert course.width == 16
    np.testing.assert_allclose(course.shifts(32.0, 1.0), fine.shifts(32.0, 1.0))
    assert course.shifts(4.0, 1.0) == []


def _steps(step):
    given = dump(step.astype(float), np.zeros(len(step), dtype=int), step=step)
    return next(column(given, 0).parts())


@pytest.mark.parametrize("share", [0.0, 0.1, 0.25])
def test_wrong_positives_are_found_where_classes_are_apart(share):
    inside = 0
    for seed in range(10):
        rng = np.random.default_rng(seed)
        true = rng.random(20_000) < 0.05
        scores = 5 * (rng.normal(size=20_000) + 5 * true) - 12.5 + math.log(0.05 / 0.95)
        labels = true | (rng.random(20_000) < share / (1 - share) * 0.05 / 0.95)
        value = facts(dump(scores, labels.astype(int))).value
        wrong = (labels & ~true).sum() / labels.sum()
        inside += value("scores.label_noise_low") - 0.01 <= wrong <= value("scores.label_noise_high") + 0.01
    assert inside >= 9


@pytest.mark.filterwarnings("ignore")  # those of another package
@pytest.mark.parametrize("share", [0.05, 0.1, 0.25])
def test_cleanlab_counts_as_many_wrong_positives(share):
    count = pytest.importorskip("cleanlab.count")
    rng = np.random.default_rng(3)
    true = rng.random(20_000) < 0.05
    scores = 5 * (rng.normal(size=20_000) + 5 * true) - 12.5 + math.log(0.05 / 0.95)
    labels = (true | (rng.random(20_000) < share / (1 - share) * 0.05 / 0.95)).astype(int)
    p = 1 / (1 + np.exp(-scores))
    joint = count.compute_confident_joint(labels, np.stack([1 - p, p], axis=1), calibrate=False)
    value = facts(dump(scores, labels)).value
    theirs = joint[1, 0] / joint[1].sum()
    assert value("scores.label_noise_low") <= theirs <= value("scores.label_noise_high")


@pytest.mark.parametrize("apart", [0.0, 1.0, 2.0])
def test_overlap_is_not_taken_for_wrong_labels(apart):
    for seed in range(5):
        scores, targets = binary(rows=10_000, apart=apart, seed=seed)
        assert facts(dump(scores, targets)).value("scores.label_noise") is None


def test_a_handful_of_positives_tells_nothing_of_labels():
    scores, targets = binary(rows=300, apart=8.0, prevalence=0.03)
    assert facts(dump(scores, targets)).value("scores.label_noise") is None


def test_moments_by_blocks_are_those_of_all_values():
    rng = np.random.default_rng(11)
    values = rng.exponential(size=1000) + 1e3
    moments = Moments()
    for block in np.array_split(values, 17):
        moments.add(block)
    moments.add(np.empty(0))
    apart = values - values.mean()
    for power, got in ((2, moments.second), (3, moments.third), (4, moments.fourth)):
        assert got == pytest.approx((apart**power).sum(), rel=1e-9)
    assert (moments.low, moments.high, moments.rows) == (values.min(), values.max(), 1000)
    assert Moments().std is Moments().bimodality is None


def test_log_odds_do_not_cancel():
    logits = np.array([[60.0, 0.0, -1.0], [0.0, 0.0, 0.0], [-800.0, 800.0, 0.0]])
    got = against_rest(logits)
    rest = math.log(1 + math.exp(-1))
    assert got[0, 0] == pytest.approx(60 - rest, rel=1e-15)
    assert got[1] == pytest.approx([-math.log(2)] * 3)
    assert got[2] == pytest.approx([-1600, 800, -800])
    x = np.array([-700.0, -30.0, 0.0, 5.0, 30.0])
    np.testing.assert_allclose(log_odds(sigmoid(x))[1:4], x[1:4], rtol=1e-12)


def test_the_class_in_focus_of_a_binary_dump_is_the_positive_one():
    scores, targets = binary(rows=500, prevalence=0.9)
    value = facts(dump(scores, targets)).value
    assert value("scores.focus_class") == "1"
    assert value("scores.positives") == targets.sum()


def test_the_plan_says_where_to_look():
    scores, targets = binary(rows=500)
    given = dump(scores, targets)
    assert facts(given).value("scores.quantile") == facts(given).value("scores.partial_auc_fpr_high") == 0.01
    asked = facts(given, metric_quantile=0.2, metric_fpr_low=0.1, metric_fpr_high=0.3).value
    assert [asked(f"scores.{n}") for n in ("quantile", "partial_auc_fpr_low", "partial_auc_fpr_high")] == [
        0.2,
        0.1,
        0.3,
    ]
    top = np.argsort(-scores)[:100]
    assert asked("scores.recall_at_quantile") == pytest.approx(targets[top].sum() / targets.sum())


def test_no_dump_no_facts():
    assert measure(Evidence()).family("scores") is None


def test_absurdly_large_scores_leave_figures_open_and_break_nothing(tmp_path):
    import numpy as np

    from imbalance_doctor.facts.base import Evidence, measure
    from imbalance_doctor.sources.scores import read_scores

    path = tmp_path / "huge.npz"
    np.savez(path, logits=np.array([1e300, -1e300, 0.0, 5.0]), targets=np.array([1, 0, 0, 1]))
    facts = measure(Evidence(scores=read_scores([str(path)], scores_are="logits")))
    assert facts.value("scores.roc_auc") == 1.0
    assert facts.value("scores.std") is None
    assert facts.value("scores.bimodality") is None

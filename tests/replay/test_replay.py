"""A replay does what a plain loop over the loss does, and says what stood in pool and queue."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from imbalance_doctor import losses
from imbalance_doctor.errors import InputError
from imbalance_doctor.replay import ReplaySettings, replay
from imbalance_doctor.replay import _trace as trace_module

pytestmark = pytest.mark.filterwarnings("error")


def values(log, name):
    series = log.get(name)
    assert series is not None, name
    return series.values


def slow(loss, scores, targets, step, workers=1):
    """Return loss and gradient of each step by a loop that keeps nothing else."""
    found = []
    for number in dict.fromkeys(step.tolist()):
        x = torch.from_numpy(scores[step == number]).requires_grad_()
        y = torch.from_numpy(targets[step == number])
        parts = (
            [(x, y)]
            if workers == 1
            else list(zip(x.tensor_split(workers), y.tensor_split(workers), strict=True))
        )
        each = [one(a, b) for one, (a, b) in zip(loss, parts, strict=True)]
        total = sum(each) / len(each)
        (slope,) = torch.autograd.grad(total, x)
        found.append((total.item(), slope.numpy(), [e.item() for e in each]))
    return found


RANKING = [
    ("smooth-ap", losses.SmoothAPLoss, {"queue_size": 200, "temperature": 0.1}),
    ("smooth-ap", losses.SmoothAPLoss, {"queue_size": 0, "temperature": 0.1}),
    ("recall-at-quantile", losses.RecallAtQuantileLoss, {"queue_size": 100, "quantile": 0.1}),
    ("pauc-at-budget", losses.PAUCAtBudgetLoss, {"queue_size": 100, "beta": 0.2}),
]


@pytest.mark.parametrize(("name", "kind", "settings"), RANKING)
@pytest.mark.parametrize("classes", [1, 3])
@pytest.mark.parametrize("block", [64, 130, 10_000])
@pytest.mark.filterwarnings("ignore:.*left out of the loss")
def test_a_plain_loop_gives_the_same(make_dump, rows, name, kind, settings, classes, block):
    scores, targets = rows(1280, classes=classes)
    scores = scores.reshape(len(targets), -1)
    step = np.repeat(np.arange(20) * 5 + 3, 64)
    log = replay(make_dump(scores, targets, step=step, block=block), ReplaySettings(loss=name, **settings))
    expected = slow([kind(classes, **settings)], scores, targets, step)
    np.testing.assert_allclose(values(log, "loss"), [e[0] for e in expected], rtol=1e-6)
    np.testing.assert_allclose(
        values(log, "gradient_norm"), [np.linalg.norm(e[1]) for e in expected], rtol=1e-5, atol=1e-9
    )
    assert log.get("loss").steps.tolist() == list(dict.fromkeys(step.tolist()))
    assert log.format == f"replay of {name}"
    assert log.axis == "step"
    own = targets[:, None] == (np.arange(classes) if classes > 1 else 1)
    shares, signs = [], []
    for (_, slope, _), number in zip(expected, dict.fromkeys(step.tolist()), strict=True):
        mine = slope[own[step == number]]
        if np.abs(slope).sum() > 0:
            shares.append(np.abs(mine).sum() / np.abs(slope).sum())
        if np.abs(mine).sum() > 0:
            signs.append(-mine.sum() / np.abs(mine).sum())
    np.testing.assert_allclose(values(log, "gradient_share_positive"), shares, rtol=1e-5)
    np.testing.assert_allclose(values(log, "gradient_sign_positive"), signs, rtol=1e-5)


POINTWISE = [
    ("bce", {}, 1, nn.BCEWithLogitsLoss()),
    ("weighted-bce", {"pos_weight": 7.0}, 1, nn.BCEWithLogitsLoss(pos_weight=torch.tensor(7.0))),
    ("sigmoid-focal", {"gamma": 1.5, "alpha": 0.7}, 1, losses.SigmoidFocalLoss(0.7, 1.5)),
    ("ce", {"label_smoothing": 0.1}, 3, nn.CrossEntropyLoss(label_smoothing=0.1)),
    (
        "weighted-ce",
        {"class_weights": (1.0, 2.0, 3.0)},
        3,
        nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 3.0])),
    ),
    ("softmax-focal", {"gamma": 2.0}, 3, losses.SoftmaxFocalLoss(gamma=2.0)),
]


@pytest.mark.parametrize(("name", "settings", "classes", "loss"), POINTWISE)
def test_losses_of_single_rows(make_dump, rows, name, settings, classes, loss):
    scores, targets = rows(400, prevalence=0.2, classes=classes)
    scores = scores.reshape(len(targets), -1)
    log = replay(make_dump(scores, targets), ReplaySettings(loss=name, batch_size=100, **settings))
    for k, value in enumerate(values(log, "loss")):
        part = slice(100 * k, 100 * k + 100)
        y = torch.from_numpy(targets[part])
        y = y if classes > 1 else y[:, None].float()
        assert value == pytest.approx(float(loss(torch.from_numpy(scores[part]), y)), rel=1e-6)
    assert log.get("pool_size") is None
    assert log.get("temperature") is None


def test_chance_of_the_log_loss_is_the_entropy_of_the_step(make_dump, rows):
    scores, targets = rows(300, prevalence=0.2)
    log = replay(make_dump(scores, targets), ReplaySettings(loss="bce", batch_size=100))
    for k, level in enumerate(values(log, "chance_level")):
        p = targets[100 * k : 100 * k + 100].mean()
        assert level == pytest.approx(-p * math.log(p) - (1 - p) * math.log(1 - p), rel=1e-5)


def test_independent_labels_are_the_mean_over_labels_that_have_a_loss(make_dump):
    rng = np.random.default_rng(1)
    scores = rng.normal(size=(200, 3)).astype(np.float32)
    targets = (rng.random((200, 3)) < [0.3, 0.1, 0]).astype(np.int8)
    targets[5, 0] = -100
    log = replay(make_dump(scores, targets), ReplaySettings(loss="smooth-ap", batch_size=50, queue_size=60))
    each = [losses.SmoothAPLoss(1, queue_size=60) for _ in range(2)]
    for k, value in enumerate(values(log, "loss")):
        part = slice(50 * k, 50 * k + 50)
        found = [
            float(one(torch.from_numpy(scores[part, c : c + 1]), torch.from_numpy(targets[part, c]).long()))
            for c, one in enumerate(each)
        ]
        assert value == pytest.approx(np.mean(found), rel=1e-6)
    bce = replay(make_dump(scores, targets), ReplaySettings(loss="bce", batch_size=200))
    known = targets != -100
    z = scores[known].astype(np.float64)
    expected = np.mean(np.logaddexp(0, -z) + (1 - targets[known]) * z)
    assert values(bce, "loss")[0] == pytest.approx(expected, rel=1e-6)
    with pytest.raises(InputError, match="independent labels"):
        replay(make_dump(scores, targets), ReplaySettings(loss="ce", batch_size=50))


def test_queue_and_pool_by_hand(make_dump, rows):
    scores, targets = rows(70, prevalence=0.3)
    targets[[3, 17]] = -100
    log = replay(make_dump(scores, targets), ReplaySettings(loss="smooth-ap", batch_size=10, queue_size=25))
    held = []  # step, score, target: what the queue holds, oldest first
    fill, age, mean, std, positives, pool, chance = [], [], [], [], [], [], []
    for k in range(7):
        part = slice(10 * k, 10 * k + 10)
        live = [(k, s, t) for s, t in zip(scores[part], targets[part], strict=True) if t != -100]
        both = held + live
        p, m = sum(t for _, _, t in both), len(both)
        fill.append(len(held))
        positives.append(sum(t for _, _, t in held))
        pool.append((m, p))
        chance.append(1 - (p + 1) / (m + 1))
        if held:
            age.append(k - held[0][0])
            mean.append(np.mean([s for _, s, _ in held]))
            std.append(np.std([s for _, s, _ in held]))
        held = both[-25:]
    assert values(log, "queue_fill").tolist() == fill
    assert values(log, "queue_positives").tolist() == positives
    assert values(log, "queue_age").tolist() == age
    np.testing.assert_allclose(values(log, "queue_score_mean"), mean, rtol=1e-5)
    np.testing.assert_allclose(values(log, "queue_score_std"), std, rtol=1e-5)
    assert values(log, "pool_size").tolist() == [m for m, _ in pool]
    assert values(log, "pool_positives").tolist() == [p for _, p in pool]
    np.testing.assert_allclose(values(log, "chance_level"), chance)
    assert values(log, "positives_in_batch").tolist() == [
        int((targets[10 * k : 10 * k + 10] == 1).sum()) for k in range(7)
    ]


def test_equal_scores_have_the_loss_of_chance(make_dump, rows):
    _, targets = rows(200, prevalence=0.2)
    dump = make_dump(np.zeros(200, np.float32), targets)
    log = replay(dump, ReplaySettings(loss="smooth-ap", batch_size=50, queue_size=100))
    np.testing.assert_allclose(values(log, "loss"), values(log, "chance_level"), rtol=1e-6)


def test_a_capped_pool_is_what_the_loss_ranked(make_dump, rows):
    scores, targets = rows(600, prevalence=0.1)
    settings = ReplaySettings(loss="smooth-ap", batch_size=50, queue_size=400, max_pool_size=120)
    log = replay(make_dump(scores, targets), settings)
    assert values(log, "pool_size").max() == 120
    assert values(log, "pool_size")[0] == 50
    assert any("max_pool_size" in note for note in log.notes)
    full = replay(make_dump(scores, targets), ReplaySettings(loss="smooth-ap", batch_size=50, queue_size=400))
    # The sample is weighted, so the level of chance stays that of the full pool.
    np.testing.assert_allclose(values(log, "chance_level"), values(full, "chance_level"), rtol=0.05)


def test_workers_apart_have_losses_and_queues_of_their_own(make_dump, rows):
    scores, targets = rows(640, prevalence=0.2)
    step = np.repeat(np.arange(10), 64)
    settings = ReplaySettings(
        loss="smooth-ap", queue_size=32, temperature=0.1, world_size=4, gather_distributed=False
    )
    log = replay(make_dump(scores, targets, step=step), settings)
    each = [losses.SmoothAPLoss(1, queue_size=32, temperature=0.1) for _ in range(4)]
    expected = slow(each, scores[:, None], targets, step, workers=4)
    np.testing.assert_allclose(values(log, "loss"), [e[0] for e in expected], rtol=1e-6)
    np.testing.assert_allclose(
        values(log, "gradient_norm"), [np.linalg.norm(e[1]) for e in expected], rtol=1e-5
    )
    np.testing.assert_allclose(values(log, "rank_loss_std"), [np.std(e[2]) for e in expected], atol=1e-7)
    np.testing.assert_allclose(values(log, "rank_loss_max"), [max(e[2]) for e in expected], rtol=1e-6)
    assert values(log, "pool_size")[:4].tolist() == [16, 32, 48, 48]


def test_workers_that_gather_are_one_pool(make_dump, rows):
    scores, targets = rows(640, prevalence=0.2)
    dump = make_dump(scores, targets)
    one = replay(dump, ReplaySettings(loss="smooth-ap", batch_size=64, queue_size=100))
    four = replay(dump, ReplaySettings(loss="smooth-ap", batch_size=16, world_size=4, queue_size=100))
    assert values(one, "loss").tolist() == values(four, "loss").tolist()
    assert four.get("rank_loss_std") is None
    assert four.hints["batch_size"] == 16


def test_the_schedule_of_a_warm_up(make_dump, rows):
    scores, targets = rows(1000, prevalence=0.2)
    step = np.repeat(np.arange(20), 50)
    settings = ReplaySettings(
        loss="smooth-ap", queue_size=100, warmup_steps=5, blend_steps=3, temp_start=0.5, temp_end=0.05,
        temp_decay_steps=10,
    )  # fmt: skip
    log = replay(make_dump(scores, targets, step=step), settings)
    assert values(log, "stage").tolist() == [0] * 5 + [1] * 3 + [2] * 12
    assert values(log, "main_weight").tolist() == [0] * 5 + [0.25, 0.5, 0.75] + [1] * 12
    np.testing.assert_allclose(
        values(log, "temperature")[5:], [0.5 * 0.1 ** (min(k, 10) / 10) for k in range(15)], rtol=1e-6
    )
    first = targets[:50].mean()
    assert values(log, "chance_level")[0] == pytest.approx(
        -first * math.log(first) - (1 - first) * math.log(1 - first), rel=1e-5
    )
    assert log.get("pool_size").steps.tolist() == list(range(5, 20))
    z = scores[:50].astype(np.float64)
    assert values(log, "loss")[0] == pytest.approx(np.mean(np.logaddexp(0, z) - targets[:50] * z), rel=1e-6)


def test_a_warm_up_in_epochs_needs_the_epochs(make_dump, rows):
    scores, targets = rows(400, prevalence=0.2)
    settings = ReplaySettings(loss="smooth-ap", warmup_epochs=2, batch_size=50)
    with pytest.raises(InputError, match="epoch"):
        replay(make_dump(scores, targets), settings)
    log = replay(make_dump(scores, targets, epoch=np.repeat([0, 1, 2, 3], 100)), settings)
    assert values(log, "stage").tolist() == [0] * 4 + [2] * 4


def test_probabilities_become_logits_and_it_is_said(make_dump, rows):
    scores, targets = rows(300, prevalence=0.2, dtype=np.float64)
    settings = ReplaySettings(loss="smooth-ap", batch_size=50, temperature=0.1)
    plain = replay(make_dump(scores, targets), settings)
    given = replay(make_dump(1 / (1 + np.exp(-scores)), targets, scale="probabilities"), settings)
    np.testing.assert_allclose(values(given, "loss"), values(plain, "loss"), rtol=1e-9)
    assert any("probabilities" in note for note in given.notes)
    assert not any("probabilities" in note for note in plain.notes)
    certain = replay(make_dump([0.0, 1.0, 1.0], [0, 1, 0], scale="probabilities"), settings)
    assert np.isfinite(values(certain, "score_absmax")).all()


def test_a_partial_auc_tells_its_band(make_dump, rows):
    scores, targets = rows(400, prevalence=0.1, dtype=np.float64)
    settings = ReplaySettings(loss="pauc-at-budget", batch_size=200, beta=0.1, queue_size=0)
    log = replay(make_dump(scores, targets), settings)
    for k in range(2):
        x, y = scores[200 * k : 200 * k + 200], targets[200 * k : 200 * k + 200]
        negatives = np.sort(x[y == 0])
        edge = np.quantile(negatives, 0.9, method="higher")
        spread = np.quantile(negatives, 0.75, method="higher") - np.quantile(negatives, 0.25, method="higher")
        assert values(log, "threshold")[k] == pytest.approx(edge)
        assert values(log, "tau_eff")[k] == pytest.approx(0.1 * spread)
        assert values(log, "band_neg_count")[k] == (negatives >= edge).sum()
        assert values(log, "grad_pos_count")[k] == y.sum()
    assert values(log, "chance_level").tolist() == [0.95, 0.95]


def test_only_a_partial_auc_writes_what_marks_one(make_dump, rows):
    scores, targets = rows(200, prevalence=0.1)
    log = replay(make_dump(scores, targets), ReplaySettings(loss="recall-at-quantile", batch_size=100))
    assert not {"tau_eff", "band_neg_count", "grad_pos_count"} & {s.name for s in log.series}
    x = np.concatenate([scores[:100], scores[100:]])
    assert values(log, "threshold")[1] == pytest.approx(np.quantile(x, 0.995, method="higher"))


def test_the_reference_library_runs_too(make_dump, rows):
    reference = pytest.importorskip("imbalanced_losses")
    scores, targets = rows(500, prevalence=0.2)
    step = np.repeat(np.arange(10), 50)
    settings = ReplaySettings(
        loss="smooth-ap", implementation="reference", queue_size=100, temperature=0.1, max_pool_size=90
    )
    log = replay(make_dump(scores, targets, step=step), settings)
    assert values(log, "pool_size").tolist() == [50] + [90] * 9
    assert values(log, "queue_fill").tolist() == [0, 50] + [100] * 8
    free = ReplaySettings(loss="smooth-ap", implementation="reference", queue_size=100, temperature=0.1)
    found = values(replay(make_dump(scores, targets, step=step), free), "loss")
    one = reference.SmoothAPLoss(1, queue_size=100, temperature=0.1, gather_distributed=False)
    expected = slow([one], scores[:, None], targets, step)
    np.testing.assert_allclose(found, [e[0] for e in expected], rtol=1e-6)


def test_a_long_replay_is_thinned_evenly(make_dump, rows, monkeypatch):
    monkeypatch.setattr(trace_module, "MOST_STEPS", 64)
    scores, targets = rows(1000, prevalence=0.05)
    settings = ReplaySettings(loss="smooth-ap", batch_size=2, queue_size=0)
    log = replay(make_dump(scores, targets), settings)
    monkeypatch.setattr(trace_module, "MOST_STEPS", 10_000)
    full = replay(make_dump(scores, targets), settings)
    stride = 500 // len(log.get("loss")) + 1
    assert len(log.get("loss")) <= 64
    assert values(log, "loss").tolist() == values(full, "loss")[::stride].tolist()
    assert any("every" in note for note in log.notes)
    peaks = values(log, "gradient_norm_max")
    norms = values(full, "gradient_norm")
    for k in range(1, len(peaks)):
        assert peaks[k] == norms[stride * (k - 1) + 1 : stride * k + 1].max()
    assert full.get("gradient_norm_max") is None


def test_bad_input(make_dump, rows):
    scores, targets = rows(100)
    with pytest.raises(InputError, match="--batch-size"):
        replay(make_dump(scores, targets), ReplaySettings(loss="smooth-ap"))
    with pytest.raises(InputError, match="smooth-ap"):
        ReplaySettings(loss="hinge")
    with pytest.raises(InputError, match="pos-weight"):
        replay(make_dump(scores, targets), ReplaySettings(loss="weighted-bce", batch_size=10))
    with pytest.raises(InputError, match="temperature"):
        replay(make_dump(scores, targets), ReplaySettings(loss="smooth-ap", temperature=-1.0, batch_size=10))
    with pytest.raises(InputError, match="class ids"):
        replay(make_dump(scores, targets + 4), ReplaySettings(loss="smooth-ap", batch_size=10))
    with pytest.raises(InputError, match="rows"):
        replay(make_dump(scores[:0], targets[:0]), ReplaySettings(loss="smooth-ap", batch_size=10))


def test_progress_counts_rows(make_dump, rows):
    scores, targets = rows(100)
    seen = []
    replay(
        make_dump(scores, targets),
        ReplaySettings(loss="bce", batch_size=30),
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen == [(30, 100), (60, 100), (90, 100), (100, 100)]

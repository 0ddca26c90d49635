"""The advice is measured on what its user has: paired runs, unseen test rows, no luck taken for merit."""

import itertools
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from imbalance_doctor.engine.rulebook import load_rules  # noqa: E402
from imbalance_doctor.errors import InputError  # noqa: E402
from imbalance_doctor.evidence import LabelCounts, PlannedRun, TrainingPlan  # noqa: E402
from imbalance_doctor.lab.advice import advise, smoke_worlds  # noqa: E402
from imbalance_doctor.lab.advice import jobs as jobs_of  # noqa: E402
from imbalance_doctor.lab.advice.arms import MINED, fixed_arms, key_of, loss_of, mined_weight  # noqa: E402
from imbalance_doctor.lab.advice.jobs import Job, Size, run_job  # noqa: E402
from imbalance_doctor.lab.advice.results import cross_fitted, half_width, interval, results  # noqa: E402
from imbalance_doctor.lab.advice.training import Schedule, split, train  # noqa: E402
from imbalance_doctor.lab.contested import contested_world, contested_worlds  # noqa: E402
from imbalance_doctor.lab.metrics import average_precision, roc_auc  # noqa: E402
from imbalance_doctor.lab.worlds import clouds, many_classes  # noqa: E402
from imbalance_doctor.losses import mined_bce  # noqa: E402
from imbalance_doctor.recommend.advise import recommend  # noqa: E402

RULES = tuple(load_rules().rules.values())
TINY = Size(steps=20, rates=(1e-2,))


def mined(prevalence):
    return fixed_arms(prevalence, 60_000, 1024, 2.5)[MINED]


def job(world="a", seed=0, chosen=0.6, stated=(0.01, -0.02, 0.04), loss="sigmoid-focal", **arms):
    arms = {"bce": 0.5, "sigmoid-focal": 0.55, MINED: 0.45} | arms
    return Job(
        world=world, seed=seed, metric="average_precision", prevalence=0.05, rows=1000,
        baseline={"metric": 0.5, "roc_auc": 0.9, "spread": 2.0, "rate": 0.01},
        arms=arms, chosen=chosen, plan=loss, loss=loss, stated=stated, final=dict(arms),
        rates={"0.001": 0.4, "0.01": 0.5},
    )  # fmt: skip


# ----------------------------------------------------------------------------------------------- the worlds


@pytest.fixture(scope="module")
def contested():
    return contested_world(3, rows=60_000, prevalence=0.004)


def test_a_contested_world_is_drawn_from_its_seed(contested):
    again = contested_world(3, rows=60_000, prevalence=0.004)
    other = contested_world(4, rows=60_000, prevalence=0.004)
    assert np.array_equal(contested.features, again.features)
    assert not np.array_equal(contested.features, other.features)
    assert contested.labels.sum() == 240
    assert contested.features.dtype == np.float32


def test_the_easy_cue_finds_positives_and_decoys_and_the_product_tells_them_apart(contested):
    x, y = contested.features.astype(float), contested.labels == 1
    easy = x @ (x[y].mean(0) - x[~y].mean(0))
    assert roc_auc(easy, y) > 0.97  # the top is easy
    assert average_precision(easy, y) < 0.4  # and crowded
    top = easy > np.quantile(easy[y], 0.1)
    best = max(
        average_precision(np.where(top, 10, 0) + sign * np.sign(x[:, a] * x[:, b]), y)
        for a, b in itertools.combinations(range(20), 2)
        for sign in (-1, 1)
    )
    assert best > 1.5 * average_precision(easy, y)


def test_ten_worlds_differ_and_lie_where_the_top_is_rare():
    worlds = contested_worlds(10, rows=4000)
    assert len({w.name for w in worlds}) == 10
    assert len({w.features.tobytes() for w in worlds}) == 10
    assert all(0.0005 < w.prevalence < 0.0035 for w in worlds)
    assert all(w.name.startswith("contested") for w in worlds)


# --------------------------------------------------------------------------------------------- the training


def test_a_split_shares_no_row_and_keeps_the_prevalence():
    world = clouds(1, rows=2000, prevalence=0.1)
    parts = split(world, 0)
    sizes = [len(p.labels) for p in (parts.train, parts.validation, parts.test)]
    assert sum(sizes) == 2000
    assert sizes[0] == pytest.approx(1000, abs=2)
    for part in (parts.train, parts.validation, parts.test):
        assert part.labels.mean() == pytest.approx(world.prevalence, abs=0.005)
    rows = np.concatenate([p.x.numpy() for p in (parts.train, parts.validation, parts.test)])
    assert len(np.unique(rows, axis=0)) == 2000
    assert parts.train.x.mean(0).abs().max() < 1e-5  # standardised by the training rows


def test_arms_start_alike_and_see_the_same_batches():
    parts = split(clouds(1, rows=600), 0)
    seen = {}
    for name in ("one", "other"):
        log = seen[name] = []

        def watching(x, y, log=log):
            log.append((x.detach().clone(), y.clone()))
            return torch.nn.functional.binary_cross_entropy_with_logits(x, y)

        train(parts, watching, 1e-2, Schedule(seed=0, steps=5, batch=64, evaluations=1))
    for (x, y), (u, v) in zip(seen["one"], seen["other"], strict=True):
        assert torch.equal(x, u)
        assert torch.equal(y, v)


def test_training_stops_where_validation_was_best():
    parts = split(clouds(1, rows=3000), 0)
    plain = loss_of(TrainingPlan(loss="bce"), 0.05)
    long = train(parts, plain, 3e-2, Schedule(seed=0, steps=200, batch=64, evaluations=20))
    last = train(parts, plain, 3e-2, Schedule(seed=0, steps=200, batch=64, evaluations=1))
    assert long.validation >= last.validation
    assert last.test == last.final
    assert long.final == last.final
    assert long.best_step % 10 == 0


def test_a_loss_that_ends_in_nan_is_worth_no_more_than_chance():
    parts = split(clouds(1, rows=600), 0)
    broken = train(parts, lambda x, _: (x * float("nan")).mean(), 1e-2, Schedule(seed=0, steps=5, batch=64))
    assert broken.test == pytest.approx(parts.test.labels.mean())


def test_mined_positives_weigh_as_much_as_the_negatives_kept_but_never_less_than_one():
    assert mined_weight(0.04) == pytest.approx(0.1 * 0.96 / 0.04)
    assert mined_weight(0.5) == 1
    (plan, prevalence), (x, y) = (mined(0.0035), 0.0035), (torch.randn(64, 1), (torch.arange(64) < 4).float())
    wanted = mined_bce(x, y[:, None], pos_weight=mined_weight(prevalence))
    assert loss_of(plan, prevalence)(x, y[:, None]) == wanted  # of the weight before it was rounded


def test_mining_with_another_weight_is_refused_for_it_has_the_same_name():
    for weight in (None, 1.0, 1.02 * mined_weight(0.0035)):
        with pytest.raises(InputError, match=r"expected a pos_weight of 28\.5 with mined negatives"):
            loss_of(mined(0.0035).replace(pos_weight=weight), 0.0035)


def test_the_plan_that_is_recommended_for_a_contested_top_is_the_mined_arm():
    labels = LabelCounts(classes=("0", "1"), counts=np.array([59_820, 180]), rows=60_000, positive=1)
    told = TrainingPlan(
        metric="average_precision", batch_size=1024, baseline_roc_auc=0.99, baseline_metric=0.4
    )
    plan = recommend(RULES, PlannedRun(plan=told), labels=labels).plan
    arm = mined(180 / 60_000)
    assert key_of(plan) == key_of(arm) == MINED
    assert plan.pos_weight == arm.pos_weight
    assert key_of(plan.replace(hard_example_mining=None)) != MINED


def test_every_fixed_arm_trains():
    x = torch.randn(256, 1)
    y = (torch.arange(256) % 16 == 0).float()[:, None]
    arms = fixed_arms(1 / 16, 4000, 256, 3.0)
    assert len({key_of(plan) for plan in arms.values()}) == len(arms)
    for name, plan in arms.items():
        logits = x.clone().requires_grad_()
        loss_of(plan, 1 / 16)(logits, y).backward()
        assert logits.grad.abs().sum() > 0, name
    assert arms["smooth-ap"].temperature == 0.3
    assert arms["sigmoid-focal"].alpha == -1
    assert arms["pauc-at-budget"].surrogate == "pairwise"


def test_plans_that_train_alike_have_one_key():
    plan = TrainingPlan(loss="sigmoid-focal", gamma=2.0, alpha=-1.0)
    assert key_of(plan) == key_of(plan.replace(batch_size=64, metric="roc_auc", label_noise=0.1))
    assert key_of(plan) != key_of(plan.replace(gamma=1.0))


def test_a_loss_that_the_lab_does_not_train_is_refused():
    with pytest.raises(InputError, match="expected a loss that the lab trains"):
        loss_of(TrainingPlan(loss="recall-at-quantile"), 0.1)


# ------------------------------------------------------------------------------------------------- the jobs


def test_a_job_goes_on_from_what_is_stored(tmp_path, monkeypatch):
    world = clouds(0, rows=800)
    first = run_job(world, 0, RULES, tmp_path, TINY)
    assert len(list(tmp_path.iterdir())) == 1

    def trained_again(*_):
        raise AssertionError("nothing is left to train")

    monkeypatch.setattr(jobs_of, "train", trained_again)
    assert run_job(world, 0, RULES, tmp_path, TINY) == first
    for changed in (replace(world, labels=1 - world.labels), clouds(5, rows=800)):
        with pytest.raises(AssertionError, match="nothing is left"):
            run_job(changed, 0, RULES, tmp_path, TINY)


@pytest.mark.parametrize(
    "world",
    [many_classes(0, rows=200), replace(clouds(0, rows=200), labels=(np.arange(200) < 9).astype(np.int64))],
    ids=["many classes", "nine positives"],
)
def test_a_world_that_cannot_be_judged_is_refused(world):
    with pytest.raises(InputError, match="expected two classes of 10 rows or more"):
        run_job(world, 0, RULES, None, TINY)


def test_the_recommended_loss_is_trained_as_recommended(tmp_path):
    done = run_job(clouds(0, rows=800), 0, RULES, tmp_path, TINY)
    stored = json.loads(next(tmp_path.iterdir()).read_text())
    assert stored[f"{done.plan} rate=0.01"]["test"] == done.chosen
    if done.loss == "bce":
        assert done.chosen == done.arms["bce"]
        assert done.stated == (0, 0, 0)


def test_smoke_works_from_end_to_end():
    told = []
    found = advise(smoke_worlds(), 2, smoke=True, progress=lambda *of: told.append(of))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert set(found["by_dataset"]) == {"clouds", "contested_0"}
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    for row in found["by_dataset"].values():
        assert {"metric", "chosen", "regret", "low", "high", "best", "stated", "came"} <= set(row)


@pytest.mark.parametrize(
    ("name", "swing", "smoke", "taken"),
    [
        ("a", 0.0, False, 3),
        ("a", 0.3, False, 12),
        ("a", 0.0238, False, 3),  # known to within 0.0197: one of three arms swings
        ("a", 0.0246, False, 4),  # to within 0.0204, then 0.0130
        ("a", 0.3, True, 3),
        ("contested_0", 0.3, False, 3),
    ],
)
def test_seeds_are_taken_until_the_regret_is_known(monkeypatch, name, swing, smoke, taken):
    monkeypatch.setattr(
        "imbalance_doctor.lab.advice.run_job",
        lambda world, seed, *_: job(world.name, seed, **{"sigmoid-focal": 0.7 + swing * (seed % 2)}),
    )
    told = []
    worlds = [replace(clouds(0, rows=100), name=name), replace(clouds(0, rows=100), name="last")]
    found = advise(worlds, 3, smoke=smoke, progress=lambda *of: told.append(of))
    assert found["by_dataset"][name]["seeds"] == taken
    assert told[0] == (1, 6)
    assert told[-1][0] == told[-1][1] == taken + found["by_dataset"]["last"]["seeds"]
    assert all(done <= total for done, total in told)


# ---------------------------------------------------------------------------------------------- the figures


def test_regret_is_to_the_arm_that_was_best_on_the_other_seeds():
    arms = {"a": np.array([0.9, 0.1, 0.1]), "b": np.array([0.3, 0.3, 0.3])}
    # without seed 0, b is better; without seed 1 or 2, a is
    assert cross_fitted(arms, np.array([0.2, 0.2, 0.2])) == pytest.approx([0.1, -0.1, -0.1])
    assert cross_fitted({"a": np.array([0.9])}, np.array([0.4])) == pytest.approx([0.5])


def test_arms_that_differ_by_luck_only_cause_no_regret():
    draw = np.random.default_rng(0)
    fitted, plain = [], []
    for _ in range(400):
        table = {str(n): draw.normal(0.5, 0.05, 3) for n in range(7)}
        fitted.append(cross_fitted(table, table["0"]).mean())
        plain.append(max(v.mean() for v in table.values()) - table["0"].mean())
    assert abs(np.mean(fitted)) < 0.008
    assert np.mean(plain) > 0.03  # what the best in hindsight owes to luck


@given(st.lists(st.floats(0, 1), min_size=2, max_size=40))
def test_an_interval_holds_its_mean(values):
    low, high = interval(values)
    assert low <= np.mean(values) + 1e-9
    assert high >= np.mean(values) - 1e-9


def test_the_spread_that_decides_how_many_seeds_are_taken_is_pooled_over_arms():
    jobs = [
        job(seed=n, chosen=0.6, **{"sigmoid-focal": 0.7 + 0.03 * n, "bce": 0.5 - 0.01 * n}) for n in range(3)
    ]
    pooled = math.sqrt((0.03**2 + 0.01**2 + 0) / 3)
    assert half_width(jobs) == pytest.approx(4.303 * pooled / math.sqrt(3), rel=1e-3)
    assert half_width(jobs[:1]) == math.inf


def test_an_interval_of_one_value_is_unknown():
    assert interval([0.3]) is None


def test_ninety_five_of_a_hundred_intervals_hold_the_truth():
    draw = np.random.default_rng(1)
    for count in (2, 3, 10, 18, 28):
        held = 0
        for _ in range(2000):
            low, high = interval(draw.normal(size=count))
            held += low <= 0 <= high
        assert 0.935 < held / 2000 < 0.965


def test_figures_by_hand():
    jobs = []
    for seed in (0, 1):
        jobs += [
            job("a", seed, chosen=0.55),
            job("b", seed, chosen=0.5, loss="bce", stated=(0, 0, 0)),
            job("contested_0", seed, chosen=0.3, loss="smooth-ap"),
        ]
    found = results(jobs)
    rows = found["by_dataset"]
    assert [rows[w]["regret"] for w in rows] == pytest.approx([0.0, 0.05, 0.25])
    assert [rows[w]["plain_regret"] for w in rows] == pytest.approx([0.0, 0.05, 0.25])
    assert found["mean_regret"] == pytest.approx(0.1)
    assert found["worst_regret"] == pytest.approx(0.25)
    assert [rows[w]["came"] for w in rows] == pytest.approx([0.05, 0.0, -0.2])
    assert [rows[w]["covered"] for w in rows] == [False, True, False]  # -0.02 to 0.04 was stated
    assert found["interval_coverage"] == pytest.approx(1 / 3)
    assert found["interval_coverage_other_than_bce"] == 0
    assert {k: found["against"]["bce"][k] for k in ("wins", "ties", "losses")} == {
        "wins": 1, "ties": 1, "losses": 1
    }  # fmt: skip
    assert found["always"]["bce"]["mean_regret"] == pytest.approx(0.05)
    # each learns from the others that focal is best; the contested world and the rest have one arm in common
    assert found["left_out"]["mean_regret"] == pytest.approx(0.0)
    assert found["contested"] == 1
    assert found["contested_within_0.02"] == 0
    assert found["beyond_the_loss"]["learning_rate"] == pytest.approx(0.1)
    assert found["beyond_the_loss"]["early_stopping"] == 0


@pytest.mark.parametrize(
    ("came", "covered"), [(0.0399, True), (0.0401, False), (-0.0199, True), (-0.0201, False)]
)
def test_a_stated_gain_is_right_up_to_its_ends(came, covered):
    found = results([job(chosen=0.5 + came), job(seed=1, chosen=0.5 + came)])
    assert found["by_dataset"]["a"]["covered"] is covered


def test_where_nothing_was_stated_nothing_is_right_or_wrong():
    found = results([job(stated=None), job(seed=1, stated=None)])
    assert found["by_dataset"]["a"]["covered"] is None
    assert found["by_dataset"]["a"]["stated"] == "nothing"
    assert found["interval_coverage"] is None

"""Records to runs: restarts, resumes, ranks, groups, axes, percent, and which loss is the loss."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imbalance_doctor.evidence import SERIES
from imbalance_doctor.sources.logs._assemble import MOST_POINTS, Assembled, assemble, thinned
from imbalance_doctor.sources.logs.base import Options, Parsed, Record


def made(records, *, keys=None, source="run.log", **parsed) -> Assembled:
    return assemble(Parsed(format="test", records=records, **parsed), Options(keys=keys or {}), source)


def only(records, **more):
    (run,) = made(records, **more).runs
    return run


def curve(run, name, phase=None):
    found = run.get(name, phase)
    assert found is not None, f"{name} {phase} in {[(s.name, s.phase, s.part) for s in run.series]}"
    return found


def epochs(start, stop, values=None, **more):
    for i, epoch in enumerate(range(start, stop)):
        value = 1 / (epoch + 1) if values is None else values[i]
        yield Record(values={"loss": value}, epoch=float(epoch), line=i + 1, **more)


def steps(start, stop, stride=1, **more):
    for step in range(start, stop, stride):
        yield Record(values={"loss": 100 / (step + 10)}, step=float(step), **more)


# ---- runs


def test_epochs_that_begin_anew_are_another_run():
    runs = made([*epochs(0, 5), *epochs(0, 7)]).runs
    assert [(run.name, len(run.series[0])) for run in runs] == [("run 1", 5), ("run 2", 7)]
    assert all(run.hints == {} for run in runs)


def test_a_file_that_begins_at_epoch_ten_is_one_run():
    run = only(epochs(10, 20))
    assert curve(run, "loss", "train").steps.tolist() == list(range(10, 20))
    assert run.name == ""


def test_a_resume_goes_on_where_the_checkpoint_was():
    run = only([*epochs(0, 10), *epochs(7, 15)])
    loss = curve(run, "loss", "train")
    assert loss.steps.tolist() == list(range(15))
    assert run.hints["resumed_at"] == 7
    assert "resumed at epoch 7" in run.notes[0]
    assert np.all(np.diff(loss.order) > 0)


def test_two_resumes_are_one_run():
    run = only([*steps(0, 100, 10), *steps(50, 150, 10), *steps(120, 200, 10)])
    assert curve(run, "loss", "train").steps.tolist() == list(range(0, 200, 10))


def test_a_fresh_start_far_from_the_earlier_loss_is_no_resume():
    fresh = [Record(values={"loss": 1.0 - i / 100}, epoch=3.0 + i) for i in range(5)]
    runs = made([*epochs(0, 10), *fresh]).runs
    assert len(runs) == 2


def test_a_run_that_is_printed_at_longer_intervals_starts_fresh():
    runs = made([*steps(10, 100, 10), *steps(50, 1000, 50)]).runs
    assert [len(run.series[0]) for run in runs] == [9, 19]


def test_a_few_rows_of_a_start_that_died_are_left_out():
    assembled = made([*epochs(0, 2), *epochs(0, 6)])
    assert [len(run.series[0]) for run in assembled.runs] == [6]


def test_one_evaluation_of_the_best_checkpoint_at_the_end_is_no_run():
    best = Record(values={"val_auc": 0.9}, epoch=2.0)
    validated = [Record(values={"val_auc": 0.5 + e / 50}, epoch=float(e)) for e in range(9)]
    assert len(curve(only([*validated, best]), "roc_auc", "val")) == 9


def test_counters_of_other_lines_do_not_split_a_run():
    records = []
    for epoch in range(6):
        records += [Record(values={"Num examples": 3.0}, epoch=0.0), *epochs(epoch, epoch + 1)]
    assert len(made(records).runs) == 1


def test_training_and_validation_may_count_differently():
    records = []
    for epoch in range(6):
        records.append(Record(values={"loss": 1.0 / (epoch + 1)}, epoch=float(epoch + 1), phase="train"))
        records.append(Record(values={"loss": 2.0 / (epoch + 1)}, epoch=float(epoch), phase="val"))
    run = only(records)
    assert len(curve(run, "loss", "val")) == len(curve(run, "loss", "train")) == 6


def test_steps_that_begin_anew_with_every_epoch_are_counted_by_epoch():
    records = [
        Record(values={"loss": 1 / (10 * e + s + 1)}, epoch=float(e), step=float(s))
        for e in range(3)
        for s in range(10)
    ]
    run = only(records)
    assert run.axis == "epoch"
    assert len(curve(run, "loss")) == 30


def test_groups_are_runs_of_their_own():
    records = [*epochs(0, 4, group="fold 0"), *epochs(0, 4, group="fold 1"), *epochs(0, 4, group="fold 1")]
    assert [run.name for run in made(records).runs] == ["fold 0", "fold 1, run 2", "fold 1, run 3"]


def test_one_value_for_each_fold_is_no_course():
    records = [Record(values={"val_dice": 0.1 * i}, group=f"fold {i}") for i in range(9)]
    assembled = made(records)
    assert assembled.runs == ()
    assert "9 groups" in assembled.instead


def test_a_search_over_settings_is_no_training():
    def rows(settings):
        return [
            Record(values={"depth": float(d), "subsample": d / 10, "val_auc": 0.5 + d / 100}, step=float(i))
            for i, d in enumerate(settings)
        ]

    assert "search over settings (depth, subsample)" in made(rows([3, 5, 4, 8])).instead
    assert len(made(rows([3, 3, 3, 3])).runs) == 1  # stated with every row, but always the same


def test_the_last_run_has_the_crash():
    runs = made([*epochs(0, 5), *epochs(0, 5)], crash="RuntimeError: out").runs
    assert [run.crash for run in runs] == ["", "RuntimeError: out"]


# ---- ranks


def test_a_row_written_by_two_ranks_counts_once():
    records = [r for step in steps(0, 50, 10) for r in (step, step)]
    assert len(curve(only(records), "loss")) == 5


def test_ranks_that_take_turns_in_blocks_are_put_in_order():
    blocks = [Record(values={"loss": 1 / (s + 1)}, step=float(s)) for b in range(0, 60, 3) for _ in "ab"
              for s in range(b, b + 3)]  # fmt: skip
    loss = curve(only(blocks), "loss")
    assert loss.steps.tolist() == list(range(60))
    assert np.all(np.diff(loss.order) > 0)


def test_a_run_that_was_resumed_many_times_is_no_turn_taking():
    records = [r for begin in range(0, 200, 20) for r in steps(begin, begin + 24)]
    run = only(records)
    assert curve(run, "loss").steps.tolist() == list(range(204))
    assert run.hints["resumed_at"] == 180


def test_the_loss_of_another_rank_is_a_part_only_where_it_differs():
    def log(difference):
        for s in range(9):
            yield Record(values={"loss": 1 / (s + 1)}, step=float(s), rank="0")
            yield Record(values={"loss": 1 / (s + 1) + difference}, step=float(s), rank="1")

    assert [s.part for s in only(log(0.5)).series] == ["", "rank 1"]
    assert [s.part for s in only(log(0.0)).series] == [""]


def test_what_only_one_rank_writes_is_taken_over():
    def log():
        for s in range(9):
            yield Record(values={"loss": 1 / (s + 1)}, step=float(s), rank="0")
            yield Record(values={"grad_norm": 1.0 + s}, step=float(s), rank="3")

    assert len(curve(only(log()), "gradient_norm")) == 9


# ---- axes


def test_sparse_rows_share_the_axis_of_steps():
    records = []
    for epoch in range(4):
        records += [Record(values={"loss": 0.5}, step=float(epoch * 100 + s)) for s in (0, 50, 99)]
        records.append(Record(values={"val_loss": 0.6}, epoch=float(epoch)))
    run = only(records)
    assert run.axis == "step"
    assert curve(run, "loss", "val").steps.tolist() == [99.5, 199.5, 299.5, 399][:4]


def test_rows_without_any_count_are_counted():
    run = only([Record(values={"loss": 1.0 / (i + 1)}) for i in range(5)])
    assert (run.axis, run.series[0].steps.tolist()) == ("row", [1, 2, 3, 4, 5])


def test_a_count_that_never_moves_is_none():
    assert only([Record(values={"loss": 1.0 / (i + 1)}, epoch=0.0) for i in range(5)]).axis == "row"


# ---- percent, errors, absent classes


def test_percent_is_decided_for_every_key_by_itself():
    records = [
        Record(
            values={"loss": 9.0, "train_acc": 40.0 + e, "val_acc": 0.4 + e / 100, "val_mcc": 2.0},
            epoch=float(e),
        )
        for e in range(5)
    ]
    run = only(records)
    assert curve(run, "accuracy", "train").values.tolist() == pytest.approx([0.40, 0.41, 0.42, 0.43, 0.44])
    assert curve(run, "accuracy", "val").values.tolist() == pytest.approx([0.40, 0.41, 0.42, 0.43, 0.44])
    assert curve(run, "loss").values[0] == 9  # a loss is no share
    assert curve(run, "mcc").values[0] == 2


@pytest.mark.parametrize(("largest", "scaled"), [(1.0, 1.0), (1.5, 1.5), (1.51, 0.0151), (100.5, 1.005)])
def test_both_sides_of_the_percent_threshold(largest, scaled):
    run = only([Record(values={"val_f1": v}, epoch=float(i)) for i, v in enumerate((0.1, 0.2, largest))])
    assert run.series[0].values[-1] == pytest.approx(scaled)


def test_counts_under_the_name_of_a_share_are_ignored():
    assembled = made([Record(values={"loss": 1.0, "accuracy": 8000.0 + i}, epoch=float(i)) for i in range(5)])
    assert {s.name for s in assembled.runs[0].series} == {"loss"}
    assert "accuracy" in assembled.ignored


def test_a_rare_class_in_percent_is_scaled_with_its_neighbours():
    records = [Record(values={"recall[0]": 90.0 + e, "recall[9]": e / 10}, epoch=float(e)) for e in range(5)]
    rare = next(s for s in only(records).series if s.part == "9")
    assert rare.values[-1] == pytest.approx(0.004)


def test_errors_become_accuracies_also_in_percent():
    run = only([Record(values={"val_top1_err": 80.0 - e}, epoch=float(e)) for e in range(4)])
    assert curve(run, "accuracy", "val").values.tolist() == pytest.approx([0.20, 0.21, 0.22, 0.23])


def test_minus_one_is_an_absent_class():
    run = only([Record(values={"val_ap": v}, epoch=float(i)) for i, v in enumerate((-1.0, 0.2, 0.3, 0.4))])
    assert math.isnan(curve(run, "average_precision").values[0])


# ---- which loss, whose metric


def test_the_total_is_the_loss_and_its_terms_are_terms():
    records = [
        Record(values={"total_loss": 3.0, "ce_loss": 1.0, "dice_loss": 2.0}, epoch=float(e)) for e in range(4)
    ]
    run = only(records)
    assert curve(run, "loss", "train").key == "total_loss"
    assert {s.part for s in run.all("loss_component")} == {"ce", "dice"}


def test_a_lone_term_is_the_loss():
    run = only([Record(values={"train/CrossEntropyLoss": 3.0 - e}, step=float(e)) for e in range(4)])
    assert curve(run, "loss", "train").key == "train/CrossEntropyLoss"


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ({"learn": (0.6, 0.5, 0.4), "test": (0.6, 0.55, 0.5)}, {("loss", "train"), ("loss", "val")}),
        ({"learn": (0.6, 0.7, 0.8), "test": (0.6, 0.65, 0.7)}, set()),  # it may be any score
        ({"test": (0.6, 0.55, 0.5)}, set()),
    ],
)
def test_the_console_of_catboost_states_a_loss_where_it_falls(values, names):
    rows = [Record(values=dict(zip(values, row, strict=True)), step=float(i)) for i, row in
            enumerate(zip(*values.values(), strict=True))]  # fmt: skip
    assert {(s.name, s.phase) for run in made(rows).runs for s in run.series} == names


def test_terms_without_a_total_stay_terms():
    run = only(
        [Record(values={"train/box_loss": 1.0, "train/cls_loss": 2.0}, epoch=float(e)) for e in range(4)]
    )
    assert run.get("loss") is None
    assert {s.part for s in run.all("loss_component", "train")} == {"box", "cls"}


def test_the_log_loss_is_the_loss_only_where_there_is_no_other():
    beside = only([Record(values={"loss": 1.0, "val_bce": 0.5}, epoch=float(e)) for e in range(4)])
    assert curve(beside, "bce", "val").key == "val_bce"
    assert beside.get("loss", "val") is None
    alone = only(
        [Record(values={"train-logloss": 1.0, "test-logloss": 0.5}, step=float(e)) for e in range(4)]
    )
    assert curve(alone, "loss", "val").key == "test-logloss"


@pytest.mark.parametrize(
    ("keys", "phase"),
    [
        (("loss", "accuracy", "val_loss", "val_accuracy"), "train"),  # as Keras writes
        (("train_loss", "val_loss", "accuracy"), "val"),
        (("train_loss", "accuracy"), "val"),
        (("loss", "accuracy"), "train"),
        (("accuracy", "f1"), "val"),
    ],
)
def test_whose_metric_it_is_follows_from_the_other_keys(keys, phase):
    run = only([Record(values=dict.fromkeys(keys, 0.5 + e / 100), epoch=float(e)) for e in range(4)])
    assert {s.phase for s in run.series if s.key == "accuracy"} == {phase}


@pytest.mark.parametrize("beside", [("train/loss", "val/loss"), ("train/loss",), ("loss", "val_loss"), ()])
def test_the_mean_loss_since_the_last_row_is_of_training(beside):
    records = [
        Record(values=dict.fromkeys((*beside, "loss_mean10", "val_ap"), 1 / (s + 1)), step=float(s))
        for s in range(4)
    ]
    assert curve(only(records), "loss_mean").phase == "train"


def test_metrics_in_lines_of_their_own_are_validated():
    records = []
    for e in range(4):
        records += [
            Record(values={"loss": 1.0}, epoch=float(e)),
            Record(values={"accuracy": 0.5}, epoch=float(e)),
        ]
    assert curve(only(records), "accuracy").phase == "val"


def test_test_is_validation_where_there_is_no_other():
    alone = made([Record(values={"train_loss": 1.0, "test_acc": 0.5}, epoch=float(e)) for e in range(4)])
    assert curve(alone.runs[0], "accuracy", "val").key == "test_acc"
    both = made(
        [Record(values={"loss": 1.0, "val_acc": 0.6, "test_acc": 0.5}, epoch=float(e)) for e in range(4)]
    )
    assert curve(both.runs[0], "accuracy", "val").key == "val_acc"
    assert "test" in both.notes[0]
    assert both.ignored == ("test_acc",)


def test_the_files_name_says_the_phase_where_nothing_else_does():
    records = [Record(values={"AUC": 0.5 + e / 50}, step=float(e)) for e in range(4)]
    assert curve(only(records, source="catboost_info/test_error.tsv"), "roc_auc").phase == "val"


def test_the_first_of_two_unnamed_sets_is_the_training_set():
    records = [
        Record(values={"validation_0-auc": 0.9, "validation_1-auc": 0.7}, step=float(e)) for e in range(4)
    ]
    assert curve(only(records), "roc_auc", "train").values[0] == 0.9
    assert curve(only(records), "roc_auc", "val").values[0] == 0.7
    numbered = [Record(values={"val_1 auc": 0.9, "val_2 auc": 0.7}, step=float(e)) for e in range(4)]
    assert [(s.phase, s.part) for s in only(numbered).series] == [("val", ""), ("val", "set 2")]
    single = [Record(values={"validation_0-auc": 0.9}, step=float(e)) for e in range(4)]
    assert curve(only(single), "roc_auc").phase == "val"


def test_the_phase_of_a_record_holds_for_its_metrics_but_not_for_the_learning_rate():
    run = only(
        [Record(values={"loss": 0.5, "lr": 0.1, "auc": 0.7}, epoch=float(e), phase="val") for e in range(4)]
    )
    assert {(s.name, s.phase) for s in run.series} == {
        ("loss", "val"),
        ("learning_rate", ""),
        ("roc_auc", "val"),
    }


def test_a_summary_at_the_end_is_no_curve_beside_the_curve():
    records = [*epochs(0, 5), Record(values={"train_loss": 0.4}, epoch=5.0)]
    assert [s.key for s in only(records).series] == ["loss"]


# ---- the user's word, the gate, what is told


def test_the_users_names_win():
    records = [Record(values={"loss": 1.0, "my metric": 0.1 * e}, epoch=float(e)) for e in range(5)]
    run = only(records, keys={"my metric": "val_roc_auc", "loss": "val_loss"})
    assert curve(run, "roc_auc", "val").key == "my metric"
    assert curve(run, "loss", "val").key == "loss"


def test_a_name_for_a_key_that_is_not_there_is_told():
    assert "--map: the log has no key 'x'" in made(epochs(0, 5), keys={"x": "loss"}).notes


@pytest.mark.parametrize(("count", "runs"), [(2, 0), (3, 1)])
def test_three_values_make_a_series(count, runs):
    assembled = made(epochs(0, count))
    assert len(assembled.runs) == runs
    assert assembled.thin == ({} if runs else {"loss": count})


def test_a_learning_rate_alone_is_no_training():
    assembled = made([Record(values={"lr": 0.1, "return": 3.0}, step=float(e)) for e in range(9)])
    assert assembled.runs == ()
    assert set(assembled.ignored) == {"lr", "return"}


def test_one_key_may_mean_two_things():
    records = [
        Record(values={"Loss": 1.0}, epoch=float(e), phase=p) for e in range(4) for p in ("train", "val")
    ]
    assert made(records).keys == {"Loss": "train loss, val loss"}


# ---- memory


def twin(values, most):
    """Thin with plain loops: of every four the extremes and the first odd one, over and over."""
    rows = list(enumerate(values))
    while len(rows) > most:
        keep = {0, len(rows) - 1}
        whole = len(rows) // 4 * 4
        for begin in range(0, whole, 4):
            bucket = range(begin, begin + 4)
            fine = [i for i in bucket if math.isfinite(rows[i][1])]
            keep |= (
                {min(fine, key=lambda i: (rows[i][1], i)), min(fine, key=lambda i: (-rows[i][1], i))}
                if fine
                else set()
            )
            keep |= set([i for i in bucket if not math.isfinite(rows[i][1])][:1])
        rows = [row for i, row in enumerate(rows) if i in keep or i >= whole]
    return [i for i, _ in rows]


@given(
    st.lists(st.floats(-5, 5) | st.sampled_from([math.nan, math.inf, -math.inf]), min_size=30, max_size=200),
    st.integers(12, 40),
)
def test_thinning_keeps_the_ends_the_extremes_and_what_is_not_finite(values, most):
    rows = np.zeros((len(values), 5))
    rows[:, 0], rows[:, 4] = np.arange(len(values)), values
    kept = thinned(rows, most)[:, 0].astype(int).tolist()
    assert kept == twin(values, most)
    assert kept[0] == 0
    assert kept[-1] == len(values) - 1
    finite = [v for v in values if math.isfinite(v)]
    if finite:
        assert {min(finite), max(finite)} <= {values[i] for i in kept}
    if len(finite) < len(values):
        assert not all(math.isfinite(values[i]) for i in kept)


def test_a_long_log_takes_bounded_memory_and_loses_no_nan():
    def log():
        for step in range(4 * MOST_POINTS):
            odd = step == 3 * MOST_POINTS + 1
            yield Record(
                values={"loss": math.nan if odd else 1 / (step + 1)}, step=float(step), line=step + 1
            )

    loss = curve(only(log()), "loss")
    assert len(loss) <= MOST_POINTS
    assert (loss.steps[0], loss.steps[-1]) == (0, 4 * MOST_POINTS - 1)
    assert loss.steps[np.isnan(loss.values)].tolist() == [3 * MOST_POINTS + 1]
    assert loss.lines[0] == 1


# ---- properties

KEYS = st.sampled_from(
    ["loss", "val_loss", "lr", "accuracy", "val_acc", "recall[3]", "err", "box_loss", "time", "test_f1"]
)
NUMBERS = st.floats(allow_nan=True, allow_infinity=True)
COUNTS = st.none() | st.integers(0, 12).map(float)
RECORDS = st.builds(
    Record,
    values=st.dictionaries(KEYS, NUMBERS, max_size=5),
    line=st.integers(0, 99),
    step=COUNTS,
    epoch=COUNTS,
    phase=st.sampled_from(["", "train", "val"]),
    group=st.sampled_from(["", "", "fold 1"]),
    rank=st.sampled_from(["", "", "0", "1"]),
)


@given(st.lists(RECORDS, max_size=60))
def test_any_records_give_sound_series(records):
    assembled = made(records)
    total = sum(len(r.values) for r in records)
    for run in assembled.runs:
        assert any(len(s) >= 3 for s in run.series)
        for s in run.series:
            assert s.name in SERIES
            assert len(s) == len(s.steps) == len(s.order) == len(s.lines) > 0
            assert np.isfinite(s.steps).all()
            assert np.all(np.diff(s.steps) >= 0)
            assert np.all(np.diff(s.order) > 0)
    assert sum(len(s) for run in assembled.runs for s in run.series) <= total


@given(st.lists(st.floats(0.01, 0.99), min_size=3, max_size=30), st.integers(0, 5), st.integers(1, 9))
def test_a_plain_run_is_read_back_unchanged(values, start, stride):
    records = [
        Record(values={"loss": v}, step=float(start + i * stride), line=i) for i, v in enumerate(values)
    ]
    loss = curve(only(records), "loss", "train")
    assert loss.values.tolist() == values
    assert loss.steps.tolist() == [start + i * stride for i in range(len(values))]

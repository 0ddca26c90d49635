"""Numbers are rounded once, here, and never into something untrue."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imbalance_doctor.diagnose import Diagnosis, Unread, diagnose
from imbalance_doctor.engine.base import Unknown
from imbalance_doctor.evidence import LabelCounts, Location, PlannedRun, TrainingPlan
from imbalance_doctor.recommend.base import Choice
from imbalance_doctor.report import _format as form


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1,000"),
        (-1234567, "-1,234,567"),
        (2.0, "2"),
        (2.564, "2.56"),
        (999.96, "1,000"),
        (1234.56, "1,235"),
        (0.000012, "1.2e-05"),
        (True, "yes"),
        (None, "unknown"),
        (math.nan, "undefined"),
        (math.inf, "infinite"),
        (-math.inf, "-infinite"),
        (np.float32(0.5), "0.5"),
        (np.int64(12345), "12,345"),
        ((1, 2.5), "1, 2.5"),
        ("smooth-ap", "smooth-ap"),
    ],
)
def test_numbers(value, text):
    assert form.number(value) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0, "0 %"),
        (1, "100 %"),
        (0.5, "50 %"),
        (0.002, "0.2 %"),
        (0.0023456, "0.235 %"),
        (0.9999999, "99.99999 %"),
        (1e-9, "1e-07 %"),
        (1.5, "150 %"),
        (math.nan, "undefined"),
    ],
)
def test_percent(share, text):
    assert form.percent(share) == text


@settings(deadline=None)
@given(st.floats(min_value=1e-15, max_value=1 - 1e-9))
def test_a_share_that_is_neither_none_nor_all_never_reads_as_either(share):
    text = form.percent(share).removesuffix(" %")
    assert 0 < float(text) < 100
    assert float(text) == pytest.approx(100 * share, rel=0.01)


@settings(deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e14, max_value=1e14))
def test_numbers_stay_within_half_a_percent(value):
    assert float(form.number(value).replace(",", "")) == pytest.approx(value, rel=0.0051, abs=1e-300)


@settings(deadline=None)
@given(st.integers(min_value=0, max_value=2**60))
def test_bytes_stay_within_half_a_percent(count):
    amount, unit = form.size(count).split()
    power = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"].index(unit)
    assert float(amount.replace(",", "")) * 1024**power == pytest.approx(count, rel=0.0051)


@pytest.mark.parametrize(
    ("count", "text"), [(1023, "1,023 bytes"), (1024, "1 KiB"), (2**31, "2 GiB"), (0, "0 bytes")]
)
def test_bytes_change_unit_at_each_power(count, text):
    assert form.size(count) == text


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [(None, None, ""), (1, None, "1 or more"), (None, 0.5, "up to 0.5"), (9744, 65536.0, "9744 to 65536")],
)
def test_intervals(low, high, text):
    assert form.interval(low, high) == text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (1, "rows", "1 row"),
        (2, "rows", "2 rows"),
        (1.0, "batches", "1 batch"),
        (1, "classes", "1 class"),
        (1, "epochs", "1 epoch"),
        (0.5, "share", "50 %"),
        (1, "", "1"),
        ((1, 2), "rows", "1, 2 rows"),
        ((0.5, 0.25), "share", "50 %, 25 %"),
        ("binary", "", "binary"),
    ],
)
def test_quantities(value, unit, text):
    assert form.quantity(value, unit) == text


@pytest.mark.parametrize(
    ("words", "text"),
    [([], ""), ([""], ""), (["a"], "a"), (["a", "", "b"], "a and b"), (["a", "b", "c"], "a, b and c")],
)
def test_lists_of_words(words, text):
    assert form.listed(words) == text


def test_plan_values_can_be_pasted_but_bytes_are_for_reading():
    assert form.choice_value("queue_size", 16384) == "16384"
    assert form.choice_value("memory_budget", 2**31) == "2 GiB"
    assert form.choice_value("max_pool_size", None) == "none"


@pytest.mark.parametrize(
    ("because", "split"),
    [
        ("pool-too-small: it starves", ("pool-too-small", "it starves")),
        ("note: not a rule, for ids have a hyphen", ("", "note: not a rule, for ids have a hyphen")),
        ("the smallest that holds 20 positives", ("", "the smallest that holds 20 positives")),
    ],
)
def test_reasons_that_name_a_rule(because, split):
    assert form.rule_and_reason(because) == split


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("Below 0.5 it is noise. Measured.", "Below 0.5 it is noise."),
        ("One sentence\nover two lines.\n\nSecond paragraph.", "One sentence over two lines."),
        ("e.g. This stays.", "e.g. This stays."),
        ("", ""),
    ],
)
def test_first_sentence(text, first):
    assert form.first_sentence(text) == first


def test_unchecked_rules_count_once_per_input_and_the_most_wanted_comes_first():
    def unknown(rule, *missing, run=""):
        return Unknown(rule=rule, severity="error", missing=missing, because="", run=run)

    phrases = form.unchecked(
        [
            unknown("a", "plan.batch_size"),
            unknown("a", "plan.batch_size", run="second"),
            unknown("b", "plan.batch_size", "labels"),
            unknown("c", "labels"),
            unknown("d", "plan.queue_size"),
            unknown("e"),
        ]
    )
    assert phrases == [
        "2 rules need --labels",
        "2 rules need --batch-size",
        "1 rule needs --queue-size",
        "1 rule cannot be computed from what was given",
    ]
    few = form.unchecked([unknown("a", "plan.batch_size"), unknown("b", "plan.quantile")], most=1)
    assert few == ["1 rule needs --batch-size", "others need 1 further input"]


def labels(counts, kind="classes", **more):
    names = tuple(map(str, range(len(counts))))
    rows = more.pop("rows", sum(counts))
    return LabelCounts(classes=names, counts=np.array(counts), rows=rows, kind=kind, **more)


@pytest.mark.parametrize(
    ("given_", "plan", "parts"),
    [
        # Wilson by hand: (p + z2/2n -+ z sqrt(p(1-p)/n + z2/4n2)) / (1 + z2/n) at 388 of 20,000.
        (
            labels([19612, 388], positive=1),
            {},
            ["20,000 rows, 388 positives (1.94 %, 95 % interval 1.76 to 2.14 %), positive class 1, binary"],
        ),
        (
            labels([0, 10], positive=0, ignored=5),
            {},
            ["10 rows and 5 ignored, 0 positives (0 %, 95 % interval 0 to 27.8 %), positive class 0, binary"],
        ),
        (
            labels([80, 19, 1, 0]),
            {},
            [
                "100 rows, rarest class 2 with 1 row (1 %, 95 % interval 0.177 to 5.45 %)",
                "4 classes, 1 of them without a row, multi-class",
            ],
        ),
        (
            labels([30, 20], kind="indicator", rows=100),
            {},
            [
                "100 rows, rarest class 1 with 20 rows (20 %, 95 % interval 13.3 to 28.9 %)",
                "2 classes, multi-label",
            ],
        ),
        (
            labels([0, 0, 0], kind="indicator", rows=9),
            {},
            ["9 rows", "3 classes, 3 of them without a row, multi-label"],
        ),
        (None, {"prevalence": 0.006}, ["Prevalence 0.6 % as stated"]),
        (None, {"loss": "bce"}, []),
    ],
)
def test_what_was_read_in_one_line(given_, plan, parts):
    runs = [PlannedRun(plan=TrainingPlan(**plan))]
    assert form.read(diagnose((), labels=given_, runs=runs)) == "; ".join(parts)


def unread(field, because="it is hidden", run="", where=None):
    return Unread(field=field, because=because, run=run, where=where)


def test_what_was_not_read_comes_with_its_reason_and_the_options_that_give_it():
    one = Diagnosis(
        unread=(
            unread("batch_size", "'a.bs' is hidden", where=Location(path="t.py", line=13, column=4)),
            unread("steps"),
            unread("queue_size"),
        )
    )
    ((label, what),) = form.not_read(one)
    reasons, options = what.split(": ")
    assert label == "Not read"
    assert reasons == "batch_size (t.py:13, 'a.bs' is hidden), steps and queue_size (it is hidden)"
    assert options == "give --batch-size --steps --queue-size"
    assert form.not_read(Diagnosis()) == []


def test_what_several_runs_lack_is_said_once():
    fields = (("a", "gamma"), ("b", "gamma"), ("c", "gamma"), ("b", "alpha"))
    several = Diagnosis(unread=tuple(unread(field, run=run) for run, field in fields))
    assert form.not_read(several) == [
        ("Not read in a, b and c", "gamma (it is hidden): give --gamma"),
        ("Not read in b", "alpha (it is hidden): give --alpha"),
    ]


@pytest.mark.parametrize(
    ("costs", "line"),
    [
        ({"cost.bytes_planned": 2048.0, "cost.operations_dense": 256.0},
         "Memory 2 KiB and 256 operations per step"),
        ({"cost.queue_bytes": 34816.0, "cost.bytes_planned": 2048.0, "cost.operations_dense": 1.0},
         "Memory 2 KiB and 1 operation per step, queue 34 KiB"),
        ({"cost.operations_planned": 5000.0}, "5,000 operations per step"),
        ({"cost.queue_bytes": 1024.0}, "Queue 1 KiB"),
        ({}, ""),
    ],
)  # fmt: skip
def test_costs_in_one_line(costs, line):
    assert form.cost_line(costs) == line


@pytest.mark.parametrize(
    ("because", "line"),
    [
        (("it is small", "a-rule: bounds it", "b-rule: bounds it", "a-rule: again"),
         "a-rule, b-rule; it is small"),
        (("given by you", "the default"), "given by you"),
        (("a-rule: bounds it",), "a-rule"),
        ((), ""),
    ],
)  # fmt: skip
def test_a_reason_starts_with_the_rules_that_bound_the_value(because, line):
    assert form.reason(Choice(value=1, because=because)) == line


@settings(deadline=None)
@given(st.text(alphabet=st.characters()))
def test_cleaned_text_is_one_printable_line(text):
    line = form.clean(text)
    assert line.isprintable()
    assert form.clean(line) == line


@settings(deadline=None)
@given(st.text(alphabet=st.characters()))
def test_cleaned_code_keeps_its_lines_and_nothing_invisible(text):
    assert all(line.isprintable() for line in form.clean_lines(text).split("\n"))

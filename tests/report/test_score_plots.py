"""Pictures of score dumps on the HTML page: where things are drawn, and what is left out."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imbalance_doctor.diagnose import Diagnosis, TrainedRun, diagnose
from imbalance_doctor.evidence import PlannedRun, ScoreBlock, ScoreDump, Series, TrainingLog, TrainingPlan
from imbalance_doctor.facts.base import Facts
from imbalance_doctor.report._score_plots import pictures
from imbalance_doctor.report._svg import Plot, chart, drift
from imbalance_doctor.report.base import renderer

LEFT, RIGHT, TOP, BOTTOM = 52, 352, 20, 128
HOSTILE = "\"><script>alert('x')</script><img src=x onerror=y>&\x1b[31m"


def dump(scores, targets, kind="binary", names=()):
    scores = np.asarray(scores, dtype=float)
    scores = scores[:, None] if scores.ndim == 1 else scores
    block = ScoreBlock(scores=scores, targets=np.asarray(targets))
    return ScoreDump(
        rows=len(scores),
        classes=scores.shape[1],
        kind=kind,
        scale="logits",
        blocks=lambda: iter((block,)),
        names=names,
    )


def diagnosed(given, **plan):
    return diagnose((), runs=[PlannedRun(plan=TrainingPlan(**plan))], scores=given)


def binary(rows=1500, seed=0):
    rng = np.random.default_rng(seed)
    targets = (rng.random(rows) < 0.1).astype(np.int64)
    return rng.normal(size=rows) + 2 * targets - 2, targets


def by_title(diagnosis):
    return {one.title: one for one in pictures(diagnosis)}


def elements(svg, name):
    """The elements of one kind, as XML reads them."""
    return [e for e in ET.fromstring(svg).iter() if e.tag == name]  # noqa: S314  our own


def points(svg, tip):
    (line,) = [e for e in elements(svg, "polyline") if e.find("title").text.startswith(tip)]
    return [tuple(map(float, point.split(","))) for point in line.get("points").split()]


def test_the_page_shows_all_pictures_of_a_dump():
    shown = diagnosed(dump(*binary()), loss="smooth-ap", temperature=0.1)
    page = renderer("html")(shown, command="check")
    assert "<h2>Scores</h2>" in page
    for title in (
        "Scores by class", "Reliability", "Precision over recall", "ROC", "Gradient over temperature",
    ):  # fmt: skip
        assert f"<b>{title}</b>" in page
    assert len(re.findall("<svg", page)) == 5
    assert "<script" not in page
    assert "nan" not in "".join(one.svg for one in pictures(shown))


def test_without_a_dump_there_is_no_section():
    assert pictures(Diagnosis()) == []
    assert "Scores" not in renderer("html")(Diagnosis())


def test_without_the_curves_the_rest_is_shown():
    whole = diagnosed(dump(*binary()))
    facts = Facts(plan=TrainingPlan(), scores=whole.facts.family("scores"))
    assert list(by_title(replace(whole, facts=facts))) == ["Gradient over temperature"]


def test_the_band_of_false_positive_rates_is_shaded():
    roc = by_title(diagnosed(dump(*binary()), metric_fpr_low=0.01, metric_fpr_high=0.1))["ROC"]
    (band,) = elements(roc.svg, "rect")
    labels = [e.text for e in elements(roc.svg, "text")]
    start = next(float(text) for text in labels if re.fullmatch(r"0\.0*1|1e-\d+", text))
    decade = (RIGHT - LEFT) / -math.log10(start)
    assert float(band.get("x")) == pytest.approx(RIGHT - 2 * decade, abs=0.1)
    assert float(band.get("width")) == pytest.approx(decade, abs=0.1)
    assert "0.01 to 0.1" in roc.note
    assert points(roc.svg, "recall")[-1] == (RIGHT, TOP)


def test_the_top_share_is_shaded_up_to_its_recall():
    shown = diagnosed(dump(*binary()), metric_quantile=0.05)
    picture = by_title(shown)["Precision over recall"]
    (band,) = elements(picture.svg, "rect")
    found = shown.facts.value("scores.recall_at_quantile")
    assert 0.1 < found < 0.9
    assert float(band.get("x")) == LEFT
    assert float(band.get("width")) == pytest.approx(found * (RIGHT - LEFT), abs=0.1)
    assert "top share 0.05" in picture.note
    prevalence = shown.facts.value("scores.prevalence")
    assert points(picture.svg, "prevalence")[0][1] == pytest.approx(
        BOTTOM - prevalence * (BOTTOM - TOP), abs=0.1
    )


def test_bins_without_rows_have_no_dot():
    shown = diagnosed(dump([-3.0, -3.0, 3.0, 3.0], [0, 0, 1, 0]))
    rows = shown.facts.value("score_curves.reliability_rows")
    assert sum(count > 0 for count in rows) == 2
    dots = elements(by_title(shown)["Reliability"].svg, "circle")
    assert [float(dot.get("cy")) for dot in dots] == [BOTTOM, (TOP + BOTTOM) / 2]


def test_each_class_is_drawn_by_its_own_share():
    shown = diagnosed(dump(*binary()))
    svg = by_title(shown)["Scores by class"].svg
    areas = [e for e in elements(svg, "path") if e.get("fill-opacity")]
    facts = shown.facts.family("score_curves")
    both = [facts.negative_counts, facts.positive_counts]
    highest = max(max(counts) / sum(counts) for counts in both)
    for area, counts in zip(areas, both, strict=True):
        heights = [float(h) for h in re.findall(r"V([\d.]+)H", area.get("d"))]
        wanted = [BOTTOM - count / sum(counts) / highest * (BOTTOM - TOP) for count in counts]
        assert heights == pytest.approx(wanted, abs=0.06)


@pytest.mark.parametrize(("plan", "told"), [({"temperature": 0.1}, True), ({"loss": "sigmoid-focal"}, False)])
def test_the_temperature_of_the_plan_is_marked_where_there_is_one(plan, told):
    shown = diagnosed(dump(*binary()), **plan)
    picture = by_title(shown)["Gradient over temperature"]
    assert ("the plan's temperature 0.1" in picture.note) == told
    dashed = [e for e in elements(picture.svg, "polyline") if e.get("stroke-dasharray")]
    assert len(dashed) == told
    shares = shown.facts.value("scores.live_at_quantile_by_temperature")
    line = points(picture.svg, "recall-at-quantile")
    assert [y for _, y in line] == pytest.approx([BOTTOM - s * (BOTTOM - TOP) for s in shares], abs=0.06)
    assert np.ptp(np.diff([x for x, _ in line])) < 0.3  # half-decades apart
    if told:
        assert points(picture.svg, "the plan's")[0][0] == pytest.approx(line[4][0], abs=0.1)


@pytest.mark.parametrize("flag", [0, 1])
def test_of_one_class_alone_no_curve_is_drawn(flag):
    titles = list(by_title(diagnosed(dump([0.5, 1.5, -1.0], [flag] * 3))))
    assert titles[:2] == ["Scores by class", "Reliability"]
    assert not {"ROC", "Precision over recall"} & set(titles)


@pytest.mark.parametrize(
    ("scores", "targets"),
    [
        ([2.0] * 6, [0, 0, 0, 0, 1, 1]),
        ([1e60, -1e60, 0.0, 5.0], [1, 0, 0, 1]),
        ([1.0], [1]),
        ([1.0, math.nan, math.inf, 0.0], [1, 1, 0, 0]),
    ],
)
def test_odd_dumps_are_drawn(scores, targets):
    for one in pictures(diagnosed(dump(scores, targets), temperature=0.1)):
        assert len(elements(one.svg, "svg")) == 1  # well-formed
        assert not re.search("nan|inf[^o]", one.svg)


@pytest.mark.parametrize("scores", [[], [math.nan] * 3])
def test_nothing_to_draw_is_no_section(scores):
    shown = diagnosed(dump(np.array(scores), np.zeros(len(scores), dtype=int)))
    assert pictures(shown) == []


def test_names_are_text():
    rng = np.random.default_rng(1)
    targets = rng.choice(3, size=300, p=[0.6, 0.3, 0.1])
    shown = diagnosed(dump(rng.normal(size=(300, 3)), targets, "multiclass", ("a", "b", HOSTILE)))
    assert shown.facts.value("scores.focus_class") == HOSTILE
    page = renderer("html")(with_log(shown, trace(), name=HOSTILE))
    assert "<script" not in page
    assert "<img" not in page
    assert "\x1b" not in page
    assert "&lt;script&gt;" in page


def series(name, values):
    count = len(values)
    return Series(
        key=name,
        name=name,
        phase="",
        steps=np.arange(float(count)),
        values=np.asarray(values, float),
        order=np.arange(count),
        lines=np.zeros(count, dtype=np.int64),
    )


def trace(batch=(0.0, 1.0, 2.0), queue=(0.0, 0.5, 1.0)):
    found = tuple(series(n, v) for n, v in (("score_mean", batch), ("queue_score_mean", queue)) if v)
    return TrainingLog(series=found, axis="step", source="run.npz", format="replay")


def with_log(diagnosis, *logs, name=""):
    runs = tuple(TrainedRun.of(log, name, diagnosis.facts, ()) for log in logs)
    return replace(diagnosis, trained=runs)


def test_the_queue_is_drawn_against_the_batch():
    shown = by_title(with_log(diagnosed(dump(*binary())), trace()))["Queue drift"]
    middle = (LEFT + RIGHT) / 2
    assert points(shown.svg, "score_mean") == [(LEFT, BOTTOM), (middle, (TOP + BOTTOM) / 2), (RIGHT, TOP)]
    assert points(shown.svg, "queue_score_mean")[-1] == (RIGHT, (TOP + BOTTOM) / 2)


@pytest.mark.parametrize(
    "log",
    [
        trace(queue=()),
        trace(batch=()),
        trace(queue=(1.0,)),
        trace(batch=(math.nan,) * 3, queue=(math.inf,) * 3),
    ],
)
def test_without_both_series_there_is_no_drift(log):
    assert "Queue drift" not in by_title(with_log(diagnosed(dump(*binary())), log))


def test_several_runs_are_told_apart():
    shown = with_log(diagnosed(dump(*binary())), trace(), trace())
    assert [one.title for one in pictures(shown)][-2:] == ["Queue drift of run.npz"] * 2


FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(FINITE, min_size=2, max_size=5), st.lists(FINITE, min_size=2, max_size=5))
def test_any_values_are_drawn_inside_the_frame(one, other):
    svg = drift([(series("a", one), "dim"), (series("b", other), "curve")], axis="step")
    for name in ("a", "b"):
        for x, y in points(svg, name):
            assert LEFT <= x <= RIGHT
            assert TOP <= y <= BOTTOM
    for line in elements(chart(series("a", one), (), axis="step"), "polyline"):
        heights = [float(point.split(",")[1]) for point in line.get("points").split()]
        assert min(heights) >= 8
        assert max(heights) <= BOTTOM


def test_numbers_too_close_for_an_axis_are_drawn_as_a_constant():
    svg = drift([(series("a", [0.0, 5e-324]), "dim")], axis="step")
    assert points(svg, "a") == [(LEFT, (TOP + BOTTOM) / 2), (RIGHT, (TOP + BOTTOM) / 2)]


def test_powers_of_ten_stand_at_equal_distances():
    plot = Plot("p", (1e-4, 1.0), (0.0, 1.0), across="a", up="u", log=True)
    plot.line([(10.0**k, 0.0) for k in range(-4, 1)], "l")
    across = [x for x, _ in points(plot.svg(), "l")]
    assert across == pytest.approx(np.linspace(LEFT, RIGHT, 5), abs=0.06)


def test_what_lies_outside_is_drawn_at_the_edge():
    plot = Plot("p", (0.0, 1.0), (0.0, 1.0), across="a", up="u")
    plot.line([(-1, 2), (2, -1)], "l")
    assert points(plot.svg(), "l") == [(LEFT, TOP), (RIGHT, BOTTOM)]

"""What a training log shows, in every format that people read."""

import json
from dataclasses import replace
from html.parser import HTMLParser
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imbalance_doctor.diagnose import Diagnosis, TrainedRun
from imbalance_doctor.engine.base import Finding, Unknown
from imbalance_doctor.engine.odds import Odds, RuleOdds
from imbalance_doctor.evidence import Series, TrainingLog, TrainingPlan
from imbalance_doctor.facts.base import Facts, Span
from imbalance_doctor.facts.training import Training
from imbalance_doctor.report._curves import marks, spark, underline
from imbalance_doctor.report._svg import chart
from imbalance_doctor.report._unlogged import RECORD
from imbalance_doctor.report.base import renderer
from imbalance_doctor.sources.logs import LogReading
from imbalance_doctor.sources.logs.base import Template


def series(values, key="loss", name="loss", phase="train", steps=None):
    count = len(values)
    return Series(
        key=key,
        name=name,
        phase=phase,
        steps=np.arange(1.0, count + 1) if steps is None else np.asarray(steps, float),
        values=np.asarray(values, float),
        order=np.arange(count),
        lines=np.arange(1, count + 1),
    )


LOG = TrainingLog(
    series=(
        series(np.linspace(1, 0, 50)),
        series(np.r_[np.linspace(1, 0.5, 25), np.linspace(0.5, 2, 25)], "val_loss", "loss", "val"),
    ),
    axis="epoch",
    source="run.log",
    format="Keras CSVLogger",
)
OVERFIT = Finding(
    rule="validation-loss-rises",
    title="Validation loss rises",
    severity="error",
    confidence="high",
    message="Validation loss rises from epoch 25 on.",
    why="It learns by heart.\n\nMeasured.",
    remedy="Stop at epoch 25.",
    cause="minority-overfit",
    explains=("gap-is-wide",),
    from_log=True,
    seen=(Span(key="val_loss", first=25, last=50, first_line=26, last_line=51),),
    facts={"training.loss_points": 50},
)
GAP = replace(OVERFIT, rule="gap-is-wide", severity="warning", explains=(), message="A gap.", cause="")
LOOSE = replace(
    OVERFIT, rule="rate-is-flat", severity="note", cause="", explains=(), seen=(), message="Flat."
)
UNKNOWN = (
    Unknown(rule="a", severity="error", missing=("log.score_std",), because="needs it"),
    Unknown(rule="b", severity="error", missing=("plan.loss", "labels"), because="needs them"),
)


NOTHING = Odds()


def diagnosis(*findings, log=LOG, points=(50, 50), counted=NOTHING):
    facts = Facts(training=Training(loss_points=points[0], validation_points=points[1]))
    with patch("imbalance_doctor.causes.counted_odds", return_value=counted):
        run = TrainedRun.of(log, "", facts, findings)
    reading = LogReading(
        source="run.log",
        format=log.format,
        runs=(log,),
        keys={"loss": "train loss", "val_loss": "val loss"},
        ignored=("time",),
        templates=(Template(sample="epoch,loss,val_loss", count=50, keys=("loss", "val_loss")),),
        unread=2,
    )
    return Diagnosis(
        subject=("run.log",),
        facts=facts,
        findings=findings,
        unknown=UNKNOWN,
        trained=(run,),
        readings=(reading,),
    )


FULL = diagnosis(OVERFIT, GAP, LOOSE)


@pytest.mark.parametrize("name", ["text", "html", "json", "markdown"])
def test_a_cause_that_only_labelled_runs_show_is_told_apart(name):
    rule = RuleOdds(fires=30, causes={"noisy-positives": 25, "minority-overfit": 5})
    causes = {"noisy-positives": 30, "minority-overfit": 60}
    counted = Odds(harmed=90, causes=causes, rules={OVERFIT.rule: rule})
    page = " ".join(renderer(name)(diagnosis(OVERFIT, counted=counted), command="diagnose").split())
    assert "noisy-positives" in page
    if name in {"text", "html"}:
        assert "on labelled runs with the same findings; none of them names it" in page
    if name == "json":
        first, second = json.loads(page)["causes"]
        assert (second["cause"], second["findings"]) == ("noisy-positives", [])
        assert first["findings"]


def test_text_tells_verdict_cause_evidence_remedy_and_what_was_read():
    text = renderer("text")(FULL, width=110)
    for part in (
        "run.log: faulty (Keras CSVLogger, epochs 1 to 50)",
        "Cause: minority-overfit, high confidence",
        "error: Validation loss rises from epoch 25 on. [validation-loss-rises; val_loss, epochs 25 to 50]",
        "shows:   gap-is-wide",
        "Stop at epoch 25.",
        "Also found",
        "note: Flat. [rate-is-flat]",
        "score_std: 1 rule would use it",
        RECORD["score_std"],
        "More to check: 1 rule with --plan FILE and 1 rule with --labels FILE.",
        "Read run.log: Keras CSVLogger",
        "loss = train loss, val_loss = val loss",
        "ignored:  time",
        "50 like:  epoch,loss,val_loss",
        "unread:   2 lines with numbers",
    ):
        assert part in text, part
    assert "why" not in text
    verbose = renderer("text")(FULL, verbose=True, width=110)
    assert "It learns by heart" in verbose
    assert "warning: A gap. [gap-is-wide (a symptom); val_loss, epochs 25 to 50]" in verbose


def test_the_curve_is_marked_where_the_finding_saw_it():
    lines = renderer("text")(FULL, width=110).split("\n")
    row = next(i for i, line in enumerate(lines) if "val loss" in line and "▁" in line)
    curve, mark = lines[row], lines[row + 1]
    assert mark.strip().split()[0].strip("^") == ""
    assert curve[mark.index("^") :].startswith("▁")  # the loss turns where the mark begins
    assert mark.rindex("^") == max(i for i, c in enumerate(curve) if c in "▁▂▃▄▅▆▇█")
    assert "validation-loss-rises" in mark
    assert "gap-is-wide" not in mark


@pytest.mark.parametrize("width", [70, 80, 100, 140])
def test_marked_curves_are_no_wider_than_the_page(width):
    more = [
        replace(OVERFIT, rule=f"a-rule-with-a-rather-long-name-{i}", explains=(), cause="") for i in range(3)
    ]
    text = renderer("text")(diagnosis(OVERFIT, *more), width=width)
    curves, marked = text[: text.index("minority-overfit")], text.index("^")
    assert max(map(len, curves.split("\n"))) <= width
    for rule in ("validation-loss-rises", *(each.rule for each in more)):
        assert rule in curves[marked:]


@pytest.mark.parametrize("verbose", [False, True])
@pytest.mark.parametrize("form", ["text", "html"])
def test_a_finding_of_several_causes_is_told_once(form, verbose):
    both = replace(OVERFIT, also={"not-separable": 0.5, "stale-queue": 0.4})
    found = diagnosis(both, GAP)
    assert [both in cause.findings for cause in found.trained[0].causes] == [True] * 3
    text = renderer(form)(found, verbose=verbose)
    assert text.count("Validation loss rises from epoch 25 on.") == 1
    later = text[text.rindex("not-separable") :]
    assert (
        later.count("above") == 2 if form == "text" else text.count("Told above: validation-loss-rises") == 2
    )
    assert "validation-loss-rises" in later


def test_with_a_plan_the_fields_it_lacks_are_named():
    plan = TrainingPlan(loss="bce")
    lacking = (
        *UNKNOWN,
        Unknown(rule="c", severity="note", missing=("plan.batch_size", "plan.epochs"), because="needs them"),
        Unknown(rule="d", severity="note", missing=("plan.batch_size",), because="needs it"),
    )
    planned = tuple(replace(run, facts=Facts(plan=plan)) for run in FULL.trained)
    text = renderer("text")(replace(FULL, trained=planned, unknown=lacking[:1] + lacking[2:]), width=110)
    assert "More to check: 2 rules with batch_size and epochs in the plan." in text
    html = renderer("html")(replace(FULL, trained=planned, unknown=lacking))
    assert "3 rules with batch_size, epochs and loss in the plan and 1 rule with --labels FILE." in html
    names = ["alpha", "beta", "epochs", "gamma", "queue_size", "steps", "temp_end", "temp_start"]
    many = Unknown(rule="e", severity="note", missing=tuple(f"plan.{name}" for name in names), because="")
    listed = renderer("text")(replace(FULL, trained=planned, unknown=(many,)), width=110)
    assert f"1 rule with {', '.join(names[:6])} and 2 more in the plan." in listed
    nothing = renderer("text")(replace(FULL, trained=planned, unknown=lacking[:1]))
    assert "More to check" not in nothing


def test_a_healthy_run_says_what_was_looked_at():
    text = renderer("text")(diagnosis())
    assert "run.log: healthy" in text
    assert "Checked: train loss and val loss." in text


def test_a_run_that_cannot_be_judged_says_why():
    assert "The log holds 2 loss values and 0 of a validation metric." in renderer("text")(
        diagnosis(points=(2, 0))
    )


def test_a_file_without_a_run_says_what_it_is():
    reading = LogReading(source="paper.log", format="", instead="a LaTeX log")
    empty = Diagnosis(subject=("paper.log",), readings=(reading,))
    assert "Read paper.log: no training series; it is a LaTeX log" in renderer("text")(empty)
    document = json.loads(renderer("json")(empty))
    assert document["verdict"] == "cannot tell"
    assert document["read"]["instead"] == "a LaTeX log"
    assert document["read"]["runs"] == 0
    assert document["causes"] == []


def test_json_keeps_its_promise():
    document = json.loads(renderer("json")(FULL, command="diagnose"))
    assert document["verdict"] == "faulty"
    (cause,) = document["causes"]
    assert cause["cause"] == "minority-overfit"
    assert 0.9 < cause["score"] < 1
    assert cause["confidence"] == "high"
    assert [f["rule"] for f in cause["findings"]] == ["validation-loss-rises", "gap-is-wide"]
    assert cause["remedy"] == "Stop at epoch 25."
    finding = document["findings"][0]
    assert finding["steps"] == [25, 50]
    assert finding["evidence"] == {"val_loss": {"steps": [25, 50], "lines": [26, 51]}}
    assert document["findings"][2]["steps"] is None
    assert document["read"]["format"] == "Keras CSVLogger"
    assert document["read"]["runs"] == 1
    assert document["read"]["keys"] == {"loss": "train loss", "val_loss": "val loss"}
    (run,) = document["runs"]
    assert run["explained"] == {"gap-is-wide": "validation-loss-rises"}
    assert [s["points"] for s in run["series"]] == [50, 50]


def test_markdown_tells_verdict_and_causes():
    text = renderer("markdown")(FULL, command="diagnose")
    assert "### `run.log`: faulty" in text
    assert "| `minority-overfit` | 0.99 |" in text


@pytest.mark.parametrize("name", ["markdown", "github", "sarif", "junit"])
def test_every_other_format_carries_the_findings(name):
    text = renderer(name)(FULL, command="diagnose")
    assert "validation-loss-rises" in text


class Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.words, self.open = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "br", "path", "rect", "circle", "polyline"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in {"path", "rect", "circle", "polyline"}:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def page(text):
    parsed = Page()
    parsed.feed(text)
    assert parsed.open == []
    return parsed


def test_html_is_one_page_that_loads_and_runs_nothing():
    text = renderer("html")(FULL, command="diagnose")
    parsed = page(text)
    tags = {tag for tag, _ in parsed.tags}
    assert not tags & {"script", "link", "img", "iframe", "object"}
    assert not any({"src", "href", "onload", "onclick"} & set(attrs) for _, attrs in parsed.tags)
    assert "default-src 'none'" in text
    words = " ".join(parsed.words)
    for part in ("faulty", "minority-overfit", "Stop at epoch 25.", "Validation loss rises", "What was read"):
        assert part in words
    assert sum(tag == "svg" for tag, _ in parsed.tags) == 2
    spans = [attrs for tag, attrs in parsed.tags if tag == "rect"]
    assert len(spans) == 1
    assert float(spans[0]["x"]) > 150  # the second half of the chart


@given(st.text())
def test_nothing_from_a_log_becomes_markup(text):
    log = replace(LOG, series=(series([1, 2, 3], key=text or "k"),), format=text, crash=text)
    parsed = page(renderer("html")(diagnosis(replace(OVERFIT, message=text, remedy=text), log=log)))
    assert {tag for tag, _ in parsed.tags} <= {
        "html", "head", "meta", "title", "style", "body", "h1", "h2", "h3", "p", "b", "br", "span", "div",
        "i", "details", "summary", "table", "tr", "th", "td", "code", "ul", "li", "figure", "figcaption",
        "svg", "rect", "path", "text", "polyline", "circle",
    }  # fmt: skip


def test_a_suppressed_finding_is_not_healed():
    run = FULL.trained[0]
    left = run.without([OVERFIT, GAP])
    assert left.verdict == "faulty"
    assert left.because == "what shows it is suppressed or in the baseline"
    assert left.causes == ()
    assert run.without([]) is run


@given(
    st.lists(st.floats(allow_nan=True, allow_infinity=True, width=32), min_size=1, max_size=200),
    st.integers(1, 60),
)
def test_a_spark_is_as_long_as_it_may_be_and_shows_what_is_not_finite(values, width):
    line = spark(series(values), width)
    assert len(line) == min(width, len(values))
    if len(values) <= width:
        assert [c == "!" for c in line] == [not np.isfinite(v) for v in values]
    else:
        assert ("!" in line) == (not np.isfinite(values).all())


def test_a_spark_rises_with_the_values():
    assert spark(series(range(8)), 8) == "▁▂▃▄▅▆▇█"
    assert spark(series([3, 3, 3]), 8) == "▁▁▁"


def test_one_huge_value_does_not_flatten_the_rest():
    values = np.r_[np.linspace(1, 0, 40), 1e9]
    assert len(set(spark(series(values), 41))) == 8


def test_the_underline_covers_the_span_and_no_more():
    curve = series(range(10))
    run = TrainedRun.of(
        replace(LOG, series=(curve,)),
        "",
        Facts(),
        (replace(OVERFIT, seen=(Span(key="loss", first=4, last=6),)),),
    )
    assert underline(curve, 10, marks(run, curve)) == "   ^^^"
    assert underline(curve, 10, []) == ""


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=2000))
def test_a_chart_stays_in_its_frame(values):
    drawn = chart(series(values), (), axis="step")
    parsed = page(drawn)
    for tag, attrs in parsed.tags:
        if tag == "polyline":
            points = [tuple(map(float, p.split(","))) for p in attrs["points"].split()]
            assert len(points) <= 600
            assert all(0 <= x <= 360 and 0 <= y <= 150 for x, y in points)

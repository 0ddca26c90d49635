"""What was measured of a rule, beside its findings and on its page."""

import json
from dataclasses import replace

import pytest

from imbalance_doctor.engine.figures import Figures
from imbalance_doctor.engine.odds import Odds, RuleOdds
from imbalance_doctor.engine.rulebook import load_rules
from imbalance_doctor.report import _measured as told
from imbalance_doctor.report import rule_page
from imbalance_doctor.report.base import formats, renderer

FIGURES = Figures(right=45, fires_right=41, clean=312, fires_clean=0, fires=44)
LINE = "fires on 41 of 45 such runs (79-96 %), on 0 of 312 clean ones (0-1.2 %)"
LOWERED = f"{LINE}; its cause is right in 41 of 90 firings (36-56 %): medium confidence, not high"


@pytest.fixture
def measured(checked):
    """The check, whose first finding was measured as claimed, and whose second is worth less."""
    first, second, *rest = checked.findings
    worth = replace(second, confidence="medium", claimed="high", figures=replace(FIGURES, fires=90))
    return replace(checked, findings=(replace(first, figures=FIGURES), worth, *rest))


@pytest.fixture
def rule():
    rule = next(r for r in load_rules() if r.merit is None and r.severity == "warning")
    return rule.replace(confidence="high", figures=FIGURES)


def words(text):
    return " ".join(text.replace("\\", "").split())


@pytest.mark.parametrize("name", ["text", "markdown", "html"])
@pytest.mark.parametrize("verbose", [False, True])
def test_each_finding_says_what_was_measured(name, verbose, measured):
    page = words(renderer(name)(measured, verbose=verbose))
    assert page.count(LINE) == 2
    assert page.count(LOWERED) == 1


@pytest.mark.parametrize("name", sorted(formats()))
def test_what_was_not_measured_is_no_line(name, checked):
    page = renderer(name)(checked).lower()
    assert "measured:" not in page
    assert "such runs" not in page


@pytest.mark.parametrize("name", ["github", "sarif", "junit"])
def test_annotations_stay_short(name, measured):
    assert "such runs" not in renderer(name)(measured)


def test_text_is_aligned(measured):
    lines = renderer("text")(measured, width=200).splitlines()
    last = next(i for i, line in enumerate(lines) if "measured: fires" in line)
    why, remedy, suggest, said = lines[last - 3 : last + 1]
    starts = ("Below 5", "Raise", "queue_size", "fires on")
    assert {line.index(start) for line, start in zip((why, remedy, suggest, said), starts, strict=True)} == {
        14
    }


def test_json_has_counts_and_shares(measured):
    first, second, third = json.loads(renderer("json")(measured))["findings"]
    assert first["measured"]["fires_right"] == 41
    assert first["measured"]["precision"] == pytest.approx(41 / 44)
    assert first["measured"]["detection_low"] == pytest.approx(0.793, abs=5e-4)
    assert first["measured"]["claimed"] is None
    assert (second["measured"]["claimed"], second["confidence"]) == ("high", "medium")
    assert third["measured"] is None


@pytest.mark.parametrize("name", ["text", "markdown"])
def test_the_page_of_a_rule_says_it(name, rule):
    def page(**changes):
        figures = replace(FIGURES, **changes) if changes else None
        return words(rule_page.render_rule(rule.replace(figures=figures), format=name, width=500))

    assert "not measured" in page()
    assert LINE in page(fires=44)
    assert "right in 41 of 44 firings (82-98 %), so that high confidence stands" in page(fires=44)
    assert (
        "right in 41 of 90 firings (36-56 %), so that its findings have medium confidence, not high"
        in page(fires=90)
    )
    assert "6 of 6 firings (61-100 %), too few to tell whether high confidence is due" in page(
        fires=6, fires_right=6
    )
    lone = page(right=0, fires_right=0, fires=30)
    assert "no run has its cause; fires on 0 of 312 clean runs (0-1.2 %)" in lone
    assert "firings" not in lone
    assert "fires on more clean runs than a rule of severity warning may" in page(fires_clean=30, fires=80)


def test_the_document_of_a_rule_says_it(rule):
    def document(figures):
        return json.loads(rule_page.render_rule(rule.replace(figures=figures), format="json"))["rule"][
            "measured"
        ]

    assert document(None) is None
    assert document(FIGURES)["confidence"] == "high"
    assert document(replace(FIGURES, fires=90))["confidence"] == "medium"
    assert document(FIGURES)["alarms_high"] == pytest.approx(0.012, abs=5e-4)


@pytest.mark.parametrize("name", ["text", "markdown", "json"])
def test_the_page_of_a_rule_that_ships_says_for_which_causes_it_fired(name, rule, monkeypatch):
    causes = {"stale-queue": 3, "gamma-too-high": 30, "score-runaway": 5, "band-starved": 5, "one-sided": 1}
    counted = Odds(harmed=90, causes=causes, rules={rule.id: RuleOdds(fires=44, causes=causes)})
    for module in (told, rule_page):
        monkeypatch.setattr(module, "odds", lambda: counted)

    def page(rule):
        return words(rule_page.render_rule(rule, format=name, width=500))

    if name == "json":
        assert json.loads(page(rule.replace(builtin=False)))["rule"]["odds"] is None
        assert json.loads(page(rule))["rule"]["odds"] == {"fires": 44, "causes": causes}
        return
    line = "fired for gamma-too-high 30, band-starved 5, score-runaway 5, stale-queue 3 and 1 more"
    assert line in page(rule.replace(figures=FIGURES))
    assert "harmed runs that set the odds" not in page(rule.replace(figures=FIGURES, builtin=False))


def test_the_page_of_a_selection_rule_leaves_it_out():
    rule = next(r for r in load_rules() if r.merit is not None)
    assert "not measured" not in rule_page.render_rule(rule)


def test_claims_that_are_not_met(rule):
    assert told.claim(rule) == ""
    assert told.claim(rule.replace(figures=None)) == ""
    assert told.claim(rule.replace(figures=replace(FIGURES, fires=90))) == (
        "claims high confidence, but its cause is right in 41 of 90 firings (36-56 %): medium"
    )
    both = rule.replace(severity="error", figures=replace(FIGURES, fires_clean=100, fires=141))
    assert told.claim(both).endswith("; is an error, but fires on 100 of 312 clean runs (27-37 %)")
    assert told.claim(both.replace(severity="note", confidence="low")) == ""

"""How the firing of rules shifts the odds of causes, by counts that lie beside the rules."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imbalance_doctor.causes import explain, rank
from imbalance_doctor.engine.base import Finding
from imbalance_doctor.engine.odds import ODDS_NAME, Odds, RuleOdds
from imbalance_doctor.engine.rulebook import load_rules, odds
from imbalance_doctor.errors import RuleError

GAMMA, RATE, QUEUE = "unstable-gamma", "learning-rate-too-high", "stale-queue"
COUNTED = {
    "about": {"runs": 100},
    "harmed": 100,
    "causes": {GAMMA: 20, RATE: 40, QUEUE: 40},
    "rules": {"fails": {"fires": 30, "causes": {GAMMA: 18, RATE: 12}}},
}


def finding(rule, cause, *, confidence="medium", from_log=True):
    return Finding(
        rule=rule, cause=cause, title=rule, severity="warning", confidence=confidence, message="",
        from_log=from_log,
    )  # fmt: skip


def changed(**changes):
    return {**COUNTED, **changes}


def test_a_shift_is_the_smoothed_share_over_the_share_of_all():
    counted = Odds.of(COUNTED)
    assert counted.shift("fails", GAMMA, runs=5) == pytest.approx(math.log((18 + 1.5) / 25 / 0.3))
    assert counted.shift("fails", QUEUE, runs=5) == pytest.approx(math.log(1.5 / 45 / 0.3))
    assert counted.shift("fails", GAMMA, runs=1e9) == pytest.approx(0, abs=1e-6)
    assert counted.shift("fails", "no such cause", runs=5) == 0
    assert counted.shift("no-such-rule", GAMMA, runs=5) == 0


@given(st.integers(1, 50), st.integers(0, 50), st.integers(0, 50), st.floats(0.5, 50))
def test_a_cause_gains_where_its_share_is_above_the_share_of_all(own, hits, others, runs):
    hits = min(hits, own)
    harmed, fires = own + 50, hits + others
    counted = Odds(
        harmed=harmed, causes={GAMMA: own}, rules={"r": RuleOdds(fires=fires, causes={GAMMA: hits})}
    )
    shift = counted.shift("r", GAMMA, runs=runs)
    if not fires:
        assert shift == 0
    else:
        assert math.isfinite(shift)
        gap = hits / own - fires / harmed
        assert abs(gap) < 1e-12 or (shift > 0) == (gap > 0)


def test_a_cause_that_no_finding_names_is_added_where_it_was_witnessed():
    (first, second) = rank(explain([finding("fails", RATE)]), Odds.of(COUNTED))
    assert (first.id, second.id) == (RATE, GAMMA)
    assert second.findings == ()
    assert not second.remedy
    assert not second.suggest
    seldom = changed(rules={"fails": {"fires": 30, "causes": {GAMMA: 3, RATE: 12}}})
    assert [c.id for c in rank(explain([finding("fails", RATE)]), Odds.of(seldom))] == [RATE]


def test_it_comes_after_those_that_are_named_and_leaves_their_scores():
    rules = {f"r{k}": {"fires": 30, "causes": {GAMMA: 20, RATE: 5}} for k in range(9)}
    findings = [finding(f"r{k}", RATE if k else QUEUE, confidence="low") for k in range(9)]
    plain = rank(explain(findings), Odds())
    ranked = rank(explain(findings), Odds.of(changed(rules=rules)))
    assert [c.id for c in ranked] == [RATE, QUEUE, GAMMA]
    assert ranked[:2] == plain
    assert sum(c.score for c in ranked) <= 1 + 1e-12


def test_few_firings_and_findings_of_the_plan_add_nothing():
    plain = rank(explain([finding("fails", RATE)]), Odds())
    few = changed(rules={"fails": {"fires": 2, "causes": {GAMMA: 2}}})
    assert rank(explain([finding("fails", RATE)]), Odds.of(few)) == plain
    planned = [finding("fails", RATE, from_log=False)]
    assert rank(explain(planned), Odds.of(COUNTED)) == rank(explain(planned), Odds())
    assert rank(explain([]), Odds.of(COUNTED)) == ()


BAD = {
    "no JSON": ("{", ":1:2: expected JSON"),
    "a list": ("[]", "expected counts of runs, but got []"),
    "a key too many": (changed(more=1), "but got about, harmed, causes, rules, more"),
    "no rules": ({"about": {}, "harmed": 1, "causes": {}}, "under about, harmed, causes, rules"),
    "negative": (changed(harmed=-1), "harmed: expected a count, but got -1"),
    "a fraction": (changed(causes={GAMMA: 2.0}), "causes.unstable-gamma: expected a count up to 100"),
    "more than all": (changed(causes={GAMMA: 101}), "expected a count up to 100, but got 101"),
    "a rule that is a number": (changed(rules={"r": 3}), "expected rules.r with counts, but got 3"),
    "fires more than all": (changed(rules={"r": {"fires": 101, "causes": {}}}), "rules.r.fires: expected"),
    "more of a cause than there are": (
        changed(rules={"r": {"fires": 50, "causes": {GAMMA: 21}}}),
        "rules.r.causes.unstable-gamma: expected a count up to 20, but got 21",
    ),
    "more of a cause than firings": (changed(rules={"r": {"fires": 5, "causes": {GAMMA: 6}}}), "up to 5"),
    "of an unknown cause": (changed(rules={"r": {"fires": 5, "causes": {"x": 1}}}), "up to 0, but got 1"),
    "not a number": (changed(harmed=math.nan), "expected finite numbers, but got NaN"),
    "deep": ("[" * 100_000, "nested too deeply"),
    "large": (" " * (2**24 + 1), "at most 16 MiB"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_one_clear_line(case, tmp_path):
    content, says = BAD[case]
    (tmp_path / ODDS_NAME).write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(RuleError) as caught:
        Odds.beside(tmp_path)
    assert says in str(caught.value)
    assert len(str(caught.value)) < len(str(tmp_path)) + 300


def test_it_is_read_back_as_it_was_written(tmp_path):
    assert Odds.beside(tmp_path) == Odds()
    (tmp_path / ODDS_NAME).write_text(Odds.of(COUNTED).text())
    assert Odds.beside(tmp_path) == Odds.of(COUNTED)


def test_what_ships_speaks_of_rules_and_causes_that_exist():
    from imbalance_doctor.causes import catalogue

    assert set(odds().rules) <= set(load_rules().rules)
    assert set(odds().causes) <= set(catalogue())

"""What was measured of rules: read with them, refused where it contradicts itself, and it sets confidence."""

import json
import shutil
import zipfile
from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imbalance_doctor.causes import alarming, borne_out, settled
from imbalance_doctor.diagnose import diagnose
from imbalance_doctor.engine import rulebook
from imbalance_doctor.engine.base import Finding
from imbalance_doctor.engine.figures import Figures, Measured, ends
from imbalance_doctor.engine.loader import CONFIDENCES
from imbalance_doctor.engine.prepared import prepare
from imbalance_doctor.engine.rulebook import load_rules
from imbalance_doctor.errors import RuleError
from imbalance_doctor.evidence import PlannedRun, TrainingPlan
from imbalance_doctor.facts._numbers import wilson

COUNTS = {"right": 45, "fires_right": 41, "clean": 312, "fires_clean": 0, "fires": 44}
FIGURES = Figures(**COUNTS)
RULE = """\
id: {id}
title: Few rows
severity: {severity}
confidence: {confidence}
params: {{least: {{value: 5, why: "below this it is noise"}}}}
when: plan.batch_size < least
message: A batch of {{plan.batch_size}} rows.
why: Too few.
remedy: Raise it.
examples:
  - {{name: few, facts: {{plan.batch_size: 4}}, expect: fires}}
"""


def document(about=None, **rules):
    return {"about": about or {}, "rules": {name.replace("_", "-"): counts for name, counts in rules.items()}}


@pytest.fixture
def folder(tmp_path):
    """A function that makes a directory with a rule and, where given, its figures."""

    def make(figures=None, name="few-rows", severity="warning", confidence="high"):
        place = tmp_path / "own"
        place.mkdir(exist_ok=True)
        text = RULE.format(id=name, severity=severity, confidence=confidence)
        (place / f"{name}.yaml").write_text(text)
        if figures is not None:
            text = figures if isinstance(figures, str | bytes) else json.dumps(figures)
            (place / "measured.json").write_bytes(text if isinstance(text, bytes) else text.encode())
        return place

    return make


def test_a_directory_may_hold_figures_of_its_rules(folder):
    rules = load_rules(extra=[folder(document({"seed": 3}, few_rows=COUNTS))])
    assert rules.get("few-rows").figures == FIGURES
    assert rules.get("few-rows").figures.detection == (41, 45)
    assert rules.get("few-rows").examples[0].name == "few"


def test_without_the_file_nothing_is_known(folder):
    assert load_rules(extra=[folder()]).get("few-rows").figures is None


def test_a_rule_that_the_file_leaves_out_was_not_measured(folder):
    assert load_rules(extra=[folder(document())]).get("few-rows").figures is None


def test_figures_beside_a_single_file_are_not_looked_for(folder):
    place = folder("no figures at all")
    assert load_rules(extra=[place / "few-rows.yaml"]).get("few-rows").figures is None


BAD = {
    "no JSON": ("{", ":1:2: expected JSON"),
    "not text": (b"\xff\xfe\xfa", "expected UTF-8 text"),
    "a list": ("[]", "expected 'about' and 'rules', but got []"),
    "no about": ({"rules": {}}, "expected the keys 'about' and 'rules', but got rules"),
    "further keys": ({**document(), "more": 1}, "but got about, rules, more"),
    "rules are a list": ({"about": {}, "rules": []}, "'rules' with counts by rule, but got []"),
    "about is text": ({"about": "me", "rules": {}}, '\'about\' with how it was measured, but got "me"'),
    "counts are a number": (document(few_rows=3), "rules.few-rows: expected counts of runs, but got 3"),
    "missing": (document(few_rows={"right": 1}), "rules.few-rows: expected the key 'clean'"),
    "misspelt": (document(few_rows={**COUNTS, "fire": 1}), "unknown key 'fire'; did you mean 'fires'?"),
    "negative": (document(few_rows={**COUNTS, "clean": -1}), "'clean' expected a count, but got -1"),
    "a fraction": (document(few_rows={**COUNTS, "clean": 312.0}), "'clean' expected a count, but got 312.0"),
    "a truth": (document(few_rows={**COUNTS, "fires_clean": False}), "'fires_clean' expected a count, but"),
    "not a number": (document(few_rows={**COUNTS, "clean": float("nan")}), "finite numbers, but got NaN"),
    "more than all": (document(few_rows={**COUNTS, "right": 40}), "'right' expected at least 41, but got 40"),
    "more clean": (document(few_rows={**COUNTS, "fires_clean": 313, "fires": 999}), "at least 313"),
    "fewer": (document(few_rows={**COUNTS, "fires_clean": 4}), "'fires' expected at least 45, but got 44"),
    "harmless": (document(few_rows={**COUNTS, "fires_harmless": 1}), "'fires_clean' expected at least 1"),
    "of no rule": (document(few_row=COUNTS), "but no such rule; did you mean 'few-rows'?"),
    "deep": ("[" * 100_000, "nested too deeply"),
    "large": (b" " * (2**24 + 1), "at most 16 MiB"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_one_clear_line(case, folder):
    content, says = BAD[case]
    place = folder(content)
    with pytest.raises(RuleError) as caught:
        load_rules(extra=[place])
    text = str(caught.value)
    assert says in text
    assert text.startswith(f"{place / 'measured.json'}:")
    assert len(text) < len(str(place)) + 300


@pytest.mark.parametrize("prepared", [True, False])
def test_built_in_rules_carry_their_figures(prepared, tmp_path, monkeypatch):
    root = tmp_path / "built-in"
    (root / "batch").mkdir(parents=True)
    texts = {f"batch/{n}.yaml": RULE.format(id=n, severity="note", confidence="low") for n in ("one", "two")}
    for name, text in texts.items():
        (root / name).write_text(text)
    if prepared:
        (root / "prepared.jsonl").write_text(prepare({n: text.encode() for n, text in texts.items()}))
    (root / "measured.json").write_text(json.dumps(document({"seed": 1}, one=COUNTS)))
    monkeypatch.setattr(rulebook, "builtin_root", lambda: root)
    figures = {rule.id: rule.figures for rule in rulebook._builtin.__wrapped__()}
    assert figures == {"one": FIGURES, "two": None}
    assert rulebook.measured().about == {"seed": 1}
    (root / "measured.json").write_text("{}")
    with pytest.raises(RuleError, match=r"^rules/measured.json: expected the keys"):
        rulebook._builtin.__wrapped__()


def test_a_zipped_package_has_its_figures(tmp_path):
    with zipfile.ZipFile(tmp_path / "wheel.zip", "w") as package:
        package.writestr("_rules/measured.json", json.dumps(document(few_rows=COUNTS)))
        package.writestr("none/few-rows.yaml", "")
    root = zipfile.Path(tmp_path / "wheel.zip")
    assert Measured.beside(root / "_rules").rules == {"few-rows": FIGURES}
    assert Measured.beside(root / "none").rules == {}


def test_figures_of_another_rule_with_a_built_in_id_are_not_its_own(folder, tmp_path, monkeypatch):
    root = tmp_path / "built-in"
    shutil.copytree(folder(), root / "batch")
    (root / "measured.json").write_text(json.dumps(document(few_rows=COUNTS)))
    monkeypatch.setattr(rulebook, "builtin_root", lambda: root)
    monkeypatch.setattr(rulebook, "_builtin", rulebook._builtin.__wrapped__)
    assert load_rules().get("few-rows").figures == FIGURES
    assert load_rules(extra=[folder()], override=["few-rows"]).get("few-rows").figures is None


COUNT = st.integers(0, 400)


@st.composite
def figures(draw):
    fires_right, fires_clean, other = draw(COUNT), draw(COUNT), draw(COUNT)
    return Figures(
        right=fires_right + draw(COUNT),
        fires_right=fires_right,
        clean=fires_clean + draw(COUNT),
        fires_clean=fires_clean,
        fires=fires_right + fires_clean + other,
        fires_harmless=draw(st.integers(0, fires_clean)),
    )


@given(figures())
def test_what_is_written_is_read(found):
    assert Figures.of(asdict(found)) == found
    measured = Measured(about={"seed": 0}, rules={"b": found, "a": FIGURES})
    assert Measured.of(json.loads(json.dumps(measured.document()))) == measured
    assert list(measured.document()["rules"]) == ["a", "b"]


def test_shares_of_no_runs_are_unknown():
    assert ends("alarms", (0, 0)) == {"alarms": None, "alarms_low": None, "alarms_high": None}
    told = FIGURES.document("error")
    assert told["detection"] == pytest.approx(41 / 45)
    assert (told["detection_low"], told["detection_high"]) == wilson(41, 45)
    assert (told["alarms"], told["alarms_low"], told["precision"]) == (0, 0, 41 / 44)


def of(hits, fires, severity="warning", claim="high", **more):
    counts = {"right": 500, "fires_right": hits, "clean": 500, "fires_clean": 0, "fires": fires}
    return borne_out(claim, severity, Figures(**{**counts, **more}))


def test_a_claim_stands_until_the_interval_contradicts_it():
    assert wilson(78, 100)[1] < 0.85 < wilson(79, 100)[1]
    assert of(79, 100) == ("high", True)
    assert of(78, 100) == ("medium", True)
    assert wilson(40, 100)[1] < 0.5 < wilson(41, 100)[1]
    assert of(41, 100) == ("medium", True)
    assert of(40, 100) == ("low", True)
    assert of(40, 100, claim="medium") == ("low", True)
    assert of(41, 100, claim="medium") == ("medium", True)


def test_too_few_firings_contradict_nothing():
    assert of(0, 19) == ("high", False)
    assert of(0, 20) == ("low", True)
    assert borne_out("high", "error", None) == ("high", False)


def test_without_a_run_of_its_cause_nothing_is_said_of_its_claim():
    assert of(0, 100, right=0) == ("high", False)
    assert of(0, 100, right=1) == ("low", True)


def test_a_note_is_right_where_its_fault_did_no_harm():
    harmless = {"fires_clean": 90, "fires_harmless": 90}
    assert of(10, 100, severity="note", **harmless) == ("high", True)
    assert of(10, 100, severity="warning", **harmless) == ("low", True)


@given(figures(), st.sampled_from(CONFIDENCES), st.sampled_from(["error", "note"]))
def test_figures_never_raise_a_claim(found, claim, severity):
    confidence, _ = borne_out(claim, severity, found)
    assert CONFIDENCES.index(confidence) >= CONFIDENCES.index(claim)
    floor = {"high": 0.85, "medium": 0.5, "low": 0.0}[confidence]
    enough = found.fires >= 20 and found.right > 0
    assert not enough or wilson(*found.precision(severity))[1] >= floor


def test_alarms_on_clean_runs():
    def alarm(hits, severity="warning"):
        return alarming(severity, Figures(right=9, fires_right=9, clean=300, fires_clean=hits, fires=400))

    assert wilson(11, 300)[0] > 0.02 > wilson(10, 300)[0]
    assert alarm(11)
    assert not alarm(10)
    assert not alarm(300, "note")
    assert not alarming("error", None)


def test_a_finding_shows_what_was_claimed_and_what_is_left():
    found = Finding(
        rule="a",
        title="a",
        severity="error",
        confidence="high",
        message="a",
        figures=replace(FIGURES, fires=200),
    )
    assert settled(found).confidence == "low"
    assert settled(found).claimed == "high"
    assert settled(replace(found, figures=FIGURES)) == replace(found, figures=FIGURES)
    assert settled(replace(found, figures=None)).claimed is None


def test_what_was_measured_orders_the_findings(folder):
    folder(name="also-few-rows", confidence="medium")
    place = folder(document(few_rows={**COUNTS, "fires": 200}))
    rules = load_rules(extra=[place])
    told = diagnose(
        [rules.get("few-rows"), rules.get("also-few-rows")],
        runs=[PlannedRun(plan=TrainingPlan(batch_size=2))],
    )
    assert [(f.rule, f.confidence) for f in told.findings] == [
        ("also-few-rows", "medium"),
        ("few-rows", "low"),
    ]

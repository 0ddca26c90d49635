"""The rules that ship: every example holds, no mutant survives, both ways of reading agree."""

from pathlib import Path

import pytest
import yaml

from imbalance_doctor.causes import alarming, borne_out
from imbalance_doctor.engine import check_rule, load_rules
from imbalance_doctor.engine.loader import builtin_rule, read_rule
from imbalance_doctor.engine.prepared import FILE_NAME, Prepared, prepare
from imbalance_doctor.engine.rulebook import measured

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "rules").rglob("*.yaml"))
CATALOGUE = yaml.safe_load((ROOT / "tests" / "catalogue_ids.yaml").read_text())
FAMILIES = {
    *("labels", "batch", "pool", "focal", "ranking", "warmup"),
    *("distributed", "precision", "calibration", "cost", "selection", "training", "trace", "scores"),
}
PREPARED = Prepared.beside(ROOT / "rules")
each_rule = pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])


def test_all_files_are_loaded():
    assert FILES
    assert set(load_rules().rules) == {path.stem for path in FILES}
    others = {path.name for path in (ROOT / "rules").rglob("*") if path.is_file()} - {p.name for p in FILES}
    assert FILE_NAME in others
    assert others <= {FILE_NAME, "measured.json", "odds.json", "claims.json", "CLAIMS.md"}
    assert {path.parent.name for path in FILES} <= FAMILIES
    assert all(path.parents[1] == ROOT / "rules" for path in FILES)


@each_rule
def test_examples_hold_and_catch_every_mutant(path):
    test = check_rule(read_rule(path))
    assert not [f"line {r.line}: got {r.got}, expected {r.expected}" for r in test.results if not r.passed]
    assert not test.gaps
    assert not test.survivors
    assert test.passed


@each_rule
def test_all_ways_of_reading_agree(path):
    careful, name, data = read_rule(path), f"{path.parent.name}/{path.name}", path.read_bytes()
    late = builtin_rule(name, data)
    assert "examples" not in vars(late), "examples come last in the file, so that they can be read late"
    prepared = PREPARED.rule(name, data)
    assert prepared is not None, "run python -m imbalance_doctor.engine after changing rules"
    for rule in (late, prepared):
        assert rule.builtin
        assert rule.path == f"rules/{name}"
        assert rule.replace(builtin=False, path=careful.path) == careful
        assert rule.examples == careful.examples
        assert (rule.when_at.line, rule.when_at.column) == (careful.when_at.line, careful.when_at.column)
        assert rule.facts == careful.facts


def test_nothing_is_prepared_that_is_gone():
    assert set(PREPARED.lines) == {f"{path.parent.name}/{path.name}" for path in FILES}
    text = (ROOT / "rules" / FILE_NAME).read_text()
    assert text == prepare({f"{path.parent.name}/{path.name}": path.read_bytes() for path in FILES})


@each_rule
def test_what_it_covers_is_in_the_catalogue(path):
    rule = read_rule(path)
    assert set(rule.covers) <= set(CATALOGUE)


@each_rule
def test_selection_rules_lie_in_their_own_folder(path):
    assert (read_rule(path).merit is not None) is (path.parent.name == "selection")


def test_figures_are_of_rules_that_exist():
    assert set(measured().rules) <= {path.stem for path in FILES}


def test_no_rule_claims_more_than_was_measured():
    rules = load_rules()
    lowered = {r.id: borne_out(r.confidence, r.severity, r.figures)[0] for r in rules}
    assert {r.id: r.confidence for r in rules if lowered[r.id] != r.confidence} == {}, lowered
    assert [r.id for r in rules if alarming(r.severity, r.figures)] == []

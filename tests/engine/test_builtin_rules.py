"""The rules that ship: every example holds, no mutant survives, both ways of reading agree."""

import time
from pathlib import Path

import pytest
import yaml

from imbalance_doctor.engine import check_rule, load_rules, loader
from imbalance_doctor.engine.loader import read_rule

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "rules").rglob("*.yaml"))
CATALOGUE = yaml.safe_load((ROOT / "tests" / "catalogue_ids.yaml").read_text())
FAMILIES = {
    *("labels", "batch", "pool", "focal", "ranking", "warmup"),
    *("distributed", "precision", "calibration", "cost", "selection"),
}
each_rule = pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])


def test_all_files_are_loaded():
    assert FILES
    assert set(load_rules().rules) == {path.stem for path in FILES}
    assert {path for path in (ROOT / "rules").rglob("*") if path.is_file()} == set(FILES)
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
def test_both_ways_of_reading_agree(path):
    careful = read_rule(path)
    fast = loader._rule(path.read_bytes(), str(path), path.parent.name, builtin=True)
    assert "examples" not in vars(fast), "examples come last in the file, so that they can be read late"
    assert fast.replace(builtin=False) == careful
    assert fast.examples == careful.examples


@each_rule
def test_what_it_covers_is_in_the_catalogue(path):
    rule = read_rule(path)
    assert set(rule.covers) <= set(CATALOGUE)


@each_rule
def test_selection_rules_lie_in_their_own_folder(path):
    assert (read_rule(path).merit is not None) is (path.parent.name == "selection")


def test_loading_costs_no_more_than_reading_the_yaml_twice():
    # Measured: 0.7 times one plain reading of the files. Ten of each, in turns, for the noise of the machine.
    def timed(function):
        start = time.perf_counter()
        function()
        return time.perf_counter() - start

    def plain():
        for path in FILES:
            yaml.load(path.read_bytes(), yaml.CSafeLoader)

    load_rules()
    times = [(timed(loader._builtin.__wrapped__), timed(plain)) for _ in range(10)]
    assert min(ours for ours, _ in times) < 2 * min(theirs for _, theirs in times)

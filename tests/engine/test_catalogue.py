"""The coverage contract: what a plan, labels or the user can show, some rule must look at."""

import sys
from pathlib import Path

import pytest
import yaml

from imbalance_doctor.engine import load_rules

ROOT = Path(__file__).parents[2]
SOURCE = ROOT.parent / "shared" / "catalogue.yaml"
CATALOGUE = yaml.safe_load((ROOT / "tests" / "catalogue_ids.yaml").read_text())


def _uncovered():
    covered = {name for rule in load_rules() for name in rule.covers}
    return {name: see for name, see in CATALOGUE.items() if name not in covered}


def test_what_can_be_seen_beforehand_is_covered():
    assert not {name: see for name, see in _uncovered().items() if {"plan", "labels", "user"} & set(see)}


def test_the_rest_is_told(capsys):
    rest = _uncovered()
    with capsys.disabled():
        counts = f"{len(rest)} of {len(CATALOGUE)} catalogue entries are carried by no rule yet"
        sys.stdout.write(f"\n{counts}: {', '.join(rest)}\n")
    assert len(rest) < len(CATALOGUE)


def test_every_entry_can_be_looked_at_somehow():
    assert all({"plan", "labels", "scores", "log", "user"} >= set(see) and see for see in CATALOGUE.values())


@pytest.mark.skipif(not SOURCE.exists(), reason="the catalogue itself is not beside this checkout")
def test_the_table_equals_the_catalogue():
    chapters = yaml.safe_load(SOURCE.read_text())
    assert {i: entry["see"] for chapter in chapters.values() for i, entry in chapter.items()} == CATALOGUE

"""The plans that are printed to start from: the project itself has nothing against them."""

import pytest

from imbalance_doctor.diagnose import diagnose
from imbalance_doctor.engine import load_rules
from imbalance_doctor.evidence import LOSSES
from imbalance_doctor.sources.plans import example_plan, read_plan


@pytest.mark.parametrize("loss", LOSSES)
def test_an_example_draws_neither_error_nor_warning(loss, tmp_path):
    path = tmp_path / "train.yaml"
    path.write_text(example_plan(loss), encoding="utf-8")
    runs = read_plan(str(path))
    assert [run.plan.loss for run in runs] == [loss]
    assert not runs[0].unused
    found = diagnose(load_rules().rules.values(), runs=runs).findings
    assert not [f"{f.rule}: {f.message}" for f in found if f.severity != "note"]

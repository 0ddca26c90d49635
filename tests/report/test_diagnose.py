"""The corridor: what it gathers from several runs."""

from imbalance_doctor.diagnose import Unread, diagnose
from imbalance_doctor.engine.rulebook import load_rules
from imbalance_doctor.evidence import Location, PlannedRun, TrainingPlan


def run(name, unreadable=None, where=None, **plan):
    return PlannedRun(plan=TrainingPlan(**plan), name=name, unreadable=unreadable or {}, where=where or {})


def test_defaults_that_all_runs_share_are_said_once():
    one, two, three = run("a", loss="bce"), run("b", loss="bce", world_size=2), run("c", loss="bce")
    assert diagnose((), runs=[one]).assumptions == (
        "defaults: gradient_accumulation 1, precision fp32, sampler shuffle, world_size 1",
    )
    assert diagnose((), runs=[one, two, three]).assumptions == (
        "defaults of all: gradient_accumulation 1, precision fp32, sampler shuffle",
        "defaults of a and c: world_size 1",
    )


def test_a_default_with_another_value_is_another_default():
    told = diagnose((), runs=[run("a", loss="smooth-ap"), run("b", loss="pauc-at-budget")]).assumptions
    assert any(text.startswith("defaults of all: ") and "queue_size 1024" in text for text in told)
    assert any(text.startswith("defaults of a: ") and "temperature 0.01" in text for text in told)
    assert any(text.startswith("defaults of b: ") and "temperature 0.1" in text for text in told)


def test_fields_that_could_not_be_read_are_kept_with_reason_and_place():
    place = Location(path="t.py", line=3)
    hidden = run("t.py:9 SmoothAPLoss", {"batch_size": "x is hidden", "steps": "y is"}, {"batch_size": place})
    assert diagnose((), runs=[hidden]).unread == (
        Unread(field="batch_size", because="x is hidden", where=place),
        Unread(field="steps", because="y is"),
    )
    assert [u.run for u in diagnose((), runs=[hidden, run("b")]).unread] == ["t.py:9 SmoothAPLoss"] * 2
    assert diagnose((), runs=[run("b")]).unread == ()


def test_a_stated_prevalence_does_not_stand_for_the_rows_of_the_labels():
    rules = load_rules().rules.values()
    stated = [run("options", loss="smooth-ap", batch_size=64, prevalence=0.006, world_size=1)]
    unknown = {u.rule: u.missing for u in diagnose(rules, runs=stated).unknown}
    assert any("labels" in missing for missing in unknown.values())
    # What the prevalence is enough for does not ask for labels.
    bare = [run("options", loss="smooth-ap", prevalence=0.006, queue_size=1024, world_size=1)]
    asked = {u.rule: u.missing for u in diagnose(rules, runs=bare).unknown}
    assert asked["pool-starved-of-positives"] == ("plan.batch_size",)

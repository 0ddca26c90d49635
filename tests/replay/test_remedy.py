"""A remedy is what the findings suggest for this replay, and is tried on the same rows."""

import pytest

from imbalance_doctor.errors import InputError
from imbalance_doctor.replay import ReplaySettings
from imbalance_doctor.replay.remedy import Trial, check_remedy, suggested

START = ReplaySettings(loss="smooth-ap", temperature=1e-5, batch_size=16)
BAD = Trial(figures={"loss": 0.0}, findings={"a": "error", "b": "note"})


def test_only_settings_of_this_replay_that_change_it_and_the_first_of_two():
    found = suggested(
        [
            {"temperature": 0.1, "learning_rate": 0.1, "gamma": 2},
            {"temperature": 0.5, "queue_size": 2000.4, "batch_size": 16, "temp_end": 0.1},
        ],
        START,
    )
    assert found == {"temperature": 0.1, "queue_size": 2000}
    assert isinstance(found["queue_size"], int)


def test_a_default_is_no_change():
    assert suggested([{"queue_size": 1024}], START) == {}
    assert suggested([{"queue_size": 1025}], START) == {"queue_size": 1025}


def test_the_schedule_counts_where_there_is_one():
    assert suggested([{"temp_end": 0.1}], ReplaySettings(loss="smooth-ap", warmup_steps=5)) == {
        "temp_end": 0.1
    }


def test_before_and_after():
    tried = []

    def trial(settings):
        tried.append(settings)
        return Trial(figures={"loss": 0.5}, findings={"b": "note", "c": "warning"})

    remedy = check_remedy(START, {"temperature": 0.1}, BAD, 1000, trial)
    assert [t.temperature for t in tried] == [0.1]
    assert tried[0].batch_size == 16
    assert (remedy.resolved, remedy.remaining, remedy.new) == (("a",), ("b",), ("c",))


@pytest.mark.parametrize(("rows", "done"), [(5 * 200, True), (5 * 200 - 1, False)])
def test_too_few_rows_for_the_suggested_batch(rows, done):
    remedy = check_remedy(START, {"batch_size": 200}, BAD, rows, lambda _: BAD)
    assert (remedy.after is not None) == done
    assert bool(remedy.untried) != done
    assert remedy.resolved == ()
    assert remedy.remaining == ("a", "b")


def test_a_remedy_that_cannot_be_replayed_is_told():
    def trial(_):
        raise InputError("expected this, but got that")

    remedy = check_remedy(START, {"temperature": 0.1}, BAD, 1000, trial)
    assert remedy.after is None
    assert "expected this" in remedy.untried

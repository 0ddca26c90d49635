"""A watched log is looked at when it grows, and a finding is told once, when it has stood twice."""

import contextlib
import time
from dataclasses import dataclass, field

from imbalance_doctor.diagnose import Diagnosis
from imbalance_doctor.engine.base import Finding
from imbalance_doctor.follow import Watch, follow


def found(*rules, from_log=True):
    return Diagnosis(
        findings=tuple(
            Finding(rule=r, title=r, severity="error", confidence="high", message=r, from_log=from_log)
            for r in rules
        )
    )


def told(watch, diagnosis):
    return [f.rule for f in watch.certain(diagnosis)]


def test_a_finding_is_told_at_its_second_look_and_only_once():
    watch = Watch()
    assert [told(watch, found("a")) for _ in range(4)] == [[], ["a"], [], []]


def test_what_the_next_look_takes_back_is_not_told():
    watch = Watch()
    looks = [found("a"), found(), found("a"), found("a", "b"), found("b")]
    assert [told(watch, look) for look in looks] == [[], [], [], ["a"], ["b"]]


def test_findings_of_the_plan_are_no_news():
    watch = Watch()
    assert [told(watch, found("a", from_log=False)) for _ in range(3)] == [[], [], []]


@dataclass
class Clock:
    """Lets a file grow while the watcher sleeps, and ends the watch after the last growth."""

    path: object
    grow: list
    slept: list = field(default_factory=list)

    def sleep(self, seconds):
        self.slept.append(seconds)
        if not self.grow:
            raise KeyboardInterrupt
        with self.path.open("a") as file:
            file.write(self.grow.pop(0))


def watched(paths, look, interval, clock):
    """Return what each look told, until the clock ends the watch."""
    looks = []
    with contextlib.suppress(KeyboardInterrupt):
        for _, certain in follow(paths, look, interval=interval, sleep=clock.sleep):
            looks.append([f.rule for f in certain])
    return looks


def test_a_log_is_looked_at_only_when_it_has_grown(tmp_path):
    path = tmp_path / "run.log"
    path.write_text("1\n")
    clock = Clock(path, ["2\n", "", "", "3\n", ""])
    assert watched([str(tmp_path)], lambda: found("a"), 0.5, clock) == [[], ["a"], []]
    assert len(clock.slept) == 6
    assert min(clock.slept) >= 0.5


def test_a_slow_look_makes_the_watcher_rest_longer(tmp_path):
    path = tmp_path / "run.log"
    path.write_text("1\n")
    clock = Clock(path, [])

    def look():
        time.sleep(0.05)
        return found()

    watched([str(path)], look, 0.001, clock)
    assert clock.slept[0] >= 0.1


def test_a_vanished_file_is_waited_for(tmp_path):
    path = tmp_path / "late.log"
    clock = Clock(path, ["1\n"])
    assert len(watched([str(path)], found, 0.1, clock)) == 2

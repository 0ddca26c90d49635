"""What a command says of its progress: a bar for a person, plain lines elsewhere, nothing of short work."""

import io

import pytest

from imbalance_doctor.cli import _output
from imbalance_doctor.cli._output import progress_bar


class Clock:
    def __init__(self):
        self.now = 100.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(_output, "time", clock)
    return clock


def told(clock, seconds, total, capsys, **options):
    """Let each piece take so many seconds; return what was written in all."""
    with progress_bar("training", **{"least": 2, **options}) as progress:
        for done in range(1, total + 1):
            clock.now += seconds
            progress(done, total)
    out, err = capsys.readouterr()
    assert out == ""
    return err.splitlines()


def test_a_line_at_most_every_thirty_seconds(clock, capsys):
    assert told(clock, 10, 10, capsys, noun="runs") == [
        "training: 3 of 10 runs, 1 min to go",
        "training: 6 of 10 runs, 40 s to go",
        "training: 9 of 10 runs, 10 s to go",
    ]
    assert len(told(clock, 100, 4, capsys, noun="runs")) == 3


def test_what_is_short_is_not_told(clock, capsys):
    assert told(clock, 2.9, 10, capsys) == []
    assert told(clock, 100, 10, capsys, least=11) == []
    assert told(clock, 100, 1, capsys) == []


def test_without_a_noun_shares_are_told(clock, capsys):
    assert told(clock, 40, 4, capsys)[0] == "training: 25%, 2 min to go"


def test_what_was_finished_before_does_not_make_the_rest_look_short(clock, capsys):
    with progress_bar("training", least=2, noun="runs") as progress:
        for done in (600, 601, 602, 603):
            progress(done, 702)
            clock.now += 100
    assert capsys.readouterr().err.splitlines()[-1] == "training: 603 of 702 runs, 2 h 45 min to go"


def test_another_round_is_timed_anew(clock, capsys):
    with progress_bar("diagnosing", least=2, noun="runs") as progress:
        for _ in range(2):
            for done in range(1, 11):
                clock.now += 4
                progress(done, 10)
    assert capsys.readouterr().err.splitlines() == [
        "diagnosing: 8 of 10 runs, 8 s to go",
        "diagnosing: 6 of 10 runs, 16 s to go",
    ]


def test_a_person_gets_a_bar_and_no_lines(clock, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    with progress_bar("training", least=2, noun="runs") as progress:
        for done in (1, 2, 3):
            clock.now += 100
            progress(done, 3)
    assert "to go" not in terminal.getvalue()

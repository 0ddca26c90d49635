"""Watching a log that grows: a finding is reported once, when it becomes certain.

A finding is certain when it stands in `LOOKS` looks in a row, between which the log grew: what one noisy row
suggests and the next takes back is not reported.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from imbalance_doctor.diagnose import Diagnosis
from imbalance_doctor.engine.base import Finding

__all__ = ["LOOKS", "Watch", "follow"]

LOOKS = 2
_BUSY = 0.5  # share of the time that may go into looking


@dataclass(kw_only=True)
class Watch:
    """What earlier looks have shown."""

    streaks: dict[tuple[str, str], int] = field(default_factory=dict)
    told: set[tuple[str, str]] = field(default_factory=set)

    def certain(self, diagnosis: Diagnosis) -> tuple[Finding, ...]:
        """Take one look; return the findings that have become certain by it, each only once."""
        now = {(f.rule, f.run): f for f in diagnosis.findings if f.from_log}
        self.streaks = {key: self.streaks.get(key, 0) + 1 for key in now}
        fresh = [key for key, looks in self.streaks.items() if looks >= LOOKS and key not in self.told]
        self.told.update(fresh)
        return tuple(now[key] for key in fresh)


def follow(
    paths: Sequence[str],
    look: Callable[[], Diagnosis],
    *,
    interval: float,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[tuple[Diagnosis, tuple[Finding, ...]]]:
    """Look at logs whenever they have grown, for ever.

    Parameters
    ----------
    paths
        Files or folders to watch.
    look
        Reads and judges them.
    interval
        Least seconds between two looks; longer where looking takes long.

    Yields
    ------
    tuple
        The diagnosis, and the findings that have become certain.
    """
    watch = Watch()
    before: object = None
    while True:
        now = _sizes(paths)
        spent = 0.0
        if now != before:
            before = now
            start = time.monotonic()
            diagnosis = look()
            spent = time.monotonic() - start
            yield diagnosis, watch.certain(diagnosis)
        sleep(max(interval, spent / _BUSY))


def _sizes(paths: Sequence[str]) -> list[tuple[str, int]]:
    """Return every file under the paths with its size; what has vanished is left out."""
    found = []
    for path in paths:
        names = [path]
        if os.path.isdir(path):  # noqa: PTH112  strings all the way
            names = [os.path.join(root, name) for root, _, files in os.walk(path) for name in files]  # noqa: PTH118
        for name in names:
            try:
                found.append((name, os.stat(name).st_size))  # noqa: PTH116
            except OSError:
                continue
    return found

"""What a program printed, where a tracker kept it beside the metrics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from imbalance_doctor.sources.logs.base import Options, Parsed, Record
from imbalance_doctor.sources.logs.text import TextFollower

__all__ = ["PrintedText"]


class PrintedText:
    """Reads printed text as the text log it would have been."""

    def __init__(self, printed: Iterable[bytes], options: Options) -> None:
        self._printed = printed
        self._any = False
        self._follower = TextFollower(options)

    def records(self, group: str) -> Iterator[Record]:
        """Yield what the lines state; folds and the like within the run stay apart."""
        for chunk in self._printed:
            self._any = True
            for record in self._follower.feed(chunk):
                yield replace(record, group=" ".join(filter(None, (group, record.group))))
        for record in self._follower.close():
            yield replace(record, group=" ".join(filter(None, (group, record.group))))

    def tell(self, parsed: Parsed, *, only_crash: bool) -> None:
        """Pass on how the run ended, and how its lines were understood where they are its records."""
        parsed.crash = parsed.crash or self._follower.crash
        if only_crash:
            return
        if self._any:
            parsed.notes.append("there are no rows of metrics; read what the program printed instead")
        parsed.hints |= self._follower.hints
        parsed.templates += self._follower.templates()
        parsed.unread += self._follower.unread

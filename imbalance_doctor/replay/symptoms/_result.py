"""How a reproduction ended, for those who only tell it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Result"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """How one reproduction ended.

    Attributes
    ----------
    id, covers, claim
        Of the symptom.
    with_cause
        False where the cause was taken away.
    expected, seen
        What would show the symptom, and what was measured; empty where it was skipped.
    appears
        Whether the symptom appeared; None where it was skipped.
    skipped
        Why it was skipped, or an empty string.
    source
        The dump it was shown on; empty for the rows it ships with.
    """

    id: str
    covers: tuple[str, ...]
    claim: str
    with_cause: bool
    expected: str = ""
    seen: str = ""
    appears: bool | None = None
    skipped: str = ""
    source: str = ""

"""Recorded scores go through a loss again, step by step, and what it does is a training log like any other.

A replay answers what a dump of scores can: how the loss of another setting would have seen these scores,
which gradient it would have sent, and what its pool and its queue held. The scores stay as they were: a
replay trains nothing. `replay` needs torch, which is imported with it and not before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imbalance_doctor.replay.settings import ReplaySettings

if TYPE_CHECKING:
    from imbalance_doctor.replay.run import replay

__all__ = ["ReplaySettings", "replay"]


def __getattr__(name: str) -> Any:
    if name != "replay":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.util import find_spec

    from imbalance_doctor.errors import InputError

    if find_spec("torch") is None:
        raise InputError(
            "expected torch for a replay, but it is not installed",
            hint="pip install 'imbalance-doctor[torch]'",
        )
    from imbalance_doctor.replay.run import replay

    return replay

"""Failure modes that can be seen happening: one module for each symptom, with its cause as a switch.

The functions need torch, which is imported with them and not before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imbalance_doctor.replay.symptoms._result import Result

if TYPE_CHECKING:
    from imbalance_doctor.replay.symptoms.base import find, reproduce, symptoms

__all__ = ["Result", "find", "reproduce", "symptoms"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.util import find_spec

    from imbalance_doctor.errors import InputError

    if find_spec("torch") is None:
        raise InputError(
            "expected torch to reproduce a symptom, but it is not installed",
            hint="pip install 'imbalance-doctor[torch]'",
        )
    from imbalance_doctor.replay.symptoms import base

    return getattr(base, name)

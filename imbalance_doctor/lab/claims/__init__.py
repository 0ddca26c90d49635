"""What the documents claim, measured again: one module for each claim, its verdict computed from the figures.

The functions need torch, which is imported with them and not before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imbalance_doctor.lab.claims._store import (
    UNTESTED,
    claims_table,
    read_claims,
    rules_that_differ,
    store,
    write_table,
)

if TYPE_CHECKING:
    from imbalance_doctor.lab.claims.base import claims, measure_claims

__all__ = [
    "UNTESTED",
    "claims",
    "claims_table",
    "measure_claims",
    "read_claims",
    "rules_that_differ",
    "store",
    "write_table",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from imbalance_doctor.lab.claims import base

    return getattr(base, name)

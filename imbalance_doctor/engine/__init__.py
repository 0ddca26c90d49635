"""Facts x rules → what fires, what passes, what could not be checked and why."""

from typing import TYPE_CHECKING, Any

from imbalance_doctor.engine.judge import judge
from imbalance_doctor.engine.loader import Rule
from imbalance_doctor.engine.rulebook import RuleBook, load_rules

if TYPE_CHECKING:
    from imbalance_doctor.engine.examples import (
        ExampleResult,
        RuleTest,
        check_rule,
        gaps,
        mutants,
        run_examples,
        test_directory,
    )

__all__ = [
    "ExampleResult",
    "Rule",
    "RuleBook",
    "RuleTest",
    "check_rule",
    "gaps",
    "judge",
    "load_rules",
    "mutants",
    "run_examples",
    "test_directory",
]


def __getattr__(name: str) -> Any:
    """Import what tests rules only when it is asked for: judging starts without it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from imbalance_doctor.engine import examples

    return getattr(examples, name)

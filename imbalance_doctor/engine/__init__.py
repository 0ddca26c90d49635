"""Facts x rules → what fires, what passes, what could not be checked and why."""

from imbalance_doctor.engine.examples import (
    ExampleResult,
    RuleTest,
    check_rule,
    gaps,
    mutants,
    run_examples,
    test_directory,
)
from imbalance_doctor.engine.judge import judge
from imbalance_doctor.engine.loader import Rule, RuleBook, load_rules

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

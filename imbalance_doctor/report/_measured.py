"""What was measured of rules, in words."""

from __future__ import annotations

from imbalance_doctor.causes import alarming, borne_out
from imbalance_doctor.engine.base import Finding
from imbalance_doctor.engine.figures import Share
from imbalance_doctor.engine.loader import Rule
from imbalance_doctor.engine.rulebook import odds
from imbalance_doctor.facts._numbers import wilson

__all__ = ["between", "claim", "counted", "of_finding", "of_rule"]

_FEW, _NEARLY_ALL = 0.1, 0.99
_MOST_CAUSES = 4


def counted(share: Share, what: str = "") -> str:
    """Return a share as counts with the ends of its 95 % interval.

    >>> counted((41, 45), " such runs"), counted((0, 312)), counted((0, 0))
    ('41 of 45 such runs (79-96 %)', '0 of 312 (0-1.2 %)', '0 of 0')
    """
    hits, total = share
    return f"{hits:,} of {total:,}{what}" + (f" ({between(*wilson(hits, total))})" if total else "")


def between(low: float, high: float) -> str:
    """Return the ends of an interval of a share, in per cent.

    >>> between(0.01234, 0.5), between(0.9941, 1)
    ('1.2-50 %', '99.4-100 %')
    """
    return f"{_percent(low)}-{_percent(high)} %"


def _percent(share: float) -> str:
    """Return two digits that count, or those that tell it from 100 %."""
    if share < _FEW:
        return f"{100 * share:.2g}"
    return f"{100 * share:.{0 if share <= _NEARLY_ALL or share == 1 else 1}f}"


def _fires(detection: Share, alarms: Share) -> str:
    if not detection[1]:
        return f"no run has its cause; fires on {counted(alarms, ' clean runs')}"
    return f"fires on {counted(detection, ' such runs')}, on {counted(alarms, ' clean ones')}"


def of_finding(finding: Finding) -> str:
    """Say on how many runs the rule of a finding fired, and what that left of its confidence.

    Returns
    -------
    str
        Empty where it was not measured.
    """
    figures = finding.figures
    if figures is None:
        return ""
    told = _fires(figures.detection, figures.alarms)
    if finding.claimed is None:
        return told
    right = counted(figures.precision(finding.severity), " firings")
    return f"{told}; its cause is right in {right}: {finding.confidence} confidence, not {finding.claimed}"


def claim(rule: Rule) -> str:
    """Say what the figures leave of the confidence and the severity that a rule claims; empty where all."""
    told = []
    confidence, _ = borne_out(rule.confidence, rule.severity, rule.figures)
    if rule.figures is not None and confidence != rule.confidence:
        right = counted(rule.figures.precision(rule.severity), " firings")
        told.append(f"claims {rule.confidence} confidence, but its cause is right in {right}: {confidence}")
    if rule.figures is not None and alarming(rule.severity, rule.figures):
        told.append(
            f"is {'an' if rule.severity == 'error' else 'a'} {rule.severity}, but fires on "
            f"{counted(rule.figures.alarms, ' clean runs')}"
        )
    return "; ".join(told)


def of_rule(rule: Rule) -> list[str]:
    """Say in sentences all that was measured of a rule."""
    if rule.figures is None:
        return ["not measured"]
    figures = rule.figures
    lines = [_fires(figures.detection, figures.alarms)]
    confidence, told = borne_out(rule.confidence, rule.severity, figures)
    if figures.right:
        right = f"its cause is right in {counted(figures.precision(rule.severity), ' firings')}"
        if not told:
            right += f", too few to tell whether {rule.confidence} confidence is due"
        elif confidence == rule.confidence:
            right += f", so that {confidence} confidence stands"
        else:
            right += f", so that its findings have {confidence} confidence, not {rule.confidence}"
        lines.append(right)
    if alarming(rule.severity, figures):
        lines.append(f"it fires on more clean runs than a rule of severity {rule.severity} may")
    return lines + _company(rule)


def _company(rule: Rule) -> list[str]:
    """Say which causes the harmed runs had on which a rule fired, the most frequent first."""
    seen = odds().rules.get(rule.id) if rule.builtin else None
    if seen is None or not seen.causes:
        return []
    most = sorted(seen.causes.items(), key=lambda one: (-one[1], one[0]))
    named = ", ".join(f"{cause} {runs}" for cause, runs in most[:_MOST_CAUSES])
    rest = f" and {len(most) - _MOST_CAUSES} more" if len(most) > _MOST_CAUSES else ""
    return [f"on the {seen.fires:,} harmed runs that set the odds it fired for {named}{rest}"]

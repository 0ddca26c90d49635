"""Student's t, for 95 % intervals of means."""

from __future__ import annotations

__all__ = ["student"]

_NORMAL = 1.959964
_FIRST = (12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469)


def student(freedom: int) -> float:
    """Return the quantile at 97.5 % of Student's t, to three digits, for so many degrees of freedom, from 1.

    After Fisher and Cornish (1960), "The percentile points of distributions having known cumulants"; for
    the first degrees of freedom, where their series is rough, by table.

    >>> round(student(2), 2), round(student(9), 2), round(student(1000), 2)
    (4.3, 2.26, 1.96)
    """
    if freedom <= len(_FIRST):
        return _FIRST[freedom - 1]
    z = _NORMAL
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return sum(term / float(freedom) ** power for power, term in enumerate(terms))

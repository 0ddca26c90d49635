"""JSON from strangers: duplicate keys, NaN and absurd depth are errors."""

from __future__ import annotations

import json
from typing import Any

from imbalance_doctor.errors import InputError


def load_json(text: str | bytes, where: str, *, finite: bool = True, line: int | None = None) -> Any:
    """Parse JSON strictly.

    Parameters
    ----------
    finite
        Refuse ``NaN`` and ``Infinity``, which are no JSON but which Python writes.
    line
        On which the text begins, where it is one of many in a file.

    Raises
    ------
    InputError
        It is not JSON, a key occurs twice in an object, or a number is not finite.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            seen: set[str] = set()
            twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
            raise InputError(f"expected every key once, but got '{twice}' twice", where=where, line=line)
        return found

    def refuse(constant: str) -> Any:
        raise InputError(f"expected finite numbers, but got {constant}", where=where, line=line)

    try:
        return json.loads(text, object_pairs_hook=unique, parse_constant=refuse if finite else None)
    except json.JSONDecodeError as error:
        raise InputError(
            f"expected JSON, but got a syntax error ({error.msg})",
            where=where,
            line=(line or 1) + error.lineno - 1,
            column=error.colno,
        ) from error
    except RecursionError as error:
        raise InputError("expected plain JSON, but got deeply nested data", where=where, line=line) from error
    except UnicodeDecodeError:
        raise
    except ValueError as error:
        raise InputError(
            "expected numbers of reasonable size, but got a huge one", where=where, line=line
        ) from error

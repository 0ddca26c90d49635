"""JSON from strangers: duplicate keys, NaN and absurd depth are errors."""

from __future__ import annotations

import json
from typing import Any

from imbalance_doctor.errors import InputError


def load_json(text: str | bytes, where: str) -> Any:
    """Parse JSON strictly.

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
            raise InputError(f"expected every key once, but got '{twice}' twice", where=where)
        return found

    def refuse(constant: str) -> Any:
        raise InputError(f"expected finite numbers, but got {constant}", where=where)

    try:
        return json.loads(text, object_pairs_hook=unique, parse_constant=refuse)
    except json.JSONDecodeError as error:
        raise InputError(
            f"expected JSON, but got a syntax error ({error.msg})",
            where=where,
            line=error.lineno,
            column=error.colno,
        ) from error
    except RecursionError as error:
        raise InputError("expected plain JSON, but got deeply nested data", where=where) from error
    except UnicodeDecodeError:
        raise
    except ValueError as error:
        raise InputError("expected numbers of reasonable size, but got a huge one", where=where) from error

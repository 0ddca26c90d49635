"""A JSON file of figures, read with a size limit and one clear line for whatever is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

from imbalance_doctor.errors import DoctorError, InputError

__all__ = ["read_document", "table"]

MAX_BYTES = 16 * 1024 * 1024
T = TypeVar("T")


def read_document(
    path: Any, of: Callable[[Any], T], *, what: str, where: str = "", fault: type[DoctorError] = InputError
) -> T | None:
    """Return what `of` makes of a JSON file; None where there is no such file.

    Parameters
    ----------
    path
        The file, also inside a zip file.
    of
        Checks the document; its ValueError says what is wrong.
    what
        What the file holds, for messages.
    where
        The file's name in messages.
    fault
        Raised for whatever is wrong.

    Raises
    ------
    DoctorError
        It cannot be read, or holds something else.
    """
    where = where or str(path)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise fault(f"cannot read the {what}: {error.strerror or error}", where=where) from None
    if len(data) > MAX_BYTES:
        raise fault(f"expected at most {MAX_BYTES // 2**20} MiB, but the file is larger", where=where)
    try:
        return of(json.loads(data, parse_constant=_no_number))
    except json.JSONDecodeError as error:
        raise fault(
            f"expected JSON, but {error.msg}", where=where, line=error.lineno, column=error.colno
        ) from None
    except UnicodeDecodeError:
        raise fault("expected UTF-8 text", where=where) from None
    except RecursionError:
        raise fault(f"expected {what}, but this is nested too deeply", where=where) from None
    except ValueError as error:
        raise fault(str(error), where=where) from None


def table(value: Any, what: str) -> dict[str, Any]:
    """Return a table of a document.

    Raises
    ------
    ValueError
        It is something else.
    """
    if not isinstance(value, dict):
        raise ValueError(f"expected {what}, but got {json.dumps(value)[:50]}")  # noqa: TRY004  a document's mistake
    return value


def _no_number(word: str) -> None:
    raise ValueError(f"expected finite numbers, but got {word}")

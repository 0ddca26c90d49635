"""Protocol buffers without a schema: the fields of one message, as they lie in its bytes."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["MalformedMessageError", "fields", "signed", "text", "varints"]

_VARINT, _EIGHT, _SIZED, _FOUR = 0, 1, 2, 5
_MORE = 0x80  # the bit that says that a number goes on
_BITS = 64
_MASK = 2**_BITS - 1


class MalformedMessageError(ValueError):
    """Bytes that are no message."""


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    r"""Yield number and value of each field: an int for variable-length ones, the raw bytes otherwise.

    Raises
    ------
    MalformedMessageError
        A field reaches past the end, or is of a kind that today's writers do not use.

    Examples
    --------
    >>> list(fields(b"\x08\x96\x01\x12\x02hi"))
    [(1, 150), (2, b'hi')]
    """
    position, end = 0, len(data)
    while position < end:
        tag = data[position]
        position += 1
        if tag >= _MORE:
            tag, position = _varint(data, position - 1)
        kind = tag & 7
        if kind == _SIZED:
            size, position = _varint(data, position)
        elif kind == _VARINT:
            number, position = _varint(data, position)
            yield tag >> 3, number
            continue
        elif kind == _FOUR:
            size = 4
        elif kind == _EIGHT:
            size = 8
        else:
            raise MalformedMessageError(f"field kind {kind}")
        start = position
        position += size
        if position > end:
            raise MalformedMessageError("a field reaches past the end")
        yield tag >> 3, data[start:position]


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while position < len(data) and shift < _BITS:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < _MORE:
            return value & _MASK, position
        shift += 7
    raise MalformedMessageError("an unfinished number")


def varints(data: bytes) -> Iterator[int]:
    """Yield packed variable-length numbers, unsigned."""
    position = 0
    while position < len(data):
        value, position = _varint(data, position)
        yield value


def signed(value: int) -> int:
    """Read a variable-length number as two's complement.

    >>> signed(2**64 - 1)
    -1
    """
    return value - 2**_BITS if value >= 2 ** (_BITS - 1) else value


def text(value: int | bytes) -> str:
    """Decode a string field; what is no UTF-8 becomes replacement characters."""
    if isinstance(value, int):
        raise MalformedMessageError("a number in place of a string")
    return value.decode("utf-8", "replace")

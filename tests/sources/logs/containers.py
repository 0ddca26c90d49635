"""Writes the containers that loggers write, byte by byte, and opens them as the tool does.

The encoders know the formats from their specifications; they share nothing with the readers.
"""

import contextlib
import random
import struct
import zlib
from collections import defaultdict

from imbalance_doctor.errors import InputError
from imbalance_doctor.sources.logs.base import LogFile, Options

NAN, INF = float("nan"), float("inf")


def log_file(path):
    """Return a path as readers get it."""
    if path.is_dir():
        return LogFile(path=path, name=str(path))
    data = path.read_bytes()
    return LogFile(path=path, name=str(path), head=data[:65_536], size=len(data))


def parse(reader, path):
    """Return what a reader makes of a path, its records as a list."""
    file = log_file(path)
    assert reader.recognises(file), f"{reader.__name__} does not take {path}"
    parsed = reader.read(file, Options())
    parsed.records = list(parsed.records)
    return parsed


def curves(records):
    """Return `(step, epoch, value)` triples by group, phase and key."""
    found = defaultdict(list)
    for record in records:
        for key, value in record.values.items():
            found[record.group, record.phase, key].append((record.step, record.epoch, value))
    return dict(found)


def same(a, b):
    """Compare numbers; not-a-number equals itself."""
    return a == b or (a != a and b != b)  # noqa: PLR0124


def mutations(data, count, seed=0):
    """Yield broken versions of bytes: cut, flipped, with something inserted, removed or repeated."""
    chance = random.Random(seed)  # noqa: S311
    for number in range(count):
        broken = bytearray(data)
        for _ in range(chance.choice((1, 1, 2, 8))):
            at = chance.randrange(len(broken) + 1)
            kind = (number + chance.randrange(2)) % 5
            if kind == 0:
                del broken[at:]
            elif kind == 1 and at < len(broken):
                broken[at] = chance.randrange(256)
            elif kind == 2:
                broken[at:at] = chance.randbytes(chance.choice((1, 4, 40)))
            elif kind == 3:
                del broken[at : at + chance.choice((1, 8, 100))]
            else:
                broken[at:at] = broken[max(0, at - 50) : at]
        yield bytes(broken)


def survives(reader, path, data):
    """Read broken bytes: an `InputError` is an answer, anything else that is raised is a defect."""
    path.write_bytes(data)
    file = log_file(path)
    if not reader.recognises(file):
        return
    with contextlib.suppress(InputError):
        list(reader.read(file, Options()).records)


# protocol buffers


def varint(value):
    """Encode an unsigned number, or a negative one as two's complement."""
    value &= 2**64 - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


class Single(float):
    """A number to be stored in 4 bytes."""


def message(*pairs):
    """Encode fields given as number and value."""
    out = bytearray()
    for number, value in pairs:
        if isinstance(value, Single):
            out += varint(number << 3 | 5) + struct.pack("<f", value)
        elif isinstance(value, float):
            out += varint(number << 3 | 1) + struct.pack("<d", value)
        elif isinstance(value, int):
            out += varint(number << 3) + varint(value)
        else:
            raw = value.encode() if isinstance(value, str) else value
            out += varint(number << 3 | 2) + varint(len(raw)) + raw
    return bytes(out)


# TensorBoard


def framed(*payloads):
    """Frame events as an event file does; the checksums are not looked at."""
    return b"".join(struct.pack("<QI", len(p), 0) + p + b"\0\0\0\0" for p in payloads)


def event(step, *values, time=1.0):
    """Encode one event with summary values."""
    return message((1, float(time)), (2, step), (5, b"".join(message((1, v)) for v in values)))


def simple(tag, value):
    """Encode a plain scalar."""
    return message((1, tag), (2, Single(value)))


def tensor(tag, *fields, plugin="scalars"):
    """Encode a tensor with its metadata."""
    metadata = () if plugin is None else ((9, message((1, message((1, plugin))))),)
    return message((1, tag), (8, message(*fields)), *metadata)


def event_file(*events, time=1.0):
    """Return the bytes of an event file."""
    return framed(message((1, float(time)), (3, "brain.Event:2")), *events)


# Weights & Biases


def wandb_file(*records, version=0):
    """Return the bytes of a `.wandb` file: LevelDB's framing."""
    out = bytearray(b":W&B" + struct.pack("<HB", 0xBEE1, version))
    for record in records:
        rest, first = record, True
        while True:
            room = 32_768 - len(out) % 32_768
            if room < 7:
                out += bytes(room)
                continue
            part, rest = rest[: room - 7], rest[room - 7 :]
            kind = (1 if not rest else 2) if first else (4 if not rest else 3)
            checksum = zlib.crc32(bytes([kind]) + part)
            out += struct.pack("<IHB", checksum, len(part), kind) + part
            first = False
            if not rest:
                break
    return bytes(out)


def history(step, **values):
    """Encode a row as versions with `value_json` write it; `__` in a name nests."""
    import json

    items = []
    for name, value in {**values, "_step": step}.items():
        keys = [(2, part) for part in name.split("__")] if not name.startswith("_") else [(2, name)]
        items.append((1, message(*keys, (16, json.dumps(value)))))
    return message((1, step + 1), (2, message(*items, (2, message((1, step))))))


def printed(text, number=13):
    """Encode printed text."""
    return message((number, message((1, 1), (3, text))))


def ended(code):
    """Encode the record at the end of a run."""
    return message((18, message(*([(1, code)] if code else []))))

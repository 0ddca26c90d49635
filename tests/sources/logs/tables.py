"""Opens files for the table and JSON readers as the tool does, and breaks them at random."""

import contextlib
import random

from imbalance_doctor.errors import InputError
from imbalance_doctor.sources.logs._decode import encoding_of
from imbalance_doctor.sources.logs.base import LogFile, Options

NAN, INF = float("nan"), float("inf")


def log_file(path):
    """Return a path as readers get it."""
    data = path.read_bytes()
    head = data[:65_536]
    text = head.decode(encoding_of(head), errors="replace") if head[:1] != b"\x80" else ""
    if len(data) > len(head):
        text = text[: text.rfind("\n") + 1]
    return LogFile(path=path, name=str(path), head=head, text=text, size=len(data))


def write(folder, content, name):
    """Write text or bytes into a file."""
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def parse(reader, folder, content, name="log"):
    """Return what a reader makes of a file with this content, its records as a list."""
    file = log_file(write(folder, content, name))
    assert reader.recognises(file), f"{reader.__name__} does not take it"
    parsed = reader.read(file, Options())
    parsed.records = list(parsed.records)
    return parsed


def recognises(reader, folder, content, name="log"):
    """Tell whether a reader takes a file with this content."""
    return reader.recognises(log_file(write(folder, content, name)))


def rows(parsed, *keys):
    """Return step, epoch and the values of these keys, record by record."""
    return [(r.step, r.epoch, *(r.values.get(key) for key in keys)) for r in parsed.records]


def survive(reader, folder, content, count=300):
    """Read `count` damaged copies of a file: cut, overwritten, doubled. Return how many could be read."""
    data = content if isinstance(content, bytes) else content.encode()
    dice = random.Random(len(data))  # noqa: S311  no secrets
    read = 0
    for _ in range(count):
        broken = bytearray(data)
        for _ in range(dice.randint(1, 4)):
            at = dice.randrange(len(broken) + 1)
            kind = dice.randrange(4)
            if kind == 0 and len(broken) > 1:
                del broken[at:]
            elif kind == 1:
                broken[at : at + 1] = bytes([dice.randrange(256)])
            elif kind == 2:
                broken[at:at] = dice.randbytes(dice.randrange(1, 9))
            else:
                end = dice.randrange(len(broken) + 1)
                broken[at:at] = broken[min(at, end) : max(at, end)][:2000]
        file = log_file(write(folder, bytes(broken), "broken"))
        with contextlib.suppress(InputError):
            if reader.recognises(file):
                read += bool(list(reader.read(file, Options()).records))
    return read

"""Feed broken logs to `diagnose`: ``python tests/benchmarks/fuzz_logs.py [--inputs 20000] [FOLDER ...]``.

Takes the sample runs, and every log under the folders given, breaks copies of them (bits flipped, bytes cut,
doubled, swapped, replaced by nasty ones, two logs glued together) and reads and judges each. Anything but a
reading or one line of `InputError` is a fault: its input is kept and named. The same seed breaks alike.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from imbalance_doctor.diagnose import diagnose  # noqa: E402  after the path
from imbalance_doctor.engine.rulebook import load_rules  # noqa: E402
from imbalance_doctor.errors import InputError  # noqa: E402
from imbalance_doctor.sources.logs import read_logs  # noqa: E402

LARGEST = 30_000  # bytes of a log that are broken
NASTY = (
    b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\r", b"\n", b"\x1b[31m", b"nan", b"-inf", b"1e999", b"-1e308",
    b"9" * 400, b"{", b"}" * 50, b"[" * 2000, b'"', b",,,,", b"\t" * 40, b"loss:", b"epoch 0\n",
    b"Traceback (most recent call last):\n", "\u0435\U0001f600".encode(), "\u4e2d".encode("gb18030"),
    b"\x80\x04\x95", b"PK\x03\x04", b"SQLite format 3\x00",
)  # fmt: skip


def corpus(folders: Sequence[Path]) -> list[bytes]:
    """Return the logs to break, those of the samples first."""
    places = [ROOT / "sample_data" / "runs", *folders]
    files = [path for place in places for path in sorted(place.rglob("*")) if path.is_file()]
    return [path.read_bytes()[:LARGEST] for path in files]


def broken(logs: Sequence[bytes], inputs: int, seed: int) -> Iterator[bytes]:
    """Yield broken copies."""
    rng = random.Random(seed)  # noqa: S311  not for secrets
    for _ in range(inputs):
        data = bytearray(rng.choice(logs))
        for _ in range(rng.choice((1, 1, 2, 5, 20))):
            _break(data, logs, rng)
        yield bytes(data)


def _break(data: bytearray, logs: Sequence[bytes], rng: random.Random) -> None:
    at = rng.randrange(len(data) + 1)
    to = min(len(data), at + rng.choice((1, 4, 64, 4096)))
    match rng.randrange(7):
        case 0 if at < len(data):
            data[at] ^= 1 << rng.randrange(8)
        case 1:
            del data[at:to]
        case 2:
            data[at:at] = data[at:to] * rng.choice((1, 3))
        case 3:
            data[at:at] = rng.choice(NASTY)
        case 4:
            data[at:to] = rng.randbytes(to - at)
        case 5:
            del data[at:]
        case _:
            data[at:at] = rng.choice(logs)[:4096]


def judge(path: Path) -> str:
    """Read and judge one file; return how it ended: ``read``, ``no log`` or ``refused``."""
    try:
        logs = [run for reading in read_logs([str(path)]) for run in reading.runs]
    except InputError as error:
        if len(str(error).splitlines()) != 1:
            raise AssertionError(f"more than one line: {error}") from None
        return "refused"
    if not logs:
        return "no log"
    diagnose(load_rules().rules.values(), logs=logs[:3])
    return "read"


def main() -> int:
    """Break, judge, count; return 1 when a fault was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("folders", nargs="*", type=Path)
    options = parser.parse_args()
    logs = corpus(options.folders)
    keep = Path(tempfile.mkdtemp(prefix="broken-logs-"))
    ended: Counter[str] = Counter()
    slowest = 0.0
    for number, data in enumerate(broken(logs, options.inputs, options.seed)):
        path = keep / f"{number}.log"
        path.write_bytes(data)
        start = time.monotonic()
        try:
            ended[judge(path)] += 1
        except Exception:  # noqa: BLE001  that is what is looked for
            ended["FAULT"] += 1
            sys.stderr.write(f"{path}\n{traceback.format_exc()}\n")
        else:
            path.unlink()
        slowest = max(slowest, time.monotonic() - start)
    counts = ", ".join(f"{count:,} {how}" for how, count in sorted(ended.items()))
    sys.stdout.write(
        f"{len(logs)} logs, {options.inputs:,} broken copies: {counts}; slowest {slowest:.1f} s\n"
    )
    return 1 if ended["FAULT"] else 0


if __name__ == "__main__":
    sys.exit(main())

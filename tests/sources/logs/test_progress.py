"""Reading a log tells how far it is."""

import pytest

from imbalance_doctor.sources.logs import Options, read_logs


@pytest.mark.parametrize("dialect", ["text", "csv", "jsonl"])
def test_progress_rises_to_the_size_of_the_file(tmp_path, dialect):
    rows = [(i, 1 / (i + 1), 1 / (i + 2)) for i in range(20_000)]
    path = tmp_path / "run.log"
    if dialect == "text":
        path.write_text("".join(f"step {i} loss: {a:.6f} val_loss: {b:.6f}\n" for i, a, b in rows))
    elif dialect == "csv":
        path.write_text("step,loss,val_loss\n" + "".join(f"{i},{a:.6f},{b:.6f}\n" for i, a, b in rows))
    else:
        path.write_text(
            "".join(f'{{"step": {i}, "loss": {a:.6f}, "val_loss": {b:.6f}}}\n' for i, a, b in rows)
        )
    told = []
    quiet = read_logs([str(path)])
    loud = read_logs([str(path)], Options(progress=lambda done, total: told.append((done, total))))
    size = path.stat().st_size
    assert {total for _, total in told} == {size}
    assert max(done for done, _ in told) == size
    assert len({done for done, _ in told}) > 1
    assert [len(r.series) for r in loud[0].runs] == [len(r.series) for r in quiet[0].runs]

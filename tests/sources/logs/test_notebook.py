import importlib.util
import json
from pathlib import Path

import pytest

from imbalance_doctor.errors import InputError
from imbalance_doctor.sources.logs import read_logs
from imbalance_doctor.sources.logs.base import Options
from imbalance_doctor.sources.logs.notebook import Notebook

_SPEC = importlib.util.spec_from_file_location("tables", Path(__file__).with_name("tables.py"))
t = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(t)

LINES = [f"epoch {i} loss: {1 / i:.4f} val_auc: 0.{i}\n" for i in range(1, 6)]
TABLE = (
    "<div><progress value='3'></progress></div><table border='1'><thead><tr style='x'><th>Epoch</th>"
    "<th>Training Loss</th><th>Validation Loss</th></tr></thead><tbody>"
    "<tr><td>1</td><td>No log</td><td>0.7</td></tr><tr><td>2</td><td>0.6</td><td>0.65</td></tr>"
    "<tr><td>3</td><td>0.5</td><td>nan</td></tr></tbody></table><p>"
)


def _notebook(*outputs, **others):
    cells = [{"cell_type": "markdown", "source": ["# loss 1 2 3"]}]
    cells += [{"cell_type": "code", "source": "fit()", "outputs": list(cell)} for cell in outputs]
    return json.dumps(
        {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5, **others}, indent=1
    )


def _stream(lines):
    return {"output_type": "stream", "name": "stdout", "text": lines}


@pytest.mark.parametrize("text", [LINES, "".join(LINES)])
def test_printed_lines(tmp_path, text):
    parsed = t.parse(Notebook, tmp_path, _notebook([_stream(text)]))
    assert [(r.epoch, r.group) for r in parsed.records] == [(i, "cell 2") for i in range(1, 6)]
    assert t.rows(parsed, "loss")[1][2] == 0.5
    assert sum(template.count for template in parsed.templates) == 5


def test_a_stream_in_pieces_is_one_text(tmp_path):
    whole = "".join(LINES)
    pieces = [_stream(whole[i : i + 17]) for i in range(0, len(whole), 17)]
    parsed = t.parse(Notebook, tmp_path, _notebook(pieces))
    assert [r.epoch for r in parsed.records] == [1, 2, 3, 4, 5]


def test_table_of_a_trainer(tmp_path):
    output = {
        "output_type": "display_data",
        "data": {"text/html": [TABLE], "text/plain": "<IPython.core...>"},
    }
    parsed = t.parse(Notebook, tmp_path, _notebook([output]))
    assert [dict(r.values) for r in parsed.records][:2] == [
        {"Validation Loss": 0.7}, {"Training Loss": 0.6, "Validation Loss": 0.65},
    ]  # fmt: skip
    assert [r.epoch for r in parsed.records] == [1, 2, 3]


def test_table_of_data_is_left_out(tmp_path):
    page = "<table><tr><th>age</th><th>bmi</th></tr><tr><td>1</td><td>2</td></tr></table>"
    parsed = t.parse(Notebook, tmp_path, _notebook([{"data": {"text/html": page}}]))
    assert parsed.records == []


def test_cells_are_runs_and_errors_end_them(tmp_path):
    error = {"output_type": "error", "ename": "RuntimeError", "evalue": "CUDA error", "traceback": []}
    content = _notebook(
        [_stream(LINES)], [{"output_type": "error", "ename": "NameError"}], [_stream(LINES), error]
    )
    parsed = t.parse(Notebook, tmp_path, content)
    assert {r.group for r in parsed.records} == {"cell 2", "cell 4"}
    assert parsed.crash == "RuntimeError: CUDA error"
    (reading,) = read_logs([str(t.write(tmp_path, content, "train.ipynb"))])
    assert reading.format == "Jupyter notebook"
    assert [len(run.get("loss", "train")) for run in reading.runs] == [5, 5]


@pytest.mark.parametrize(
    "text", ['{"cells": 1, "nbformat": 4}', '{"cells": [{"cell_type": "code", "outputs": [{']
)
def test_broken_notebooks(tmp_path, text):
    file = t.log_file(t.write(tmp_path, text, "log"))
    assert Notebook.recognises(file)
    with pytest.raises(InputError, match="expected a notebook"):
        Notebook.read(file, Options())


def test_odd_cells(tmp_path):
    cells = [
        1,
        None,
        {"outputs": 5},
        {"outputs": [None, {"text": 5}, {"data": []}, {"data": {"text/html": 4}}]},
    ]
    parsed = t.parse(Notebook, tmp_path, json.dumps({"cells": cells, "nbformat": 4}))
    assert parsed.records == []


def test_damage_is_survived(tmp_path):
    assert (
        t.survive(Notebook, tmp_path, _notebook([_stream(LINES), {"data": {"text/html": TABLE}}]), 300) > 20
    )

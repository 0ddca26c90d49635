"""Tables of text: no word of a cell is broken, no line is wider than the page."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imbalance_doctor.report._page import Page


def written(columns, rows, width):
    page = Page(color=False, width=width)
    page.table(columns, rows)
    return page.finish()


WORD = st.text("abcdefgh-", min_size=1, max_size=16)
CELL = st.lists(WORD, max_size=6).map(" ".join)


@given(st.data())
def test_no_word_is_broken_and_no_line_is_too_wide(data):
    count = data.draw(st.integers(2, 6))
    columns = data.draw(st.lists(WORD, min_size=count, max_size=count))
    rows = data.draw(st.lists(st.lists(CELL, min_size=count, max_size=count), min_size=1, max_size=4))
    width = data.draw(st.integers(40, 120))
    text = written(columns, rows, width)
    assert max(map(len, text.split("\n"))) <= max(width, 16 * 6 + 5)  # a row's name is never wrapped
    said = text.replace(":", " ").split()
    for word in " ".join(cell for row in rows for cell in row).split():
        assert word in said
    if text.split()[: len(columns)] == columns:
        assert max(map(len, text.split("\n"))) <= width


def test_a_table_is_as_wide_as_its_longest_words_and_one_less_makes_blocks():
    columns, rows = ("id", "rate", "why"), [("abcdefghij-abcdefghij", "12345678901", "so it is")]
    narrowest = 40
    beside = [("abcdefghij-abcdefghij", "12345678901", "12")]  # 21 + 11 + 3 for "why", with two gaps: 41
    assert written(columns, beside, 41) == (
        "id                      rate          why\nabcdefghij-abcdefghij   12345678901   12\n"
    )
    assert written(columns, beside, narrowest) == ("abcdefghij-abcdefghij\n  rate: 12345678901\n  why: 12\n")
    assert written(columns, [*rows, ("b", "", "no")], narrowest) == (
        "abcdefghij-abcdefghij\n  rate: 12345678901\n  why: so it is\n\nb\n  why: no\n"
    )


def test_a_number_stays_with_its_percent_sign():
    columns = ("cause", "runs", "noticed", "named", "among three")
    rows = [("temperature-below-resolution", "18", *["18 of 19 (75-99.1 %)"] * 3)]
    text = written(columns, rows, 80)
    assert text.split("\n")[0].startswith("cause")
    assert text.count("(75-99.1 %)") == 3
    assert not re.search(r"^\s*%", text, re.MULTILINE)


@pytest.mark.parametrize("width", [40, 80])
def test_a_path_wider_than_the_page_is_not_broken(width):
    path = "/a/folder/" + "of-runs/" * 12 + "run.csv"
    text = written(("run", "value"), [(path, "0.5"), ("short", "0.6")], width)
    assert text == f"{path}\n  value: 0.5\n\nshort\n  value: 0.6\n"

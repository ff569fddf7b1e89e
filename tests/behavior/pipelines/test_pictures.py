"""A shop of photos: indexed, labeled and scored by the jobs, and asked over the API."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipelines.config.settings import load_settings
from pipelines.inputs.bad_rows import Quarantine
from pipelines.jobs.evaluation import evaluate_job
from pipelines.jobs.index import index_job
from pipelines.jobs.labels import classify_job, similar_job
from pipelines.reports.evaluation import write_evaluation
from retrieval import ItemIndex, TableError
from serving.handlers.tables import Columns, question_table
from serving.problems import ApiError
from serving.schemas.items import Item
from tests.serving.conftest import running

pytest.importorskip("PIL")

from tests.picture_models import COLORS, photo, text_and_picture_model


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model, tables and photos in a folder beside these."""
    folder = tmp_path_factory.mktemp("shop")
    text_and_picture_model(folder)
    rows = []
    for number in range(30):
        color = list(COLORS)[number % len(COLORS)]
        (folder / f"{number}.jpg").write_bytes(photo(color, number))
        rows.append((f"i{number}", f"{number}.jpg", color))
    table = pd.DataFrame(rows, columns=["item_id", "photo", "label"])
    table[:20].to_csv(folder / "items.csv", index=False)
    table[20:].to_csv(folder / "new.csv", index=False)
    return folder


def settings_of(shop: Path, place: Path, **more: dict[str, object]):
    sections: dict[str, dict[str, object]] = {
        "items": {"image": ["photo"], "label": "label"},
        "index": {"uri": str(place / "shop.db")},
        "encoder": {"name": str(shop / "model"), "cache_dir": str(place / "cache")},
        **more,
    }
    return load_settings(None, sections)


def test_photos_are_indexed_labeled_and_found(shop: Path, tmp_path: Path) -> None:
    """Paths begin at the table; a second run changes nothing."""
    settings = settings_of(shop, tmp_path)
    assert index_job(settings, shop / "items.csv")["new"] == 20
    assert index_job(settings, shop / "items.csv")["unchanged"] == 20
    labels = classify_job(settings, shop / "new.csv")
    truth = pd.read_csv(shop / "new.csv")["label"]
    assert np.mean(labels["label"].to_numpy() == truth.to_numpy()) >= 0.9
    near = similar_job(settings, ["red shirt"], k=2)
    assert set(near["label"]) == {"red"} and set(near["text"]) == {"[picture]"}


def test_the_page_of_an_evaluation_shows_the_surest_mistakes(shop: Path, tmp_path: Path) -> None:
    settings = settings_of(shop, tmp_path)
    table = pd.read_csv(shop / "items.csv")
    table.loc[0, "label"] = "blue"  # it is red
    table.to_csv(shop / "mistaken.csv", index=False)
    result = evaluate_job(settings, shop / "mistaken.csv", folds=4)
    assert "i0" in result.photos
    write_evaluation(result, tmp_path / "page")
    page = (tmp_path / "page" / "evaluation.html").read_text()
    assert "taken for something else" in page
    assert page.count("data:image/jpeg;base64,") == len(result.photos)


def test_items_with_photos_are_written_and_corrected_over_the_api(
    shop: Path, tmp_path: Path
) -> None:
    settings = settings_of(shop, tmp_path, serve={"data_dir": str(tmp_path / "data")})
    index_job(settings, shop / "items.csv")
    with ItemIndex(settings.index.uri) as index:
        before = index.vectors(["i0", "i1"])
    with running(settings) as served:
        body = {"corrections": [{"item_id": "i0", "label": "green"}]}
        assert served.post("/v1/feedback", body)["changed"] == 1
        sent = "data:image/jpeg;base64," + base64.b64encode(photo("red", 99)).decode()
        new = {"item_id": "new", "text": {"photo": sent}, "label": "red"}
        answer = served.http.put("/v1/items", json={"items": [new]})
        assert answer.json()["new"] == 1, answer.text
    with ItemIndex(settings.index.uri) as index:
        assert index.get(["i0"])["label"].tolist() == ["green"]
        assert None not in index.pictures(["i0", "new"])
        np.testing.assert_array_equal(index.vectors(["i0", "i1"]), before)


def test_a_bad_photo_is_refused_by_row_or_goes_into_quarantine(shop: Path, tmp_path: Path) -> None:
    table = pd.read_csv(shop / "items.csv")
    table.loc[3, "photo"] = "gone.jpg"
    table.to_csv(shop / "bad.csv", index=False)
    with pytest.raises(TableError, match=r"row 4, column photo is no file: 'gone.jpg'"):
        index_job(settings_of(shop, tmp_path), shop / "bad.csv")
    settings = settings_of(
        shop, tmp_path, bad_rows={"action": "quarantine", "folder": str(tmp_path / "bad")}
    )
    quarantine = Quarantine.of(settings, "index")
    assert index_job(settings, shop / "bad.csv", quarantine=quarantine)["new"] == 19
    kept = pd.read_csv(tmp_path / "bad" / "index" / "items.csv")
    assert kept["item_id"].tolist() == ["i3"]


def test_nothing_of_a_photo_is_kept_where_texts_are_not(shop: Path, tmp_path: Path) -> None:
    table = pd.read_csv(shop / "items.csv")
    table["photo"] = [str(shop / name) for name in table["photo"]]
    for tenant in ("north", "south"):
        place = str(tmp_path / "own.db")
        encoder = settings_of(shop, tmp_path).encoder.name
        from retrieval import Encoder

        with ItemIndex(place, Encoder(encoder), store_text=False, tenant=tenant) as index:
            index.upsert(table, image="photo", label="label")
            assert index.pictures(["i0"]) == [None]
            assert index.store.get(["i0"], ["text"])[0]["text"] == ""
            assert index.count() == len(table)


def test_the_api_takes_pictures_and_reads_no_file(shop: Path) -> None:
    columns = Columns(("name", "photo"), "item_id", "label", None, {})
    sent = "data:image/jpeg;base64," + base64.b64encode((shop / "0.jpg").read_bytes()).decode()
    asked = question_table([Item(text={"name": "shirt", "photo": sent})], columns)
    assert asked[0].startswith("shirt <picture data:image/jpeg;base64,")
    for text in ("data:image/jpeg;base64,AAAA", "<picture data:image/jpeg;base64,AAAA>"):
        with pytest.raises(ApiError) as caught:
            question_table([Item(text={"name": "shirt", "photo": text})], columns)
        assert caught.value.status == 422
    asked = question_table([Item(text={"photo": str(shop / "0.jpg")})], columns)
    assert asked == [str(shop / "0.jpg")]

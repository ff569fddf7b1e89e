from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipelines.components import open_index
from pipelines.config.settings import load_settings
from pipelines.jobs.acceptance import Acceptance
from pipelines.jobs.index import index_job
from pipelines.jobs.labels import classify_job
from pipelines.jobs.locks import CollectionLockedError
from pipelines.jobs.reindex import reindex_job, rollback_job
from retrieval import Encoder, EncoderMismatchError
from retrieval.versions.examination import Examination
from retrieval.versions.migration import Carrier
from serving.command_line import app
from tests.encoders import scrambled_encoder, shallow_encoder
from tests.milvus_places import Place, Places
from tests.pipelines.conftest import Shop

SECTIONS = """\
items:
  path: {items}
  id: product_id
  text: [product_type, package_size, brand]
  label: product_category
"""


@pytest.fixture
def place(milvus: Places, shop: Shop, tmp_path: Path) -> Place:
    """The shop's items in an index, and a config for it, `job.yaml`."""
    place = milvus()
    sections = SECTIONS.format(items=shop.folder / "items.parquet")
    (tmp_path / "job.yaml").write_text(sections + place.yaml(), encoding="utf-8")
    index_job(load_settings(tmp_path / "job.yaml", {}))
    return place


@pytest.fixture(scope="module")
def shallow(encoder: Encoder, tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    return shallow_encoder(encoder, tmp_path_factory.mktemp("encoder") / "shallow")


def _config(folder: Path, encoder: Encoder) -> Path:
    """The same config, with another encoder."""
    path = folder / "next.yaml"
    text = (folder / "job.yaml").read_text(encoding="utf-8")
    path.write_text(f"{text}encoder:\n  name: {encoder.name}\n", encoding="utf-8")
    return path


def _run(*words: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(word) for word in words])
    return result.exit_code, result.output


def test_there_and_back(place: Place, shallow: Encoder, shop: Shop, tmp_path: Path) -> None:
    config = _config(tmp_path, shallow)
    first, second = f"{place.collection}_v1", f"{place.collection}_v2"
    code, said = _run("reindex", "--config", config, "--max-loss", "0.2")
    assert code == 0, said
    assert f"{place.collection} is now {second}, was {first}" in said
    assert "recall@10" in said
    # A config that names no encoder goes on with the collection's own.
    settings = load_settings(tmp_path / "job.yaml", {})
    labels = classify_job(settings, shop.items.head(5))
    assert labels["known"].any()
    with open_index(settings) as index:
        assert index.version == second
        assert index.count() == len(shop.items)
    code, said = _run("reindex", "--config", config, "--rollback")
    assert code == 0, said
    assert f"{place.collection} is now {first}, was {second}" in said
    with open_index(settings) as index:
        assert index.version == first
    with pytest.raises(EncoderMismatchError), open_index(load_settings(config, {})):
        pass
    code, said = _run("reindex", "--config", config, "--to", second, "--as-it-is")
    assert code == 0, said
    code, said = _run("reindex", "--config", config, "--to", f"{place.collection}_v9")
    assert (code, "has no version" in said) == (2, True)


def test_what_is_worse_is_not_read(place: Place, encoder: Encoder, tmp_path: Path) -> None:
    config = _config(tmp_path, scrambled_encoder(encoder, tmp_path / "scrambled"))
    code, said = _run("reindex", "--config", config, "--max-loss", "0.001")
    assert code == 1
    assert "is not read by anybody" in said
    assert "of the neighbors have the item's own label" in said
    with open_index(load_settings(tmp_path / "job.yaml", {})) as index:
        assert index.version == f"{place.collection}_v1"


def test_filled_and_examined_only(place: Place, shallow: Encoder, tmp_path: Path) -> None:
    settings = load_settings(_config(tmp_path, shallow), {})
    done = reindex_job(settings, demands=Acceptance(loss=0.2), switch=False)
    assert (done.former, done.live) == (f"{place.collection}_v1",) * 2
    assert done.version == f"{place.collection}_v2"
    # The next time nothing is left to copy.
    done = reindex_job(settings, demands=Acceptance(loss=0.2), drop_old=True)
    assert (done.copied, done.live) == (0, f"{place.collection}_v2")
    assert done.dropped == (f"{place.collection}_v1",)


def test_no_other_job_writes_meanwhile_but_the_api_may(
    place: Place, encoder: Encoder, shallow: Encoder, shop: Shop, tmp_path: Path
) -> None:
    live = load_settings(tmp_path / "job.yaml", {})
    told = r"another job is writing it \(reindex, process \d+, since"

    @dataclass(frozen=True)
    class Meanwhile(Acceptance):
        def unmet(self, items: int, before: Examination, after: Examination) -> list[str]:
            for job in (index_job, reindex_job, rollback_job):
                with pytest.raises(CollectionLockedError, match=told):
                    job(live)
            assert _run("index", "--config", tmp_path / "job.yaml", "--prune")[0] == 1
            with place.open(encoder) as writer:
                writer.delete(shop.items["product_id"].head(2).tolist())
            return super().unmet(items, before, after)

    settings = load_settings(_config(tmp_path, shallow), {})
    assert reindex_job(settings, demands=Meanwhile(loss=0.2)).late == 2
    assert index_job(live)["new"] == 2


@pytest.mark.parametrize("is_back", [False, True], ids=["again", "back"])
def test_killed_right_after_the_move_nothing_is_lost(
    place: Place,
    encoder: Encoder,
    shallow: Encoder,
    shop: Shop,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    is_back: bool,
) -> None:
    config = _config(tmp_path, shallow)
    first, second = f"{place.collection}_v1", f"{place.collection}_v2"

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    late = shop.items.head(1).assign(product_id="late")
    names = {"item_id": "product_id", "text": ["product_type", "package_size", "brand"]}
    with monkeypatch.context() as patch:

        @dataclass(frozen=True)
        class Meanwhile(Acceptance):
            def unmet(self, items: int, before: Examination, after: Examination) -> list[str]:
                with place.open(encoder) as writer:
                    writer.upsert(late, **names, label="product_category")
                return super().unmet(items, before, after)

        patch.setattr(Carrier, "carry_late", killed)
        with pytest.raises(KeyboardInterrupt):
            reindex_job(load_settings(config, {}), demands=Meanwhile(loss=0.2))
    with open_index(load_settings(tmp_path / "job.yaml", {})) as index:
        assert index.version == second
        assert "late" not in index.ids()
    code, said = _run("reindex", "--config", config, *(["--rollback"] if is_back else []))
    assert code == 0, said
    assert f"is now {first if is_back else second}, was {second if is_back else first}" in said
    with open_index(load_settings(tmp_path / "job.yaml", {})) as index:
        assert "late" in index.ids()
        assert index.count() == len(shop.items) + 1


def test_what_does_not_go_together(tmp_path: Path) -> None:
    for words, message in {
        ("--rollback", "--to", "x"): "either --rollback or --to",
        ("--rollback", "--drop-old"): "do not go with",
        ("--as-it-is",): "--as-it-is goes with",
    }.items():
        code, said = _run("reindex", *words)
        assert (code, message in said) == (2, True), said
    code, said = _run("reindex", "--uri", tmp_path / "none.db")
    assert code == 2
    assert "no such index" in said
    assert not (tmp_path / "none.db").exists()

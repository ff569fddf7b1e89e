from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from retrieval import Encoder, InputError, ItemIndex, PromptStore
from retrieval.generation.prompt_store import PromptScore
from retrieval.memory.store import IN_MEMORY
from tests.milvus_places import Places

ROOT = Path(__file__).resolve().parents[3]
SCOPES = {
    "bank": "questions of bank customers about cards and payments",
    "food": "groceries, drinks and food",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, scope in SCOPES.items():
        text = f"name: {name}\ntask: choose\nscope: {scope}\ntext: '{name} {{{{ item }}}}'\n"
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
    return tmp_path


@pytest.fixture
def index(encoder: Encoder) -> Iterator[ItemIndex]:
    with ItemIndex(IN_MEMORY, encoder) as made:
        yield made


def test_prompts_are_found_by_what_they_are_for(folder: Path, index: ItemIndex) -> None:
    store = PromptStore(folder, index)
    assert store.index_scopes() == 2
    assert store.find("choose", "why was my card payment declined?").name == "bank"
    assert store.find("choose", "whole milk, 1 gallon").name == "food"
    assert store.find("confirm", "whole milk, 1 gallon").name == "confirm-label"
    (folder / "food.yaml").unlink()
    fewer = PromptStore(folder, index)
    assert fewer.index_scopes() == 1
    assert fewer.find("choose", "whole milk, 1 gallon").name != "food"


def test_scopes_are_kept_in_milvus(folder: Path, encoder: Encoder, milvus: Places) -> None:
    place = milvus("prompts")
    with place.open(encoder) as index:
        PromptStore(folder, index).index_scopes()
    with place.open(encoder) as index:
        found = PromptStore(folder, index).find("choose", "whole milk, 1 gallon")
    assert found.name == "food"


def test_prompts_that_did_well_go_before_others(folder: Path) -> None:
    store = PromptStore(folder)
    food, bank = store.get("food"), store.get("bank")
    store.record(PromptScore(food.mark, n=100, right=90))
    store.record(PromptScore(bank.mark, n=50, right=10))
    store.record(PromptScore(bank.mark, n=50, right=10, tokens=7))
    assert store.success() == {food.mark: 95 / 110, bank.mark: 25 / 110}
    again = PromptStore(folder)
    assert [one.n for one in again.scores()] == [100, 50, 50] and again.scores()[2].tokens == 7
    # Another text is another version, of which nothing was measured.
    path = folder / "food.yaml"
    path.write_text(path.read_text().replace("{{ item }}", "{{ item }}!"), encoding="utf-8")
    changed = PromptStore(folder)
    assert changed.get("food").mark not in changed.success()


def test_success_weighs_against_scope(folder: Path, index: ItemIndex) -> None:
    store = PromptStore(folder, index)
    store.index_scopes()
    store.record(PromptScore(store.get("food").mark, n=1_000, right=0))
    assert store.find("choose", "whole milk, 1 gallon").name != "food"


def test_stores_that_cannot_be_right(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder of prompts"):
        PromptStore(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"no prompt 'x' \(there are: answer-question, bank, "):
        PromptStore(folder).get("x")
    with pytest.raises(InputError, match="give a folder"):
        PromptStore().record(PromptScore("x", 1, 1))
    (folder / "scores.jsonl").write_text("nonsense\n", encoding="utf-8")
    with pytest.raises(InputError, match="not what was measured"):
        PromptStore(folder).scores()
    (folder / "other.yaml").write_text((folder / "bank.yaml").read_text(), encoding="utf-8")
    with pytest.raises(InputError, match="has the name 'bank'"):
        PromptStore(folder)


def test_an_empty_store_has_what_ships_and_the_configs_are_templates(tmp_path: Path) -> None:
    assert PromptStore(tmp_path).find("choose", "anything").name == "choose-label"
    assert PromptStore(tmp_path).scores() == []
    assert "sort-bank-questions" in PromptStore(ROOT / "configs" / "prompts").templates

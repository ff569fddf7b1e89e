"""Items that read the same, on every engine."""

from __future__ import annotations

import numpy as np
import pandas as pd

from retrieval import IN_MEMORY, Encoder, ItemIndex, Neighbors
from tests.milvus_places import Places

TEXTS = ["please call me back", "cancel my order", "where is my parcel"]
ASKED = ["call me back please", "my order"]


def _tickets(prefix: str) -> pd.DataFrame:
    """Of each text 35 of one label and 65 of another, whose ids come later; 30 more texts."""
    rows = [
        (f"{prefix}{one:03d}-{text}", text, "minor" if one < 35 else "major")
        for text in TEXTS
        for one in range(100)
    ]
    rows += [(f"{prefix}x{one}", f"ticket about matter {one}", "other") for one in range(30)]
    return pd.DataFrame(rows, columns=["item_id", "text", "label"])


def _told(near: Neighbors) -> list[list[tuple[object, ...]]]:
    return [
        [
            (label, int(count), round(float(places), 6), round(float(alike), 5))
            for label, count, places, alike in zip(*columns, strict=True)
            if count
        ]
        for columns in zip(near.labels, near.count, near.places, near.similarity, strict=True)
    ]


def test_every_engine_lets_twins_share_the_last_places(encoder: Encoder, milvus: Places) -> None:
    memory = ItemIndex(IN_MEMORY, encoder)
    memory.upsert(_tickets("m"), text="text", label="label")
    with milvus().open(encoder) as index:
        index.upsert(_tickets("z"), text="text", label="label")
        index.wait_until_built()
        vectors = encoder.encode(ASKED)
        for k in (1, 20, 150):
            told = _told(index.voters(vectors, k))
            assert told == _told(memory.voters(vectors, k))
            for row in told:
                nearest = [one for one in row if one[3] == row[0][3]]
                minor, major = (
                    sum(one[2] for one in nearest if one[0] == label)
                    for label in ("minor", "major")
                )
                assert abs(minor / (minor + major) - 0.35) < 1e-6
        once = index.neighbors(ASKED, 8, twins="once")
        assert _told(once) == _told(memory.neighbors(ASKED, 8, twins="once"))
        assert once.count[:, :2].tolist() == [[65, 35], [65, 35]]
        assert once.valid.all()
        each = index.neighbors(ASKED, 8)
        # Whatever the engine found first: those of the lowest ids.
        assert each.ids[0].tolist() == [f"z{one:03d}-{TEXTS[0]}" for one in range(8)]
        np.testing.assert_array_equal(each.count, 1)

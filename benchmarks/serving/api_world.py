"""What the server of `api.py` serves, and the bare engines it is measured against."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pandas as pd
import yaml

from benchmarks.measuring.stopwatch import watching
from benchmarks.serving.api_load import text_of
from classifiers import NeighborClassifier
from forecasting import LaunchForecaster
from pipelines.demo.complete_journey import FORECAST_TEXT, load_complete_journey
from retrieval import Encoder, ItemIndex

TEXT = ["product_type", "package_size", "brand"]
_CUTOFF = "2017-10-09"
_INCUMBENTS = 3_000


@dataclass(frozen=True)
class World:
    """An index and a forecaster on disk."""

    folder: Path
    items: int

    def config(self, *, batching: bool = True) -> Path:
        """Return the settings of a server."""
        path = self.folder / f"serve-{batching}.yaml"
        settings = {
            "items": {"id": "product_id", "text": TEXT, "label": "label"},
            "index": {"uri": "items.db"},
            "classify": {"head": "none", "prototypes": True},
            "serve": {
                "data_dir": "data",
                "forecaster": "forecaster",
                "batching": batching,
                "rate": 1e9,
            },
        }
        path.write_text(yaml.safe_dump(settings), encoding="utf-8")
        return path

    def beside_engines(self, taken: Mapping[str, float], calls: int) -> pd.DataFrame:
        """Each route's call, its engines, and the library's own call that the route wraps."""
        encoder = Encoder(cache_dir=False)
        with ItemIndex(str(self.folder / "items.db"), encoder) as index:
            classifier = NeighborClassifier(index=index, head=None, prototypes=True).fit()
            forecaster = LaunchForecaster.load(self.folder / "forecaster", encoder=encoder)
            asked = {
                "/v1/classify": lambda number: classifier.classify([text_of(number)]),
                "/v1/forecast": lambda number: forecaster.predict_both(_launch(number)),
            }
            rows = {route: _row(ask, taken[route], calls) for route, ask in asked.items()}
        return pd.DataFrame.from_dict(rows, orient="index")


def make_world(folder: Path, items: int) -> World:
    """Index products of Complete Journey, and learn from its launches."""
    data = load_complete_journey()
    encoder = Encoder(cache_dir=False)
    table = data.items[data.items["product_type"].notna()].sample(items, random_state=0)
    with ItemIndex(str(folder / "items.db"), encoder) as index:
        index.upsert(
            table[["product_id", *TEXT]].assign(label=table["product_category"]),
            text=TEXT,
            item_id="product_id",
            label="label",
        )
    launches = data.items[data.items["launch_date"].notna()]
    others = data.items[data.items["launch_date"].isna()].sample(_INCUMBENTS, random_state=0)
    known = pd.concat([launches, others], ignore_index=True)
    sales = data.sales[data.sales["unique_id"].isin(known["product_id"])]
    forecaster = LaunchForecaster(
        encoder=encoder, horizon=8, text=FORECAST_TEXT, item_id="product_id", n_jobs=1
    )
    forecaster.fit(known, sales, cutoff=_CUTOFF).save(folder / "forecaster")
    return World(folder, items)


def _launch(number: int) -> pd.DataFrame:
    first, *others = FORECAST_TEXT
    row = {"product_id": f"new {number}", first: text_of(number), **dict.fromkeys(others)}
    return pd.DataFrame([row | {"launch_date": pd.Timestamp("2017-10-23")}])


def _row(ask: Callable[[int], object], taken: float, calls: int) -> dict[str, float]:
    """Milliseconds: medians of the call over HTTP, of the library's, and means of its engines."""
    for number in range(20):
        ask(8_000_000 + number)
    seconds = []
    engines = {
        (Encoder, "encode"): "encode",
        (ItemIndex, "neighbors"): "search",
        (lgb.Booster, "predict"): "LightGBM",
    }
    with watching(engines) as spent:
        for number in range(calls):
            start = time.perf_counter()
            ask(8_100_000 + number)
            seconds.append(time.perf_counter() - start)
    raw = {name: 1000 * value / calls for name, value in spent.items()}
    whole = sum(raw.values())
    own = 1000 * float(np.median(seconds))
    return {
        "HTTP": 1000 * taken,
        "library": own,
        **raw,
        "engines": whole,
        "HTTP / engines": 1000 * taken / whole,
        "HTTP / library": 1000 * taken / own,
    }

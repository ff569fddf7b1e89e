"""What a forecaster had seen of its items, as arrays and tables, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from forecasting.data.history import History
from forecasting.data.panel import Grid, Panel
from forecasting.features.analogues import AnalogueIndex
from retrieval import Artifact

_DOCUMENT = "panel.json"
_ARRAYS = "panel.npz"
_ITEMS = "items.parquet"
_BY_ITEM = ("visible", "launch", "first_share", "delisted")


@dataclass(frozen=True)
class SeenItems:
    """The n items of a panel.

    Attributes:
        history: What they had sold, and their attributes.
        texts: (n,) what they are called.
        products: (n,) what each item is, wherever it is sold; None where that is not told.
    """

    history: History
    texts: pd.Series
    products: npt.NDArray[np.object_] | None


def panel_files(history: History, analogues: AnalogueIndex) -> dict[str, Any]:
    """Return file name → content, as `retrieval.artifact` writes them."""
    panel, attributes = history.panel, history.attributes
    items = pd.DataFrame({"item_id": panel.ids, "text": analogues.texts.to_numpy(dtype=object)})
    if analogues.products is not None:
        items["product"] = pd.Series(analogues.products.tolist())
    named = attributes.set_axis(_columns(attributes.shape[1]), axis=1)
    return {
        _DOCUMENT: {
            "freq": panel.grid.freq,
            "origin": panel.grid.origin.isoformat(),
            "horizon": int(history.horizon),
            "attributes": list(attributes.columns),
            "has_products": analogues.products is not None,
        },
        _ARRAYS: {"units": panel.units, **{name: getattr(panel, name) for name in _BY_ITEM}},
        _ITEMS: items.join(named),
    }


def read_panel(artifact: Artifact) -> SeenItems:
    """Read what `panel_files` returned.

    Raises:
        ArtifactError: A file is missing or is none of its kind.
        KeyError: Something in a file is missing; TypeError or ValueError: it is something else.
    """
    document, arrays = artifact.json(_DOCUMENT), artifact.arrays(_ARRAYS)
    items = artifact.table(_ITEMS)
    panel = Panel(
        ids=items["item_id"].to_numpy(dtype=object),
        grid=Grid(document["freq"], pd.Timestamp(document["origin"])),
        units=arrays["units"],
        **{name: arrays[name] for name in _BY_ITEM},
    )
    if not len(panel.ids) == len(panel.units) == len(panel.visible):
        raise ValueError("tables and arrays tell of different items")
    names = document["attributes"]
    attributes = items[_columns(len(names))].set_axis(names, axis=1)
    return SeenItems(
        history=History(panel, attributes, document["horizon"]),
        texts=items["text"],
        products=items["product"].to_numpy(dtype=object) if document["has_products"] else None,
    )


def _columns(count: int) -> list[str]:
    """Names of the attributes' columns: their own may be any, those of the others too."""
    return [f"attribute_{number}" for number in range(count)]

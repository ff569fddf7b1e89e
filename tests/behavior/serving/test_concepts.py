"""Concepts over HTTP, as the library keeps them."""

from __future__ import annotations

import pandas as pd

from retrieval import ConceptGraph
from tests.serving.conftest import Served


def test_concepts_and_links_are_told(served: Served) -> None:
    (tenant,) = served.app.state.runtime.tenants.all()
    assert served.http.get("/v1/concepts").json() == {"concepts": [], "links": []}
    graph = ConceptGraph(tenant.index)
    names = {"concept_id": ["1", "2"], "name": ["Sweets", "Chocolate"], "parents": ["", "1"]}
    graph.load(pd.DataFrame(names))
    graph.relate("1", "related_to", "2", "2024-01-01")
    item = tenant.index.ids()[0]
    graph.correct({item: "Chocolate"})
    (root,) = served.http.get("/v1/concepts").json()["concepts"]
    assert (root["name"], root["children"], root["n_items_below"]) == ("Sweets", ["2"], 1)
    (said,) = root["relations"]
    assert (said["relation"], said["from"], said["until"]) == ("related_to", "2024-01-01", None)
    asked = {"concept": "chocolate", "item_id": item}
    told = served.http.get("/v1/concepts", params=asked).json()
    assert told["concepts"][0]["path"] == "Sweets > Chocolate"
    assert told["links"] == [
        {
            "item_id": item,
            "concept_id": "2",
            "name": "Chocolate",
            "path": "Sweets > Chocolate",
            "similarity": None,
            "by": "person",
        }
    ]
    assert served.http.get("/v1/concepts", params={"concept": "nothing"}).json()["concepts"] == []
    graph.remove(["2", "1"])

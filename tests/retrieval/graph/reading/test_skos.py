from __future__ import annotations

import json
from pathlib import Path

import pytest

from retrieval import Concepts, InputError
from retrieval.graph.reading.skos import read_skos

TURTLE = """
@prefix skos: <http://www.w3.org/2004/02/skos/core#> .
@prefix ex: <http://example.org/> .
ex:food a skos:Concept ; skos:prefLabel "Food"@en ; skos:narrower ex:tea .
ex:tea a skos:Concept ; skos:prefLabel "Tee"@de, "Tea"@en ; skos:altLabel "infusion"@en ;
    skos:definition "Leaves in hot water." ; skos:related ex:cup .
ex:cup a skos:Concept ; skos:prefLabel "Cup" .
"""


def _read(path: Path, text: str, language: str | None = None) -> Concepts:
    path.write_text(text, encoding="utf-8")
    return Concepts(read_skos(path, language=language)[0])


def test_turtle_gives_names_languages_parents_and_relations(tmp_path: Path) -> None:
    concepts = _read(tmp_path / "t.ttl", TURTLE)
    tea = concepts["tea"]
    assert (tea.name, tea.language, tea.parents) == ("Tea", "en", ("food",))
    assert set(tea.synonyms) == {"Tee", "infusion"}
    assert tea.description == "Leaves in hot water."
    assert concepts["cup"].name == "Cup"
    (said,) = read_skos(tmp_path / "t.ttl")[1]
    assert (said.source, said.relation, said.target) == ("tea", "related_to", "cup")
    assert _read(tmp_path / "t.ttl", TURTLE, "de")["tea"].name == "Tee"


def test_json_ld_and_rdf_xml_say_the_same(tmp_path: Path) -> None:
    from rdflib import Graph

    graph = Graph().parse(data=TURTLE, format="turtle")
    told = _read(tmp_path / "t.ttl", TURTLE).frame()
    for suffix, form in ((".jsonld", "json-ld"), (".rdf", "xml"), (".nt", "nt")):
        again = _read(tmp_path / f"t{suffix}", graph.serialize(format=form)).frame()
        assert again.equals(told)


def test_nothing_is_fetched(tmp_path: Path) -> None:
    remote = json.dumps({"@context": "http://example.org/skos.json", "@id": "x"})
    with pytest.raises(InputError, match="would be loaded from elsewhere"):
        _read(tmp_path / "t.jsonld", remote)
    entity = '<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/hostname">]><r>&x;</r>'
    with pytest.raises(InputError, match="external entity"):
        _read(tmp_path / "t.rdf", entity)


@pytest.mark.parametrize("text", ["not turtle {", "@prefix a: <http://a/> . a:b a:c a:d ."])
def test_what_is_no_skos_is_refused_with_its_file(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match=r"t\.ttl"):
        _read(tmp_path / "t.ttl", text)

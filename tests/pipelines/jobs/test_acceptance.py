from __future__ import annotations

from pipelines.jobs.acceptance import Acceptance
from retrieval.versions.examination import Examination


def test_what_a_version_may_fall_short_of() -> None:
    nan = float("nan")

    def examined(items: int, recall: float, agreement: float) -> Examination:
        return Examination(items, recall, agreement, (200, 1000), "all-MiniLM-L6-v2, FLAT")

    before = examined(10, 1.0, 0.9)
    demands = Acceptance()
    assert demands.unmet(10, before, examined(10, 0.95, 0.881)) == []
    assert demands.unmet(10, before, examined(10, 1.0, nan)) == []
    assert [
        len(demands.unmet(*one))
        for one in (
            (11, before, examined(10, 1.0, 0.9)),
            (10, before, examined(10, 0.94, 0.9)),
            (10, before, examined(10, 1.0, 0.87)),
            (11, before, examined(10, 0.2, 0.1)),
        )
    ] == [1, 1, 1, 3]

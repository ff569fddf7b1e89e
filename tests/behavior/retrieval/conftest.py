"""The fixtures of `tests/retrieval`, for what spans its modules."""

from tests.retrieval.conftest import empty, index

__all__ = [
    "empty",
    "index",
]

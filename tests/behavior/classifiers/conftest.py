"""The fixtures of `tests/classifiers`, for what spans its modules."""

from tests.classifiers.conftest import groceries, index, learned, shelf, texts

__all__ = [
    "groceries",
    "index",
    "learned",
    "shelf",
    "texts",
]

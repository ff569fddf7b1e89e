"""The fixtures of `tests/serving`, for what spans its modules."""

from tests.serving.conftest import _no_settings_in_the_environment, own, served, store

__all__ = [
    "_no_settings_in_the_environment",
    "own",
    "served",
    "store",
]

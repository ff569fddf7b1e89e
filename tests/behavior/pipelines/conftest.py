"""The fixtures of `tests/pipelines`, for what spans its modules."""

from tests.pipelines.conftest import (
    _no_settings_in_the_environment,
    _restore_logging,
    demo_run,
    journey,
    journey_slice,
    shop,
)

__all__ = [
    "_no_settings_in_the_environment",
    "_restore_logging",
    "demo_run",
    "journey",
    "journey_slice",
    "shop",
]

"""The items as questions and recommendations need them: in memory, read anew when they change.

What is asked sees writes of a moment ago: whether the items have changed is looked up at most so
often that it takes a tenth of the time.
"""

from __future__ import annotations

from pathlib import Path
from time import monotonic

from pipelines import (
    Catalog,
    Ranker,
    Recommender,
    Settings,
    read_forecasts,
    read_histories,
)
from serving.problems import ApiError
from serving.runtime.shared_index import SharedIndex

_REST = 10  # times as long as it took to look, to wait before the next time
_LEAST_REST = 1.0  # seconds


class LiveCatalog:
    """A tenant's catalog, for one thread.

    Args:
        settings: `ask`, `histories` and `recommend` say how.
        shared: The tenant's items.
        tenant: Its name; None where there are no tenants.
    """

    def __init__(self, settings: Settings, shared: SharedIndex, tenant: str | None) -> None:
        self.settings = settings
        self._shared = shared
        self._tenant = tenant
        self._catalog: Catalog | None = None
        self._recommenders: dict[bool, Recommender] = {}
        self._ranker: Ranker | None = None
        self._digest = ""
        self._look_at = 0.0

    def catalog(self) -> Catalog:
        """Return the items as they are.

        Raises:
            ApiError: There are none.
            InputError: There are too many to be held in memory.
        """
        index = self._shared.index
        if not index.exists:
            raise ApiError(409, "nothing-learned", "there are no items to answer from")
        if self._catalog is None or monotonic() >= self._look_at:
            start = monotonic()
            digest = index.digest()
            if self._catalog is None or digest != self._digest:
                path = self._own(self.settings.ask.forecasts, "ask.forecasts")
                self._catalog = Catalog.read(index, read_forecasts(path))
                self._recommenders.clear()
                self._digest = digest
            took = monotonic() - start
            self._look_at = monotonic() + max(_LEAST_REST, _REST * took)
        return self._catalog

    def ranker(self) -> Ranker:
        """Return what ranks facts."""
        if self._ranker is None:
            self._ranker = Ranker.load(self.settings.ask.ranker)
        return self._ranker

    def recommender(self, *, with_histories: bool) -> Recommender:
        """Return what recommends from the items as they are.

        Args:
            with_histories: Whether purchases are needed.

        Raises:
            ApiError: There are no items; or purchases are needed, and none are configured.
        """
        catalog = self.catalog()
        if with_histories not in self._recommenders:
            histories = None
            if with_histories:
                histories = read_histories(self._with_own_histories(), catalog)
            options = self.settings.recommend
            self._recommenders[with_histories] = Recommender(
                catalog, histories, half_life=options.half_life, seed=options.seed
            )
        return self._recommenders[with_histories]

    def _with_own_histories(self) -> Settings:
        chosen = self.settings.histories
        if chosen.source is None or (chosen.path is None and self._tenant is not None):
            raise ApiError(409, "nothing-learned", "this server has no purchases (histories)")
        path = self._own(chosen.path, "histories.path")
        if chosen.path is not None and path is None:
            raise ApiError(409, "nothing-learned", "this tenant has no purchases (histories)")
        own = chosen.model_copy(update={"path": path})
        return self.settings.model_copy(update={"histories": own})

    def _own(self, path: Path | None, key: str) -> Path | None:
        """Return the tenant's own file; None where it has none. No tenant reads another's."""
        if path is None or self._tenant is None:
            return path
        if "{tenant}" not in str(path):
            raise ApiError(
                409, "nothing-learned", f"{key} would be shared by tenants; it needs {{tenant}}"
            )
        own = Path(str(path).replace("{tenant}", self._tenant))
        return own if own.exists() else None

"""Forecasts for items without history, from the items they are like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from forecasting.aggregation import Sums
from forecasting.asking import Asking
from forecasting.checks import tell
from forecasting.data.columns import Columns, SalesRules
from forecasting.data.history import History
from forecasting.data.launches import Launches
from forecasting.data.plausibility import launch_doubts
from forecasting.data.pools import ConceptUse, Similarity
from forecasting.data.sales import Sales
from forecasting.decisions.cannibalization import (
    Cannibalization,
    learn_cannibalization,
    with_taken,
)
from forecasting.decisions.orders import order_table
from forecasting.decisions.terms import Amount, OrderTerms
from forecasting.explanation import analogue_table, contribution_table
from forecasting.features.analogues import AnalogueIndex, Pools, same_text
from forecasting.forecasts import Forecasts
from forecasting.learning.learn import joined, learn, read_knowledge
from forecasting.models.options import Method, ModelOptions
from forecasting.parameters import (
    DEFAULTS,
    check_parameters,
    check_together,
    refuse_former,
    refusing_strangers,
)
from forecasting.persistence.files import (
    open_forecaster,
    read_fitted,
    read_parameters,
    write_forecaster,
)
from forecasting.reader import Reader
from forecasting.updates.adjustments import Adjustments
from retrieval import Encoder, InputError, ItemIndex, TableError, find_encoder, understood


class LaunchForecaster(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Launch curves with quantiles for new items, learned from like items.

    A launch is described by its nearest items (incumbents: their recent level; earlier launches:
    their curves, as far as they had been seen; siblings launched lately; the same product
    elsewhere), by its attributes and by the market. LightGBM turns that into past launches it is
    like and a level, and those into mean and quantiles of every age and of the total. Training rows
    are built as of before each launch.

    Args:
        index: A collection that has the items' vectors, made of the columns `text`; it is read as
            it is, and items that it lacks are embedded. None to embed all of them.
        encoder: Turns texts into vectors; None for the default one. An index brings its own.
        freq: pandas frequency of the sales table; ``ds`` is the first day of its period.
        horizon: Periods to forecast, the one of launch included.
        quantiles: Levels between 0 and 1, ascending, 0.5 among them.
        text: Columns of the item table to embed.
        attributes: Further columns to learn from, known before launch: numbers, or categories.
        launch_date: Column of launch dates; missing for items that have always been there.
        item_id: Column of item ids.
        columns: What else the tables hold, and what the columns of the sales table are called.
        sales: What to do with awkward rows of the sales table.
        method: ``"lightgbm"``; ``"knn"``: the analogues vote, without training; ``"auto"``:
            ``"lightgbm"`` if at least 100 launches have finished, else ``"knn"``.
        k: Analogues per pool.
        similarity: What makes an item an analogue: ``"text"``; ``"demand"``: a map of text and
            attributes learned from how past items sold; ``"auto"``: by demand in each pool in which
            that told past launches better, as of before each, else by text. The verdict is logged,
            and in the model card.
        concepts: Whether to learn from the `retrieval.ConceptGraph` beside the index, as of the
            cutoff: from what concepts sold, and what is near in the graph; ``"auto"``: where past
            launches were told better so. Its relations of new items count in either case.
        options: What the models learn from, and how; few forecasts need another.
        seed: Of all sampling.
        n_jobs: Threads of LightGBM; None for one where the data is small, else all cores.
    """

    cannibalization_: Cannibalization | None

    @refusing_strangers
    def __init__(
        self,
        index: ItemIndex | None = None,
        encoder: Encoder | None = None,
        *,
        freq: str = DEFAULTS.freq,
        horizon: int = DEFAULTS.horizon,
        quantiles: Sequence[float] = DEFAULTS.quantiles,
        text: str | Sequence[str] = ("name", "description"),
        attributes: Sequence[str] = (),
        launch_date: str = "launch_date",
        item_id: str = "item_id",
        columns: Columns = Columns(),
        sales: SalesRules = SalesRules(),
        method: Method = DEFAULTS.method,
        k: int = DEFAULTS.k,
        similarity: Similarity = DEFAULTS.similarity,
        concepts: ConceptUse = DEFAULTS.concepts,
        options: ModelOptions = ModelOptions(),
        seed: int = DEFAULTS.seed,
        n_jobs: int | None = DEFAULTS.n_jobs,
    ) -> None:
        self.index = index
        self.encoder = encoder
        self.freq = freq
        self.horizon = horizon
        self.quantiles = quantiles
        self.text = text
        self.attributes = attributes
        self.launch_date = launch_date
        self.item_id = item_id
        self.columns = columns
        self.sales = sales
        self.method = method
        self.k = k
        self.similarity = similarity
        self.concepts = concepts
        self.options = options
        self.seed = seed
        self.n_jobs = n_jobs

    def set_params(self, **params: Any) -> Self:
        """Set parameters, as in every estimator of scikit-learn; a group is set as a whole.

        Raises:
            InputError: One is in a group by now; the message says how to write it.
            ValueError: There is no such parameter.
        """
        refuse_former(params)
        changed: Self = super().set_params(**params)
        return changed

    @property
    def reader(self) -> Reader:
        """Reads tables as the parameters say."""
        return Reader(
            freq=self.freq,
            horizon=self.horizon,
            text=self.text,
            attributes=self.attributes,
            launch_date=self.launch_date,
            item_id=self.item_id,
            columns=self.columns,
            rules=self.sales,
            max_lead=self.options.max_lead,
            kinds=self.history_.kinds if hasattr(self, "history_") else {},
        )

    def fit(
        self,
        items: pd.DataFrame,
        sales: pd.DataFrame | Sales,
        cutoff: pd.Timestamp | str | None = None,
        *,
        future: pd.DataFrame | None = None,
    ) -> Self:
        """Learn from what had been seen at the end of the cutoff's period.

        Items launched later, and sales after the cutoff's period, are checked for form and not
        used.

        Args:
            items: One row an item: id, texts, launch date, attributes.
            sales: Long table of units by item and period; periods without a row are zeros.
            cutoff: The last period seen; None for the last one of the sales table.
            future: The plans with which past launches began: ``unique_id, ds`` and a number in
                each of `Columns.covariates`. What had been planned, not what then happened.

        Raises:
            TableError: A table is not in order; the message lists the first offenders.
            InputError: A parameter cannot be right, or nothing was launched by the cutoff.
        """
        return self._fit(items, sales, cutoff, future)

    def _fit(
        self,
        items: pd.DataFrame,
        sales: pd.DataFrame | Sales,
        cutoff: pd.Timestamp | str | None,
        future: pd.DataFrame | None,
        shared: AnalogueIndex | None = None,
    ) -> Self:
        """Fit; a backtest lets cutoffs share the index of the latest."""
        self.check()
        reader = self.reader
        clean = reader.items(items)
        panel = reader.sales(clean, sales).panel(cutoff)
        for doubt in launch_doubts(panel):
            tell(doubt, stacklevel=4)
        seen = clean.set_index(self.item_id).loc[list(panel.ids)]
        attributes = seen[list(self.attributes)].reset_index(drop=True)
        self._remember(History(panel, attributes, self.horizon))
        knowledge = read_knowledge(self.index, self.concepts, panel)
        groups = joined(knowledge, panel, reader.groups(seen))
        texts, products = reader.texts(seen), reader.products(seen)
        collection = None if self.index is None else same_text(self.index, self.text)
        analogues = AnalogueIndex(collection, self.encoder, panel, texts, products, shared=shared)
        self.launched_, self.training_ = reader.past_launches(
            self.history_, products, groups, analogues.index, future
        )
        past = self.launched_, self.training_
        self.engine_ = learn(self.get_params(False), self.history_, analogues, *past, knowledge)
        if self.engine_.model is not None:
            for said in self._asking.missing_plans(self.training_, future):
                tell(f"fit: {said}; what plans do is learned from the others", stacklevel=4)
        return self

    def predict(
        self,
        new_items: pd.DataFrame,
        *,
        observed: pd.DataFrame | Sales | None = None,
        observed_until: pd.Timestamp | str | None = None,
        future: pd.DataFrame | None = None,
        adjustments: Adjustments | None = None,
    ) -> pd.DataFrame:
        """Forecast each new item from its launch on.

        Args:
            new_items: As in `fit`, all with a launch date after the cutoff's period.
            observed: Sales of the new items so far, as a sales table; the forecast of the other
                periods is brought up to date with them. An item that has been launched sold
                nothing in a period without a row.
            observed_until: A date in the last period observed, where `observed` may have no row in
                it; rows of later ones are not used. None: the last period that has a row.
            future: Plans for the new items, as in `fit`.
            adjustments: What a planner knows better.

        Returns:
            The forecasts table of unique_id, cutoff, ds, age, mean and a column per quantile, named
            by its level; items in the order given, ages ascending from 0, the period of launch.
            Periods observed are as observed.

        Raises:
            NotFittedError: `fit` has not been called.
            TableError: A table is not in order, or an item has no launch date after the cutoff.
        """
        return self.predict_both(
            new_items,
            observed=observed,
            observed_until=observed_until,
            future=future,
            adjustments=adjustments,
        )[0]

    def predict_total(
        self,
        new_items: pd.DataFrame,
        *,
        observed: pd.DataFrame | Sales | None = None,
        observed_until: pd.Timestamp | str | None = None,
        future: pd.DataFrame | None = None,
        adjustments: Adjustments | None = None,
    ) -> pd.DataFrame:
        """Forecast the sum over the horizon of each new item.

        Its mean is the sum of the curve's means. Its quantiles are those of the total, because
        quantiles do not add: the medians of sparse demand are mostly zero at every age while the
        total's is not.

        Args:
            new_items: As in `predict`; so the others.
            observed: Sales so far.
            observed_until: A date in the last period observed.
            future: Plans.
            adjustments: What a planner knows better.

        Returns:
            unique_id, cutoff, mean, a column per quantile, novelty (share of past launches that had
            something more similar), novel (whether that is too much to trust what it is like; its
            interval is wide then), method (``lightgbm`` or ``knn``), warnings (what was not known:
            a category never seen, an attribute missing or out of range, a launch too far ahead;
            empty as a rule) and, where there are covariates, planned (whether the item's
            plan moves its forecast; where a plan is not known, the forecast is one that knows no
            plans), in the order given.

        Raises:
            NotFittedError: `fit` has not been called.
            TableError: As in `predict`.
        """
        return self.predict_both(
            new_items,
            observed=observed,
            observed_until=observed_until,
            future=future,
            adjustments=adjustments,
        )[1]

    def predict_both(
        self,
        new_items: pd.DataFrame,
        *,
        observed: pd.DataFrame | Sales | None = None,
        observed_until: pd.Timestamp | str | None = None,
        future: pd.DataFrame | None = None,
        adjustments: Adjustments | None = None,
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Forecast curves and totals in the time of one of them.

        Args:
            new_items: As in `predict`; so the others.
            observed: Sales so far.
            observed_until: A date in the last period observed.
            future: Plans.
            adjustments: What a planner knows better.

        Returns:
            The tables of `predict` and of `predict_total`.

        Raises:
            NotFittedError: `fit` has not been called.
            TableError: As in `predict`.
        """
        if observed is None and observed_until is not None:
            raise InputError("observed_until: give what was observed, too, if only an empty table")
        asked = self._asking.ask_planned(new_items, future, adjustments, further=2)
        if observed is None:
            forecasts = asked.read()
        else:
            seen = self.reader.observed(
                new_items, asked.rows, observed, observed_until, self.panel_
            )
            forecasts = seen.completed(replace(asked, paths=seen.update(asked.paths)).read())
        curves, totals = self._tables(asked.rows, forecasts)
        doubts = self.reader.doubts(asked.rows, self.history_)
        more = asked.remarks(doubts, planned=bool(self.columns.covariates))
        return curves, totals.assign(**more)

    def predict_sum(
        self,
        new_items: pd.DataFrame,
        by: str | None = None,
        *,
        per: Literal["total", "period"] = "total",
        net: bool = False,
        future: pd.DataFrame | None = None,
        adjustments: Adjustments | None = None,
    ) -> pd.DataFrame:
        """Forecast what several new items sell together.

        Means are the sums of the items' means. Quantiles are those of the sum, from courses drawn
        for all items together, with as much in common as launches of one period had in the past.

        Args:
            new_items: As in `predict`; so the others.
            by: Column of `new_items` to group by; None: all together. Items without a group are
                the group ``(none)``, so that sums add up.
            per: ``"total"``: over the horizon of each; ``"period"``: by calendar period.
            net: Less what the launches take from items on sale (`cannibalization`).
            future: Plans.
            adjustments: What a planner knows better.

        Returns:
            group, cutoff, ds (with ``per="period"``), n_items, mean and a column per quantile; with
            ``net`` also taken, the units taken from others, by which the mean is less. Where that
            is not shown (a warning says why), it is NaN, and nothing is taken off.

        Raises:
            NotFittedError: `fit` has not been called.
            TableError: As in `predict`, or there is no column `by`.
        """
        if by is not None and by not in new_items.columns:
            there = ", ".join(map(str, new_items.columns))
            raise TableError(f"new_items: no column {by!r} to group by; there are: {there}")
        asked = self._asking.ask_planned(new_items, future, adjustments, further=1)
        groups = pd.Series("all", index=new_items.index) if by is None else new_items[by]
        found = self.cannibalization().told() if net else Cannibalization()
        kept = found.kept if net and found.is_shown else None
        sums = Sums.of(self.engine_, asked.paths, asked.rows, self.seed, kept)
        table = sums.table(
            groups.reset_index(drop=True),
            self.panel_.grid,
            self.cutoff_,
            by_period=per == "period",
        )
        return table.assign(taken=found.taken_of(table["mean"])) if net else table

    def cannibalization(self) -> Cannibalization:
        """Estimate what past launches took from their nearest siblings.

        From what those sold after the launches, beside the next most like items, as seen at the
        cutoff. The same is tried with made-up dates, before the launches; where that finds
        something, or the interval of the loss reaches zero, nothing is shown.

        Raises:
            NotFittedError: `fit` has not been called.
        """
        check_is_fitted(self)
        if self.cannibalization_ is None:
            analogues = self.engine_.describer.analogues
            self.cannibalization_ = learn_cannibalization(self.history_, analogues, self.seed)
        return self.cannibalization_

    def order_quantity(
        self,
        new_items: pd.DataFrame,
        *,
        overage_cost: Amount | None = None,
        underage_cost: Amount | None = None,
        service_level: Amount | None = None,
        lead_time: int | None = None,
        pack_size: Amount = 1,
        minimum: Amount = 0,
        unit_cost: Amount | None = None,
        budget: float | Mapping[str, float] | None = None,
        by: str | None = None,
        future: pd.DataFrame | None = None,
        adjustments: Adjustments | None = None,
    ) -> pd.DataFrame:
        """Say how much of each new item to order before its launch.

        The quantity whose expected cost is lowest, from the courses that the launch may take.

        Args:
            new_items: As in `predict`.
            overage_cost: What a unit left over costs: a number, or the column that has each item's;
                so are all amounts.
            underage_cost: What a unit that was missing costs.
            service_level: Instead of both: the probability with which nothing is missing; costs are
                then relative, the two together 1.
            lead_time: Periods that the order has to last for; None: the horizon.
            pack_size: Orders are multiples of it.
            minimum: The least that is ordered, if anything is.
            unit_cost: What a unit takes of the budget.
            budget: What the orders together may take; by group, a mapping.
            by: Column of the groups.
            future: Plans.
            adjustments: What a planner knows better.

        Returns:
            unique_id, cutoff, quantity, mean (expected demand until then), left and missing (units
            expected to be left over, and to be missing), cost (expected), naive_quantity and
            naive_cost (of who orders the mean), in the order given; with `by` also group.

        Raises:
            NotFittedError: `fit` has not been called.
            InputError: The terms contradict each other.
            TableError: As in `predict`, or an item lacks one of the amounts.
        """
        terms = OrderTerms(
            overage_cost=overage_cost,
            underage_cost=underage_cost,
            service_level=service_level,
            lead_time=lead_time,
            pack_size=pack_size,
            minimum=minimum,
            unit_cost=unit_cost,
            budget=budget,
            by=by,
        )
        terms.check_horizon(self.horizon)
        asked = self._asking.ask_planned(new_items, future, adjustments, further=1)
        ordered = order_table(terms, new_items, asked.paths, asked.read(), self.quantiles)
        named = pd.DataFrame({"unique_id": pd.Series(asked.rows.ids, dtype="str")})
        return named.assign(cutoff=self.cutoff_).join(ordered)

    def adjust(
        self,
        new_items: pd.DataFrame,
        adjustments: Adjustments,
        *,
        future: pd.DataFrame | None = None,
    ) -> pd.DataFrame:
        """Forecast before and after a planner's hand.

        Args:
            new_items: As in `predict`.
            adjustments: Analogues to include, exclude, pin or re-weigh, factors, and other launch
                dates or attributes to try.
            future: Plans.

        Returns:
            The forecasts table after, with the columns mean_before and, for each quantile,
            0.5_before and so on.
        """
        before = self.predict(new_items, future=future)
        after = self.predict(new_items, future=future, adjustments=adjustments)
        numbers = after.columns[4:]
        return after.join(before[numbers].add_suffix("_before"))

    def explain(
        self,
        new_items: pd.DataFrame,
        *,
        adjustments: Adjustments | None = None,
        future: pd.DataFrame | None = None,
        taken: bool = False,
    ) -> pd.DataFrame:
        """Show the analogues each forecast leans on.

        Args:
            new_items: As in `predict`.
            adjustments: What a planner knows better.
            future: Plans.
            taken: Tell, too, what the launch takes from each (`cannibalization`).

        Returns:
            A row a new item and analogue, of unique_id, analogue, pool (``incumbent``, ``launch``,
            ``sibling``, ``elsewhere``: what the features are made of; ``outcome``: the past
            launches whose courses the forecast is drawn from), similarity, weight (sums to 1 over
            an item's pool; of the outcomes the heaviest are shown), level (mean units over the last
            weeks up to the cutoff), curve (list of units by age as far as seen; None for
            incumbents), similarity_of (``text``, ``demand``, ``product`` or ``graph``: what is
            similar); with concepts also pools ``concept`` (near in the graph), ``replaces`` and
            ``variant_of`` (``told``), and a column concept: the lowest that both are of; with
            ``taken`` also taken (units over the horizon that the launch is expected to take from
            that one; NaN where it is none of the nearest incumbents, or where nothing is shown, of
            which a warning says why).

        Raises:
            NotFittedError: `fit` has not been called.
            TableError: As in `predict`.
        """
        asked = self._asking.ask(new_items, future, adjustments)
        table = analogue_table(
            self.history_,
            asked.described,
            self.options.pools,
            asked.paths,
            asked.origin,
            self.engine_.vectors,
            asked.engine.describer.knowledge,
        )
        if not taken:
            return table
        expected = pd.Series(asked.read().mean.sum(axis=1), index=asked.rows.ids)
        return with_taken(table, self.history_, self.cannibalization().told(), expected)

    def contributions(
        self, new_items: pd.DataFrame, *, future: pd.DataFrame | None = None
    ) -> pd.DataFrame:
        """Show what moves the level of each forecast.

        Args:
            new_items: As in `predict`.
            future: Plans.

        Returns:
            A row per new item and feature, of unique_id, feature, name (in plain words), value,
            contribution (what it adds to the logarithm of the level; 0.1 is about 10 % more).

        Raises:
            NotFittedError: `fit` has not been called.
            InputError: The forecast is a vote of analogues, without features.
        """
        described = self._asking.ask(new_items, future).described
        if self.engine_.model is None:
            raise InputError(
                "method knn has no features that contribute; explain() shows its votes"
            )
        added = self.engine_.contributions(described)
        return contribution_table(described, added, self.columns.covariates)

    def novelty(self, new_items: pd.DataFrame) -> npt.NDArray[np.float64]:
        """Share (n,) of past launches that had something more similar, when they were new.

        Raises:
            NotFittedError: `fit` has not been called.
            TableError: As in `predict`.
        """
        check_is_fitted(self)
        pools = self._find(self._launches(new_items))
        return self.engine_.novelty.of(pools.best_similarity)

    def save(self, path: str | Path, *, standalone: bool = False) -> None:
        """Write the fitted forecaster into a folder, in place of the one that may be there.

        Plain files with checksums; nothing in them is ever executed. An index of the caller's is
        named, and `load` has to be given it; else the vectors are in the folder.

        Args:
            path: The folder.
            standalone: Put the vectors into the folder all the same, so that no index is needed.

        Raises:
            NotFittedError: `fit` has not been called.
            InputError: `path` is something else than a saved model.
        """
        check_is_fitted(self)
        parameters = self.get_params(deep=False)
        learned = self.engine_, self.cannibalization_
        write_forecaster(Path(path), parameters, *learned, standalone=standalone)

    @classmethod
    def load(
        cls, path: str | Path, *, index: ItemIndex | None = None, encoder: Encoder | None = None
    ) -> Self:
        """Read a saved forecaster; its forecasts are the same to the last bit.

        It forecasts and explains. What only baselines need is not kept; `backtest` fits anew.

        Args:
            path: The folder.
            index: Where its items' vectors are, if they were in an index of the caller's.
            encoder: Turns texts into vectors; None: the one it was saved with.

        Raises:
            ArtifactError: The folder is not a whole, untouched forecaster.
            EncoderMismatchError: The encoder is another one.
            InputError: An index is missing, or one too many.
        """
        artifact = open_forecaster(Path(path))
        with understood(artifact, "forecaster"):
            forecaster = cls(**read_parameters(artifact))
            forecaster.check()
            saved = read_fitted(artifact)
        encoder = find_encoder(artifact, saved.place, index, encoder)
        if index is not None:
            same_text(index, forecaster.text)
        forecaster.set_params(index=index, encoder=encoder).check()
        forecaster._remember(saved.seen.history)
        forecaster.engine_ = saved.over(index, encoder)
        forecaster.cannibalization_ = saved.cannibalization
        return forecaster

    # --- answering -------------------------------------------------------------------------------

    @property
    def _asking(self) -> Asking:
        """Who reads and answers what is asked."""
        check_is_fitted(self)
        return Asking(self.reader, self.engine_)

    def _launches(self, new_items: pd.DataFrame, future: pd.DataFrame | None = None) -> Launches:
        """Validate new items and stand them at the cutoff."""
        return self._asking.launches(new_items, future)

    def _forecast(self, rows: Launches) -> Forecasts:
        described = self.engine_.describer.describe(rows)
        return self.engine_.read(self.engine_.courses(described), rows)

    def _find(self, rows: Launches) -> Pools:
        return self.engine_.describer.find(rows)

    def _tables(self, rows: Launches, forecasts: Forecasts) -> tuple[pd.DataFrame, pd.DataFrame]:
        return self._asking.tables(rows, forecasts, self.quantiles)

    # --- preparing -------------------------------------------------------------------------------

    def check(self) -> None:
        """Refuse parameters that cannot be right; scikit-learn's constructors check nothing.

        Raises:
            InputError: One cannot; the message says what it has to be.
        """
        parameters = self.get_params(deep=False)
        check_parameters(parameters)
        self.reader.check()
        check_together(parameters)

    def _remember(self, history: History) -> None:
        """Keep what had been seen at the cutoff."""
        self.history_, self.panel_ = history, history.panel
        self.cannibalization_ = None
        self.cutoff_ = self.panel_.grid.dates(np.array([self.panel_.end]))[0]

"""What Prometheus reads: how long routes and engines take, how large batches are, what waits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """The measures of one application, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._requests = Histogram(
            "likewise_request_seconds",
            "Seconds from a request to its answer.",
            ("route", "method", "status"),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._engines = Histogram(
            "likewise_engine_seconds",
            "Seconds in an engine: encoder, milvus, classify, forecast.",
            ("engine",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._batches = Histogram(
            "likewise_batch_items",
            "Items answered together.",
            ("lane",),
            buckets=_ROWS,
            registry=self.registry,
        )
        self._waiting = Gauge(
            "likewise_waiting_calls", "Calls that wait.", ("lane",), registry=self.registry
        )
        self._answered = Counter(
            "likewise_items", "Items answered.", ("task",), registry=self.registry
        )
        self._unknown = Counter(
            "likewise_unknown_items",
            "Items that are like nothing known (classify: known is false; forecast: novel).",
            ("task",),
            registry=self.registry,
        )
        self.ready = Gauge(
            "likewise_ready", "1 while encoder, Milvus and models answer.", registry=self.registry
        )

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count an answered request; `route` is the template of its path."""
        self._requests.labels(route, method, str(status)).observe(seconds)

    def batch(self, lane: str, rows: int) -> None:
        """Count a batch."""
        self._batches.labels(lane).observe(rows)

    def watch_queue(self, lane: str, queue: object) -> None:
        """Let the length of a queue be read whenever it is asked for."""
        self._waiting.labels(lane).set_function(lambda: len(queue))  # type: ignore[arg-type]

    def answered(self, task: str, items: int, unknown: int) -> None:
        """Count items answered, and those of them that are like nothing known."""
        self._answered.labels(task).inc(items)
        self._unknown.labels(task).inc(unknown)

    @contextmanager
    def engine(self, name: str) -> Iterator[None]:
        """Time an engine."""
        start = perf_counter()
        try:
            yield
        finally:
            self._engines.labels(name).observe(perf_counter() - start)

    def text(self) -> bytes:
        """All of it, in Prometheus' format."""
        return generate_latest(self.registry)

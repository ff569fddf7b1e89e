"""Logs on stderr: lines for people on a terminal, one JSON object a line everywhere else.

What is logged are events, counts, durations and file names; never a row's text, and never a secret:
values under a secret's name, and what stands in an address, are masked whatever a caller passes.
"""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any, Literal

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

LogFormat = Literal["auto", "console", "json"]

_SECRET_NAMES = {"token", "tokens", "password", "secret", "url"}


def configure_logs(log_format: LogFormat = "auto", *, debug: bool = False) -> None:
    """Send the logs of likewise, and the warnings of the libraries it uses, to stderr.

    Args:
        log_format: "auto" is "console" if stderr is a terminal, else "json".
        debug: Also the debug events.
    """
    on_terminal = sys.stderr.isatty()
    as_json = log_format == "json" or (log_format == "auto" and not on_terminal)
    stamp = structlog.processors.TimeStamper(fmt="iso" if as_json else "%H:%M:%S", utc=as_json)
    shared: list[Processor] = [structlog.stdlib.add_log_level, stamp, _tidy]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    renderers: list[Processor] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str)]
        if as_json
        else [
            structlog.dev.ConsoleRenderer(
                colors=on_terminal,
                pad_event_to=0,
                exception_formatter=structlog.dev.plain_traceback,  # rich's shows local variables
            )
        ]
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *renderers,
                _masked,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    for package in ("pipelines", "retrieval"):
        logging.getLogger(package).setLevel(logging.DEBUG if debug else logging.INFO)
    logging.captureWarnings(True)


def _tidy(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Secrets masked, and what a reader looks for first in front."""
    first = {name: event[name] for name in ("timestamp", "level", "event") if name in event}
    return first | {key: "***" if key in _SECRET_NAMES else event[key] for key in event}


def _masked(_logger: WrappedLogger, _method: str, line: Any) -> str:
    """Mask also what an address or a library's message holds."""
    from retrieval import masked  # heavy: not before something is logged

    return masked(line)


@contextmanager
def timed(
    logger: structlog.stdlib.BoundLogger, event: str, **fields: object
) -> Iterator[dict[str, object]]:
    """Log `event` with the seconds its block took; the block may add fields to the dict."""
    start = perf_counter()
    yield fields
    logger.info(event, **fields, seconds=round(perf_counter() - start, 2))

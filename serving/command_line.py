"""The command ``likewise`` with all its verbs: those of the jobs, ``serve`` and ``key``."""

import os
import signal
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from pipelines import (
    ConfigOption,
    IndexOptions,
    app,
    running,
    settings_of,
    verb,
)

if TYPE_CHECKING:
    from pipelines import Settings

_GRACE = 30  # seconds in which what was accepted is answered after a signal to stop


@verb
def serve(
    config: ConfigOption = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0: any free one.")] = 8000,
    model_labels: Annotated[
        Path | None,
        typer.Option("--model-labels", metavar="FOLDER", help="A saved classifier to begin with."),
    ] = None,
    forecaster: Annotated[
        Path | None, typer.Option("--forecaster", metavar="FOLDER", help="A saved forecaster.")
    ] = None,
    *,
    index: IndexOptions,
) -> None:
    """Answer over HTTP: labels, forecasts, like items."""
    settings = settings_of(
        config,
        index=index.section,
        serve={"model_labels": model_labels, "forecaster": forecaster},
    )
    _run(settings, host, port)


def key(
    name: Annotated[str, typer.Argument(help="What to call it in settings and logs.")],
    tenant: Annotated[
        str | None, typer.Option("--tenant", metavar="NAME", help="Whose items it sees.")
    ] = None,
    write: Annotated[bool, typer.Option("--write", help="May also write.")] = False,
) -> None:
    """Make a key of the API: shown once, and the lines for the settings that hold its hash."""
    with running("auto", debug=False):
        import yaml

        from pipelines import KeySettings
        from serving.keys import make_key

        secret, digest = make_key()
        entry = KeySettings(
            name=name,
            sha256=digest,
            scopes=("read", "write") if write else ("read",),
            tenant=tenant,
        )
        told = entry.model_dump(mode="json", exclude_none=True)
        lines = yaml.safe_dump({"serve": {"keys": [told]}}, sort_keys=False)
        typer.echo(f"key (shown this once): {secret}\n\nfor the settings:\n\n{lines}", nl=False)


for command in (serve, key):
    app.command()(command)


def main() -> None:
    """Run the command line."""
    app()


def _run(settings: "Settings", host: str, port: int) -> None:
    import logging

    import structlog

    from retrieval import InputError

    os.umask(0o077)  # jobs, journal and audit are for whoever runs the server alone
    _check_host(settings, host)
    _check_models(settings)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # nothing has begun
    try:
        import uvicorn

        from serving.app import create_app
        from serving.connections import Crowd, OnceAMinute, TimedProtocol, most_connections
    except ImportError as error:
        raise InputError(f"{error.name} is missing: pip install 'likewise[serve]'") from None

    logging.getLogger("serving").setLevel(logging.getLogger("pipelines").level)
    for name in ("uvicorn.error", "asyncio"):
        logging.getLogger(name).addFilter(OnceAMinute())
    log = structlog.stdlib.get_logger("serving")

    def stop(*_: object) -> None:
        server.should_exit = True

    api = create_app(settings, on_failure=stop)
    most = most_connections()
    crowd = Crowd(most - 1, settings.serve.address_connections, settings.serve.proxies)
    server = uvicorn.Server(
        uvicorn.Config(
            api,
            host=host,
            port=port,
            log_config=None,
            access_log=False,
            server_header=False,
            http=partial(TimedProtocol, crowd=crowd),  # type: ignore[arg-type]
            ws="none",
            loop="serving.connections:TimedLoop",
            limit_concurrency=most,
            timeout_graceful_shutdown=_GRACE,
            ssl_certfile=settings.serve.tls_cert,
            ssl_keyfile=settings.serve.tls_key,
        )
    )
    if not settings.serve.keys:
        log.warning("no keys: whoever reaches this machine's loopback may read and write")
    scheme = "http" if settings.serve.tls_cert is None else "https"
    log.info("serving", address=f"{scheme}://{host}:{port}", docs="/docs")
    # uvicorn stops in good order, then raises the signal anew; to be stopped is no error.
    signal.signal(signal.SIGTERM, stop)
    code = 0
    try:
        server.run()
    except KeyboardInterrupt:
        code = 130
    except SystemExit:  # the port is taken, as the log says
        code = 1
    if api.state.runtime.is_loading:
        _leave(code)
    if api.state.runtime.failure is not None:
        raise api.state.runtime.failure
    sys.exit(code)


def _leave(code: int) -> NoReturn:
    """End the process without the thread that loads: all else is closed, nothing was accepted."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _check_host(settings: "Settings", host: str) -> None:
    """Without keys anybody may do anything, so nobody from elsewhere may come."""
    from retrieval import InputError
    from serving.loopback import is_loopback

    if not settings.serve.keys and not is_loopback(host):
        raise InputError(
            f"--host {host}: without keys only loopback is served; make one with `likewise key` "
            "and put it into serve.keys"
        )


def _check_models(settings: "Settings") -> None:
    from retrieval import InputError

    for name in ("model_labels", "forecaster"):
        path = getattr(settings.serve, name)
        if path is not None and "{tenant}" not in str(path) and not path.is_dir():
            raise InputError(f"serve.{name}: {path}: no such folder")

import json
import logging
import warnings

import pytest
import structlog

from pipelines.logs import configure_logs, timed


def _log() -> structlog.stdlib.BoundLogger:
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger("pipelines.test")
    return logger


def test_without_a_terminal_every_line_is_json_on_stderr(
    capsys: pytest.CaptureFixture[str],
) -> None:
    # Another test may have put `warnings` back since; logging believes that it still has them.
    logging.captureWarnings(False)
    configure_logs()
    _log().info("table read", rows=3)
    logging.getLogger("some.library").warning("careful")
    warnings.showwarning("old", UserWarning, "file.py", 1)
    captured = capsys.readouterr()
    lines = [json.loads(line) for line in captured.err.splitlines()]
    assert captured.out == ""
    assert [line["event"] for line in lines[:2]] == ["table read", "careful"]
    assert "old" in lines[2]["event"]
    assert (lines[0]["rows"], lines[0]["level"]) == (3, "info")
    assert lines[0]["timestamp"].endswith("Z")


def test_console_is_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("console")
    _log().info("table read", rows=3)
    line = capsys.readouterr().err
    assert "table read" in line
    assert "rows=3" in line
    assert not line.startswith("{")


def test_debug_events_show_on_demand(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("json")
    _log().debug("hidden")
    configure_logs("json", debug=True)
    _log().debug("shown")
    assert [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()] == ["shown"]


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_secrets_are_masked(log_format: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(log_format)  # type: ignore[arg-type]
    _log().info(
        "open",
        token="hush",
        tokens={"http://host": "hush"},
        url="postgresql://me:hush@host",
        password="hush",
    )
    try:
        raise OSError("http://root:hush@host:19530 refused")
    except OSError as error:
        _log().error("no answer from http://root:hush@host:19530", exc_info=error)
    assert "hush" not in capsys.readouterr().err


def test_timed_logs_seconds_and_what_the_block_adds(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("json")
    with timed(_log(), "done", rows=1) as fields:
        fields["new"] = 2
    line = json.loads(capsys.readouterr().err)
    assert (line["rows"], line["new"]) == (1, 2)
    assert line["seconds"] >= 0


def test_timed_logs_nothing_when_its_block_fails(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("json")
    with pytest.raises(KeyError), timed(_log(), "done"):
        raise KeyError
    assert capsys.readouterr().err == ""

"""Logs: one line of JSON for each event, whoever says it."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from warren import logs
from warren.settings import Settings


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, shape = root.handlers[:], root.level, structlog.get_config()
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**shape)


def test_what_libraries_say_has_the_same_form(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(Settings())
    structlog.get_logger("warren").info("a task ended", task="x")
    logging.getLogger("aio_pika").warning("connection %s lost", 7)
    logging.getLogger("aiormq").error("the same once more")
    ours, theirs = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert (ours["event"], ours["level"], ours["task"]) == ("a task ended", "info", "x")
    assert (theirs["event"], theirs["level"], theirs["logger"]) == ("connection 7 lost", "warning", "aio_pika")
    assert theirs.keys() >= {"timestamp"}


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_traceback_comes_without_local_variables(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(Settings.model_validate({"log_format": form}))
    payload = "a user's own"
    try:
        raise ValueError("so it is")  # noqa: TRY301 - the traceback is the example
    except ValueError:
        logging.getLogger("kopf").exception("a handler failed")
        structlog.get_logger("warren").exception("a task failed")
    said = capsys.readouterr().err
    assert said.count("ValueError") >= 2
    assert "so it is" in said
    assert payload not in said

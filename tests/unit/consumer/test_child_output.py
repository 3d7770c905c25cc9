"""What a child prints comes into the log line by line, however it comes, and all of it."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import PIPE

import pytest
from structlog.testing import capture_logs

from tests.unit.consumer.stage import until
from warren_consumer.children import process as module
from warren_consumer.children.process import Child


async def logged(script: str) -> list[str]:
    """Run a shell script as a child until it ends, and return the lines that it left in the log."""
    process = await asyncio.create_subprocess_exec(
        "sh", "-c", f"exec 1>&2; {script}", stdin=PIPE, stdout=PIPE, stderr=PIPE, start_new_session=True
    )
    with capture_logs() as logs:
        child = Child(process, "test")
        await until(lambda: not child.running)
        assert await child.end() == 0
    assert process.stderr is not None
    await until(process.stderr.at_eof)  # whoever held it has ended, too
    return [line["line"] for line in logs]


@pytest.mark.parametrize(
    ("script", "lines"),
    [
        (r"printf 'a\r'; sleep 0.1; printf '\nb\r\n'", ["a", "b"]),
        (r"printf '1%%\r'; sleep 0.1; printf '2%%\r'", ["1%", "2%"]),
        (r"printf 'a\n\nb'; sleep 0.1; printf 'c\n'", ["a", "", "bc"]),
        (r"printf 'last word'", ["last word"]),
    ],
)
async def test_a_line_is_one_line_in_however_many_pieces_it_comes(script: str, lines: list[str]) -> None:
    assert await logged(script) == lines


async def test_a_line_of_the_greatest_length_ends_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LONGEST_LINE_BYTES", 100)
    assert await logged(r"printf '%0100d\r' 0; sleep 0.1; printf '\nb\n'") == ["0" * 100, "b"]


async def test_the_last_word_is_logged_though_another_process_holds_the_output(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_LOG_SECONDS", 0.05)
    other = "setsid sh -c 'exec sleep 0.5 >/dev/null' &"
    left_the_group = f": $({other})"  # it is over when the other's standard output is closed
    assert await logged(f"{left_the_group}; printf 'last word'") == ["last word"]

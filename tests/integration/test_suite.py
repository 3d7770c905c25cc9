"""The runner of all tests: what fails beside others is asked once more, and told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tools.suite import FEW, Stage, run

STEADY = "def test_steady(): pass\n"
UNSTEADY = """
from pathlib import Path

def test_unsteady():
    was_here = Path(__file__).with_name("was-here")
    if not was_here.exists():
        was_here.touch()
        raise AssertionError("the machine was busy")
"""
BROKEN = "def test_broken{}(): raise AssertionError('it is broken')\n"


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    """A folder with tests of its own, and with the root of pytest there."""
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_steady.py").write_text(STEADY)
    return tmp_path


def stage(folder: Path) -> Stage:
    command = ("-m", "pytest", "-q", f"--rootdir={folder}", "-p", "no:xdist", str(folder))
    return Stage("sample", command, 60, counts=True, again=True)


def names(tests: set[str]) -> set[str]:
    return {name.rpartition("::")[2] for name in tests}


def test_what_passes_by_itself_is_unsteady(folder: Path) -> None:
    (folder / "test_unsteady.py").write_text(UNSTEADY)
    result = run(stage(folder))
    assert (result.verdict, result.well) == ("ok", True)
    assert (names(result.passed), names(result.unsteady), result.failed) == ({"test_steady"}, {"test_unsteady"}, set())


def test_what_fails_again_has_failed_and_takes_the_unsteady_with_it(folder: Path) -> None:
    (folder / "test_unsteady.py").write_text(UNSTEADY)
    (folder / "test_broken.py").write_text(BROKEN.format(""))
    result = run(stage(folder))
    assert not result.well
    assert (names(result.failed), result.unsteady) == ({"test_broken", "test_unsteady"}, set())


def test_many_failures_are_not_asked_again(folder: Path) -> None:
    (folder / "test_unsteady.py").write_text(UNSTEADY)
    (folder / "test_broken.py").write_text("\n".join(BROKEN.format(number) for number in range(FEW)))
    assert len(run(stage(folder)).failed) == FEW + 1


def test_where_a_stage_asks_once_a_failure_is_one(folder: Path) -> None:
    (folder / "test_unsteady.py").write_text(UNSTEADY)
    result = run(replace(stage(folder), again=False))
    assert (result.well, names(result.failed)) == (False, {"test_unsteady"})


def test_a_run_that_does_not_come_to_its_end_has_failed(folder: Path) -> None:
    (folder / "test_slow.py").write_text("import time\ndef test_slow(): time.sleep(30)\n")
    assert run(replace(stage(folder), limit=2)).verdict == "not done within 2 s"

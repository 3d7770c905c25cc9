"""The folders of training runs: gone with their run, or when the next consumer starts."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from warren_consumer.training.folders import clear_leftovers, working_folder


@pytest.fixture(autouse=True)
def _own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def test_a_folder_is_there_for_its_run_and_named_for_its_process() -> None:
    with working_folder() as folder:
        (folder / "dataset").touch()
        assert str(os.getpid()) in folder.name
    assert not folder.exists()


def test_only_folders_of_processes_that_are_gone_are_cleared(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    gone, own = tmp_path / f"warren-training-{ended.pid}-abc", tmp_path / f"warren-training-{os.getpid()}-abc"
    kept = [tmp_path / f"warren-training-{os.getppid()}-abc", tmp_path / "warren-training-notes", tmp_path / "other"]
    for folder in (gone, own, *kept):
        folder.mkdir()
        (folder / "dataset").touch()
    clear_leftovers()
    assert sorted(tmp_path.iterdir()) == sorted(kept)

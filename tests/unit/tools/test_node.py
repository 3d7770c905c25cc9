"""Projects of Node.js: what their lock files say, and what is installed again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tools import node

CHECKOUT = Path(__file__).resolve().parents[3]
PROJECTS = [CHECKOUT / "examples" / "node", CHECKOUT / "tests" / "contract" / "asyncapi"]
each_project = pytest.mark.parametrize("project", PROJECTS, ids=lambda project: project.name)


@each_project
def test_a_lock_holds_hashes_and_no_address(project: Path) -> None:
    text = (project / "package-lock.json").read_text()
    packages = {name: package for name, package in json.loads(text)["packages"].items() if name}
    assert packages
    assert all(package["integrity"].startswith("sha512-") for package in packages.values())
    assert "://" not in text
    assert (project / ".npmrc").read_text() == "omit-lockfile-registry-resolved=true\n"


def test_what_lies_in_the_cache_is_not_installed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs, project = tmp_path / "bin", tmp_path / "project"
    for folder in (programs, project):
        folder.mkdir()
    for name in ("npm", "node"):
        (programs / name).write_text('#!/bin/sh\necho "$@" >>calls\n')
        (programs / name).chmod(0o755)
    (project / "package.json").write_text("{}")
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    first, again = node.install(project), node.install(project)
    assert first == again
    assert (first / "calls").read_text() == "ci --ignore-scripts --no-audit --no-fund\n"
    (project / "package.json").write_text('{"private": true}')
    assert node.install(project) != first


def test_what_npm_says_against_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    npm, project = tmp_path / "npm", tmp_path / "project"
    npm.write_text("#!/bin/sh\necho 'no such package' >&2\nexit 1\n")
    npm.chmod(0o755)
    project.mkdir()
    (project / "package.json").write_text("{}")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(node.NodeError, match="no such package"):
        node.install(project)

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tools.gobuild import FAMILIES, TOOLS, GoBuildError, Tool, binary_path, build, module_folder, version


@pytest.mark.parametrize("tool", TOOLS.values(), ids=lambda tool: tool.name)
def test_every_tool_has_a_locked_version(tool: Tool) -> None:
    assert re.fullmatch(r"v\d+\.\d+\.\d+", version(tool))
    assert f"{tool.name}-{version(tool)}-" in binary_path(tool).name


def test_every_family_has_a_tool() -> None:
    assert {tool.family for tool in TOOLS.values()} == {path.name for path in FAMILIES.iterdir()}


def test_the_parts_of_kubernetes_are_of_one_version() -> None:
    text = (FAMILIES / "kubernetes" / "go.mod").read_text()
    release = version(TOOLS["kubelet"]).removeprefix("v1.")
    assert set(re.findall(r"=> k8s\.io/\S+ v0\.(\S+)", text)) == {release}


@pytest.mark.parametrize("look", [build, module_folder])
def test_an_unknown_tool_is_named(look: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(GoBuildError, match="no Go tool named 'kubelett'"):
        look("kubelett")

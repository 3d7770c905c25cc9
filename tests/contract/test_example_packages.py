"""The example task packages: the chart, the embedded run, the images and the packages themselves say the same."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import audio_length.settings
import audio_length.tasks
import lottery_results.settings
import lottery_results.tasks
from tests.contract.chart import CHART, CHECKOUT, helm, release
from tools.images.components import version
from tools.images.examples import PACKAGES
from tools.stack.examples import EXAMPLES, SERVE, Example
from warren.function import TaskFunction
from warren.resources import ConsumerPoolSpec

VALUES = CHECKOUT / "examples" / "values.yaml"
TASKS: Mapping[str, TaskFunction[..., Any]] = {
    "audio_length": audio_length.tasks.audio_length,
    "lottery_results": lottery_results.tasks.lottery_results,
}
LOADS: Mapping[str, Callable[[Mapping[str, str]], Any]] = {
    "audio_length": audio_length.settings.load,
    "lottery_results": lottery_results.settings.load,
}
each_example = pytest.mark.parametrize("example", EXAMPLES, ids=[example.package for example in EXAMPLES])


def project(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    return found


def test_helm_lints_the_chart_with_their_values() -> None:
    done = helm("lint", "--strict", str(CHART), "--values", str(VALUES))
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_has_a_pool_besides_those_of_the_defaults() -> None:
    pools = {pool["metadata"]["name"] for pool in release(values=VALUES).all("ConsumerPool")}
    own = {example.pool.name for example in EXAMPLES}
    assert pools - {pool["metadata"]["name"] for pool in release().all("ConsumerPool")} == own
    assert own == PACKAGES.keys()


@each_example
def test_its_task_goes_to_its_pool(example: Example) -> None:
    function = TASKS[example.package]
    assert (function.name, function.options.pool) == (example.package, example.pool.name)
    [[module]] = [points.values() for points in project(example.source)["entry-points"].values()]
    assert module == function.function.__module__


@each_example
def test_its_pool_has_its_image_and_works_on_one_task_at_a_time(example: Example) -> None:
    rendered = release(values=VALUES)
    spec = ConsumerPoolSpec.model_validate(rendered.one("ConsumerPool", example.pool.name)["spec"])
    pod = rendered.pod("Deployment", spec.scale_target_ref.name)
    assert (spec.queue, spec.concurrency, spec.min_replicas) == (example.pool.queue, 1, 0)
    assert pod.settings["WARREN_CONCURRENCY"] == "1"
    assert pod.main["image"] == f"warren-{example.pool.name}:{version()}"


@each_example
def test_it_understands_what_it_is_told(example: Example) -> None:
    pod = release(values=VALUES).pod("Deployment", f"warren-consumer-{example.pool.name}")
    for told in (pod.settings, example.settings):
        LOADS[example.package](told)
    prefix = f"{example.package.upper()}_"
    assert [name for name in pod.settings if name.startswith(prefix)]
    assert all(name.startswith(prefix) for name in example.settings)


@each_example
def test_what_it_needs_is_locked_and_no_part_of_warren(example: Example) -> None:
    needed = {re.split(r"[<>=]", requirement)[0] for requirement in project(example.source)["dependencies"]}
    locked = re.findall(r"^(\S+)==", (example.source / "requirements.txt").read_text(), re.MULTILINE)
    warrens = {re.split(r"[<>=\[]", requirement)[0] for requirement in project(CHECKOUT)["dependencies"]}
    assert needed == set(locked)
    assert not needed & warrens


@each_example
def test_its_image_is_warrens_consumer_with_it(example: Example) -> None:
    lines = (example.source / "Dockerfile").read_text()
    assert PACKAGES[example.pool.name] == example.package
    assert f"ARG WARREN=warren-consumer:{version()}\n" in lines
    assert project(example.source)["version"] == version()
    assert re.findall(r"^FROM (\S+)", lines, re.MULTILINE)[-1] == "${WARREN}"


def test_their_dockerfiles_are_one_that_serves_any_package() -> None:
    """Each has it, for packages are there to be copied whole."""
    [dockerfile] = {(example.source / "Dockerfile").read_text() for example in EXAMPLES}
    assert not [name for example in EXAMPLES for name in (example.package, example.pool.name) if name in dockerfile]


@each_example
def test_its_readme_names_its_settings_and_its_failures(example: Example) -> None:
    readme = (example.source / "README.md").read_text()
    sources = "".join(path.read_text() for path in (example.source / "src").rglob("*.py"))
    codes = set(re.findall(r'Fail\(\s*"([a-z-]+)"', sources)) | {"url-refused"}
    assert codes <= set(re.findall(r"^\| `([a-z-]+)` \|", readme, re.MULTILINE))
    assert set(example.settings) <= set(re.findall(r"[A-Z]+_[A-Z_]+", readme))


@each_example
def test_its_readme_has_typed_what_the_embedded_run_says_to_try(example: Example) -> None:
    readme = (example.source / "README.md").read_text()
    assert f"    make run ARGS=--examples\n    {SERVE}\n" in readme
    assert f"$ warren submit {example.call}" in readme

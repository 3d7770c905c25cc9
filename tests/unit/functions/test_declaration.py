"""What can be declared a task, and what is refused with what to do instead."""

from __future__ import annotations

import functools
import importlib
import pickle
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field, SecretBytes, SecretStr

from tests.integration.consumer.processes import install
from warren import task
from warren.errors import InvalidRequestError, SettingsError
from warren.function import ENTRY_POINT_GROUP, TaskFunction, find_functions
from warren.testing import eager


@task
def bare(number: Annotated[int, Field(ge=0)] = 3) -> int:
    return number


urgent = bare.with_options(priority="high")


@task()
def anything(value: object) -> None: ...


class Login(BaseModel):
    """A model with a secret within."""

    password: SecretStr
    before: Login | None = None


class Adds:
    """An object that can be called."""

    def __call__(self, number: int) -> int:
        return number + 1


def takes_a_secret(token: SecretBytes | None = None) -> None: ...
def takes_a_model(logins: list[Login]) -> None: ...
def returns_a_secret() -> dict[str, SecretStr]: ...  # type: ignore[empty-body]
def returns_a_model() -> Login: ...  # type: ignore[empty-body]
def has_a_field(number: int = Field(3, ge=0)) -> None: ...
def yields(number: int) -> Iterator[int]:
    yield number


async def yields_in_the_loop(number: int) -> AsyncIterator[int]:
    yield number


def test_the_decorator_needs_no_parentheses() -> None:
    assert (bare.name, bare(4)) == ("bare", 4)
    with eager():
        assert bare.delay().get() == 3


@pytest.mark.parametrize(
    "given", [functools.partial(bare.function, 1), Adds(), Adds, "a-name", yields, yields_in_the_loop]
)
def test_what_is_no_function_or_has_no_one_result_is_refused(given: Any) -> None:
    for decorate in (task, task(), task(name="other")):
        with pytest.raises(SettingsError, match=r"define one by `def`|return a list"):
            decorate(given)


@pytest.mark.parametrize("name", ["train", "predict"])
def test_the_names_of_warrens_own_tasks_are_taken(name: str) -> None:
    with pytest.raises(SettingsError, match="a task of Warren's own"):
        task(name=name)(bare.function)


@pytest.mark.parametrize("function", [takes_a_secret, takes_a_model, returns_a_secret, returns_a_model])
def test_what_takes_or_returns_a_secret_is_refused(function: Any) -> None:
    with pytest.raises(SettingsError, match=r"a secret.*from the environment"):
        task(function).check()


def test_a_secret_is_refused_before_anything_is_sent() -> None:
    with eager(), pytest.raises(SettingsError, match="takes a secret"):
        task(takes_a_secret).delay()
    with eager(), pytest.raises(SettingsError, match="returns a secret"):
        task(returns_a_secret).delay()


def test_a_field_as_default_is_refused_with_what_to_write() -> None:
    with pytest.raises(SettingsError, match=r"write `number: Annotated\[<type>, Field\(\.\.\.\)\] = <default>`"):
        task(has_a_field).check()


def test_the_same_function_on_other_terms_is_no_clash() -> None:
    here = sys.modules[__name__]
    assert find_functions([here])["bare"].function is bare.function
    twin = ModuleType("twin")
    vars(twin)["other"] = task(name="bare", max_attempts=2)(bare.function)
    with pytest.raises(SettingsError, match="two functions are tasks named 'bare'"):
        find_functions([here, twin])


def test_a_task_is_pickled_by_its_name_with_its_terms() -> None:
    restored: TaskFunction[..., Any] = pickle.loads(pickle.dumps(urgent))  # noqa: S301 - made here
    assert (restored.function, restored(5)) == (bare.function, 5)
    assert pickle.dumps(restored) == pickle.dumps(urgent) != pickle.dumps(bare)


def test_what_could_not_be_read_back_is_not_pickled() -> None:
    for function in (task(name="another")(bare.function), task(name="within")(lambda: None)):
        with pytest.raises(pickle.PicklingError, match="does not hold it as"):
            pickle.dumps(function)


def test_what_json_cannot_hold_is_refused_by_its_name() -> None:
    circle: list[object] = []
    circle.append(circle)
    for value in (b"\xff", circle, Adds()):
        with pytest.raises(InvalidRequestError, match="the argument 'value' is what JSON cannot hold"):
            anything.delay(value)


def test_a_package_that_would_end_the_process_at_its_import_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, "leaving", "import sys\nsys.exit(3)\n", ENTRY_POINT_GROUP, {"leaving": "leaving"})
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    with pytest.raises(SettingsError, match=r"'leaving'.*cannot be imported: SystemExit\(3\)"):
        find_functions()

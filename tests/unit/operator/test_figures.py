"""Figures: the one query, its answer, and how long queues have been empty."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from functools import partial
from operator import attrgetter
from typing import Any

import pytest

from tests.unit.operator.hasty import HastyLoop
from tests.unit.operator.web import dribbling, serving
from tests.unit.operator.world import World
from warren.errors import BrokerUnavailableError
from warren_operator.cluster import Kind, Scale
from warren_operator.figures import Figure, Figures
from warren_operator.figures.broker import BrokerFigures
from warren_operator.figures.counters import Counted
from warren_operator.figures.history import EmptyQueues
from warren_operator.figures.prometheus import PrometheusFigures, PrometheusUnavailableError, query, read_answer


def sample(queue: str, figure: str, value: float) -> dict[str, Any]:
    return {"metric": {"queue": queue, "figure": figure}, "value": [1000.0, str(value)]}


def told(figure: str, process: str, value: float) -> dict[str, Any]:
    return {"metric": {"queue": "a", "figure": figure, "instance": process}, "value": [1000.0, str(value)]}


def test_an_answer_is_read() -> None:
    samples = [sample("a", "ready", 3), sample("a", "unacked", 1), sample("a", "time", 997.5)]
    assert read_answer({"data": {"result": samples}}) == {"a": Figure(3, 1, 2.5, scraped_at=997.5)}


def test_a_queue_with_a_figure_missing_is_unknown() -> None:
    assert read_answer({"data": {"result": [sample("a", "ready", 3), sample("a", "time", 997)]}}) == {}


@pytest.mark.parametrize("value", ["NaN", "+Inf"])
def test_a_figure_that_is_no_number_is_that_queues_trouble_alone(value: str) -> None:
    samples = [sample("a", "ready", 3), sample("a", "unacked", 1), sample("a", "time", 997.5)]
    samples += [sample("b", "ready", float(value)), sample("b", "unacked", 0), sample("b", "time", 997.5)]
    samples.append(told("running", "1.2.3.4:9100", float(value)))
    assert read_answer({"data": {"result": samples}}) == {"a": Figure(3, 1, 2.5, scraped_at=997.5)}


def test_what_consumers_tell_is_read_with_it() -> None:
    samples = [sample("a", "ready", 3), sample("a", "unacked", 1), sample("a", "time", 997.5)]
    for process, finished, slots in (("1.2.3.4:9100", 7, 4), ("1.2.3.5:9100", 8, 4)):
        samples += [told("finished", process, finished), told("slots", process, slots), told("running", process, 1)]
    samples += [told("dropped", "1.2.3.4:9100", 9), told("busy_seconds", "1.2.3.4:9100", 2.5)]
    figure = read_answer({"data": {"result": samples}})["a"]
    assert (figure.running, figure.consumers, figure.leaving) == (2, 2, frozenset())
    assert figure.finished == {"1.2.3.4:9100": 7, "1.2.3.5:9100": 8}
    assert figure.dropped == {"1.2.3.4:9100": 9}
    assert figure.busy_seconds == {"1.2.3.4:9100": 2.5}


@pytest.mark.parametrize(("slots", "consumers", "leaving"), [((4, 0), 1, {"b"}), ((0, 0), 0, {"a", "b"})])
def test_those_that_stop_serve_no_longer_but_still_run_what_they_have(
    slots: tuple[int, int], consumers: int, leaving: set[str]
) -> None:
    """None that serves is zero; that nobody tells is not known."""
    samples = [sample("a", "ready", 3), sample("a", "unacked", 1), sample("a", "time", 997.5)]
    for process, count in zip("ab", slots, strict=True):
        samples += [told("slots", process, count), told("running", process, 2)]
    figure = read_answer({"data": {"result": samples}})["a"]
    assert (figure.consumers, figure.leaving, figure.running) == (consumers, leaving, 4)


def test_consumers_are_asked_for_by_pool_and_namespace() -> None:
    text = query(["warren.tasks.cpu", "celery"], "/", "team")
    assert text.count('{pool=~"cpu",namespace=~"team|"') == 5
    assert 'verdict=~"ended|expired|held|poison"' in text
    assert "warren_consumer" not in query(["celery"], "/", "team")


def figure(consumers: int | None, **finished: float) -> Figure:
    return Figure(0, 0, 1, consumers=consumers, finished=finished)


def test_finished_tasks_are_counted_over_processes_that_come_and_go() -> None:
    counted = Counted(attrgetter("finished"), fresh_seconds=6)
    for now, seen, total in (
        (0, figure(None), None),
        (10, figure(1, a=10), 0),
        (20, figure(2, a=15, b=3), 8),
        (30, figure(1, b=4), 9),  # a is gone
        (40, figure(2, a=15, b=4), 9),  # no, it was not
        (50, figure(2, a=2, b=4), 11),  # it started anew
        (60, figure(None), 11),
    ):
        counted.observe(["q"], {"q": seen}, now)
        assert counted.total("q") == total
    counted.observe(["q"], {}, 70)
    assert counted.total("q") == 11
    counted.observe([], {}, 80)
    assert counted.total("q") is None


def test_one_prometheus_of_several_that_is_a_scrape_behind_makes_nobody_begin_anew() -> None:
    counted = Counted(attrgetter("finished"), fresh_seconds=6)
    for now, seen, total in (
        (10, figure(2, a=10_000, b=10), 0),
        (20, figure(2, a=10_020, b=12), 22),
        (22, figure(2, a=10_015, b=11), 16),  # another one was asked
        (24, figure(2, a=10_024, b=13), 27),
        (30, figure(2, a=4, b=14), 32),  # this one began anew
    ):
        counted.observe(["q"], {"q": seen}, now)
        assert counted.total("q") == total


def test_who_is_back_and_stands_lower_has_begun_anew_however_far_it_has_come() -> None:
    counted = Counted(attrgetter("finished"), fresh_seconds=6)
    looks: tuple[tuple[int, dict[str, float], int], ...] = (
        (10, {"a": 0}, 0),
        (20, {"a": 3}, 3),
        (22, {}, 3),
        (24, {"a": 2}, 5),
        (26, {"a": 3}, 6),
    )
    for now, told, total in looks:
        counted.observe(["q"], {"q": figure(1, **told)}, now)
        assert counted.total("q") == total


def test_who_missed_the_first_scrapes_has_not_done_it_all_just_now() -> None:
    counted = Counted(attrgetter("finished"), fresh_seconds=6)
    counted.observe(["q"], {"q": figure(2, a=50_000, b=80_000)}, 0)
    counted.observe(["q"], {"q": figure(3, a=50_010, b=80_010, c=60_000)}, 4)
    assert counted.total("q") == 20
    counted.observe(["q"], {"q": figure(4, a=50_010, b=80_010, c=60_010, d=7)}, 8)
    assert counted.total("q") == 37


def test_what_is_finished_first_by_those_that_were_there_counts() -> None:
    """A process has no such series before it has finished something."""
    counted = Counted(attrgetter("finished"), fresh_seconds=6)
    counted.observe(["q"], {"q": Figure(0, 1, age=0, busy={"a": 1}, consumers=1)}, 0)
    counted.observe(["q"], {"q": Figure(0, 1, age=0, busy={"a": 1}, consumers=1, finished={"a": 4})}, 2)
    counted.observe(["q"], {"q": Figure(0, 1, age=0, busy={"a": 1}, consumers=1)}, 4)
    counted.observe(["q"], {"q": Figure(0, 1, age=0, busy={"a": 1}, consumers=1, finished={"a": 5})}, 6)
    assert counted.total("q") == 5


def test_a_queue_that_nothing_was_finished_of_can_be_let_go() -> None:
    counted = Counted(attrgetter("finished"), fresh_seconds=6)
    counted.observe(["q"], {"q": figure(1)}, 0)
    counted.observe([], {}, 2)
    assert counted.total("q") is None


def test_names_are_quoted_in_the_query() -> None:
    text = query(["warren.tasks.cpu", 'odd"|.*'], "v")
    assert r'queue=~"odd\"\\|\\.\\*|warren\\.tasks\\.cpu"' in text
    assert 'vhost="v"' in text
    assert 'queue=~"\N{RABBIT}"' in query(["\N{RABBIT}"], "v"), "PromQL takes no pair of escapes for one character"


@pytest.fixture
async def closing() -> AsyncIterator[list[PrometheusFigures]]:
    made: list[PrometheusFigures] = []
    yield made
    for figures in made:
        await figures.close()


@pytest.mark.parametrize(("status", "body"), [(503, b"{}"), (200, b"<html>"), (200, b'{"data": 1}'), (200, b"{}")])
async def test_whatever_is_not_prometheus_is_unavailable(
    closing: list[PrometheusFigures],
    status: int,
    body: bytes,
) -> None:
    with serving(body, status) as url:
        figures = PrometheusFigures(url)
        closing.append(figures)
        with pytest.raises(PrometheusUnavailableError, match=url):
            await figures.read(["a"])


@pytest.mark.parametrize(
    ("made", "trouble"),
    [(PrometheusFigures, PrometheusUnavailableError), (lambda url: BrokerFigures([url]), BrokerUnavailableError)],
)
def test_an_answer_that_only_dribbles_in_is_not_waited_for(
    made: Callable[[str], Figures], trouble: type[Exception]
) -> None:
    async def ask(url: str) -> None:
        figures = made(url)
        try:
            async with asyncio.timeout(100):
                with pytest.raises(trouble):
                    await figures.read(["a"])
        finally:
            await figures.close()

    with dribbling() as url, asyncio.Runner(loop_factory=partial(HastyLoop, 50)) as runner:
        runner.run(ask(url))


async def test_a_password_of_prometheus_is_sent_and_never_told(closing: list[PrometheusFigures]) -> None:
    with serving(b'{"data": {"result": []}}', password="ann:s@cret") as url:
        for password, told in (("s%40cret", True), ("s%40crap", False)):
            figures = PrometheusFigures(url.replace("//", f"//ann:{password}@"))
            closing.append(figures)
            if told:
                assert await figures.read(["a"]) == {}
                continue
            with pytest.raises(PrometheusUnavailableError, match=f"Prometheus at {url} .*401") as caught:
                await figures.read(["a"])
            assert "crap" not in caught.value.detail


async def test_all_pools_are_one_query_a_round(world: World) -> None:
    """The source of truth is asked once, however many pools there are."""
    queues = [*(f"warren.tasks.{pool}" for pool in ("cpu", "gpu", "audio", "train-cpu")), "celery"]
    asked: list[str] = []

    def answer() -> bytes:
        asked.append("")
        told = {"ready": 3, "unacked": 0, "time": 999}
        samples = [sample(queue, name, value) for queue in queues for name, value in told.items()]
        return json.dumps({"data": {"result": samples}}).encode()

    with serving(answer) as url:
        world.figures = PrometheusFigures(url)  # type: ignore[assignment]
        world.restart()
        for queue in queues:
            name = queue.rpartition(".")[2]
            world.cluster.deployments[name] = Scale(0, 0)
            target = {"scaleTargetRef": {"name": name}, "target": {"tasksPerReplica": 1}}
            world.cluster.create(Kind.CONSUMER_POOL, name, {"queue": queue, **target})
        for rounds in (1, 2, 3):
            await world.look(seconds=2)
            assert len(asked) == rounds
        await world.figures.close()
    assert {scale.wanted for scale in world.cluster.deployments.values()} == {3}


async def test_nobody_there_is_unavailable(closing: list[PrometheusFigures]) -> None:
    figures = PrometheusFigures("http://127.0.0.1:1")
    closing.append(figures)
    with pytest.raises(PrometheusUnavailableError):
        await figures.read(["a"])
    assert await figures.read([]) == {}


def test_emptiness_is_counted_only_while_it_is_known() -> None:
    empty = EmptyQueues(fresh_seconds=6)
    empty.observe(["a"], {"a": Figure(0, 0, 1)}, 100)
    empty.observe(["a"], {"a": Figure(0, 0, 1)}, 150)
    assert empty.seconds("a", 160) == 60
    empty.touch("a")
    assert empty.seconds("a", 160) == 0
    for figures in ({"a": Figure(0, 0, 7)}, {}, {"a": Figure(0, 1, 1)}, {"a": Figure(1, 0, 1)}):
        empty.observe(["a"], {"a": Figure(0, 0, 1)}, 200)
        empty.observe(["a"], figures, 210)
        assert empty.seconds("a", 220) == 0

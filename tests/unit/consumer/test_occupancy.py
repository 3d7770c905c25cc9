"""The seconds that slots are taken, as a scrape sees them."""

from __future__ import annotations

from contextlib import suppress

from prometheus_client import CollectorRegistry

from warren.clock import ManualClock
from warren_consumer.metrics import Metrics
from warren_consumer.occupancy import Occupancy


def test_slots_are_counted_for_as_long_as_they_are_taken_and_while_they_are() -> None:
    clock, registry = ManualClock(), CollectorRegistry()
    occupancy = Occupancy("cpu", clock.monotonic)
    registry.register(occupancy)

    def scraped(seconds: float) -> float | None:
        clock.advance(seconds)
        return registry.get_sample_value("warren_consumer_busy_seconds_total", {"pool": "cpu"})

    assert scraped(5) == 0
    with occupancy.taken():
        assert scraped(0.25) == 0.25
        with suppress(ValueError), occupancy.taken():
            assert (scraped(1), occupancy.running) == (2.25, 2)
            raise ValueError
        assert (scraped(1), occupancy.running) == (3.25, 1)
    assert (scraped(60), occupancy.running) == (3.25, 0)


def test_the_running_tasks_are_those_whose_seconds_are_counted() -> None:
    metrics = Metrics("cpu")
    value = metrics.registry.get_sample_value
    with metrics.occupancy.taken():
        assert value("warren_consumer_running_tasks", {"pool": "cpu"}) == 1
    assert value("warren_consumer_running_tasks", {"pool": "cpu"}) == 0
    assert value("warren_consumer_busy_seconds_total", {"pool": "cpu"})

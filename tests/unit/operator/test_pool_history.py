"""What is remembered of a pool: rates, speeds and starts, from looks alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from warren_operator.pool.history import START_SECONDS, History, Measure
from warren_operator.pool.observation import Observation

CONCURRENCY = 2


def watch(history: History, begin: int, end: int, *, rate: float, seconds: float, up: int, ready: int = 0) -> History:
    """Two looks a second apart see a pool that works steadily."""
    before = history.last.finished or 0 if history.last else 0
    running = round(rate * seconds)
    for now in range(begin, end):
        finished = before + rate * (now - begin)
        history = history.after(Observation(up, ready, running, finished, running, up), now, CONCURRENCY)
    return history


def test_arrivals_are_what_was_finished_and_the_change_of_what_is_there() -> None:
    history = History()
    for second in range(0, 61, 2):
        history = history.after(Observation(1, 3 * second, 4, 5.0 * second, 4, 1), second, CONCURRENCY)
    assert history.arrival_rate == pytest.approx(8)


def test_a_surge_shows_at_once_and_lasts_only_later() -> None:
    history = watch(History(), 0, 100, rate=2, seconds=1, up=2)
    history = watch(history, 100, 111, rate=20, seconds=0.2, up=2)
    assert history.arrival_rate == pytest.approx(20, rel=0.15)
    assert history.lasting_rate == pytest.approx(5, rel=0.3)
    history = watch(history, 111, 200, rate=20, seconds=0.2, up=2)
    assert history.lasting_rate == pytest.approx(20, rel=0.02)


def test_the_end_of_a_load_shows_at_once() -> None:
    history = watch(History(), 0, 100, rate=20, seconds=0.2, up=2)
    history = watch(history, 100, 112, rate=0, seconds=0.2, up=2)
    assert history.lasting_rate == pytest.approx(0, abs=0.5)


def test_the_speed_of_a_busy_replica_is_measured() -> None:
    history = watch(History(), 0, 100, rate=4, seconds=0.5, up=3)
    assert history.service_seconds == pytest.approx(0.5, rel=0.05)
    assert history.capacity(CONCURRENCY) == pytest.approx(4, rel=0.05)
    # full slots finish more than their service time at low load let expect: a batch costs little more than one
    history = watch(history, 100, 200, rate=30, seconds=0.2, up=3, ready=9)
    assert history.capacity(CONCURRENCY) == pytest.approx(10, rel=0.1)


def test_tasks_that_took_no_time_by_what_was_told_are_no_speed() -> None:
    history, busy = History(), Observation(1, 0, 1, 0.0, 1, 1)
    for now in range(0, 24, 2):
        busy = replace(busy, ready=5 if now > 20 else 0, finished=float(now), busy_seconds=float(now))
        history = history.after(busy, now, 1)
    assert history.capacity(1) == pytest.approx(1)
    history = history.after(replace(busy, finished=52.0), 24, 1)
    assert history.capacity(1) == pytest.approx(1 / (history.service_seconds or 0))


@pytest.mark.parametrize("ready", [9, 0])
def test_slots_that_happen_to_be_taken_at_two_looks_pass_for_no_slow_replica(ready: int) -> None:
    """Nothing waits any longer, or ever did: in between, fewer were taken."""
    history = watch(History(), 0, 100, rate=10, seconds=1, up=5, ready=ready)
    for look in range(1, 100):
        taken, finished = 10 if look % 4 < 2 else 6, 1000 + 16.0 * look
        history = history.after(Observation(5, 0, taken, finished, taken, 5), 100 + 2 * look, CONCURRENCY)
    assert history.capacity(CONCURRENCY) == pytest.approx(2, rel=0.03)


def sampled_full(looks: int, *, busy: Callable[[int], float | None]) -> History:
    """Twelve tasks a second and two slots that every look happens to find taken."""
    history = History()
    for now in range(looks):
        history = history.after(Observation(1, 0, 2, 12.0 * now, 2, 1, busy_seconds=busy(now)), now, CONCURRENCY)
    return history


def test_samples_that_always_find_the_slots_taken_do_not_hide_that_they_are_not() -> None:
    history = sampled_full(100, busy=lambda now: 0.6 * now)
    assert history.service_seconds == pytest.approx(0.05)
    assert history.capacity(CONCURRENCY) == pytest.approx(40)
    assert history.full_since is None


def test_older_consumers_speed_is_that_of_samples() -> None:
    history = sampled_full(100, busy=lambda now: None if now % 2 else 0.6 * now)
    assert history.service_seconds == pytest.approx(2 / 12)


def test_consumers_that_are_scraped_at_other_moments_than_the_broker_stay_full() -> None:
    """Every tenth look brings no news of them, the next one twice as much."""
    history = sampled_full(100, busy=lambda now: 2.0 * (now - (now % 10 == 9)))
    assert history.full_since == 0


def test_nine_slots_of_ten_do_no_less_than_they_can() -> None:
    history = watch(History(), 0, 600, rate=3.6, seconds=5, up=10)
    assert history.service_seconds == pytest.approx(5, rel=0.02)


def test_a_full_loads_speed_is_not_believed_for_ever() -> None:
    history = watch(History(), 0, 100, rate=30, seconds=0.2, up=3, ready=9)
    assert history.capacity(CONCURRENCY) == pytest.approx(10, rel=0.1)
    history = watch(history, 100, 1000, rate=1, seconds=1.0, up=3)
    assert history.capacity(CONCURRENCY) == pytest.approx(2, rel=0.1)


def test_workers_that_tell_nothing_have_no_speed() -> None:
    history = History()
    for second in range(60):
        history = history.after(Observation(3, 5, 3), second, CONCURRENCY)
    assert (history.arrival_rate, history.service_seconds, history.capacity(CONCURRENCY)) == (None, None, None)


def test_how_long_a_pod_takes_is_learned() -> None:
    history = History()
    for second in range(0, 400, 2):
        round_ = second % 80
        wanted, up = (2, 2 if round_ >= 40 + 30 else 1) if round_ >= 40 else (1, 1)
        history = history.after(Observation(wanted, 0, 0, 0.0, 0, up), second, CONCURRENCY)
    assert history.start_seconds == pytest.approx(30, abs=4)
    assert History().start_seconds == START_SECONDS


def test_a_pod_that_had_to_wait_for_a_node_is_no_measure_of_the_next() -> None:
    history = History(start_seconds=10, last=Observation(2, 0, 0, 0.0, 0, 1), raises=((0.0, 2),))
    later = history.after(Observation(2, 0, 0, 0.0, 0, 2), 7200, CONCURRENCY)
    assert later.start_seconds == pytest.approx(16)
    assert not later.raises


def test_pods_that_never_come_are_not_counted_on() -> None:
    history = History(start_seconds=10, raises=((100.0, 5),))
    seen = Observation(5, 100, 1, 0.0, 1, 1)
    assert history.help_until(seen, 104) == 10 + 4 * 4
    assert history.help_until(seen, 115) == 50
    assert history.help_until(seen, 131) == 10


def test_a_former_process_knew_the_speed() -> None:
    assert History.resumed(0.5).capacity(4) == 8
    assert History.resumed(None).capacity(4) is None


def test_long_tasks_look_little_longer_to_a_new_process_before_the_first_has_ended() -> None:
    history = History.resumed(32)
    for now in range(0, 22, 2):
        history = history.after(Observation(2, 0, 10, 0.0, 10, 2), now, 8)
    assert history.service_seconds == 32 + 10 * 20 / 20


def steady(history: History, begin: int, end: int, *, seen: bool = True) -> History:
    """Look at 10/s of 1 s each, or at what the broker alone tells of it."""
    for now in range(begin, end, 2):
        heard = Observation(5, 9, 10, 10.0 * now, 10, 5) if seen else Observation(5, 9, 10, silent=True)
        history = history.after(heard, now, CONCURRENCY)
    return history


def test_a_gap_is_no_news_of_arrivals() -> None:
    history = steady(steady(History(), 0, 100), 100, 120, seen=False)
    assert history.arrival_rate == pytest.approx(10)
    assert steady(history, 120, 130).arrival_rate == pytest.approx(10)
    assert steady(history, 120, 162, seen=False).arrival_rate is None


@pytest.mark.parametrize("gap", [Observation(5, 9, 10, silent=True), Observation(5)])
def test_slots_that_nobody_saw_were_not_full(gap: Observation) -> None:
    history = steady(History(), 0, 100)
    assert history.full_since == 0
    for now in range(100, 400, 2):
        history = history.after(gap, now, CONCURRENCY)
    history = steady(history, 400, 406)
    assert (history.full_since, history.full_taken) == (400, 40)


def test_nobody_takes_what_waits() -> None:
    history = History().after(Observation(1, 5, 0), 10, CONCURRENCY)
    assert history.after(Observation(1, 5, 0), 20, CONCURRENCY).untaken_since == 10
    for seen in (Observation(1, 5, 1), Observation(1, 0, 0), Observation(0, 5, 0)):
        assert history.after(seen, 20, CONCURRENCY).untaken_since is None


def test_what_consumers_tell_between_two_scrapes_of_the_broker_counts_at_the_next() -> None:
    """5 wait and 10/s are done and arrive; the consumers are scraped 4 s after the broker."""
    history = History()
    for now in range(10, 120, 2):
        finished = 10.0 * (now - (now - 4) % 10)
        history = history.after(Observation(5, 5, 10, finished, 10, 5, scraped_at=now - now % 10), now, CONCURRENCY)
        assert history.arrival_rate == (None if now < 20 else pytest.approx(10))
    assert (history.service_seconds, history.capacity(CONCURRENCY)) == pytest.approx((1, 2))


def looked(history: History, looks: list[tuple[float, float, int]], up: int = 1) -> History:
    """Go on with looks at a time, at what was finished by then, and at what runs."""
    for now, finished, running in looks:
        history = history.after(Observation(up, 2, running, finished, running, up), now, CONCURRENCY)
    return history


def test_tasks_that_have_become_longer_are_noticed_within_seconds() -> None:
    known = History(slots=Measure(100, 200))
    busy = [(float(now), 0.0, CONCURRENCY) for now in range(0, 31, 2)]
    assert looked(known, busy[:6]).capacity(CONCURRENCY) == pytest.approx(CONCURRENCY / 0.5, rel=0.4)
    assert looked(known, busy[:9]).capacity(CONCURRENCY) == pytest.approx(1 / 16, rel=0.2)
    assert looked(known, busy).capacity(CONCURRENCY) == pytest.approx(1 / 30, rel=0.1)


def test_a_new_process_that_knows_little_notices_it_as_soon() -> None:
    """Of few tasks, the measure grows with the time alone: it must not fit whatever it is asked about."""
    busy = [(float(now), 0.0, CONCURRENCY) for now in range(0, 31, 2)]
    assert looked(History.resumed(0.5), busy[:9]).capacity(CONCURRENCY) == pytest.approx(1 / 16, rel=0.2)


def test_tasks_that_end_all_at_once_are_no_surprise() -> None:
    """As long as known, begun at once: nothing ends before all do."""
    known = History(slots=Measure(4000, 200))
    busy = [(float(now), float(now // 20 * CONCURRENCY), CONCURRENCY) for now in range(0, 100, 2)]
    assert looked(known, busy).service_seconds == pytest.approx(20, rel=0.1)


def test_leavers_that_work_make_a_new_one_that_idles_no_busy_one() -> None:
    """Its speed would be theirs: what they have left to do is longer than most."""
    history = History(slots=Measure(100, 200))
    for now in range(0, 60, 2):
        history = history.after(Observation(1, 0, 2, 0.0, 2, 1, outgoing=2), now, CONCURRENCY)
    assert history.full_since is None

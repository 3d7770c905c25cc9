"""Doing to a site what the plan says, and noting what that explains."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.soak.plan import Event
from tests.soak.proxy import Proxy
from tests.soak.site import Site
from tests.soak.verdict import Excuses, Span, extended

_LOW_WATERMARK, _USUAL_WATERMARK = "0.00001", "0.4"
_POISON_SECONDS = 90.0


@dataclass(frozen=True, slots=True)
class Happening:
    """A fault that was done."""

    event: Event
    in_flight: frozenset[str]
    """The tasks that were accepted and had not ended when it began."""
    span: Span
    on: str
    """The process that it was done to."""


class Injector:
    """Does faults, one after the other; it blocks while one stands."""

    def __init__(self, site: Site, poison: Callable[[], None], at_large: Callable[[], bool]) -> None:
        self.excuses = Excuses(deaths=site.deaths)
        self._site = site
        self._poison_task = poison
        self._at_large = at_large
        """Whether a task that kills its consumers has not ended."""

    def inject(self, event: Event, in_flight: frozenset[str]) -> Happening:
        """Do it and take it back, as far as it is to be taken back."""
        began = time.time()
        on: str = getattr(self, f"_{event.fault.name.lower()}")(event)
        return Happening(event, in_flight, Span(began, time.time()), on)

    def _consumer_killed(self, event: Event) -> str:
        consumer = self._site.consumers[event.target % len(self._site.consumers)]
        self._site.kill(consumer)
        time.sleep(event.lasts)
        self._site.start(consumer)
        return consumer.spec.name

    def _consumer_frozen(self, event: Event) -> str:
        consumer = self._site.consumers[event.target % len(self._site.consumers)]
        pid, began = consumer.process.pid or 0, time.time()
        consumer.freeze()
        time.sleep(event.lasts)
        consumer.thaw()
        self.excuses.frozen.setdefault(pid, []).append(extended(Span(began, time.time())))
        return consumer.spec.name

    def _producer_killed(self, event: Event) -> str:
        self._site.kill(self._site.producer)
        time.sleep(event.lasts)
        self._site.start(self._site.producer)
        return self._site.producer.spec.name

    def _system_killed(self, event: Event) -> str:
        self._site.kill(self._site.system)
        time.sleep(event.lasts)
        self._site.start(self._site.system)
        return self._site.system.spec.name

    def _broker_restarted(self, _event: Event) -> str:
        self._site.servers.rabbitmq.restart()
        return self._site.servers.rabbitmq.spec.name

    def _broker_killed(self, event: Event) -> str:
        broker = self._site.servers.rabbitmq
        broker.kill()
        time.sleep(event.lasts)
        broker.start()
        broker.wait()
        return broker.spec.name

    def _store_killed(self, event: Event) -> str:
        store, began = self._site.servers.store, time.time()
        store.kill()
        time.sleep(event.lasts)
        store.start()
        store.wait()
        self.excuses.storeless.append(extended(Span(began, time.time())))
        return store.spec.name

    def _black_hole(self, event: Event) -> str:
        name = list(self._site.proxies)[event.target % len(self._site.proxies)]
        self._cut(event, self._site.proxies[name])
        return name

    def _store_black_hole(self, event: Event) -> str:
        name = list(self._site.store_proxies)[event.target % len(self._site.store_proxies)]
        self._cut(event, self._site.store_proxies[name])
        return name

    def _partition(self, event: Event) -> str:
        consumer = self._site.consumers[event.target % len(self._site.consumers)]
        name, pid, began = consumer.spec.name, consumer.process.pid or 0, time.time()
        self._cut(event, self._site.proxies[name], self._site.store_proxies[name])
        self.excuses.frozen.setdefault(pid, []).append(extended(Span(began, time.time())))
        return name

    @staticmethod
    def _cut(event: Event, *proxies: Proxy) -> None:
        for proxy in proxies:
            proxy.cut()
        time.sleep(event.lasts)
        for proxy in proxies:
            proxy.mend()

    def _memory_alarm(self, event: Event) -> str:
        self._site.control("set_vm_memory_high_watermark", _LOW_WATERMARK)
        time.sleep(event.lasts)
        self._site.control("set_vm_memory_high_watermark", _USUAL_WATERMARK)
        return self._site.servers.rabbitmq.spec.name

    def _poison(self, _event: Event) -> str:
        self._poison_task()
        deadline = time.monotonic() + _POISON_SECONDS
        while self._at_large() and time.monotonic() < deadline:
            self._site.tend()
            time.sleep(0.2)
        return "any consumer"

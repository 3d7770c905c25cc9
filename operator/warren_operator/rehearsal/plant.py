"""The queue and its pods as a discrete-event model: first come, first served; pods take time to start.

A pod that goes is one that starts or is idle, if there is one; else it finishes what it has begun and takes nothing
new.
Each is paid for from the moment it is asked for to the moment it is gone.

Forbidden here: deciding how many pods there are.
"""

from __future__ import annotations

import heapq
import math
from array import array
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from warren_operator.rehearsal.trace import Trace


class Pod:
    """One replica."""

    __slots__ = ("asked", "busy", "leaving", "ready")

    def __init__(self, asked: float, ready: float) -> None:
        self.asked = asked
        self.ready = ready
        self.busy = 0
        self.leaving = False


class Plant:
    """What a trace and somebody's scaling make happen."""

    def __init__(self, trace: Trace, *, concurrency: int, start_seconds: float, replicas: int = 0) -> None:
        """Begin with this many pods, which are up."""
        self._trace = trace
        self._concurrency = concurrency
        self._start_seconds = start_seconds
        self.now = 0.0
        self.arrived = 0
        self.begun = 0
        self.finished = 0
        self.outgoing = 0
        """Of the tasks under way, those of pods that go."""
        self.waits = array("d")
        """How long each task that has begun had waited, in seconds."""
        self._pods = [Pod(0.0, 0.0) for _ in range(replicas)]
        self._starting: list[tuple[float, int, Pod]] = []
        self._ends: list[tuple[float, int, Pod]] = []
        self._free = deque(self._pods * concurrency)
        self._serial = 0
        self._paid = 0.0
        self._ended_less_begun = 0.0

    @property
    def replicas(self) -> int:
        """Pods that are wanted."""
        return len(self._pods)

    @property
    def consumers(self) -> int:
        """Pods that are wanted and up."""
        return sum(pod.ready <= self.now for pod in self._pods)

    @property
    def ready(self) -> int:
        """Tasks that wait."""
        return self.arrived - self.begun

    @property
    def running(self) -> int:
        """Tasks under way."""
        return self.begun - self.finished

    @property
    def busy_seconds(self) -> float:
        """For how many seconds slots have been taken, all together."""
        return self._ended_less_begun + self.running * self.now

    @property
    def next_arrival(self) -> float:
        """When the next task arrives; infinity after the last one."""
        arrivals = self._trace.arrivals
        return arrivals[self.arrived] if self.arrived < len(arrivals) else math.inf

    @property
    def done(self) -> bool:
        """Whether every task has ended."""
        return self.finished == len(self._trace.arrivals)

    def replica_seconds(self) -> float:
        """Return what the pods have cost so far."""
        return self._paid + sum(self.now - pod.asked for pod in self._pods)

    def scale(self, replicas: int) -> None:
        """Ask for a number of pods."""
        for _ in range(replicas - len(self._pods)):
            pod = Pod(self.now, self.now + self._start_seconds)
            self._pods.append(pod)
            heapq.heappush(self._starting, (pod.ready, self._next(), pod))
        if replicas < len(self._pods):
            # The last that was asked for goes first, as Kubernetes has it for pods that are not ready.
            self._pods.sort(key=lambda pod: (pod.ready > self.now, -pod.busy, pod.asked))
            self._leave(self._pods[:replicas], self._pods[replicas:])
            self._pods.sort(key=lambda pod: pod.asked)

    def advance(self, until: float) -> None:
        """Let everything happen up to this time."""
        arrivals, count = self._trace.arrivals, len(self._trace.arrivals)
        ends, starting = self._ends, self._starting
        while True:
            arrival = arrivals[self.arrived] if self.arrived < count else math.inf
            end = ends[0][0] if ends else math.inf
            start = starting[0][0] if starting else math.inf
            at = min(arrival, end, start)
            if at > until:
                break
            self.now = at
            if at == end:
                self._end(heapq.heappop(ends)[2])
            elif at == start:
                self._up(heapq.heappop(starting)[2])
            else:
                self.arrived += 1
            if self._free and self.begun < self.arrived:
                self._serve()
        self.now = until

    def _serve(self) -> None:
        arrivals, services, free = self._trace.arrivals, self._trace.services, self._free
        while self.begun < self.arrived and free:
            pod = free.popleft()
            if pod.leaving:
                continue
            pod.busy += 1
            self.waits.append(self.now - arrivals[self.begun])
            heapq.heappush(self._ends, (self.now + services[self.begun], self._next(), pod))
            self._ended_less_begun -= self.now
            self.begun += 1

    def _up(self, pod: Pod) -> None:
        if not pod.leaving:
            self._free.extend([pod] * self._concurrency)

    def _end(self, pod: Pod) -> None:
        self.finished += 1
        self._ended_less_begun += self.now
        pod.busy -= 1
        if not pod.leaving:
            self._free.append(pod)
            return
        self.outgoing -= 1
        if not pod.busy:
            self._paid += self.now - pod.asked

    def _leave(self, staying: list[Pod], leaving: list[Pod]) -> None:
        for pod in leaving:
            pod.leaving = True
            self.outgoing += pod.busy
            if not pod.busy:
                self._paid += self.now - pod.asked
        self._pods = staying

    def _next(self) -> int:
        """Return a number that tells events of the same time apart."""
        self._serial += 1
        return self._serial

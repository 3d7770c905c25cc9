"""Looks at every ConsumerPool once a round: figures, decision, scale, status.

Forbidden here: the decision itself, and the outside libraries behind the ports.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping
from dataclasses import replace
from operator import attrgetter
from typing import TYPE_CHECKING, Final

import structlog

from warren.errors import InvalidRequestError, UnavailableError, UnroutableError, WarrenError
from warren.resources import ConsumerPool, parse, status_document
from warren.topology import TASKS
from warren_operator import metrics
from warren_operator.cluster import ClusterRefusedError, ConflictError, Document, Kind, Notice, ResourceNotFoundError
from warren_operator.figures.counters import Counted
from warren_operator.loop import each
from warren_operator.pool.crew import Crews
from warren_operator.pool.observation import LATE_SECONDS, Observation
from warren_operator.pool.ownership import owners
from warren_operator.pool.scaling import step
from warren_operator.pool.series import Series
from warren_operator.pool.standing import Standing
from warren_operator.pool.status import Look, decided, outranked, scale_refused, turned, without_scale
from warren_operator.pool.wakening import Wakenings

if TYPE_CHECKING:
    from warren.broker import Broker
    from warren.clock import SteadyClock
    from warren.resources import ConsumerPoolStatus
    from warren_operator.cluster import Cluster, Scale
    from warren_operator.figures import Consumers, Figure, Figures
    from warren_operator.figures.history import EmptyQueues
    from warren_operator.pool.scaling import Decision
    from warren_operator.pool.silence import Silence
    from warren_operator.watched import Watched

_LOG = structlog.get_logger(__name__)
AT_ONCE: Final = 16
"""So many pools are looked at at a time: a round must end, though each look may wait long for the API server."""


class PoolReconciler:
    """Brings Deployments to the size that their queue deserves."""

    def __init__(  # noqa: PLR0913, PLR0917 - the composition root passes each port once
        self,
        cluster: Cluster,
        figures: Figures,
        broker: Broker,
        watched: Watched,
        empty: EmptyQueues,
        consumers: Consumers,
        clock: SteadyClock,
        *,
        queues: Collection[str],
        fresh_seconds: float,
    ) -> None:
        self._cluster = cluster
        self._figures = figures
        self._broker = broker
        self._watched = watched
        self._empty = empty
        self._clock = clock
        self._queues = frozenset(queues)
        self._fresh_seconds = fresh_seconds
        self._finished = Counted(attrgetter("finished"), fresh_seconds)
        self._dropped = Counted(attrgetter("dropped"), fresh_seconds)
        self._busy_seconds = Counted(attrgetter("busy_seconds"), fresh_seconds)
        self._wakenings = Wakenings(max(LATE_SECONDS, fresh_seconds))
        self._crews = Crews(cluster, consumers)
        self._known: tuple[float, Mapping[str, Figure], str | None] = (0.0, {}, None)
        self._standings: dict[str, Standing] = {}
        self._roused: set[str] = set()
        self._missed = False
        self._owners: Mapping[str, str] = {}
        self._series = Series()

    async def round(self) -> None:
        """Look at every pool once; the queues of training pools are watched on behalf of the MLJobs."""
        pools = self._pools()
        self._forget([pool for _, pool in pools])
        self._owners = owners(pool for _, pool in pools)
        queues = self._queues | {pool.spec.queue for _, pool in pools}
        figures, trouble = await self._read(queues)
        now = self._clock.monotonic()
        self._known = (now, figures, trouble)
        self._empty.observe(queues, figures, now)
        for counted in (self._finished, self._dropped, self._busy_seconds):
            counted.observe(queues, figures, now)
        await each(self._one, [document for document, _ in pools], AT_ONCE)
        await self._catch_up(pools)

    def miss(self) -> None:
        """Note that hints may have been lost until now: the next round asks for what they would have told."""
        self._missed = True

    async def wake(self, queue: str) -> None:
        """Look at the queue's pools at once if nobody serves them: somebody publishes, which figures show only later.

        What waits is asked of the broker itself. That a pool is served, is held by an annotation or was never looked at
        needs no more than to be remembered.
        """
        self._wakenings.hear(queue, self._clock.monotonic())
        if queue in self._roused:  # somebody waits to look, and will see this one as well
            return
        self._roused.add(queue)
        try:
            sleepers = [document for document, pool in self._pools(queue) if await self._sleeps(pool)]
        finally:
            self._roused.discard(queue)
        if not sleepers:
            return
        with contextlib.suppress(WarrenError):  # one replica is wanted anyhow
            self._wakenings.count(queue, (await self._broker.depth(queue)).ready, self._clock.monotonic())
        for document in sleepers:
            await self._one(document)

    async def _catch_up(self, pools: Collection[tuple[Document, ConsumerPool]]) -> None:
        """Ask the broker once, after hints may have been lost, what waits for the pools that sleep."""
        if not (self._missed and pools):
            return
        self._missed = False
        asleep = {pool.spec.queue for _, pool in pools if await self._sleeps(pool)}
        for queue in asleep:
            if not queue.startswith(f"{TASKS}."):
                continue  # others' queues have no hints, nor may this account ask for what they hold
            try:
                if (await self._broker.depth(queue)).ready:
                    await self.wake(queue)
            except UnroutableError:
                continue  # the pool's condition asks whether it has been declared
            except UnavailableError:
                return  # the figures will tell

    async def check(self) -> None:
        """Say whether the last round had Prometheus' figures.

        Raises:
            UnavailableError: it had none, or the broker's own instead.

        """
        _, figures, trouble = self._known
        trouble = trouble or next((figure.instead for figure in figures.values() if figure.instead), None)
        if trouble:
            raise UnavailableError(trouble)

    def _pools(self, queue: str | None = None) -> list[tuple[Document, ConsumerPool]]:
        """Return the pools, or those of one queue."""
        documents = (one for one in self._watched if queue is None or one.get("spec", {}).get("queue") == queue)
        return [(document, pool) for document in documents if (pool := self._parse(document))]

    async def _sleeps(self, pool: ConsumerPool) -> bool:
        """Whether a hint is all that can tell of work; a look that is under way may be putting it to sleep."""
        standing = self._standings.get(pool.metadata.uid)
        if standing is None or pool.paused is not None:
            return False
        async with standing.turn:
            return standing.asleep

    def _parse(self, document: Document) -> ConsumerPool | None:
        try:
            return parse(ConsumerPool, document)
        except InvalidRequestError as error:
            metrics.RECONCILES.labels("consumerpool", "invalid").inc()
            _LOG.warning("a ConsumerPool cannot be read", pool=document["metadata"]["name"], detail=error.detail)
            return None

    def _forget(self, pools: Collection[ConsumerPool]) -> None:
        """Forget the pools that are gone, with their series: an alert must not go on about them."""
        alive = {pool.metadata.uid for pool in pools}
        self._standings = {uid: standing for uid, standing in self._standings.items() if uid in alive}
        self._series.keep(pools)

    async def _read(self, queues: Collection[str]) -> tuple[Mapping[str, Figure], str | None]:
        try:
            return await self._figures.read(queues), None
        except UnavailableError as error:
            return {}, error.detail

    async def _one(self, document: Document) -> None:
        """Look at one pool, unless it is gone; a round and a hint take turns."""
        standing = self._standings.setdefault(document["metadata"]["uid"], Standing())
        async with standing.turn:
            newest = self._watched.newest(document)
            if newest is not None and (pool := self._parse(newest)) is not None:
                await self._reconcile(newest, pool, standing)

    async def _reconcile(self, document: Document, pool: ConsumerPool, standing: Standing) -> None:
        """Let no pool's trouble become every pool's."""
        try:
            figure, unknown = self._figure(pool)
            status = await self._scale(document, pool, standing, figure, unknown)
            await self._write(document, pool, status)
            outcome = "refused" if scale_refused(status) else "ok"
        except (ConflictError, ResourceNotFoundError) as error:
            outcome = "conflict" if isinstance(error, ConflictError) else "gone"
            await self._watched.refresh(document)  # what is gone may be its Deployment
        except UnavailableError as error:
            outcome = "refused" if isinstance(error, ClusterRefusedError) else "unavailable"
            _LOG.warning("a pool was not reconciled", pool=pool.metadata.name, detail=error.detail)
        except Exception:  # noqa: BLE001 - whatever it is, the next round may do better
            outcome = "error"
            _LOG.exception("a pool could not be reconciled", pool=pool.metadata.name)
        metrics.RECONCILES.labels("consumerpool", outcome).inc()

    def _figure(self, pool: ConsumerPool) -> tuple[Figure | None, str | None]:
        """Return the pool's figures, or why they are not known."""
        read_at, figures, trouble = self._known
        figure = figures.get(pool.spec.queue)
        unknown = trouble or self._unknown(pool, figure, self._clock.monotonic() - read_at)
        return (None, unknown) if unknown else (figure, None)

    def _unknown(self, pool: ConsumerPool, figure: Figure | None, since: float) -> str | None:
        if figure is None:
            return (
                f"Prometheus knows no figures of the queue {pool.spec.queue!r}: is that its name, has it been "
                "declared, and does Prometheus scrape RabbitMQ's /metrics/detailed?"
            )
        if figure.age + since > self._fresh_seconds:
            return f"the newest figures of the queue {pool.spec.queue!r} are older than {self._fresh_seconds:.0f} s"
        return None

    async def _scale(
        self,
        document: Document,
        pool: ConsumerPool,
        standing: Standing,
        figure: Figure | None,
        unknown: str | None,
    ) -> ConsumerPoolStatus:
        today, owner = self._clock.now(), self._owner(pool)
        if owner != pool.metadata.name:
            standing.history = None
            self._series.leave(pool)
            return outranked(pool, figure, owner, unknown, today)
        try:
            scale = await self._cluster.scale(pool.spec.scale_target_ref.name)
        except (ResourceNotFoundError, ClusterRefusedError) as error:
            self._series.leave(pool)
            return without_scale(pool, figure, error, unknown, today)
        look = await self._look(pool, standing, scale, figure)
        refused = ""
        if look.decision.replicas != scale.wanted and not pool.spec.advise_only:
            standing.wanted = look.decision.replicas
            refused = await self._apply(document, pool, scale, look.decision)
        complaint = await self._complaint(look.seen, scale.selector)
        return decided(pool, replace(look, complaint=complaint, refused=refused), unknown, today)

    async def _look(self, pool: ConsumerPool, standing: Standing, scale: Scale, figure: Figure | None) -> Look:
        """Take in how the pool stands, and decide."""
        now = self._clock.monotonic()
        standing.wanted = scale.wanted
        known = standing.serve(pool.spec.queue, pool.status)
        await self._listen(standing.silence, scale, figure, now)
        seen = self._observation(pool, standing, figure)
        decision, standing.history = step(seen, pool.spec, known, now)
        self._series.measure(pool, seen, decision)
        instead, silent = figure.instead if figure else "", standing.silence.lasts(self._fresh_seconds, now)
        return Look(seen, decision, standing.history, instead, silent=silent)

    def _owner(self, pool: ConsumerPool) -> str:
        """Return the name of the pool that scales this one's Deployment."""
        own = pool.metadata.name
        return own if pool.spec.advise_only else self._owners.get(pool.spec.scale_target_ref.name, own)

    async def _prepare(self, pool: ConsumerPool, scale: Scale, decision: Decision) -> None:
        """Let hints be forgotten before the last one goes, and before others the idle ones be those that go.

        Whoever serves a queue of others' is not asked for Warren's metrics.
        """
        queue = pool.spec.queue
        if not decision.replicas:
            self._wakenings.sleep(queue)
        elif decision.replicas < scale.wanted and queue.startswith(f"{TASKS}."):
            figure, _ = self._figure(pool)
            busy, ours = figure.busy if figure else {}, self._finished.total(queue) is not None
            await self._crews.rank(scale.selector, busy, pool.spec.concurrency, ours=ours)

    async def _listen(self, silence: Silence, scale: Scale, figure: Figure | None, now: float) -> None:
        """Note whether consumers that told of themselves before, or some of them, are there but are not heard of."""
        if not silence.suspected(figure, scale.wanted) or figure is None:
            return
        if silence.since is None and figure.consumers is None:
            self._crews.forget(scale.selector)
        ready = (await self._crews.look(scale.selector, now)).ready
        silence.note(figure, min(ready, scale.wanted), now, self._fresh_seconds)

    async def _complaint(self, seen: Observation, selector: str) -> str:
        if seen.replicas and (seen.consumers is None or seen.consumers < seen.replicas):
            return (await self._crews.look(selector, self._clock.monotonic())).complaint
        self._crews.forget(selector)
        return ""

    def _observation(self, pool: ConsumerPool, standing: Standing, figure: Figure | None) -> Observation:
        queue, now, replicas = pool.spec.queue, self._clock.monotonic(), standing.wanted or 0
        woken = self._wakenings.heard(queue, now)
        if figure is None:
            return Observation(replicas, woken=woken, paused=pool.paused)
        silent = standing.silence.lasts(0, now)
        unheard = silent and figure.consumers is None
        finished = None if figure.instead or unheard else self._finished.total(queue)
        consumers = figure.consumers if figure.consumers is not None or finished is None else 0
        if consumers is not None:
            consumers = standing.staying(replicas, consumers, figure.busy.keys() - figure.leaving)
        return Observation(
            replicas,
            figure.ready if consumers else self._wakenings.ready(queue, figure.ready, figure.unacked, now),
            figure.unacked,
            finished,
            figure.running,
            consumers,
            dropped=self._dropped.total(queue) or 0.0,
            busy_seconds=self._busy_seconds.total(queue) if figure.exact else None,
            woken=woken,
            outgoing=sum(figure.busy.get(process, 0) for process in figure.leaving),
            silent=silent,
            paused=pool.paused,
            scraped_at=figure.scraped_at,
        )

    async def _apply(self, document: Document, pool: ConsumerPool, scale: Scale, decision: Decision) -> str:
        """Set what was decided; return why that is refused, if so: by an admission policy, for one."""
        target, replicas = pool.spec.scale_target_ref.name, scale.wanted
        try:
            await self._prepare(pool, scale, decision)
            await self._cluster.write_scale(target, decision.replicas)
        except ClusterRefusedError as error:
            _LOG.warning("a pool was not scaled", pool=pool.metadata.name, detail=error.detail)
            return error.detail
        metrics.SCALINGS.labels(pool.metadata.name, "up" if decision.replicas > replicas else "down").inc()
        message = f"{target}: {replicas} -> {decision.replicas} replicas; {decision.message}"
        _LOG.info("scaled", pool=pool.metadata.name, reason=decision.reason.value, detail=message)
        await self._cluster.notify(document, Notice("Normal", f"Scaled{decision.reason}", message))
        return ""

    async def _write(self, document: Document, pool: ConsumerPool, status: ConsumerPoolStatus) -> None:
        if status == pool.status:
            return
        written = await self._cluster.write_status(Kind.CONSUMER_POOL, document, status_document(status))
        self._watched.put(written)
        for notice in turned(pool.status, status):
            await self._cluster.notify(written, notice)

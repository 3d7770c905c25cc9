"""MLJobs through their life, on in-memory adapters: what a user, a consumer and an outage do, and what comes of it."""

from __future__ import annotations

import pytest
from prometheus_client import REGISTRY

from tests.unit.operator.held import HeldCluster
from tests.unit.operator.world import IRIS, KilledError, World, request_of
from warren.record import Renewal, State
from warren.resources import Phase
from warren.tasks import new_task_id
from warren_operator.cluster import Kind, ResourceNotFoundError
from warren_operator.figures import Figure
from warren_operator.mljob.decision import FINALIZER


def create(world: World, **changes: object) -> None:
    world.cluster.create(Kind.MLJOB, "iris", {**IRIS, **changes})


async def test_a_run_goes_queued_running_complete_each_with_its_own_time(world: World) -> None:
    create(world)
    await world.look()
    assert world.job().status.phase is Phase.QUEUED
    assert world.waiting == 1
    world.clock.advance(5)
    task, lease = await world.claim()
    assert lease
    await world.look(seconds=1)
    assert world.job().status.phase is Phase.RUNNING
    world.clock.advance(10)
    await world.succeed(task, lease)
    await world.look(seconds=1)

    status = world.job().status
    assert status.phase is Phase.COMPLETE
    assert status.metrics == {"accuracy": 0.966667}
    assert status.model
    assert (status.model.version, status.model.sha256) == (world.job().metadata.uid, "a" * 64)
    assert status.progress == 1.0
    assert world.conditions() == {"Queued": "False", "Running": "False", "Complete": "True"}
    start = world.job().metadata.creation_timestamp
    assert start
    assert {condition.type: (condition.last_transition_time - start).seconds for condition in status.conditions} == {
        "Queued": 5,
        "Running": 16,
        "Complete": 16,
    }
    reasons = [notice.reason for _, notice in world.cluster.notices]
    assert reasons == ["Submitting", "Waiting", "Started", "ModelCreated"]


async def test_steps_between_two_looks_are_told_all_the_same(world: World) -> None:
    create(world)
    await world.look()
    task, lease = await world.claim()
    assert lease
    world.clock.advance(3)
    await world.succeed(task, lease)
    await world.look(seconds=60)
    reasons = [notice.reason for _, notice in world.cluster.notices]
    assert reasons == ["Submitting", "Waiting", "Started", "ModelCreated"]
    assert world.conditions()["Running"] == "False"


async def test_the_task_is_what_the_job_describes(world: World) -> None:
    create(world, backoffLimit=2, priority="high", activeDeadlineSeconds=60)
    await world.look()
    task, _ = await world.claim()
    assert task.id == world.job().status.task_id
    assert task.owner == f"mljob/warren/iris/{world.job().metadata.uid}"
    assert (task.name, task.options.max_attempts, task.options.timeout_seconds) == ("train", 3, 60)
    assert task.options.priority == "high"
    request = request_of(task)
    assert request.version == world.job().metadata.uid
    assert request.parameters == IRIS["parameters"]


async def test_a_finished_job_lets_go_of_record_and_finalizer(world: World) -> None:
    create(world)
    await world.look()
    await world.work_off()
    await world.look()
    await world.look()
    assert world.job().metadata.finalizers == ()
    assert (await world.record()).owner is None


async def test_a_failed_run_says_why(world: World) -> None:
    create(world)
    await world.look()
    task, lease = await world.claim()
    assert lease
    await world.fail(task, lease, "dataset-not-found", "s3://warren/datasets/iris.csv does not exist")
    await world.look()
    assert world.job().status.phase is Phase.FAILED
    assert world.headline() == ("DatasetNotFound", "s3://warren/datasets/iris.csv does not exist")
    assert world.cluster.notices[-1][1].type == "Warning"


async def test_a_finished_job_never_runs_again(world: World) -> None:
    create(world)
    await world.look()
    task, lease = await world.claim()
    assert lease
    await world.fail(task, lease, "exception", "no")
    await world.look()
    world.records = type(world.records)(world.clock)
    world.restart()
    for _ in range(3):
        await world.look(seconds=300)
    assert world.waiting == 0
    assert world.job().status.phase is Phase.FAILED


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"pool": "fast"}, "spec.pool is 'fast', which is no pool of this installation"),
        ({"pool": "cpu"}, "spec.pool is 'cpu', which is a pool of kind serve"),
        ({"accelerator": "gpu"}, "accelerator 'gpu' asks for 'train-gpu', which is no pool of this installation"),
    ],
)
async def test_a_pool_that_cannot_do_it_fails_the_job(world: World, changes: dict[str, object], said: str) -> None:
    create(world, **changes)
    await world.look()
    assert world.job().status.phase is Phase.FAILED
    assert world.headline() == ("WrongPool", f"{said}; pools of kind train are: train-cpu")
    assert world.job().metadata.finalizers == ()


async def test_what_only_a_newer_release_knows_of_a_job_does_not_fail_it(world: World) -> None:
    create(world, colour="red", dataset={**IRIS["dataset"], "sheet": 2})
    await world.look()
    await world.work_off()
    await world.look(seconds=1)
    assert world.job().status.phase is Phase.COMPLETE


async def write_status(world: World, **changes: object) -> None:
    document = world.cluster.document(Kind.MLJOB, "iris")
    await world.cluster.write_status(Kind.MLJOB, document, {**document["status"], **changes})


async def test_a_phase_of_a_newer_release_is_found_out_anew_and_nothing_runs_twice(world: World) -> None:
    create(world)
    await world.look()
    known = world.job().status
    conditions = [{"type": "Warm", "status": "Soon", "reason": "New", "lastTransitionTime": "2026-11-21T10:00:00Z"}]
    await write_status(world, phase="Warming", conditions=conditions)
    await world.look(seconds=1)
    assert (world.job().status.phase, world.job().status.task_id, world.waiting) == (Phase.QUEUED, known.task_id, 1)
    await world.work_off()
    await world.look(seconds=1)
    assert world.job().status.phase is Phase.COMPLETE


async def test_what_a_newer_release_has_ended_stays_so(world: World) -> None:
    create(world)
    await world.look()
    await world.work_off()
    await world.look(seconds=1)
    await write_status(world, phase="Archived")
    await world.look(seconds=1)
    assert (world.job().status.phase, world.waiting) == (Phase.COMPLETE, 0)
    await write_status(world, phase="Abandoned", conditions=[])
    await world.look(seconds=1)
    assert (world.job().status.phase, world.waiting) == (Phase.FAILED, 0)


async def test_a_report_of_a_newer_consumer_is_read(world: World) -> None:
    create(world)
    await world.look()
    task, lease = await world.claim()
    assert lease
    await world.succeed(task, lease, manifest=False, carbon=3)
    await world.look(seconds=1)
    assert (world.job().status.phase, world.job().status.metrics) == (Phase.COMPLETE, {"accuracy": 0.966667})


async def test_a_description_that_cannot_be_read_fails_the_job_alone(world: World) -> None:
    world.cluster.create(Kind.MLJOB, "odd", {**IRIS, "backoffLimit": "many"})
    create(world)
    await world.look()
    document = world.cluster.document(Kind.MLJOB, "odd")
    assert document["status"]["conditions"][0]["reason"] == "InvalidSpec"
    assert "spec.backoffLimit" in document["status"]["conditions"][0]["message"]
    assert world.job().status.phase is Phase.QUEUED


async def test_an_outage_of_the_broker_costs_a_wait(world: World) -> None:
    create(world)
    world.broker.available = False
    await world.look()
    assert world.job().status.phase is Phase.PENDING
    reason, message = world.headline()
    assert reason == "BrokerUnavailable"
    assert message.endswith("trying again")
    world.broker.available = True
    await world.look(seconds=30)
    assert world.job().status.phase is Phase.QUEUED
    assert world.waiting == 1


async def test_a_role_that_lacks_a_permission_is_counted_as_a_refusal(world: World) -> None:
    def reconciles(outcome: str) -> float:
        labels = {"resource": "mljob", "outcome": outcome}
        return REGISTRY.get_sample_value("warren_operator_reconciles_total", labels) or 0

    world.cluster = cluster = HeldCluster(world.clock)
    world.restart()
    create(world)
    cluster.read_only = True
    before = reconciles("refused"), reconciles("unavailable")
    await world.look()
    assert (reconciles("refused"), reconciles("unavailable")) == (before[0] + 1, before[1])
    cluster.read_only = False
    await world.look(seconds=30)
    assert world.job().status.phase is Phase.QUEUED


async def test_an_outage_of_the_store_changes_no_phase(world: World) -> None:
    create(world)
    await world.look()
    task, lease = await world.claim()
    assert lease
    await world.look()
    since = world.job().status.conditions[1].last_transition_time
    world.records.available = False
    await world.look(seconds=30)
    assert world.job().status.phase is Phase.RUNNING
    assert world.headline()[0] == "RecordsUnavailable"
    world.records.available = True
    await world.records.renew(lease, task, "consumer-1")
    await world.look(seconds=2)
    assert world.headline()[0] == "Started"
    assert world.job().status.conditions[1].last_transition_time == since


async def test_a_flushed_store_is_filled_again(world: World) -> None:
    create(world)
    await world.look()
    task_id = world.job().status.task_id
    world.records = type(world.records)(world.clock)
    world.restart()
    await world.look(seconds=2)
    assert (await world.record()).id == task_id
    await world.work_off()
    await world.look()
    assert world.job().status.phase is Phase.COMPLETE


async def test_a_flushed_store_after_the_model_was_made_needs_no_second_run(world: World) -> None:
    create(world)
    await world.look()
    await world.work_off()
    world.records = type(world.records)(world.clock)
    world.restart()
    await world.look(seconds=2)
    assert world.job().status.phase is Phase.COMPLETE
    assert world.waiting == 0


async def test_a_model_outweighs_a_failed_record(world: World) -> None:
    create(world)
    await world.look()
    task, lease = await world.claim()
    assert lease
    await world.publish_model(task)
    await world.fail(task, lease, "poison", "three consumers died of it")
    await world.look()
    assert world.job().status.phase is Phase.COMPLETE


async def test_a_purged_queue_is_filled_again_after_two_minutes(world: World) -> None:
    create(world)
    await world.look()
    world.broker.queues["warren.tasks.train-cpu"].ready.clear()
    world.figures.queues["warren.tasks.train-cpu"] = Figure(0, 0, age=1)
    for _ in range(59):
        await world.look(seconds=2)
    assert world.waiting == 0
    for _ in range(3):
        await world.look(seconds=2)
    assert world.waiting == 1


@pytest.mark.parametrize("figure", [None, Figure(0, 0, age=60), Figure(1, 0, age=1), Figure(0, 1, age=1)])
async def test_nothing_is_published_again_while_the_queue_is_not_known_to_be_empty(
    world: World,
    figure: Figure | None,
) -> None:
    create(world)
    await world.look()
    world.broker.queues["warren.tasks.train-cpu"].ready.clear()
    if figure:
        world.figures.queues["warren.tasks.train-cpu"] = figure
    for _ in range(200):
        await world.look(seconds=2)
    assert world.waiting == 0


async def test_suspended_before_it_began_nothing_is_queued(world: World) -> None:
    create(world, suspend=True)
    await world.look()
    assert world.job().status.phase is Phase.SUSPENDED
    assert world.job().status.task_id is None
    world.cluster.edit(Kind.MLJOB, "iris", suspend=False)
    await world.look()
    assert world.job().status.phase is Phase.QUEUED
    assert world.conditions()["Suspended"] == "False"


async def test_suspended_while_it_waits_and_resumed_under_the_same_id(world: World) -> None:
    create(world)
    await world.look()
    task_id = world.job().status.task_id
    world.cluster.edit(Kind.MLJOB, "iris", suspend=True)
    await world.look(seconds=2)
    assert world.job().status.phase is Phase.SUSPENDED
    assert (await world.claim())[1] is None  # the claim acks a held task's message
    world.cluster.edit(Kind.MLJOB, "iris", suspend=False)
    await world.look(seconds=100)
    assert world.job().status.phase is Phase.QUEUED
    task, lease = await world.claim()
    assert task.id == task_id
    assert lease


async def test_suspended_while_it_runs_it_is_handed_back(world: World) -> None:
    create(world)
    await world.look()
    task, lease = await world.claim()
    assert lease
    await world.look(seconds=1)
    world.cluster.edit(Kind.MLJOB, "iris", suspend=True)
    await world.look(seconds=1)
    assert world.headline() == ("Suspended", "spec.suspend is true; the running attempt is being handed back")
    assert await world.records.renew(lease, task, "consumer-1") is Renewal.HAND_BACK
    await world.records.release(lease)
    await world.look(seconds=1)
    world.cluster.edit(Kind.MLJOB, "iris", suspend=False)
    await world.look(seconds=1)
    assert world.waiting == 1
    await world.work_off()
    await world.look()
    assert world.job().status.phase is Phase.COMPLETE


async def test_the_deadline_counts_running_time_alone(world: World) -> None:
    create(world, activeDeadlineSeconds=100)
    await world.look()
    await world.look(seconds=500)
    assert world.job().status.phase is Phase.QUEUED
    task, lease = await world.claim()
    assert lease
    for _ in range(9):
        await world.look(seconds=10)
        await world.records.renew(lease, task, "consumer-1")
    assert world.job().status.phase is Phase.RUNNING
    await world.look(seconds=11)
    assert world.job().status.phase is Phase.FAILED
    assert world.headline()[0] == "DeadlineExceeded"
    assert (await world.record()).state is State.CANCELED


async def test_a_task_canceled_by_somebody_else_fails_the_job(world: World) -> None:
    create(world)
    await world.look()
    await world.records.cancel(world.job().status.task_id or "")
    await world.look()
    assert world.headline() == ("Canceled", "the task was canceled through the API")


async def test_a_deleted_job_cancels_its_task(world: World) -> None:
    create(world)
    await world.look()
    task_id = world.job().status.task_id
    world.cluster.remove(Kind.MLJOB, "iris")
    await world.look()
    with pytest.raises(ResourceNotFoundError):
        world.job()
    (record,) = await world.records.read([task_id or ""])
    assert record
    assert record.state is State.CANCELED
    assert (await world.claim())[1] is None


async def test_a_deleted_job_without_a_record_leaves_a_canceled_one(world: World) -> None:
    create(world)
    await world.look()
    task_id = world.job().status.task_id
    world.records = type(world.records)(world.clock)
    world.restart()
    world.cluster.remove(Kind.MLJOB, "iris")
    await world.look()
    (record,) = await world.records.read([task_id or ""])
    assert record
    assert record.state is State.CANCELED


async def test_a_deleted_job_is_let_go_after_a_minute_whatever_is_away(world: World) -> None:
    create(world)
    await world.look()
    world.records.available = False
    world.cluster.remove(Kind.MLJOB, "iris")
    await world.look(seconds=50)
    assert world.job().metadata.finalizers == (FINALIZER,)
    await world.look(seconds=11)
    with pytest.raises(ResourceNotFoundError):
        world.job()


async def test_a_finished_job_goes_after_its_time(world: World) -> None:
    create(world, ttlSecondsAfterFinished=60)
    await world.look()
    await world.work_off()
    await world.look()
    await world.look(seconds=59)
    assert world.job().status.phase is Phase.COMPLETE
    await world.look(seconds=2)
    with pytest.raises(ResourceNotFoundError):
        world.job()


async def test_away_for_a_week(world: World) -> None:
    create(world)
    await world.look()
    await world.work_off()
    world.clock.advance(7 * 24 * 3600)
    world.restart()
    await world.look()
    assert world.job().status.phase is Phase.COMPLETE


async def test_a_stale_view_of_the_job_cannot_give_it_a_second_task(world: World) -> None:
    create(world)
    await world.operator.resync()
    (stale,) = list(world.operator.jobs)
    await world.operator.job_round()
    task_id = world.job().status.task_id
    other = World.__new__(World)
    other.__dict__.update(world.__dict__)
    other.restart()
    other.operator.jobs.put(stale)
    await other.operator.job_round()
    assert world.job().status.task_id == task_id
    assert world.waiting == 1


async def _live(world: World, *, steps: int) -> None:
    """Let a consumer work and the operator look, again and again; a killed operator is started anew."""
    for _ in range(steps):
        try:
            await world.look(seconds=2)
        except KilledError:
            world.restart()
        await world.work_off()


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_killed_at_any_call_it_ends_the_same(after: bool) -> None:  # noqa: FBT001 - a parameter of the test
    kill_at, done = 0, False
    while not done:
        world = World()
        create(world)
        world.fuse.blow_at, world.fuse.after = kill_at, after
        await _live(world, steps=8)
        done = world.fuse.calls <= kill_at
        assert world.job().status.phase is Phase.COMPLETE, kill_at
        assert world.job().metadata.finalizers == (), kill_at
        record = await world.record()
        assert (record.state, record.attempt, record.owner) == (State.SUCCEEDED, 1, None), kill_at
        kill_at += 1
        if kill_at > 30:  # a life takes about so many calls; the rest are rounds with nothing left to do
            break
    assert kill_at > 20


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_killed_at_any_call_of_a_deletion_it_ends_the_same(after: bool) -> None:  # noqa: FBT001
    for kill_at in range(12):
        world = World()
        create(world)
        await world.look()
        task_id = world.job().status.task_id or new_task_id()
        world.cluster.remove(Kind.MLJOB, "iris")
        world.fuse.calls, world.fuse.blow_at, world.fuse.after = 0, kill_at, after
        for _ in range(4):
            try:
                await world.look(seconds=2)
            except KilledError:
                world.restart()
        with pytest.raises(ResourceNotFoundError):
            world.job()
        (record,) = await world.records.read([task_id])
        assert record
        assert (record.state, record.owner) == (State.CANCELED, None), kill_at

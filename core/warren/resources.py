"""The Kubernetes resources of Warren, MLJob and ConsumerPool: what their specs ask and what their statuses tell.

`manifests/crds/` says the same to the API server; a contract test holds the two together.

Forbidden here: I/O, clocks, Kubernetes clients, decisions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from warren.errors import InvalidRequestError
from warren.pool import POOL_NAME
from warren.tasks import Priority
from warren.training import Dataset, ModelTarget, TrainRequest

GROUP: Final = "warren.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
PAUSED: Final = f"{GROUP}/paused-replicas"
"""The annotation of a ConsumerPool that holds a count of replicas, whatever the work and the bounds."""
_TRUTHS: Final = frozenset({"True", "False", "Unknown"})
_TOP: Final = frozenset({"apiVersion", "kind", "metadata", "spec", "status"})

Time = Annotated[
    datetime,
    PlainSerializer(lambda time: time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), return_type=str),
]
"""A point in time, in whole seconds as Kubernetes writes them."""


class _Camel(BaseModel):
    """camelCase outside, snake_case inside."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True, extra="forbid")


class Metadata(_Camel):
    """What Warren reads of a resource's metadata."""

    model_config = ConfigDict(extra="ignore")

    name: str
    namespace: str
    uid: str
    resource_version: str = ""
    generation: int = 1
    creation_timestamp: Time | None = None
    deletion_timestamp: Time | None = None
    annotations: dict[str, str] = Field(default_factory=dict)
    finalizers: tuple[str, ...] = ()


class Condition(_Camel):
    """One aspect of a resource's state, as the Kubernetes API conventions have it."""

    type: str
    status: Literal["True", "False", "Unknown"]
    reason: str
    message: str = ""
    last_transition_time: Time
    """When `status` last changed."""
    observed_generation: int | None = None


class Phase(StrEnum):
    """The one word that says how far an MLJob is."""

    PENDING = "Pending"
    """Seen, but not yet in a queue."""
    QUEUED = "Queued"
    RUNNING = "Running"
    SUSPENDED = "Suspended"
    COMPLETE = "Complete"
    FAILED = "Failed"

    @property
    def finished(self) -> bool:
        """Whether the job has ended for good."""
        return self in {Phase.COMPLETE, Phase.FAILED}


class MLJobSpec(_Camel):
    """A training run, as its author describes it."""

    trainer: Annotated[str, Field(min_length=1, max_length=63)]
    dataset: Dataset
    parameters: dict[str, Any] = Field(default_factory=dict)
    accelerator: Literal["cpu", "gpu"] = "cpu"
    pool: Annotated[str, Field(pattern=f"^{POOL_NAME.pattern}$")] | None = None
    """Where to run; None: `train-<accelerator>`."""
    model: ModelTarget
    priority: Priority = Priority.NORMAL
    suspend: bool = False
    active_deadline_seconds: Annotated[int, Field(ge=1, le=2_592_000)] | None = None
    """Running time over all attempts; None: no limit but the trainer's own."""
    backoff_limit: Annotated[int, Field(ge=0, le=999)] = 3
    """How many failed attempts are followed by another one."""
    ttl_seconds_after_finished: Annotated[int, Field(ge=0)] | None = None
    """How long the finished resource is kept; None: until somebody deletes it. The model always stays."""

    @property
    def pool_name(self) -> str:
        """The name of the pool that carries the job out."""
        return self.pool or f"train-{self.accelerator}"

    def request(self, version: str) -> TrainRequest:
        """Return the payload of the task that carries the job out."""
        return TrainRequest(
            trainer=self.trainer, dataset=self.dataset, parameters=self.parameters, model=self.model, version=version
        )


class ModelStatus(_Camel):
    """The model version that a job makes; its file's place and checksum once there is one."""

    name: str
    version: str
    uri: str | None = None
    sha256: str | None = None


class MLJobStatus(_Camel):
    """What has become of a job."""

    phase: Phase = Phase.PENDING
    task_id: str | None = None
    attempt: int = 0
    progress: float = 0.0
    """From 0 to 1."""
    metrics: dict[str, float] = Field(default_factory=dict)
    model: ModelStatus | None = None
    start_time: Time | None = None
    """When its first attempt was seen running."""
    completion_time: Time | None = None
    observed_generation: int | None = None
    conditions: tuple[Condition, ...] = ()


class MLJob(_Camel):
    """A training run with its state."""

    model_config = ConfigDict(extra="ignore")

    metadata: Metadata
    spec: MLJobSpec
    status: MLJobStatus = MLJobStatus()

    @property
    def owner(self) -> str:
        """The owner that the task's record names."""
        return f"mljob/{self.metadata.namespace}/{self.metadata.name}/{self.metadata.uid}"


class ScaleTargetRef(_Camel):
    """The Deployment that serves the queue."""

    name: Annotated[str, Field(min_length=1, max_length=253)]


class Target(_Camel):
    """How many replicas a backlog deserves; exactly one of the two."""

    wait_seconds: Annotated[float, Field(gt=0)] | None = None
    """How long a task may wait. For the pools of Warren's own consumers, whose speed is known."""
    tasks_per_replica: Annotated[int, Field(ge=1)] | None = None
    """How many tasks, waiting or un-acknowledged, each replica is there for. For anybody's workers."""

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.wait_seconds is None) == (self.tasks_per_replica is None):
            msg = "say exactly one of waitSeconds and tasksPerReplica"
            raise ValueError(msg)
        return self


class ScaleDown(_Camel):
    """When replicas may go."""

    stabilization_seconds: Annotated[int, Field(ge=0, le=86_400)] = 60
    """How long fewer replicas have to be enough first."""


class ConsumerPoolSpec(_Camel):
    """How one queue's Deployment is scaled."""

    queue: Annotated[str, Field(min_length=1, max_length=255)]
    scale_target_ref: ScaleTargetRef
    min_replicas: Annotated[int, Field(ge=0)] = 0
    max_replicas: Annotated[int, Field(ge=1)] = 10
    concurrency: Annotated[int, Field(ge=1)] = 1
    """How many tasks one replica works on at once."""
    spare_slots: Annotated[int, Field(ge=0)] = 0
    """How many tasks more there is room for at any time: a warm spare for bursts."""
    target: Target = Target(wait_seconds=5)
    scale_down: ScaleDown = ScaleDown()
    advise_only: bool = False
    """Decide and tell, but leave the Deployment alone."""

    @model_validator(mode="after")
    def _bounds_fit(self) -> Self:
        if self.min_replicas > self.max_replicas:
            msg = f"minReplicas ({self.min_replicas}) is above maxReplicas ({self.max_replicas})"
            raise ValueError(msg)
        if self.spare_slots > self.max_replicas * self.concurrency:
            msg = f"spareSlots ({self.spare_slots}) do not fit into maxReplicas ({self.max_replicas})"
            raise ValueError(msg)
        return self

    @property
    def tasks_per_replica(self) -> int:
        """How many tasks one replica is there for."""
        return self.target.tasks_per_replica or self.concurrency


class ConsumerPoolStatus(_Camel):
    """What was last decided for a pool, and from what."""

    replicas: int | None = None
    """What the Deployment has; None: it was not found."""
    desired_replicas: int | None = None
    ready: int | None = None
    """Tasks that wait; None: not known."""
    unacked: int | None = None
    """Tasks handed to consumers and not yet acknowledged; None: not known."""
    arrival_rate: float | None = None
    """Tasks that arrive per second; None: not known."""
    service_seconds: float | None = None
    """How long a task keeps a slot; None: not known."""
    estimated_wait_seconds: float | None = None
    """How long a task that arrives now will wait; None: not known."""
    reason: str = ""
    """Why this number of replicas, as one word."""
    message: str = ""
    """The same as a sentence."""
    observed_generation: int | None = None
    conditions: tuple[Condition, ...] = ()


class ConsumerPool(_Camel):
    """A pool's scaling with its state."""

    model_config = ConfigDict(extra="ignore")

    metadata: Metadata
    spec: ConsumerPoolSpec
    status: ConsumerPoolStatus = ConsumerPoolStatus()

    @property
    def paused(self) -> str | None:
        """The annotation that holds a count of replicas, as it was written; None: there is none."""
        return self.metadata.annotations.get(PAUSED)


ResourceT = TypeVar("ResourceT", MLJob, ConsumerPool)


def parse(kind: type[ResourceT], document: Mapping[str, Any]) -> ResourceT:
    """Read a resource as the API server returns it.

    Fields that this release does not know are those of a newer CRD: they are ignored, or a pool would stand still and a
    job would fail for having been described to somebody newer. So are a newer release's words in a status. What a
    person wrote is read by `written`.

    Raises:
        InvalidRequestError: a field is missing or out of range; the detail names it and its value.

    """
    try:
        return kind.model_validate(_understood(document), extra="ignore")
    except ValidationError as error:
        raise _refusal(error) from error


def _understood(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the resource with its status in words that this release knows."""
    status = document.get("status")
    if not status:
        return document
    conditions = [_plain(condition) for condition in status.get("conditions", ())]
    changed: dict[str, object] = {"conditions": conditions}
    if status.get("phase", Phase.PENDING) not in set(Phase):
        changed["phase"] = _nearest(status, conditions)
    return {**document, "status": {**status, **changed}}


def _plain(condition: Mapping[str, Any]) -> Mapping[str, Any]:
    return condition if condition.get("status") in _TRUTHS else {**condition, "status": "Unknown"}


def _nearest(status: Mapping[str, Any], conditions: Iterable[Mapping[str, Any]]) -> Phase:
    """Return a phase to go on from: what has ended has ended, and all else is found out anew from the records."""
    if status.get("completionTime") is None:
        return Phase.PENDING
    made = any((one.get("type"), one.get("status")) == (Phase.COMPLETE, "True") for one in conditions)
    return Phase.COMPLETE if made else Phase.FAILED


def written(document: Mapping[str, Any]) -> ConsumerPoolSpec:
    """Read the spec of a ConsumerPool as a person wrote it into a file.

    Raises:
        InvalidRequestError: a field is missing, unknown or out of range; the detail names it and its value.
        KeyError: there is no spec.

    """
    unknown = document.keys() - _TOP
    if unknown:
        name = min(map(str, unknown))
        raise InvalidRequestError(f"{name}: there is no such field beside spec (known are {', '.join(sorted(_TOP))})")
    try:
        # The API server makes no number of "3".
        return ConsumerPoolSpec.model_validate(_whole(document["spec"]), strict=True)
    except ValidationError as error:
        raise _refusal(error, "spec") from error


def _whole(value: object) -> object:
    """Return what YAML holds as it reaches the API server: there `20.0` is the integer 20."""
    match value:
        case dict():
            return {name: _whole(inner) for name, inner in value.items()}
        case float() if value.is_integer():
            return int(value)
        case _:
            return value


def _refusal(error: ValidationError, *place: str) -> InvalidRequestError:
    first = error.errors()[0]
    said = "there is no such field" if first["type"] == "extra_forbidden" else first["msg"]
    return InvalidRequestError(f"{'.'.join((*place, *map(str, first['loc'])))}: {said} (it is {first['input']!r})")


def status_document(status: MLJobStatus | ConsumerPoolStatus) -> dict[str, Any]:
    """Return a status as it goes to the API server: what is not known is not there."""
    return status.model_dump(mode="json", by_alias=True, exclude_none=True)

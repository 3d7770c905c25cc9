"""What a task's end means to the one who waited for it: a value, or a fault with a name.

Forbidden here: I/O, imports of adapters.
"""

from __future__ import annotations

from warren.client.problem import fault
from warren.errors import TaskFailedError, TaskTimeoutError, WaitTimeoutError, WarrenError
from warren.record import State, TaskError


def failure(task_id: str, name: str, state: State, error: TaskError | None) -> WarrenError:
    """Return the fault of a task that did not succeed, by its recorded error.

    The code of a fault that has a class gets that class, but for `WaitTimeoutError`: what it waited for goes on, and
    the task itself is over. A task that has not ended, or that expired, exceeded its time limit.
    """
    if error is not None and state is State.FAILED:
        said = f"the task {name} ({task_id}) failed: {error.message}"
        found = fault(error.code, said, default=TaskFailedError)
        return TaskFailedError(said) if isinstance(found, WaitTimeoutError) else found
    if state is State.CANCELED:
        return TaskFailedError(f"the task {name} ({task_id}) was canceled")
    if state is State.EXPIRED:
        return TaskTimeoutError(f"the task {name} ({task_id}) expired before a consumer could start it")
    return TaskTimeoutError(f"the task {name} ({task_id}) has not ended in time; it is {state}")

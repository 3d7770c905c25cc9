"""Warren: machine-learning work from RabbitMQ queues on Kubernetes.

    from warren import Client, task
    from warren.testing import eager

The name `warren.task` is the decorator; the module of the same name is reached by `from warren.tasks import ...`.

Forbidden here: anything but the names that users of the library import.
"""

from warren.attempt import CurrentTask, Fail, Retry, current_task, report_progress
from warren.client import AsyncClient, Client, as_completed, configure, gather
from warren.function import task

__all__ = [
    "AsyncClient",
    "Client",
    "CurrentTask",
    "Fail",
    "Retry",
    "as_completed",
    "configure",
    "current_task",
    "gather",
    "report_progress",
    "task",
]

"""Using Warren from Python: `Client` (synchronous) and `AsyncClient`, over HTTP or straight to the broker.

    client        what a person calls: Client, AsyncClient and their jobs
    gateway       what a client needs, whichever way it reaches Warren
    default       the client of a process that names none; many jobs at once: gathering; all tasks' events: listening
    loop_thread   what runs Client on a loop; turns: the connections on which many tasks are waited for over HTTP
    web, direct   the two ways: the producer's HTTP API, or broker and records inside the trust domain
    intake        requests into tasks, tasks into ended records: the direct way and the producer are built on it

Forbidden here: importing a deployable (producer, consumer, operator).
"""

from warren.client.asynchronous import AsyncClient, AsyncJob
from warren.client.default import configure
from warren.client.synchronous import Client, Job, as_completed, gather

__all__ = ["AsyncClient", "AsyncJob", "Client", "Job", "as_completed", "configure", "gather"]

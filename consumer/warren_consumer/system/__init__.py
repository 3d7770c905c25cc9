"""The system pool: what Warren itself has to see to, whoever submits and whoever works.

    assembly      what it is put together from
    duties        all of it, run side by side
    round, stream the two kinds of duty: at intervals, and message by message; neither ends for a fault
    sweeping      open records: never accepted, past their expiry, forgotten
    orphans       tasks that no message and no lease stands behind, by what the queues hold (emptiness)
    overdue       replies that nobody has sent
    dead_letters  what the broker gave up on, into records
    reports       results of workers that are not Python's (report: what such a message says)
    webhooks      receivers of users' own
    leftovers     objects that no record needs any more
    endings       telling of the ends that these bring about

Forbidden here: executing tasks.
"""

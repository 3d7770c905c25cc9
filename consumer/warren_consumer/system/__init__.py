"""The system pool: what Warren itself has to see to, whoever submits and whoever works.

    duties        all of it, run side by side
    sweeping      records that were never accepted
    overdue       replies that the consumer could not send
    dead_letters  what the broker gave up on, into records

Forbidden here: executing tasks.
"""

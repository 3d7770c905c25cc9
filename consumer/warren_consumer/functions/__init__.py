"""Functions as tasks: in the event loop, in threads and in child processes.

`handlers` gives the worker a handler for each function; `threads` and `crew` are where functions run; `job` holds the
words between the crew and a `child`.

Forbidden here: deliveries, records.
"""

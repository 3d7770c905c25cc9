"""Child processes of a consumer, whatever they are for: `process` is the consumer's side of one, `inside` the child's.

A child is a fresh interpreter, never a fork of the consumer, and the leader of a process group of its own. It gets its
orders on standard input and tells events on standard output; what it prints goes into the consumer's log. It dies with
the consumer.

Forbidden here: what the orders and events are.
"""

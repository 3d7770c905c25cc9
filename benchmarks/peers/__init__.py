"""The peers, each as its own documentation sets it up for late acknowledgement and results in Redis.

These modules run in the peers' environment (`requirements/peers.txt`), never in Warren's. Started as a program, a
module publishes as many tasks as each line of its standard input says, and answers `{}`.

Forbidden here: imports of Warren.
"""

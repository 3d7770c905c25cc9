"""Figures: Warren beside a peer, measured in pairs on the same servers in one call, and told as ratios.

A ratio of two things that were measured in turn on one machine holds on another; a rate does not. Each figure says
which guarantees both sides give. `python -m benchmarks.<name>` is one figure, or several that belong together.

Forbidden here: comparing with numbers of another day or machine, and unbounded loops.
"""

"""Rehearsals: a trace of arrivals replayed through the very same decision as in production, on a clock of its own.

`trace` and `generation` say what arrives, `plant` plays the queue and its pods, `scalers` and `keda` scale it,
`clairvoyance` knows the future and `bound` what nobody can pay less than, `rehearsal` puts them together, `chart` and
`command` show what came of it.
"""

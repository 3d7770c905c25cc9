"""MLJobs: a training run from its description to its model.

`decision` says what to do about what was seen, `status` how it is told, `reconciler` does it.
"""

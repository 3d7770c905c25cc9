"""ConsumerPools: how many replicas serve a queue.

`scaling` decides, `status` tells, `reconciler` does it.
"""

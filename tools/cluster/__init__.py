"""A Kubernetes of one node for tests and trials: kind where a Docker daemon answers, else built from its own parts.

Everything lives in one state folder and on addresses of this machine alone; nothing here knows about Warren.
"""

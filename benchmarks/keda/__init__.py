"""The model of KEDA that `warren simulate --compare keda` has, held against KEDA itself: `python -m benchmarks.keda`.

KEDA's operator and metrics server, built from their Go modules, and Kubernetes' own HorizontalPodAutoscaler scale a
Deployment by the length of a queue on a real RabbitMQ while a trace is replayed. All are processes of this machine, on
ports of their own (16672 and up, 16900 and up), with their state in a folder of their own: no cluster is touched, and
nothing is left behind.

Forbidden here: another idea of how KEDA decides.
"""

"""The operator: carries MLJobs through their life and scales the Deployments of ConsumerPools.

From the outside in:

    main, installation               what is run: the operator, and what Helm's hooks do
    composition                      puts the operator together
    watch, health                    the edges: kopf's watches, the port for probes and metrics
    loop, wakes                      what runs again and again, and what hastens it
    mljob.reconciler, pool.reconciler    read, decide, act, write the status
    cluster, figures                 ports with their adapters: the Kubernetes API, the broker's figures
    mljob.decision, pool.scaling     what to do: pure functions of what was seen
    mljob.status, pool.status, conditions    what to tell

Forbidden here: imports of the producer and the consumer; a clock, a loop or I/O in a decision; `kubernetes` outside
`cluster.api`, `kopf` outside `watch`.
"""

"""The producer ACCEPTS: HTTP requests become tasks on queues, and records become answers.

    routes      one thin module per resource
    app         the application, put together from what it is given
    main        the composition root: settings, adapters, server

What a request means is decided in `warren.client.intake`, which the direct client shares.

Forbidden here: importing another deployable, running tasks, reading the environment outside of `main`.
"""

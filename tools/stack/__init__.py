"""Real servers as local processes, and the whole of Warren on them: what `make run` and the integration tests use.

Every server has private state, private loopback ports and private credentials; nothing here touches a system service,
a package's data folder or a process that it did not start. Of Warren's packages only core's words may be imported here
(users, topology): the rest is used through its commands.
"""

"""One file per server: a frozen spec that writes its configuration, names its command and knows when it is ready.

A spec starts nothing itself; `tools.stack.server` does.
"""

"""The resources of the API: handlers that read, call and answer.

Forbidden here: decisions; a handler has about ten lines.
"""

"""Requests to URLs that users give: webhooks, and whatever a task is told to fetch.

    addresses   which addresses may be connected to
    lookups     the addresses of hosts
    transport   the requests: every connection goes to an address that was checked, and so does every redirect's

A URL of a user's must not lead into the network that Warren itself stands in. What is checked is the very address that
is connected to, after its name was resolved, so that a name that changes its mind (DNS rebinding) changes nothing.
Proxies of the environment are not used: behind one, nobody could tell where a request goes.

Forbidden here: what is sent and why.
"""

"""Webhooks: telling receivers of users' own how their tasks ended.

    courier   takes those whose time has come, and has them sent
    turns     whose turn it is: sees that neither a receiver nor an API key keeps others waiting
    post      one attempt: the signed request and its answer
    signature whose secrets it is signed with
    verdict   what follows from an answer

Forbidden here: any way to a receiver but `warren.outbound`.
"""

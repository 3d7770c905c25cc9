"""Warren's side, and the bare loops that it is measured beside, as programs that take orders.

Forbidden here: what is compared with what; that is the figures'.
"""

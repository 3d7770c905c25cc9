"""Container images: Warren's own, and stand-ins for official ones where no registry can be reached.

Nothing here starts a cluster; what needs one is told its address.
"""

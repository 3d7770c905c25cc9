"""`make check-bare`: the main job on a Debian that has python3 and make and nothing else, with empty caches.

Needs root and plain python3; nothing here may depend on .venv.
"""

"""What `warren doctor` finds: whether each thing that Warren depends on is there, set up as it must be, and well.

A module per dependency turns facts into findings; `examination` asks all of them at once.

Forbidden here: how findings are shown, and changing anything but for the probe object in object storage.
"""

"""The command's first moments."""

import subprocess
import sys

PROGRAM = """
import os, signal, sys
import warren_operator.main as command
command._run = lambda: os.kill(os.getpid(), signal.SIGTERM)
print(sorted({"pydantic", "kopf", "kubernetes", "warren.settings"} & sys.modules.keys()), flush=True)
command.main()
"""


def test_an_operator_that_is_told_to_stop_while_it_starts_stops() -> None:
    # As the first process of a container it would not even be killed by a signal that it has no handler for.
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False, timeout=30)
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), "a handler comes before all that takes time to import"

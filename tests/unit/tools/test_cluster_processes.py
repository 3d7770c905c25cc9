import subprocess
import sys

from tools.cluster.processes import Process, alive, started_at


def test_a_running_process_is_ours_by_pid_and_start() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        mine = Process("sleeper", child.pid, started_at(child.pid) or "")
        assert alive(mine)
        assert not alive(Process("sleeper", child.pid, "another boot:1"))
        child.kill()


def test_a_zombie_has_ended() -> None:
    with subprocess.Popen([sys.executable, "-c", "print(flush=True)"], stdout=subprocess.PIPE) as child:
        mine = Process("brief", child.pid, started_at(child.pid) or "")
        assert child.stdout is not None
        child.stdout.read()
        while alive(mine):
            pass
        assert started_at(child.pid) is None


def test_a_process_that_is_gone_is_not_alive() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    mine = Process("gone", child.pid, started_at(child.pid) or "")
    child.wait()
    assert not alive(mine)

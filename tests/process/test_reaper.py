"""Everything that a cluster leaves is removed, even if the tests are killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.process

# Starts a process that leaves its group, as a task of Airflow does, and prints its id.
PARENT = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], preexec_fn=os.setpgrp)
print(child.pid, flush=True)
time.sleep(600)
"""

# A test session that gives such a process, and a folder, to a reaper.
SESSION = """
import subprocess, sys, time
from pathlib import Path
from process.reaper import Reaper
folder, parent = sys.argv[1:]
Path(folder).mkdir()
reaper = Reaper()
reaper.folder(Path(folder))
process = subprocess.Popen(
    [sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True, start_new_session=True
)
reaper.session(process.pid)
print(process.pid, process.stdout.readline(), flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda end: end.name)
def test_processes_and_folders_of_the_tests_end_with_them(tmp_path, end):
    folder = tmp_path / "folder"
    session = subprocess.Popen(
        [sys.executable, "-c", SESSION, str(folder), PARENT],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    parent, child = (psutil.Process(int(pid)) for pid in session.stdout.readline().split())
    assert folder.exists()

    session.send_signal(end)
    session.wait()
    _, alive = psutil.wait_procs([parent, child], timeout=60)

    assert not alive
    assert _is_gone(folder)


def _is_gone(folder: Path) -> bool:
    """Wait a little: the folder is removed after the processes."""
    for _ in range(600):
        if not folder.exists():
            return True
        time.sleep(0.1)
    return False

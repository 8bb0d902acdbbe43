"""The quick start, followed from its second step on: the first one installs what is installed here."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from docs.blocks import ROOT

FOLDER = ROOT / "docs" / "quickstart"
PAGE = (ROOT / "docs" / "quickstart.rst").read_text()
SCRIPT = (FOLDER / "commands.sh").read_text()
STEPS = dict(re.findall(r"# \[START (\w+)\]\n(.*?)# \[END \1\]", SCRIPT, re.S))


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def test_the_page_shows_all_commands_in_their_order_and_each_dag():
    assert re.findall(r":start-after: \[START (\w+)\]", PAGE) == list(STEPS)
    dags = {str(path.relative_to(FOLDER.parent)) for path in FOLDER.rglob("*.py")}
    assert set(re.findall(r"literalinclude:: (\S+\.py)", PAGE)) == dags


def run_whole(command: list[str], folder: Path, environment: dict[str, str]) -> tuple[int, str]:
    """Run a command, end all that it has started, and give its status and what all of it printed."""
    with (folder / "said.txt").open("w") as said:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            status = process.wait(timeout=600)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    return status, (folder / "said.txt").read_text()


@pytest.mark.slow
def test_each_step_does_what_the_page_says(tmp_path: Path):
    shutil.copytree(FOLDER / "dags", tmp_path / "dags")
    # What the reader sees at the end of each step, for this test to look at.
    seen = "curl --silent http://127.0.0.1:8010/_sandbox/summary > {step}.json"
    script = "\n".join(
        f"{text}{seen.format(step=step) if step in ('run', 'fault') else ''}"
        for step, text in STEPS.items()
        if step != "install"
    )
    own = {k: v for k, v in os.environ.items() if not k.startswith(("AIRFLOW_", "_AIRFLOW_"))}
    environment = {**own, "PATH": f"{Path(sys.executable).parent}:{own['PATH']}", "PYTHONPATH": str(ROOT)}
    # Port 8010 may be taken here.
    port = str(free_port())
    script = script.replace("8010", port).replace("provider.sandbox &", f"provider.sandbox --port {port} &")

    status, said = run_whole(["bash", "-eu", "-c", script], tmp_path, environment)

    assert status == 0, said[-8000:]
    first = json.loads((tmp_path / "run.json").read_text())
    assert (first["recipients"], first["duplicates"]) == (2, 0)
    (message,) = json.loads(re.findall(r'{"total": .*?}]}}', said)[0])["recipients"]["ada"]
    assert message["channels"] == ["apple_push", "email"]
    broken = json.loads((tmp_path / "fault.json").read_text())
    assert broken["requests"] == 4
    assert "The run has failed, as it should." in said
    assert "2 recipients in doubt" in said

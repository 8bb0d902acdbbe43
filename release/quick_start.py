"""Follows the quick start of the documentation word for word, with Python and the wheel alone."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

PORT = 8010
"""Where the sandbox listens by default. The commands of the quick start name it."""
DEADLINE = 15 * 60.0
"""Seconds after which the commands have failed."""


def environment_of_a_stranger(home: Path, wheels: Path, constraints: Path) -> dict[str, str]:
    """
    Give the variables of a machine on which nobody has used Airflow or Python yet.

    :param home: An empty folder, as the home directory.
    :param wheels: The folder with the wheel, which no index has yet.
    :param constraints: The versions that pip is held to.
    """
    programs = home / "bin"
    programs.mkdir()
    # The commands say python3: the one that make was told to use.
    (programs / "python3").symlink_to(getattr(sys, "_base_executable", sys.executable))
    # What leads to the package index and out of the network is the machine's, and stays.
    kept = [
        name for name in os.environ if name.lower().endswith("_proxy") or name.startswith(("PIP_", "SSL_"))
    ]
    return {
        **{name: os.environ[name] for name in (*kept, "LANG", "TMPDIR") if name in os.environ},
        "HOME": str(home),
        "PATH": f"{programs}:{os.defpath}",
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
        "PIP_FIND_LINKS": f"{wheels} {os.environ.get('PIP_FIND_LINKS', '')}".strip(),
        "PIP_CONSTRAINT": str(constraints),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_QUIET": "1",
    }


def follow(folder: Path, environment: Mapping[str, str], *, port: int = PORT) -> float:
    """
    Run the commands, and tell how many seconds passed until the inbox had the first message.

    :param folder: A folder with ``commands.sh`` and the files that the quick start lets one save.
    :param environment: The variables of the commands.
    :param port: Where the commands let the sandbox listen. Default: where it listens by default.
    :raises SystemExit: If a command fails, or no message comes. What they printed is shown.
    """
    with socket.socket() as other:
        if other.connect_ex(("127.0.0.1", port)) == 0:
            raise SystemExit(f"Something else listens on port {port}, which the quick start's sandbox needs")
    began = time.monotonic()
    seconds: float | None = None
    printed = folder / "printed.log"
    with running(["bash", "-eu", "commands.sh"], folder, environment, printed) as commands:
        while commands.poll() is None and time.monotonic() - began < DEADLINE:
            if seconds is None and has_a_message(port):
                seconds = time.monotonic() - began
            time.sleep(0.2)
    if seconds is not None and commands.returncode == 0:
        return seconds
    print(printed.read_text()[-20_000:], file=sys.stderr)
    if commands.returncode < 0:
        raise SystemExit(f"The quick start has not ended after {DEADLINE:.0f} s")
    if commands.returncode > 0:
        raise SystemExit(f"A command of the quick start has failed with status {commands.returncode}")
    raise SystemExit("The quick start has ended, and no message has come to the inbox")


@contextmanager
def running(
    command: list[str], folder: Path, environment: Mapping[str, str], printed: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command, and end it at the end with all that it has started."""
    with printed.open("wb") as file:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def has_a_message(port: int) -> bool:
    """Tell whether the inbox shows a message."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f"http://127.0.0.1:{port}/_sandbox/inbox", timeout=5) as answer:
            return bool(json.load(answer)["entries"])
    except OSError:  # The sandbox does not run yet, or no longer.
        return False

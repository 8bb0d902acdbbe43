"""``make dist`` follows commands, and notices what is wrong with them."""

from __future__ import annotations

import os
import socket
import sys
import time
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parent.parent / "release"))

from quick_start import environment_of_a_stranger, follow

SEND = """
python3 -m braze_provider.sandbox --port {port} &
until curl --silent --fail http://127.0.0.1:{port}/_sandbox > /dev/null; do sleep 0.1; done
curl --silent http://127.0.0.1:{port}/campaigns/trigger/send -H 'Content-Type: application/json' \\
    -H 'Authorization: Bearer sandbox-rest-api-key' \\
    -d '{{"campaign_id": "c", "recipients": [{{"external_user_id": "ada"}}]}}'
sleep 1
"""


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def answers(port: int) -> bool:
    with socket.socket() as other:
        return other.connect_ex(("127.0.0.1", port)) == 0


def commands(folder: Path, text: str) -> Path:
    (folder / "commands.sh").write_text(text)
    return folder


def test_the_seconds_to_the_first_message_are_told_and_nothing_is_left(tmp_path, port):
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}

    assert 0 < follow(commands(tmp_path, SEND.format(port=port)), environment, port=port) < 60

    until = time.monotonic() + 10
    while answers(port) and time.monotonic() < until:
        time.sleep(0.05)
    assert not answers(port)


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("echo before; false\necho not reached", "has failed with status 1"),
        ("echo $not_set", "has failed with status"),
        ("true", "no message has come to the inbox"),
        ("sleep 60", "has not ended after 1 s"),
    ],
)
def test_commands_that_fail_or_send_nothing_are_noticed(tmp_path, port, monkeypatch, text, mistake):
    monkeypatch.setattr("quick_start.DEADLINE", 1)
    with pytest.raises(SystemExit, match=mistake):
        follow(commands(tmp_path, text), os.environ, port=port)


def test_another_sandbox_is_not_taken_for_the_one_of_the_quick_start(tmp_path, port):
    with (
        socket.create_server(("127.0.0.1", port)),
        pytest.raises(SystemExit, match=f"listens on port {port}"),
    ):
        follow(commands(tmp_path, "true"), os.environ, port=port)


def test_a_stranger_has_no_variable_of_airflow_and_an_empty_home(tmp_path, monkeypatch):
    monkeypatch.setenv("AIRFLOW_HOME", "/home/me/airflow")
    monkeypatch.setenv("PYTHONPATH", "/home/me")
    monkeypatch.setenv("PIP_INDEX_URL", "https://index.example.com/simple")

    environment = environment_of_a_stranger(tmp_path, tmp_path / "dist", tmp_path / "constraints.txt")

    assert {name for name in environment if name.startswith(("AIRFLOW", "PYTHON", "VIRTUAL"))} == set()
    assert environment["PIP_INDEX_URL"] == "https://index.example.com/simple"
    assert environment["HOME"] == str(tmp_path)
    assert "/home/me" not in str(environment)

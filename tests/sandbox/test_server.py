"""The sandbox starts, serves and stops."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from braze_provider.sandbox import Sandbox
from braze_provider.sandbox.__main__ import main


def python(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60
    ).stdout


def test_the_sandbox_serves_while_it_is_entered_and_not_after():
    with Sandbox() as sandbox:
        url = sandbox.url
        assert requests.get(f"{url}/_sandbox/summary", timeout=10).status_code == 200

    with pytest.raises(requests.ConnectionError):
        requests.get(f"{url}/_sandbox/summary", timeout=10)


def test_a_stopped_sandbox_still_shows_what_it_received(start):
    client = start()
    client.trigger("ada")
    client.sandbox.stop()

    assert list(client.sandbox.recipients()) == ["ada"]
    assert client.sandbox.recipient_keys() == ["ada"]


def test_stopping_does_not_wait_for_a_request_that_a_fault_holds():
    with Sandbox() as sandbox, ThreadPoolExecutor() as pool:
        sandbox.fault("read_timeout", delay=60)
        headers = {"Authorization": f"Bearer {sandbox.api_key}"}
        held = pool.submit(requests.get, f"{sandbox.url}/campaigns/list", headers=headers, timeout=30)
        while not sandbox.requests():
            time.sleep(0.01)
        began = time.monotonic()
        sandbox.stop()

        assert time.monotonic() - began < 5
        assert isinstance(held.exception(), requests.ConnectionError)


def test_it_can_be_started_again_and_remembers():
    sandbox = Sandbox()
    for _ in range(2):
        with sandbox:
            requests.get(f"{sandbox.url}/nowhere", timeout=10)

    assert sandbox.summary()["requests"] == 2


def test_it_cannot_be_started_twice(sandbox):
    with pytest.raises(RuntimeError, match="is running"):
        sandbox.start()


def test_it_has_no_url_before_it_has_started():
    with pytest.raises(RuntimeError, match="has not been started"):
        _ = Sandbox().url


def test_the_airflow_connection_names_type_host_and_key(sandbox):
    assert json.loads(sandbox.airflow_connection) == {
        "conn_type": "braze",
        "host": sandbox.url,
        "password": sandbox.api_key,
    }


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.10", "example.com", "::"])
def test_without_a_token_it_refuses_to_serve_anything_but_loopback(host):
    with pytest.raises(ValueError, match=r"needs a token there; without one .* on loopback only"):
        Sandbox(host=host)


@pytest.mark.parametrize("token", ["", " ", "two words", "t\u00f6ken", "line\n"])
def test_a_token_that_cannot_be_a_key_is_refused(token):
    with pytest.raises(ValueError, match="must be ASCII without blanks, and not empty"):
        Sandbox(host="0.0.0.0", token=token)


@pytest.mark.parametrize("others", [{"api_key": "mine"}, {"api_keys": {"list-only": ["campaigns.list"]}}])
def test_a_token_excludes_other_keys(others):
    with pytest.raises(ValueError, match="The token is the only API key"):
        Sandbox(token="t0ken", **others)


def test_with_a_token_it_serves_on_all_addresses(start):
    sandbox = start(host="0.0.0.0", token="t0ken").sandbox

    assert sandbox._listener.getsockname()[0] == "0.0.0.0"
    header = {"Authorization": "Bearer t0ken"}
    assert sandbox.url.startswith("http://127.0.0.1:")
    assert requests.get(f"{sandbox.url}/campaigns/list", headers=header, timeout=10).status_code == 200


def test_the_airflow_connection_of_one_that_others_reach_is_for_them(start):
    sandbox = start(host="0.0.0.0", token="t0ken").sandbox

    assert json.loads(sandbox.airflow_connection) == {
        "conn_type": "braze",
        "host": f"http://{socket.gethostname()}:{sandbox.url.rpartition(':')[2]}",
        "password": "t0ken",
        "extra": {"allow_http": True},
    }


def test_a_limit_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match=r"Unknown limits \['hourly'\]"):
        Sandbox(limits={"hourly": None})


def test_every_answer_takes_the_latency(start):
    client = start(latency=0.2)
    began = time.monotonic()
    client.trigger()

    assert time.monotonic() - began >= 0.2


def test_many_clients_are_served_at_once(start):
    client = start(latency=0.2)
    began = time.monotonic()
    with ThreadPoolExecutor(20) as pool:
        statuses = list(pool.map(lambda n: client.trigger(f"user-{n}").status_code, range(20)))

    assert statuses == [201] * 20
    assert time.monotonic() - began < 2
    assert client.sandbox.summary()["recipients"] == 20


def test_a_connection_can_be_cut_under_uvicorn_s_other_protocol_too(monkeypatch, start):
    monkeypatch.setitem(sys.modules, "uvicorn.protocols.http.httptools_impl", None)
    client = start()
    assert client.trigger("ada").status_code == 201
    for kind in ("disconnect", "cut_answer", "disconnect_before_read"):
        client.sandbox.fault(kind)
        with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
            client.trigger("bob")

    assert len(client.sandbox.recipients("bob")["bob"]) == 2


def test_importing_it_loads_neither_a_server_nor_airflow():
    loaded = python("import braze_provider.sandbox, sys; print(*sys.modules)").split()

    assert not {"fastapi", "uvicorn", "starlette", "requests", "airflow"} & set(loaded)


def test_without_the_extra_it_says_what_to_install(monkeypatch):
    monkeypatch.delitem(sys.modules, "braze_provider.sandbox.wire", raising=False)
    monkeypatch.setitem(sys.modules, "uvicorn", None)

    with pytest.raises(ImportError, match=r"pip install 'airflow-provider-braze-messaging\[sandbox\]'"):
        Sandbox().start()


@pytest.fixture
def command():
    """Run the command line in a process of its own; returns it with the lines it has printed."""
    started = []

    def run(*arguments):
        process = subprocess.Popen(
            [sys.executable, "-m", "braze_provider.sandbox", "--port", "0", *arguments],
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process, [process.stdout.readline().strip() for _ in range(4)]

    yield run
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def test_the_command_prints_its_address_key_and_connection(command):
    _, lines = command("--api-key", "my key's")

    url = lines[0].split()[-1]
    assert lines[1].endswith("my key's")
    shell = f"{lines[3]}; printenv AIRFLOW_CONN_BRAZE_DEFAULT"
    pasted = subprocess.run(["sh", "-c", shell], check=True, capture_output=True, text=True).stdout
    assert json.loads(pasted) == {"conn_type": "braze", "host": url, "password": "my key's"}
    assert requests.get(f"{url}/_sandbox/summary", timeout=10).status_code == 200


def test_the_command_ends_in_peace_when_interrupted(command):
    process, _ = command()
    process.send_signal(signal.SIGINT)

    assert process.wait(10) == 0


def test_the_command_s_options_reach_the_sandbox(command, tmp_path):
    workspace = tmp_path / "workspace.json"
    workspace.write_text('{"campaigns": ["spring"], "segments": ["vip"]}')
    _, lines = command(
        "--limit", "default=1/3600", "--reset-header", "seconds", "--unknown-id", "ghost",
        "--extra-key", "list=campaigns.list", "--no-bodies", "--latency", "0.01",
        "--workspace", str(workspace), "--campaign", "autumn", "--segment", "new", "--canvas", "welcome",
    )  # fmt: skip
    url = lines[0].split()[-1]

    answer = requests.get(f"{url}/campaigns/list", headers={"Authorization": "Bearer list"}, timeout=10)

    assert answer.headers["X-RateLimit-Limit"] == "1"
    assert int(answer.headers["X-RateLimit-Reset"]) <= 3600
    assert [campaign["id"] for campaign in answer.json()["campaigns"]] == ["spring", "autumn"]
    assert requests.get(f"{url}/_sandbox/workspace", timeout=10).json() == {
        "campaign_ids": ["spring", "autumn"],
        "canvas_ids": ["welcome"],
        "segment_ids": ["vip", "new"],
    }
    assert requests.get(f"{url}/_sandbox/requests", timeout=10).json()["requests"][0]["body"] is None


def test_the_command_says_so_when_its_port_is_taken(capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()

        assert main(["--port", str(taken.getsockname()[1])]) == 1

    assert "The sandbox cannot start" in capsys.readouterr().err


def test_the_command_serves_others_with_a_token(command):
    _, lines = command("--host", "0.0.0.0", "--token", "t0ken")
    url = lines[0].split()[-1]

    statuses = [
        requests.get(f"{url}/_sandbox/summary", headers=headers, timeout=10).status_code
        for headers in ({}, {"Authorization": "Bearer t0ken"})
    ]

    assert lines[1].endswith("t0ken")
    assert statuses == [401, 200]


def test_the_command_s_help_gives_no_default_where_there_is_none_to_give(capsys):
    """Help for --no-bodies once said "(default: True)", as if bodies were always left out."""
    with pytest.raises(SystemExit):
        main(["--help"])

    shown = capsys.readouterr().out
    assert "--no-bodies" in shown
    assert not re.search(r"default:\s+(True|None|\[\])", shown)


def test_the_command_refuses_a_host_that_others_can_reach(capsys):
    with pytest.raises(SystemExit):
        main(["--host", "0.0.0.0"])

    assert "on loopback only" in capsys.readouterr().err


def test_a_stopped_sandbox_leaves_no_thread_behind():
    before = set(threading.enumerate())
    with Sandbox():
        assert set(threading.enumerate()) > before

    assert set(threading.enumerate()) == before

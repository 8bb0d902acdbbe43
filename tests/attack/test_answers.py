"""Attacks by answers: pages of a CDN, interim answers, answers that never end, and stale connections."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from attack.servers import RawBraze
from attack.tasks import Try

RECIPIENTS = 120
"""They are sent in three requests."""


@pytest.mark.attack(
    "3",
    "Braze accepts, and a CDN's page of this status comes back; then it is cleared",
    before="50 twice for each status but 502",
)
@pytest.mark.parametrize(
    "statuses",
    [(500, 502, 503), (302, 403, 404), (408, 409, 413, 421, 425, 499)],
    ids=lambda statuses: ", ".join(map(str, statuses)),
)
def test_a_page_not_from_braze_leaves_its_batch_in_doubt(sandbox, connect, tmp_path, attack, statuses):
    duplicates, held = {}, {}
    for status in statuses:
        sandbox.reset()
        connect("ledger", conn_type="sqlite", host=str(tmp_path / f"{status}.db"))
        sandbox.fault("html", status=status, processed=True, after=1, times=1)
        first = Try(RECIPIENTS, ledger_conn_id="ledger").run()
        Try(RECIPIENTS, ledger_conn_id="ledger", try_number=2, max_tries=3).run()
        duplicates[status] = sandbox.summary()["duplicates"]
        held[status] = first.report["uncertain"]

    attack.record(
        recipients=RECIPIENTS * len(statuses),
        duplicates=sum(duplicates.values()),
        held=sum(held.values()),
        note=", ".join(map(str, statuses)),
    )
    assert duplicates == dict.fromkeys(statuses, 0)
    assert held == dict.fromkeys(statuses, 50)


@pytest.mark.attack(
    "3", "each answer follows an interim one (103 Early Hints); then it is cleared", before="50 twice"
)
def test_interim_answers_are_skipped(connect, sqlite_ledger, attack):
    with RawBraze() as braze:
        connect("braze_default", **braze.airflow_connection)
        braze.answer = lambda sock, number: (
            sock.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"),
            braze.accept(sock),
        )
        first = Try(RECIPIENTS, ledger_conn_id=sqlite_ledger).run()
        second = Try(RECIPIENTS, ledger_conn_id=sqlite_ledger, try_number=2, max_tries=3).run()

        attack.record(recipients=RECIPIENTS, duplicates=braze.duplicates, held=second.report["uncertain"])
        assert (first.error, first.report["sent"]) == (None, RECIPIENTS)
        assert (braze.messages.total(), second.error) == (RECIPIENTS, None)


@pytest.mark.attack("3", "429 with a CDN's page", before="none")
def test_a_429_from_any_server_means_not_sent(sandbox, sqlite_ledger, attack):
    sandbox.fault("html", status=429, processed=False, after=1, times=1)

    only = Try(RECIPIENTS, ledger_conn_id=sqlite_ledger).run()

    duplicates = sandbox.summary()["duplicates"]
    attack.record(recipients=RECIPIENTS, duplicates=duplicates, held=only.report["uncertain"])
    assert (only.error, only.report["sent"]) == (None, RECIPIENTS)
    assert len(sandbox.recipient_keys()) == RECIPIENTS


@pytest.mark.attack(
    "14",
    "an answer comes at a byte a second, with a timeout of 2 s",
    before="31 s, as long as the answer took",
)
def test_an_answer_that_never_ends_is_given_up(connect, sqlite_ledger, attack):
    def drip(sock: Any, number: int) -> None:
        head = b"HTTP/1.1 201 Created\r\nContent-Length: 74\r\n\r\n"
        for place in range(30):
            sock.sendall(head[place : place + 1])
            time.sleep(1)

    with RawBraze(drip) as braze:
        connect("braze_default", **braze.airflow_connection, extra={"timeout": 2})
        only = Try(50, ledger_conn_id=sqlite_ledger).run()

        attack.record(recipients=50, held=only.report["uncertain"], note=f"{only.seconds:.0f} s")
        assert only.report["uncertain"] == 50
        assert only.seconds < 15


@pytest.mark.attack(
    "15", "a server forgets idle connections a little before the pace uses them again", before="100 held"
)
@pytest.mark.parametrize(
    ("interval", "forgets_after", "keep_alive"),
    [(5.06, 4.5, None), (2, 1.5, 1)],
    ids=["each 5.06 s", "each 2 s, Keep-Alive: timeout=1"],
)
def test_a_stale_connection_is_not_used(
    connect, sqlite_ledger, attack, request, interval, forgets_after, keep_alive
):
    with RawBraze(forgets_after=forgets_after, keep_alive=keep_alive) as braze:
        limits = {"default": {"limit": 100, "window": int(100 * interval)}}
        connect("braze_default", **braze.airflow_connection, extra={"rate_limits": limits})
        only = Try(200, ledger_conn_id=sqlite_ledger).run()

        case = request.node.callspec.id
        attack.record(recipients=200, held=only.report["uncertain"], duplicates=braze.duplicates, note=case)
        assert (only.error, braze.messages.total()) == (None, 200)


SEND = """
import json, sys
from pathlib import Path
from attack.tasks import Try

only = Try(int(sys.argv[1]), ledger_conn_id="ledger")
before = Path("/proc/self/status").read_text()
only.run()
peak = [
    int(line.split()[1]) // 1024
    for status in (before, Path("/proc/self/status").read_text())
    for line in status.splitlines()
    if line.startswith("VmHWM")
]
print(json.dumps({"megabytes": peak[1] - peak[0], "uncertain": only.report["uncertain"]}))
"""
"""A process that sends, and tells how much memory it took at most."""


def start_sending(recipients: int, **environment: str) -> subprocess.Popen[str]:
    path = os.pathsep.join([str(Path(__file__).parent.parent), *sys.path])
    return subprocess.Popen(
        [sys.executable, "-c", SEND, str(recipients)],
        env={**os.environ, "PYTHONPATH": path, **environment},
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peaks of memory are read from /proc")
@pytest.mark.attack("17", "an answer of 256 KB of gzip unpacks to 256 MB", before="524 MB")
def test_a_compressed_giant_answer_takes_no_memory(connect, sqlite_ledger, attack):
    bomb = gzip.compress(bytes(256 * 2**20))

    def explode(sock: Any, number: int) -> None:
        head = f"HTTP/1.1 201 Created\r\nContent-Encoding: gzip\r\nContent-Length: {len(bomb)}\r\n\r\n"
        sock.sendall(head.encode() + bomb)

    with RawBraze(explode) as braze:
        connect("braze_default", **braze.airflow_connection)
        output, _ = start_sending(50).communicate(timeout=120)

    figures = json.loads(output.splitlines()[-1])
    attack.record(recipients=50, held=figures["uncertain"], note=f"{figures['megabytes']} MB")
    assert figures["uncertain"] == 50
    assert figures["megabytes"] < 64


@pytest.mark.attack(
    "17", "SIGKILL in the middle of sending to 5,000 recipients", before="1 file with all recipients"
)
def test_a_killed_task_leaves_no_recipients_on_disk(connect, sqlite_ledger, tmp_path, attack):
    folder = tmp_path / "temporary"
    folder.mkdir()
    with RawBraze(lambda sock, number: (time.sleep(0.05), braze.accept(sock))) as braze:
        connect("braze_default", **braze.airflow_connection)
        with start_sending(5_000, TMPDIR=str(folder)) as process:
            while process.poll() is None and len(braze.messages) < 500:
                time.sleep(0.05)
            assert process.poll() is None
            process.kill()

    left = [path for path in folder.rglob("*") if path.is_file() and b"p00" in path.read_bytes()]
    size = sum(path.stat().st_size for path in left)
    attack.record(recipients=5_000, note=f"{len(left)} files with recipients, {size:,} bytes")
    assert left == []

"""
The main job from end to end: a SQL table of customers, a Dag run of real Airflow, a local Braze.

Everything stays on this machine, in the folder ``.demo``. The exit status is 0 only if every customer got
the campaign exactly once and every dispatch id that Airflow has on record is one that Braze gave. What the
customers got is in the inbox, which ``make inbox`` opens again.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from braze_provider.sandbox import Sandbox
from braze_provider.sandbox.state import DEFAULT_PORT
from braze_provider.sandbox.workspace_file import read_workspace

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".demo"
LOG = FOLDER / "airflow.log"
INBOX = FOLDER / "sandbox.db"
WORKSPACE = ROOT / "demo" / "workspace.json"
CUSTOMERS = 5_000
NAMES = ("Ada", "Bruno", "Chiara", "Dmitri", "Elif", "Femi", "Grace", "Hiro", "Ines", "Jan")
CITIES = ("Paris", "Porto", "Prague", None)
DAG_ID, TASK_ID = "win_back_campaign", "win_back"


def main() -> int:
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    make_customers(FOLDER / "customers.db")
    options = read_workspace(str(WORKSPACE))
    with Sandbox(file=str(INBOX), profiles=list(profiles()), **options) as sandbox:
        say(f"A local Braze listens at {sandbox.url}; {CUSTOMERS:,} customers wait in a SQLite table.")
        environment = airflow_environment(sandbox)
        if airflow(environment, "db", "migrate") != 0:
            say(f"Airflow could not set up its database; see {LOG.relative_to(ROOT)}")
            return 1
        say(f"Airflow runs the Dag {DAG_ID} (example_dags/{DAG_ID}.py) …")
        began = time.monotonic()
        ended = airflow(environment, "dags", "test", DAG_ID)
        seconds = time.monotonic() - began
        report, dispatch_ids = xcoms()
        status = show(sandbox, report, dispatch_ids, dag_run_failed=ended != 0, seconds=seconds)
        say_where(sandbox)
        return status


def customer(n: int) -> str:
    return f"customer-{n:05}"


def profiles() -> Iterator[dict[str, str]]:
    """What Braze knows of the customers."""
    for n in range(1, CUSTOMERS + 1):
        city = CITIES[n % len(CITIES)]
        yield {
            "external_id": customer(n),
            "first_name": NAMES[n % len(NAMES)],
            **({"city": city} if city else {}),
        }


def make_customers(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE customers (customer_id TEXT PRIMARY KEY, voucher TEXT, days_away INTEGER)")
        db.executemany(
            "INSERT INTO customers VALUES (?, ?, ?)",
            ((customer(n), f"BACK-{n * 7919 % 100_000:05}", 90 + n % 300) for n in range(1, CUSTOMERS + 1)),
        )


def airflow_environment(sandbox: Sandbox) -> dict[str, str]:
    own = {
        name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW_", "_AIRFLOW_"))
    }
    return {
        **own,
        "AIRFLOW_HOME": str(FOLDER / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "example_dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "AIRFLOW_CONN_BRAZE_DEFAULT": sandbox.airflow_connection,
        "AIRFLOW_CONN_CUSTOMERS": json.dumps({"conn_type": "sqlite", "host": str(FOLDER / "customers.db")}),
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
    }


def airflow(environment: dict[str, str], *command: str) -> int:
    with LOG.open("a") as log:
        ended = subprocess.run(
            [sys.executable, "-m", "airflow", *command],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            check=False,
        )
    return ended.returncode


def xcoms() -> tuple[dict, list[str]]:
    """Read the task's XComs from Airflow's database."""
    with sqlite3.connect(FOLDER / "airflow" / "airflow.db") as db:
        found = dict(
            db.execute("SELECT key, value FROM xcom WHERE dag_id = ? AND task_id = ?", (DAG_ID, TASK_ID))
        )

    def value(key: str, default: object) -> object:
        loaded = json.loads(found[key]) if key in found else default
        return json.loads(loaded) if isinstance(loaded, str) else loaded

    return value("return_value", {}), value("dispatch_ids", [])


def show(
    sandbox: Sandbox, report: dict, dispatch_ids: list[str], *, dag_run_failed: bool, seconds: float
) -> int:
    summary = sandbox.summary()
    given = {request["dispatch_id"] for request in sandbox.requests() if request["dispatch_id"]}
    sending = (summary["last_accepted_at"] or 0) - (summary["first_accepted_at"] or 0)
    rate = (summary["accepted"] - 1) / sending if sending else 0.0
    checks = {
        "the Dag run succeeded": not dag_run_failed,
        f"all {CUSTOMERS:,} customers were sent to": summary["recipients"] == CUSTOMERS,
        "no customer got it twice": summary["duplicates"] == 0,
        "Airflow's report says the same": report.get("sent") == CUSTOMERS,
        "every request's dispatch id is on record in Airflow": set(dispatch_ids) == given
        and len(dispatch_ids) == summary["accepted"] > 0,
    }
    say(f"… and is done after {seconds:.0f} s, most of which is Airflow's start.\n")
    rows = (
        ("sent to", report.get("sent", "-"), summary["recipients"]),
        ("requests", report.get("requests", "-"), summary["requests"]),
        ("dispatch ids", len(dispatch_ids), len(given)),
        ("rejected", report.get("rejected", "-"), summary["requests"] - summary["accepted"]),
        ("in doubt", report.get("uncertain", "-"), "-"),
    )
    say(f"  {'':20} {'Airflow reports':>16} {'Braze received':>16}")
    for name, reported, received in rows:
        say(f"  {name:20} {reported:>16} {received:>16}")
    limit = "250,000 an hour are 69 a second; a slow start is caught up with"
    say(f"  {'requests a second':20} {'':>16} {rate:>16.0f}   ({limit})\n")
    for who, received in sandbox.recipients(limit=1).items():
        message = received[0]
        say(f"  {who} got campaign {message['campaign_id']}")
        say(f"    with {json.dumps(message['trigger_properties'])}, dispatch id {message['dispatch_id']}\n")
    for check, holds in checks.items():
        say(f"  {'yes' if holds else 'NO '}  {check}")
    say(f"\nAirflow's log: {LOG.relative_to(ROOT)}   its database: .demo/airflow/airflow.db")
    return 0 if all(checks.values()) else 1


def say_where(sandbox: Sandbox) -> None:
    """Say where the messages are to be seen, and wait as long as somebody at a terminal looks at them."""
    say("Your own Dags against a local Braze: python -m braze_provider.sandbox\n")
    if sys.stdin.isatty():
        say(f"What each customer got: {sandbox.url} in a browser, until you press Enter")
        with contextlib.suppress(KeyboardInterrupt, EOFError):
            input()
    say(f"What each customer got: make inbox, then http://127.0.0.1:{DEFAULT_PORT} in a browser")


def say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())

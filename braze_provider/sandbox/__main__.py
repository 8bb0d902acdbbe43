"""``python -m braze_provider.sandbox``: serve a local Braze until interrupted."""

from __future__ import annotations

import argparse
import contextlib
import shlex
import sys
from collections.abc import Sequence

from braze_provider.sandbox.limits import DEFAULT_BUCKET, DEFAULT_LIMITS, Limit
from braze_provider.sandbox.profile_file import read_profile_file
from braze_provider.sandbox.server import Sandbox
from braze_provider.sandbox.state import DEFAULT_API_KEY, DEFAULT_PORT, SandboxConfig
from braze_provider.sandbox.workspace_file import campaign_of, read_workspace


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run the command.

    :param arguments: Command-line arguments. Default: those of the process.
    :returns: The exit status.
    """
    parser = _parser()
    given = vars(parser.parse_args(arguments))
    for name in ("limits", "api_keys"):
        given[name] = dict(given.get(name, ()))
    try:
        if file := given.pop("workspace", None):
            for name, exist in read_workspace(file).items():
                given[name] = [*exist, *given.get(name, ())]
        if "profiles" in given:
            given["profiles"] = [one for path in given["profiles"] for one in read_profile_file(path)]
        sandbox = Sandbox(**given)
    except ValueError as error:
        parser.error(str(error))
    try:
        with contextlib.suppress(KeyboardInterrupt):
            sandbox.run(_announce)
    except (ImportError, OSError) as error:
        print(f"The sandbox cannot start: {error}", file=sys.stderr)
        return 1
    return 0


def _announce(sandbox: Sandbox) -> None:
    print(f"Braze sandbox  {sandbox.url}")
    print(f"REST API key   {sandbox.api_key}")
    print(f"Received       {sandbox.url} in a browser; {sandbox.url}/_sandbox lists the calls for programs")
    print(f"export AIRFLOW_CONN_BRAZE_DEFAULT={shlex.quote(sandbox.airflow_connection)}", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m braze_provider.sandbox",
        description="A local Braze to develop and test Dags against. It never sends a message.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    option = parser.add_argument
    option("--host", default="127.0.0.1", help="address to serve on; any but loopback needs a --token")
    option("--port", type=int, default=DEFAULT_PORT, help="port to serve on; 0 for a free one")
    option("--api-key", default=DEFAULT_API_KEY, help="the key that may do everything")
    option(
        "--token",
        default=argparse.SUPPRESS,
        help="the only key, instead of all others; /_sandbox then needs it too",
    )
    option(
        "--extra-key",
        dest="api_keys",
        type=_key,
        action="append",
        default=argparse.SUPPRESS,
        metavar="KEY=PERMISSION,…",
        help="another key and its permissions; repeatable",
    )
    option(
        "--hourly-limit",
        type=int,
        default=argparse.SUPPRESS,
        metavar="N",
        help="requests in each clock hour; Braze's is 250000",
    )
    option(
        "--limit",
        dest="limits",
        type=_limit,
        action="append",
        default=argparse.SUPPRESS,
        metavar="NAME=COUNT/SECONDS",
        help=f"another limit, such as {DEFAULT_BUCKET}=70/1, for one of {', '.join(DEFAULT_LIMITS)}; "
        "repeatable",
    )
    option("--reset-header", choices=("epoch", "seconds"), default="epoch", help="unit of X-RateLimit-Reset")
    option("--latency", type=float, default=0.0, metavar="SECONDS", help="how long every answer takes")
    option("--clock-offset", type=float, default=0.0, metavar="SECONDS", help="how far its clock is ahead")
    option(
        "--keep-alive",
        type=int,
        default=SandboxConfig.keep_alive,
        metavar="SECONDS",
        help="how long an idle connection stays open",
    )
    option(
        "--unknown-id",
        dest="unknown_ids",
        action="append",
        default=argparse.SUPPRESS,
        metavar="KEY",
        help="a recipient who does not exist, and so receives nothing; repeatable",
    )
    option(
        "--file",
        default=argparse.SUPPRESS,
        metavar="FILE",
        help="an SQLite file that keeps what was received over restarts",
    )
    option(
        "--no-bodies",
        dest="record_bodies",
        action="store_false",
        default=argparse.SUPPRESS,
        help="remember only which recipients each request reaches, for sends to very many recipients",
    )
    option(
        "--job-seconds",
        type=float,
        default=SandboxConfig.job_seconds,
        metavar="SECONDS",
        help="how long a sync, an export or a copy takes",
    )
    option(
        "--own-storage",
        action="store_true",
        default=argparse.SUPPRESS,
        help="let exports go to storage that is connected to Braze",
    )
    option(
        "--profiles",
        action="append",
        default=argparse.SUPPRESS,
        metavar="FILE",
        help="profiles of users, as CSV or JSON lines: an external_id and attributes in each row; repeatable",
    )
    option(
        "--workspace",
        default=argparse.SUPPRESS,
        metavar="FILE",
        help='what exists, as JSON: {"campaigns": ["id", …], "canvases": […], "segments": […], '
        '"integrations": […], "catalogs": […]}',
    )
    for kind, name in (
        ("campaign", "campaigns"),
        ("canvas", "canvases"),
        ("segment", "segments"),
        ("integration", "integrations"),
    ):
        option(
            f"--{kind}",
            dest=name,
            type=campaign_of if kind == "campaign" else str,
            action="append",
            default=argparse.SUPPRESS,
            metavar="ID",
            help=f"a {kind} that exists; without any here or in --workspace, each id is taken; repeatable",
        )
    return parser


def _limit(text: str) -> tuple[str, Limit]:
    name, _, limit = text.partition("=")
    return name, Limit.parse(limit)


def _key(text: str) -> tuple[str, frozenset[str]]:
    key, _, permissions = text.partition("=")
    return key, frozenset(name for name in permissions.split(",") if name)


if __name__ == "__main__":
    sys.exit(main())

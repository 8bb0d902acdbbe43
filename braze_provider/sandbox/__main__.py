"""``python -m braze_provider.sandbox``: serve a local Braze until interrupted."""

from __future__ import annotations

import argparse
import contextlib
import shlex
import sys
from collections.abc import Sequence

from braze_provider.sandbox.config import DEFAULT_API_KEY, DEFAULT_PORT, SandboxConfig
from braze_provider.sandbox.limits import DEFAULT_LIMITS, Limit
from braze_provider.sandbox.server import Sandbox


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run the command.

    :param arguments: command-line arguments (sequence of str); default, those of the process.
    :returns: the exit status.
    """
    parser = _parser()
    given = vars(parser.parse_args(arguments))
    given["limits"] = dict(given["limits"])
    given["api_keys"] = dict(given["api_keys"])
    try:
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
    print(f"Received       {sandbox.url}/_sandbox/summary")
    print(f"export AIRFLOW_CONN_BRAZE_DEFAULT={shlex.quote(sandbox.airflow_connection)}", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m braze_provider.sandbox",
        description="A local Braze to develop and test Dags against. Nothing is sent to anybody.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    option = parser.add_argument
    option("--host", default="127.0.0.1", help="loopback address to serve on")
    option("--port", type=int, default=DEFAULT_PORT, help="port to serve on; 0 for a free one")
    option("--api-key", default=DEFAULT_API_KEY, help="the key that may do everything")
    option(
        "--extra-key",
        dest="api_keys",
        type=_key,
        action="append",
        default=[],
        metavar="KEY=PERMISSION,…",
        help="a further key and what it may do; repeatable",
    )
    option("--hourly-limit", type=int, metavar="N", help="requests in each clock hour; Braze's is 250000")
    option(
        "--limit",
        dest="limits",
        type=_limit,
        action="append",
        default=[],
        metavar="NAME=COUNT/SECONDS",
        help=f"another limit for one of {', '.join(DEFAULT_LIMITS)}, such as shared=70/1; repeatable",
    )
    option("--reset-header", choices=("epoch", "seconds"), default="epoch", help="unit of X-RateLimit-Reset")
    option("--latency", type=float, default=0.0, metavar="SECONDS", help="what every answer takes")
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
        default=[],
        metavar="KEY",
        help="a recipient who does not exist, and so receives nothing; repeatable",
    )
    option(
        "--no-bodies",
        dest="record_bodies",
        action="store_false",
        help="do not keep request bodies, for very large sends",
    )
    option(
        "--known-campaigns-only",
        action="store_true",
        help="refuse campaign ids that /campaigns/list does not show",
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

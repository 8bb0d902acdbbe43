"""
``python -m braze_provider.pools``: print a connection's pools as a file for ``airflow pools import``.

A connection's ``pools`` say which Airflow pools share out which rate-limit bucket. Airflow must know these
pools too, with the same number of slots::

    python -m braze_provider.pools --conn-id braze_default > pools.json
    airflow pools import pools.json
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from braze_provider.api.errors import BrazeError

if TYPE_CHECKING:
    from braze_provider.hooks.connection import BrazeConnection


def pools_file(connection: BrazeConnection) -> Mapping[str, Mapping[str, Any]]:
    """
    Describe a connection's pools in the form that ``airflow pools import`` reads.

    :param connection: The connection's settings.
    """
    described = {}
    for name, pool in connection.pools.items():
        bucket = connection.bucket(pool.bucket)
        per_slot = bucket.limit / bucket.window / pool.slots
        described[name] = {
            "slots": pool.slots,
            "description": f"Braze: each slot is {per_slot:.3g} requests/s of the bucket {pool.bucket}",
            # A deferred task waits for the rate limit to reset, and does not use its share.
            "include_deferred": False,
        }
    return described


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run the command.

    :param arguments: Command-line arguments. Default: those of the process.
    :return: The exit status. 0: there are pools. 1: the connection names none. 2: it can't be read.
    """
    conn_id = _parser().parse_args(arguments).conn_id
    # Airflow looks up connections in its database only if it believes that the process is one of its own.
    os.environ.setdefault("_AIRFLOW_PROCESS_CONTEXT", "server")
    try:
        # Airflow may print while it looks for the connection, and that must not get into the file.
        with contextlib.redirect_stdout(sys.stderr):
            from braze_provider.hooks.braze import BrazeHook

            connection = BrazeHook(conn_id).connection
    except BrazeError as error:
        print(error, file=sys.stderr)
        return 2
    print(json.dumps(pools_file(connection), indent=4))
    if not connection.pools:
        print(f"Connection {conn_id!r} names no pools", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m braze_provider.pools",
        description="Print the pools of a Braze connection as a file for: airflow pools import. "
        "The exit status is 0 if there are pools, 1 if the connection names none, 2 if it can't be read.",
    )
    parser.add_argument(
        "--conn-id", default="braze_default", help="the Braze connection. Default: %(default)s"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())

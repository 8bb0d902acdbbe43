"""
``python -m braze_provider.ledger``: list deliveries, the states of their batches, and Braze's ids.

With ``settle``, it notes what a person has decided about batches in doubt.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import getpass
import json
import os
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from braze_provider.api.endpoints import ID_NAMES
from braze_provider.api.errors import BrazeError
from braze_provider.ledger.base import DeliveryKey, Receipt, State

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from braze_provider.ledger.show_sql import DecisionMade, Delivery, LedgerReader
    from braze_provider.ledger.show_task_state import TaskStateReader

    Reader = LedgerReader | TaskStateReader

FOUND, NOTHING_FOUND, FAILED = 0, 1, 2

SETTLE = "settle"

_STATES = (State.SENT, State.REJECTED, State.UNCERTAIN, State.FAILED, State.CLAIMED)


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run the command.

    :param arguments: Command-line arguments. Default: those of the process.
    :return: The exit status: 0 if something was found or settled, 1 if nothing was found, 2 if the ledger
        can't be used or nothing may be settled.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == [SETTLE]:
        return _settle(arguments[1:])
    parser = _parser()
    given = parser.parse_args(arguments)
    needed = {"--airflow-url": given.airflow_url, "--dag-id": given.dag_id}
    needed |= {"--run-id": given.run_id, "--task-id": given.task_id}
    if given.task_state and (missing := [name for name, value in needed.items() if not value]):
        parser.error(f"--task-state needs {', '.join(missing)}")
    try:
        with _ask_airflow(given) if given.task_state else _connect(given.conn_id) as ledger:
            found = _print(ledger, given)
    except BrazeError as error:
        print(error, file=sys.stderr)
        return FAILED
    except BrokenPipeError:
        # The reader of the output has enough. Python would complain again when it flushes the rest.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FOUND
    if not found:
        print("Nothing found.", file=sys.stderr)
    return FOUND if found else NOTHING_FOUND


@contextlib.contextmanager
def _ask_airflow(given: argparse.Namespace) -> Iterator[TaskStateReader]:
    """Read the task's state from Airflow's API server."""
    from braze_provider.ledger.show_task_state import RestStore, TaskStateReader

    map_index = -1 if given.map_index is None else given.map_index
    key = DeliveryKey(given.dag_id, given.run_id, given.task_id, map_index)
    token = given.token or os.environ.get("AIRFLOW_CLI_TOKEN", "")
    with contextlib.closing(RestStore(given.airflow_url, token, key)) as store:
        store.check()
        yield TaskStateReader(store, key)


@contextlib.contextmanager
def _connect(conn_id: str) -> Iterator[LedgerReader]:
    """Connect to the ledger's database."""
    from braze_provider.ledger.show_sql import LedgerReader

    with _database(conn_id) as (engine, _), contextlib.ExitStack() as stack:
        with contextlib.redirect_stdout(sys.stderr):
            connection = stack.enter_context(engine.connect())
        yield LedgerReader(connection)


@contextlib.contextmanager
def _database(conn_id: str) -> Iterator[tuple[Engine, str]]:
    """Find the ledger's database, and the name of the Airflow deployment in its connection."""
    # Without this, Airflow asks the task's supervisor for the connection, and there is no supervisor here. It
    # looks in its database only in a process that it takes for one of its own, such as its command line.
    os.environ.setdefault("_AIRFLOW_PROCESS_CONTEXT", "server")
    from sqlalchemy.exc import SQLAlchemyError

    from braze_provider.ledger.sql_connection import ledger_engine
    from braze_provider.ledger.sql_engine import first_line, set_up
    from braze_provider.ledger.sql_migrations import LedgerVersionError

    # Airflow's messages while it looks for the connection must not get into the table or the JSON.
    with contextlib.redirect_stdout(sys.stderr):
        engine, deployment = ledger_engine(conn_id)
        set_up(engine)
    try:
        yield engine, deployment
    except (SQLAlchemyError, LedgerVersionError) as error:
        reason = str(error) if isinstance(error, LedgerVersionError) else first_line(error)
        raise BrazeError(f"The ledger of connection {conn_id!r} can't be read: {reason}") from error
    finally:
        engine.dispose()


def _print(ledger: Reader, given: argparse.Namespace) -> bool:
    """Print the deliveries that were asked for, and tell whether there are any."""
    from braze_provider.ledger.show_sql import Wanted

    states: Collection[State] = given.states
    ids = dict.fromkeys(given.ids)
    wanted = Wanted(given.dag_id, given.run_id, given.task_id, given.map_index, given.deployment)
    found = (
        one
        for one in ledger.deliveries(wanted)
        if not states or any(one.batches.get(state) for state in one.means(states))
    )
    if given.format == "json":
        return _print_json(ledger, found, states, ids)
    return _print_table(ledger, list(found), states, ids)


# As JSON ----------------------------------------------------------------------------------------------------


def _print_json(
    ledger: Reader, found: Iterable[Delivery], states: Collection[State], ids: Iterable[str]
) -> bool:
    """Print one document piece by piece: a delivery may have hundreds of thousands of batches."""
    number = 0
    print('{"deliveries": [', end="")
    for number, one in enumerate(found, 1):
        print("," if number > 1 else "", json.dumps(_as_json(one))[:-1], sep="\n", end="")
        if decisions := list(ledger.decisions(one)):
            _print_list("decisions", map(dataclasses.asdict, decisions))
        if states:
            _print_list(
                "batches",
                (_batch_as_json(receipt) for receipt in ledger.receipts(one, states=one.means(states))),
            )
        for name in ids:
            _print_list(f"{name}s", (receipt.ids[name] for receipt in ledger.receipts(one, having=name)))
        print("}", end="")
    print("\n]}" if number else "]}")
    return bool(number)


def _print_list(name: str, items: Iterable[Any]) -> None:
    print(f', "{name}": [', end="")
    for number, item in enumerate(items):
        print(", " if number else "", json.dumps(item), sep="", end="")
    print("]", end="")


def _as_json(one: Delivery) -> dict[str, Any]:
    return {
        **dataclasses.asdict(one.key),
        "state": one.status,
        "begun_at": one.begun_at,
        "written_at": one.written_at,
        "started_over": one.generation,
        "try_number": None if one.head.counters is None else one.head.counters.try_number,
        "resends": list(one.head.resends),
        "batches_by_state": {state.value: one.batches.get(state, 0) for state in _STATES},
        "recipients_by_state": {state.value: one.recipients.get(state, 0) for state in _STATES},
        "report": one.head.report,
    }


def _batch_as_json(receipt: Receipt) -> dict[str, Any]:
    return {**dataclasses.asdict(receipt), "state": receipt.state.value}


# As a table -------------------------------------------------------------------------------------------------


def _print_table(
    ledger: Reader, found: Sequence[Delivery], states: Collection[State], ids: Iterable[str]
) -> bool:
    if not found:
        return False
    # Most ledgers belong to one deployment: they need no such column.
    deployed = any(one.key.deployment for one in found)
    header = ["DAG", "RUN", "TASK", "MAP", "STATE", *(state.name for state in _STATES), "LAST WRITTEN"]
    rows = [
        [
            *([one.key.deployment or "-"] if deployed else []),
            one.key.dag_id,
            one.key.run_id,
            one.key.task_id,
            _map_index(one),
            one.status,
            *(_recipients_and_batches(one, state) for state in _STATES),
            one.written_at[:19] + "Z",
        ]
        for one in found
    ]
    header = [*(["DEPLOYMENT"] if deployed else []), *header]
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    first = header.index(_STATES[0].name)
    figures = range(first, first + len(_STATES))
    for row in (header, *rows):
        cells = [
            cell.rjust(width) if place in figures else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        print("  ".join(cells).rstrip())
    print("\nFigures are recipients in batches. CLAIMED: about to be sent, or no outcome is known yet.")
    for one in found:
        _print_decisions(one, ledger.decisions(one))
        if states:
            _print_batches(one, ledger.receipts(one, states=one.means(states)))
        for name in ids:
            _print_ids(one, name, ledger.receipts(one, having=name))
    return True


def _print_decisions(one: Delivery, decisions: Iterable[DecisionMade]) -> None:
    for made in decisions:
        about = f"batches {made.batches} ({made.recipients:,} recipients)"
        when = f"{made.decided_at[:19]}Z"
        print(f"\n{_name(one.key)}: {about} settled as {made.decision} by {made.decided_by} at {when}")


def _print_batches(one: Delivery, receipts: Iterable[Receipt]) -> None:
    print(f"\n{_name(one.key)}: batches\n   BATCH  RECIPIENTS  STATE      NOTED AT              IDS, REASON")
    for receipt in receipts:
        ids = [f"{name} {value}" for name, value in receipt.ids.items()]
        rest = ", ".join(filter(None, (*ids, receipt.reason))) or "-"
        batch = f"{receipt.index + 1:>8,}  {receipt.recipients:>10}  {receipt.state.value:<9}"
        print(f"{batch}  {receipt.at[:19]}Z  " + " ".join(rest.split()))


def _print_ids(one: Delivery, name: str, receipts: Iterable[Receipt]) -> None:
    title = name.replace("_", " ")
    print(f"\n{_name(one.key)}: {title}s\n   BATCH  RECIPIENTS  {title.upper()}")
    for receipt in receipts:
        print(f"{receipt.index + 1:>8,}  {receipt.recipients:>10}  {receipt.ids[name]}")


def _name(key: DeliveryKey) -> str:
    mapped = "" if key.map_index < 0 else f"[{key.map_index}]"
    deployment = f"{key.deployment} " if key.deployment else ""
    return f"{deployment}{key.dag_id} {key.run_id} {key.task_id}{mapped}"


def _map_index(one: Delivery) -> str:
    return "-" if one.key.map_index < 0 else str(one.key.map_index)


def _recipients_and_batches(one: Delivery, state: State) -> str:
    if not one.batches.get(state):
        return "-"
    return f"{one.recipients[state]:,} in {one.batches[state]:,}"


# Settle -----------------------------------------------------------------------------------------------------


def _settle(arguments: Sequence[str]) -> int:
    """Note what a person has decided about batches in doubt."""
    parser = _parser_of_settle()
    given = parser.parse_args(arguments)
    from braze_provider.ledger.settle_sql import MAX_NAME_LENGTH, Decision, NotSettledError, settle

    who = _user() if given.by is None else given.by.strip()
    if not 0 < len(who) <= MAX_NAME_LENGTH or not who.isprintable():
        parser.error(f"--by must name who decides, on one line of at most {MAX_NAME_LENGTH} characters")
    try:
        with _database(given.conn_id) as (engine, deployment):
            if given.deployment is not None:
                deployment = given.deployment
            key = DeliveryKey(given.dag_id, given.run_id, given.task_id, given.map_index, deployment)
            settled = settle(
                engine,
                key,
                Decision(given.decision),
                who,
                only=[number - 1 for number in given.batches],
                force=given.force,
                name=f"connection {given.conn_id!r}",
            )
    except NotSettledError as error:
        print(f"{_name(key)}: nothing was settled. {error}", file=sys.stderr)
        return FAILED
    except BrazeError as error:
        print(error, file=sys.stderr)
        return FAILED
    if settled is None:
        print(f"{_name(key)}: nothing found.", file=sys.stderr)
        return NOTHING_FOUND
    print(f"{_name(key)}: {_WHAT_FOLLOWS[given.decision]}")
    print(f"Batches: {settled.batches:,}, recipients: {settled.recipients:,}. Now clear the task.")
    return FOUND


_WHAT_FOLLOWS = {
    "sent": "settled as sent. The next try counts them as sent by an earlier one.",
    "resend": "settled as not sent. The next try sends to them again.",
}


def _user() -> str:
    try:
        return getpass.getuser()
    except (ImportError, KeyError, OSError):  # A container's user may have no name.
        return ""


# The commands' arguments -----------------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m braze_provider.ledger",
        description="List deliveries and the states of their batches, from a SQL ledger or from the "
        "task state store of Airflow 3.3 or newer. Changes nothing. To decide about batches in doubt, see "
        f"python -m braze_provider.ledger {SETTLE} --help.",
        epilog="A delivery is finished, running (written to in the last two minutes), or open. The exit "
        "status is 0 if something was found, 1 if nothing was, 2 if the ledger can't be read.",
    )
    option = parser.add_argument
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--conn-id", help="the Airflow connection that tasks name as ledger_conn_id")
    where.add_argument(
        "--task-state",
        action="store_true",
        help="read one task instance's ledger in Airflow's task state store, through Airflow's REST API; "
        "needs --airflow-url, --dag-id, --run-id and --task-id, and --map-index for a mapped task",
    )
    option("--airflow-url", help="where Airflow is, such as https://airflow.example.com")
    option("--token", help="a token for its API. Default: the environment's AIRFLOW_CLI_TOKEN")
    option("--dag-id", help="only deliveries of this Dag")
    option("--run-id", help="only deliveries of this Dag run")
    option("--task-id", help="only deliveries of this task, named with its task groups")
    option("--map-index", type=int, help="only this instance of a mapped task")
    option("--deployment", help="only deliveries of this Airflow deployment; '' for those without a name")
    option(
        "--state",
        dest="states",
        type=State,
        action="append",
        default=[],
        metavar="STATE",
        help=f"list the batches in this state, and only deliveries that have such batches: one of "
        f"{', '.join(state.value for state in _STATES)}; uncertain means all held batches, so it includes "
        "claims without an outcome unless the delivery is running; may be given several times",
    )
    for name in ID_NAMES:
        option(
            f"--{name.replace('_', '-')}s",
            dest="ids",
            action="append_const",
            const=name,
            default=[],
            help=f"list the {name.replace('_', ' ')}s of the batches that Braze accepted",
        )
    option("--format", choices=("table", "json"), default="table", help="default: table")
    return parser


def _parser_of_settle() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"python -m braze_provider.ledger {SETTLE}",
        description="Settle the batches in doubt of one task instance in a SQL ledger, as you have decided "
        "after a look at the profiles of a few recipients in Braze. Then clear the task.",
        epilog="The ledger keeps who has decided, when, and about which batches. If a batch that is sent "
        "again ends in doubt, it is held, and needs another decision. If a copy of the task runs after "
        "all, it starts no more requests. The exit status is 0 if something was settled, 1 if there is no "
        "such delivery, 2 if nothing may be settled or the ledger can't be used.",
    )
    option = parser.add_argument
    option("--conn-id", required=True, help="the Airflow connection that tasks name as ledger_conn_id")
    option("--dag-id", required=True, help="the Dag")
    option("--run-id", required=True, help="the Dag run")
    option("--task-id", required=True, help="the task, named with its task groups")
    option("--map-index", type=int, default=-1, help="the instance of a mapped task")
    option("--deployment", help="the Airflow deployment. Default: the one that the connection names")
    option(
        "--as",
        dest="decision",
        required=True,
        choices=sorted(_WHAT_FOLLOWS, reverse=True),
        help="sent: take the batches for sent. resend: send to their recipients again",
    )
    option(
        "--batch",
        dest="batches",
        type=int,
        action="append",
        default=[],
        metavar="NUMBER",
        help="settle only this batch, as --state uncertain numbers it; may be given several times. "
        "Default: all in doubt",
    )
    option("--by", metavar="NAME", help="who decides. Default: the user of this command")
    option(
        "--force",
        action="store_true",
        help="settle also if the delivery was written to in the last two minutes, because you know that the "
        "task has ended",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())

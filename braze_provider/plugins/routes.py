"""The JSON routes of the page. People may use them too; docs/deliveries.rst describes them."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from itertools import islice
from typing import Annotated, Any, Literal

from airflow.api_fastapi.common.db.common import SessionDep
from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request, status
from pydantic import BaseModel, ConfigDict, Field

from braze_provider.ledger.base import DeliveryKey, State
from braze_provider.ledger.settle_sql import Decision, NotSettledError, settle
from braze_provider.ledger.show_sql import Delivery, LedgerReader, Status
from braze_provider.plugins import access, shapes
from braze_provider.plugins.access import GetUserDep
from braze_provider.plugins.ledger import OpenLedger, configured_ledger
from braze_provider.plugins.task_instances import goes_on, states_of

router = APIRouter(prefix="/api")

_DELIVERY = "/dags/{dag_id}/deliveries/{delivery_id}"
_MOST = 2**31 - 1
"""The largest number that the columns of every database take."""
_READ = [Depends(access.may_read)]
_SETTLE = [Depends(check) for check in (access.may_settle, access.from_this_site, access.noted_in_audit_log)]

DeliveryId = Annotated[int, Path(ge=1, le=_MOST)]
Limit = Annotated[int, Query(ge=1, le=200)]
BatchState = Literal["sent", "rejected", "in_doubt", "under_way", "failed"]


class Decided(BaseModel):
    """
    What a person has decided about batches in doubt.

    :param decision: ``sent``: take them for sent. ``resend``: send them again.
    :param batches: Numbers of the batches, from 1. Default: all in doubt.
    :param recipients: How many recipients the person has decided about. If it is another number by now,
        nothing is settled. Default: not checked.
    """

    model_config = ConfigDict(extra="forbid")

    decision: Decision
    batches: list[Annotated[int, Field(ge=1, le=_MOST)]] = []
    recipients: int | None = None


@router.get("/deliveries", dependencies=_READ)
def list_deliveries(
    user: GetUserDep,
    session: SessionDep,
    state: Status | None = None,
    q: Annotated[str, Query(max_length=255)] = "",
    offset: Annotated[int, Query(ge=0, le=_MOST)] = 0,
    limit: Limit = 50,
) -> dict[str, Any]:
    """
    List the deliveries of the Dags that the user may read: in doubt first, then the newest.

    :param state: Only deliveries in this state.
    :param q: Only deliveries whose Dag, run or task has this text in its id.
    :param offset: Number of deliveries to pass over.
    :param limit: Number of deliveries to list.
    """
    with configured_ledger() as ledger, ledger.reader() as reader:
        page = reader.page(
            dag_ids=access.readable_dags(user),
            deployment=ledger.deployment,
            status=state,
            search=q.strip(),
            offset=offset,
            limit=limit,
        )
    states = states_of([one.key for one in page.deliveries if one.status != "finished"], session)
    found = [_as_airflow_knows(one, states) for one in page.deliveries]
    return {"deliveries": [shapes.of_delivery(one) for one in found], "total": page.total}


@router.get(_DELIVERY, dependencies=_READ)
def show_delivery(
    dag_id: str, delivery_id: DeliveryId, request: Request, user: GetUserDep, session: SessionDep
) -> dict[str, Any]:
    """Show one delivery, with the first reasons, what was decided, and whether this user may decide."""
    with configured_ledger() as ledger, ledger.reader() as reader:
        found = _find(ledger, reader, dag_id, delivery_id)
        reasons, decisions = reader.reasons(found), reader.decisions(found)
    states = states_of([found.key], session)
    one = _as_airflow_knows(found, states)
    return {
        **shapes.of_delivery(one),
        "reasons": [shapes.of_reason(reason, running=one.status == "running") for reason in reasons],
        "decisions": [dataclasses.asdict(decision) for decision in decisions],
        "task_state": states.get(one.key),
        "may_settle": access.permits(access.may_settle, request, user),
    }


@router.get(_DELIVERY + "/batches", dependencies=_READ)
def list_batches(
    dag_id: str,
    delivery_id: DeliveryId,
    session: SessionDep,
    state: BatchState | None = None,
    start: Annotated[int, Query(ge=1, le=_MOST)] = 1,
    limit: Limit = 50,
) -> dict[str, Any]:
    """
    List the batches of a delivery with Braze's ids.

    :param state: Only batches in this state.
    :param start: Number of the first batch. ``next`` in the answer is that of the next page; null at the end.
    :param limit: Number of batches to list.
    """
    with configured_ledger() as ledger, ledger.reader() as reader:
        found = _find(ledger, reader, dag_id, delivery_id)
        one = _as_airflow_knows(found, states_of([found.key], session))
        running = one.status == "running"
        states = shapes.states_named(state, running=running) if state else list(State)
        receipts = list(islice(reader.receipts(one, states=states, start=start - 1), limit + 1))
    return {
        "batches": [shapes.of_batch(receipt, running=running) for receipt in receipts[:limit]],
        "next": receipts[limit].index + 1 if len(receipts) > limit else None,
    }


@router.post(_DELIVERY + "/settle", dependencies=_SETTLE)
def settle_delivery(
    dag_id: str, delivery_id: DeliveryId, decided: Decided, user: GetUserDep, session: SessionDep
) -> dict[str, Any]:
    """Settle batches in doubt as the user has decided. The next try of the task goes on accordingly."""
    with configured_ledger() as ledger:
        with ledger.reader() as reader:
            found = _find(ledger, reader, dag_id, delivery_id)
            states = states_of([found.key], session)
            one = _as_airflow_knows(found, states)
            in_doubt = _recipients_in_doubt(reader, one, decided.batches)
        if one.status == "running":
            raise _conflict(
                "The delivery is running. A person may decide once the task has ended, or when nothing was "
                "written to the ledger for two minutes"
            )
        if decided.recipients not in (None, in_doubt):
            raise _conflict(
                f"By now {in_doubt:,} recipients are in doubt, not {decided.recipients:,}. Look again"
            )
        try:
            settled = settle(
                ledger.engine,
                one.key,
                decided.decision,
                access.name_of(user),
                only=[number - 1 for number in decided.batches],
                force=goes_on(states.get(one.key)) is False,
                as_of=one.written_at,
            )
        except NotSettledError as error:
            raise _conflict(str(error)) from error
    if settled is None:
        raise _not_found()
    return dataclasses.asdict(settled)


def _find(ledger: OpenLedger, reader: LedgerReader, dag_id: str, delivery_id: DeliveryId) -> Delivery:
    one = reader.find(delivery_id)
    # Airflow was asked about the Dag of the path, and about this deployment.
    if one is None or (one.key.dag_id, one.key.deployment) != (dag_id, ledger.deployment):
        raise _not_found()
    return one


def _as_airflow_knows(one: Delivery, states: Mapping[DeliveryKey, str | None]) -> Delivery:
    """The ledger takes a delivery for running until two minutes after a write. Airflow may know better."""
    is_running = goes_on(states.get(one.key))
    if one.status == "finished" or is_running is None:
        return one
    return dataclasses.replace(one, status="running" if is_running else "open")


def _recipients_in_doubt(reader: LedgerReader, one: Delivery, numbers: Collection[int]) -> int:
    states = shapes.states_named(shapes.IN_DOUBT, running=one.status == "running")
    wanted = set(numbers)
    return sum(
        receipt.recipients
        for receipt in reader.receipts(one, states=states)
        if not wanted or receipt.index + 1 in wanted
    )


def _conflict(message: str) -> HTTPException:
    return HTTPException(status.HTTP_409_CONFLICT, message)


def _not_found() -> HTTPException:
    return HTTPException(status.HTTP_404_NOT_FOUND, "There is no such delivery")

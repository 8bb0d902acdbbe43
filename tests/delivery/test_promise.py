"""
The promise is an invariant, for random outcomes and kills at any step.

A delivery is tried again and again. Braze gives random answers, and the process is killed before or after any
write to the ledger or any request. At the end, no recipient was sent to twice unless the user asked for it,
no recipient was dropped silently, and every dispatch id that came back is on record.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from braze_provider.api.answers import Answer
from braze_provider.api.endpoints import CAMPAIGNS_TRIGGER_SEND
from braze_provider.api.errors import BrazeRejectedError, BrazeServerError, BrazeUncertainError
from braze_provider.api.outcomes import Outcome
from braze_provider.delivery import engine as engine_module
from braze_provider.delivery import window
from braze_provider.delivery.delivery import Delivery
from braze_provider.delivery.failure import DeliveryError
from braze_provider.delivery.opening import Try
from braze_provider.delivery.options import DeliveryOptions
from braze_provider.delivery.sender import Sender
from braze_provider.hooks.connection import BrazeConnection
from braze_provider.ledger.base import Claim, Decide, DeliveryKey, Head, Receipt, State
from braze_provider.ledger.sql import SqlLedger
from braze_provider.recipients import InlineRecipients

hypothesis = pytest.importorskip("hypothesis")
sqlalchemy = pytest.importorskip("sqlalchemy")
from hypothesis import strategies as st  # noqa: E402

pytestmark = pytest.mark.slow

RECIPIENTS = 320  # seven batches
KEY = DeliveryKey("d", "r", "t")
LOG = logging.getLogger("test.promise")

# What Braze does with a request, and what the client gets as an answer.
FATES = ("answered", "answered", "answered", "failed", "rejected", "lost", "lost unprocessed")


class Killed(BaseException):
    """SIGKILL, as far as one process can imitate it: from then on it changes nothing in the world."""


@dataclass
class World:
    """Braze and the ledger's database, which outlive a process."""

    database: Path
    received: Counter[str] = field(default_factory=Counter)
    dispatch_ids: dict[str, list[str]] = field(default_factory=dict)
    answered: list[str] = field(default_factory=list)


@dataclass
class Process:
    """One try: the fate of each of its requests, and the step at which it is killed."""

    world: World
    fates: Iterator[str]
    kill_at: int | None
    steps: int = 0

    def step(self) -> None:
        self.steps += 1
        if self.kill_at is not None and self.steps >= self.kill_at:
            raise Killed


class Braze:
    """Takes the place of the hook."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.braze_conn_id = "braze_default"
        self.connection = BrazeConnection("https://example.com", "key")

    def call(self, endpoint: Any, body: bytes, *, before_write: Callable[[], bool], **_: Any) -> Answer:
        self._process.step()
        assert before_write()
        fate = next(self._process.fates)
        if fate in ("answered", "lost"):
            dispatch_id = self._accept(json.loads(body))
        self._process.step()
        if fate == "answered":
            self._process.world.answered.append(dispatch_id)
            return Answer(201, {"message": "success", "dispatch_id": dispatch_id})
        if fate == "failed":
            raise BrazeServerError("500", outcome=Outcome.NOT_SENT)
        if fate == "rejected":
            raise BrazeRejectedError("400", outcome=Outcome.REJECTED)
        raise BrazeUncertainError("lost", outcome=Outcome.UNCERTAIN)

    def _accept(self, body: Mapping[str, Any]) -> str:
        world = self._process.world
        dispatch_id = f"dispatch-{sum(world.received.values())}"
        for recipient in body["recipients"]:
            world.received[recipient["external_user_id"]] += 1
            world.dispatch_ids.setdefault(recipient["external_user_id"], []).append(dispatch_id)
        return dispatch_id

    def close(self) -> None: ...


class KillableLedger:
    """The real SQL ledger, with a step before and after each write."""

    durable = True

    def __init__(self, process: Process, owner: str) -> None:
        engine = sqlalchemy.create_engine(f"sqlite:///{process.world.database}")
        self._ledger = SqlLedger(engine, KEY, owner)
        self._process = process

    @property
    def identity(self) -> str:
        return self._ledger.identity

    @property
    def generation(self) -> int:
        return self._ledger.generation

    def open(self, decide: Decide) -> Head | None:
        return self._ledger.open(decide)

    def receipts(self, start: int = 0) -> Iterator[Receipt]:
        return self._ledger.receipts(start)

    def write(self, settled: Sequence[Receipt], claims: Sequence[Claim]) -> Collection[int]:
        self._process.step()
        granted = self._ledger.write(settled, claims)
        self._process.step()
        return granted

    def finish(self, report: Mapping[str, Any]) -> None:
        self._process.step()
        self._ledger.finish(report)

    def close(self) -> None:
        self._ledger.close()


tries = st.lists(
    st.fixed_dictionaries(
        {
            "on_uncertain": st.sampled_from(["hold", "hold", "accept", "resend"]),
            "fates": st.lists(st.sampled_from(FATES), min_size=30, max_size=30),
            "kill_at": st.none() | st.integers(1, 40),
            "concurrency": st.sampled_from([1, 1, 3]),
        }
    ),
    min_size=1,
    max_size=4,
)


@pytest.fixture(scope="module", autouse=True)
def impatience() -> Iterator[None]:
    """Remove the waits."""
    patch = pytest.MonkeyPatch()
    patch.setattr(engine_module, "LOOK_SECONDS", 0.0005)
    patch.setattr(window, "PAUSE", 0.0)
    patch.setitem(Sender.__init__.__kwdefaults__, "first_backoff", 0.0)
    patch.setitem(Sender.__init__.__kwdefaults__, "max_attempts", 3)
    patch.setattr("braze_provider.delivery.budget.Pacer", lambda *args, **kwargs: Unlimited())
    yield
    patch.undo()


class Unlimited:
    rate = 1_000_000.0
    closed_for = wait = 0.0

    def admits(self, seconds: float) -> int:
        return 1_000

    def reserve(self) -> float:
        return 0.0

    def observe(self, *args: Any, **kwargs: Any) -> None: ...


def all_recipients() -> InlineRecipients:
    return InlineRecipients([f"p{number}" for number in range(RECIPIENTS)], key="external_user_id")


def new_try(world: World, number: int, plan: Mapping[str, Any]) -> SimpleNamespace:
    fates = iter([*plan["fates"], *["answered"] * 1_000])
    process = Process(world, fates, plan["kill_at"])
    ledger = KillableLedger(process, f"try-{number}")
    delivery = Delivery(
        hook=Braze(process),  # type: ignore[arg-type]
        endpoint=CAMPAIGNS_TRIGGER_SEND,
        options=DeliveryOptions(concurrency=plan["concurrency"], on_uncertain=plan["on_uncertain"]),
        log=LOG,
        ledger=ledger,  # type: ignore[arg-type]
        this_try=Try(try_number=number + 1),
    )
    killed = False
    try:
        delivery.run({"campaign_id": "c"}, all_recipients())
    except DeliveryError as error:
        killed = isinstance(error.__cause__, Killed)
    except Killed:
        killed = True
    receipts = list(ledger.receipts())
    ledger.close()
    return SimpleNamespace(report=delivery.report, receipts=receipts, killed=killed)


@hypothesis.given(tries)
@hypothesis.settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture, hypothesis.HealthCheck.too_slow],
)
def test_the_promise_holds_with_any_answers_and_kills(tmp_path_factory, tries):
    world = World(tmp_path_factory.mktemp("promise") / "ledger.db")
    resends = 0
    for number, plan in enumerate(tries):
        result = new_try(world, number, plan)
        resends += plan["on_uncertain"] == "resend"
        by_index = {receipt.index: receipt for receipt in result.receipts}

        # No recipient was sent to twice, unless the user asked for it.
        if not resends:
            assert max(world.received.values(), default=0) <= 1

        # No recipient was dropped silently: one that got nothing is in a batch that is open, in doubt or
        # rejected, or that the user has counted as sent.
        accepted_by_hand = {
            receipt.index
            for receipt in result.receipts
            if receipt.state is State.SENT and receipt.dispatch_id is None
        }
        for recipient in range(RECIPIENTS):
            receipt = by_index.get(recipient // 50)
            if not world.received[f"p{recipient}"] and receipt is not None and receipt.state is State.SENT:
                assert receipt.index in accepted_by_hand

        # A recipient that got a message is in a batch that is sent or in doubt, and never in an open one.
        for recipient in range(RECIPIENTS):
            receipt = by_index.get(recipient // 50)
            if world.received[f"p{recipient}"]:
                assert receipt is not None
                assert receipt.state in (State.SENT, State.CLAIMED, State.UNCERTAIN)

        # Every dispatch id is on record, except those of a killed process: their batches are in doubt.
        on_record = {receipt.dispatch_id for receipt in result.receipts}
        in_doubt = {
            receipt.index for receipt in result.receipts if receipt.state in (State.CLAIMED, State.UNCERTAIN)
        }
        if not result.killed and not resends and not any(earlier["kill_at"] for earlier in tries[:number]):
            assert set(world.answered) <= on_record

        # The report is true.
        if not result.killed:
            report = result.report
            assert report.recipients == RECIPIENTS
            outcomes = (report.sent, report.rejected, report.uncertain, report.failed, report.already_sent)
            assert sum(outcomes) == RECIPIENTS
            people_in_doubt = sum(by_index[index].recipients for index in in_doubt)
            assert report.uncertain == people_in_doubt


def test_in_the_end_all_recipients_are_sent_to(tmp_path):
    world = World(tmp_path / "ledger.db")
    quiet = {"on_uncertain": "hold", "fates": [], "kill_at": None, "concurrency": 3}
    new_try(world, 0, {**quiet, "fates": ["failed"] * 30})
    new_try(world, 1, {**quiet, "kill_at": 9})
    new_try(world, 2, {**quiet, "on_uncertain": "resend"})

    assert set(world.received) == {f"p{number}" for number in range(RECIPIENTS)}

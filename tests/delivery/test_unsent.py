"""The file of recipients that were not sent to, which the next task can read."""

from __future__ import annotations

import json
import logging
import stat
import tracemalloc
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath
from airflow.sdk.io import attach
from delivery.tries import CLEARED, FIRST, RETRY
from fsspec.implementations.memory import MemoryFileSystem

from braze_provider.api.endpoints import CAMPAIGNS_TRIGGER_SEND
from braze_provider.api.errors import BrazeError, BrazeValidationError
from braze_provider.delivery.batches import Batch
from braze_provider.delivery.delivery import Delivery
from braze_provider.delivery.failure import DeliveryError
from braze_provider.delivery.opening import Try
from braze_provider.delivery.options import DeliveryOptions
from braze_provider.delivery.resume import SourceChangedError
from braze_provider.delivery.unsent import NO_OUTCOME, NOT_REACHED, UnsentBatch, UnsentFile, unsent_batches
from braze_provider.hooks.braze import BrazeHook
from braze_provider.ledger.base import DeliveryKey, LedgerLostError, Receipt, State
from braze_provider.ledger.sql import SqlLedger
from braze_provider.recipients import FileRecipients, InlineRecipients, RecipientSource
from braze_provider.recipients.blocks import BadRow
from braze_provider.recipients.columns import Columns

pytestmark = pytest.mark.slow

sqlalchemy = pytest.importorskip("sqlalchemy")

KEY = DeliveryKey("d", "r", "t")
NOTE = {"dag_id": "d", "run_id": "r", "task_id": "t", "map_index": -1, "deployment": ""}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "of" / "today" / "unsent.jsonl"


@pytest.fixture
def new_try(sandbox, tmp_path, path):
    """Make a try of one delivery, which writes the recipients that were not sent to."""
    ledgers: list[SqlLedger] = []

    def make(
        recipients: Any = 120,
        which: Try = FIRST,
        *,
        key: DeliveryKey = KEY,
        unsent: str | None = "",
        campaign_id: str = "c",
        **options: Any,
    ) -> Delivery:
        engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'ledger.db'}")
        keeps_recipients = options.get("on_source_change") == "send_rest"
        ledgers.append(SqlLedger(engine, key, f"owner-{len(ledgers)}", keeps_recipients=keeps_recipients))
        to = None if unsent is None else UnsentFile(ObjectStoragePath(unsent or str(path)), key)
        delivery = Delivery(
            hook=BrazeHook(),
            endpoint=CAMPAIGNS_TRIGGER_SEND,
            options=DeliveryOptions(**{"concurrency": 1, **options}),
            log=logging.getLogger("test.unsent"),
            ledger=ledgers[-1],
            this_try=which,
            unsent=to,
        )
        source = recipients if isinstance(recipients, RecipientSource) else InlineRecipients(rows(recipients))
        delivery.run = partial(delivery.run, {"campaign_id": campaign_id}, source)  # type: ignore[method-assign]
        return delivery

    yield make
    for ledger in ledgers:
        ledger.close()


def rows(given: int | list[Any]) -> list[Any]:
    return [{"external_user_id": f"p{n}"} for n in range(given)] if isinstance(given, int) else given


def fails(delivery: Delivery) -> str:
    with pytest.raises(DeliveryError) as caught:
        delivery.run()
    return str(caught.value)


def lines(path: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def states(path: Any) -> list[tuple[int, int | None, str]]:
    notes = [line["_unsent"] for line in lines(path)]
    return [(note["row"], note["batch"], note["state"]) for note in notes]


# Its lines --------------------------------------------------------------------------------------------------


def test_each_held_recipient_is_a_line_with_row_batch_and_reason(sandbox, new_try, path):
    sandbox.fault("disconnect", after=1, times=1)

    fails(new_try())

    assert states(path) == [(row, 2, "uncertain") for row in range(51, 101)]
    first = lines(path)[0]
    assert first["external_user_id"] == "p50"
    assert first["_unsent"].pop("reason").startswith("No answer from 127.0.0.1")
    assert first == {
        "external_user_id": "p50",
        "_unsent": {"row": 51, "batch": 2, "state": "uncertain", **NOTE},
    }


def test_rejected_recipients_have_braze_s_reason(sandbox, new_try, path):
    sandbox.fault("status", status=400, message="Draft", times=1)

    fails(new_try(60))

    assert states(path) == [(row, 1, "rejected") for row in range(1, 51)]
    assert "400 (Draft)" in lines(path)[0]["_unsent"]["reason"]


def test_recipients_of_a_batch_without_an_attempt_are_failed(sandbox, new_try, path):
    sandbox.fault("status", status=401, after=1)

    fails(new_try())

    assert states(path)[49:51] == [(100, 2, "rejected"), (101, 3, "failed")]
    assert lines(path)[-1]["_unsent"]["reason"] == NOT_REACHED


def test_a_batch_claimed_by_a_killed_try_is_in_doubt():
    batch = Batch(0, (b"{}",), "print", numbers=(1,))
    claim = Receipt(0, 1, "print", State.CLAIMED, "2026-01-01T00:00:00.000+00:00")

    assert list(unsent_batches([batch], iter([claim]))) == [UnsentBatch(batch, State.UNCERTAIN, NO_OUTCOME)]


def test_a_receipt_about_other_recipients_is_ignored():
    batch = Batch(0, (b"{}",), "print", numbers=(1,))
    others = Receipt(0, 1, "another", State.REJECTED, "2026-01-01T00:00:00.000+00:00", reason="no")

    assert list(unsent_batches([batch], iter([others]))) == [UnsentBatch(batch, State.FAILED, NOT_REACHED)]


def test_row_numbers_are_those_of_the_source(sandbox, new_try, path):
    sandbox.fault("disconnect")
    ada, bob = {"external_user_id": "ada"}, {"external_user_id": "bob"}

    fails(new_try([ada, {"zip": 1}, ada, bob], on_invalid="skip"))

    assert states(path) == [(1, 1, "uncertain"), (4, 1, "uncertain"), (2, None, "invalid")]


def test_invalid_rows_are_in_it_if_the_rest_was_sent(new_try, path):
    new_try([*rows(2), {"zip": 1}, "no object"], on_invalid="skip").run()

    assert states(path) == [(3, None, "invalid"), (4, None, "invalid")]
    parsed, other = lines(path)
    assert parsed["zip"] == 1
    assert set(other) == {"_unsent"}
    assert other["_unsent"]["reason"] == "must be an object, such as a dict, not str"


def test_invalid_rows_are_in_it_if_the_task_fails_for_them(sandbox, new_try, path):
    with pytest.raises(BrazeValidationError):
        new_try([*rows(2), *[{"zip": 1}] * 60]).run()

    assert states(path) == [(row, None, "invalid") for row in range(3, 63)]
    assert sandbox.requests() == []


def test_an_invalid_row_may_hold_values_that_are_not_json(new_try, path):
    odd = {"external_user_id": "a", "email": object(), "x": {("a", 1): 1}}
    new_try([odd], on_invalid="skip").run()

    assert [set(line) for line in lines(path)] == [{"_unsent"}]


# When it is written and removed -----------------------------------------------------------------------------


def test_the_try_that_settles_all_recipients_removes_it(sandbox, new_try, path):
    sandbox.fault("disconnect", after=1, times=1)
    fails(new_try())
    assert path.exists()

    new_try(which=CLEARED, on_uncertain="accept").run()

    assert list(path.parent.iterdir()) == []


def test_a_try_that_settles_some_recipients_rewrites_it(sandbox, new_try, path):
    sandbox.fault("disconnect", times=1)
    sandbox.fault("status", status=400, after=1, times=1)
    fails(new_try())
    assert {batch for _, batch, _ in states(path)} == {1, 2}

    fails(new_try(which=CLEARED))

    assert states(path) == [(row, 1, "uncertain") for row in range(1, 51)]


def test_there_is_no_file_if_all_were_sent_to(new_try, path):
    new_try().run()

    assert not path.parent.exists()


@pytest.mark.parametrize("recipients", [100, [*rows(120), {"zip": 1}]], ids=["fewer", "an invalid row"])
def test_a_try_that_sends_nothing_leaves_the_file_of_an_earlier_one(sandbox, new_try, path, recipients):
    sandbox.fault("disconnect", after=1, times=1)
    fails(new_try())
    before = path.read_text()

    with pytest.raises((SourceChangedError, BrazeValidationError)):
        new_try(recipients, CLEARED).run()

    assert path.read_text() == before


def test_a_dry_run_leaves_it_alone(sandbox, new_try, path):
    sandbox.fault("disconnect", times=1)
    fails(new_try())
    before = path.read_text()

    new_try(which=CLEARED, dry_run=True).run()

    assert path.read_text() == before


def test_the_file_of_another_task_instance_is_left_alone(sandbox, new_try, path, caplog):
    sandbox.fault("disconnect", times=1)
    fails(new_try())
    before = path.read_text()

    new_try(key=DeliveryKey("d", "r", "t", 7)).run()

    assert path.read_text() == before
    assert "a file of another task instance is there" in caplog.text


def test_recipients_in_doubt_stay_in_it_after_send_rest(sandbox, new_try, path):
    sandbox.fault("disconnect", processed=True, after=1, times=1)
    fails(new_try(100, on_source_change="send_rest"))
    sandbox.fault("status", status=400, times=1)

    others = [*rows(100)[60:], {"external_user_id": "new"}]
    fails(new_try(others, RETRY, on_source_change="send_rest"))

    assert states(path) == [*((row, 2, "uncertain") for row in range(51, 101)), (41, 3, "rejected")]
    assert lines(path)[-1]["external_user_id"] == "new"


def test_a_stopped_try_writes_the_recipients_that_are_left(sandbox, new_try, path, monkeypatch):
    delivery = new_try()
    monkeypatch.setattr(
        "braze_provider.delivery.engine.Engine._log_progress", lambda engine: interrupt(engine.report)
    )

    def interrupt(_: object) -> None:
        if sandbox.requests():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        delivery.run()

    assert len(lines(path)) == delivery.report.failed > 0


def test_a_copy_that_has_lost_the_ledger_writes_nothing(new_try, path, monkeypatch):
    delivery = new_try()

    def lost(*_: object) -> None:
        raise LedgerLostError("another copy")

    monkeypatch.setattr(delivery.ledger, "write", lost)

    with pytest.raises(LedgerLostError):
        delivery.run()
    assert not path.exists()


def test_a_ledger_that_can_not_be_used_is_not_asked_again(new_try, path, monkeypatch):
    delivery = new_try()
    asked: list[int] = []

    def broken(*_: object) -> None:
        monkeypatch.setattr(delivery.ledger, "receipts", lambda *_: asked.append(1) or iter(()))
        raise BrazeError("the database gives no answer")

    monkeypatch.setattr(delivery.ledger, "write", broken)

    with pytest.raises(BrazeError, match="no answer"):
        delivery.run()
    assert asked == []
    assert not path.exists()


# As the source of the next task -----------------------------------------------------------------------------


def test_the_next_task_sends_to_exactly_the_recipients_in_it(sandbox, new_try, path):
    recipients = [
        {"external_user_id": "p1", "trigger_properties": {"a.b": None, "n": 1.5}, "attributes": {"x": None}},
        {"user_alias": {"alias_name": "ada", "alias_label": "shop"}},
        {"email": "a@b.c", "prioritization": ["identified"], "attributes": {"city": "Zürich"}},
    ]
    sandbox.fault("status", status=400, times=1)
    fails(new_try(recipients))
    (refused,) = sandbox.requests()

    report = new_try(FileRecipients(str(path)), key=DeliveryKey("d", "r", "next"), unsent=None).run()

    assert (report.sent, report.invalid) == (3, 0)
    assert sandbox.requests()[-1]["body"] == refused["body"]


def test_invalid_rows_are_invalid_to_the_next_task_as_well(new_try, path):
    new_try([{"zip": 1}, "no object", *rows(1)], on_invalid="skip").run()

    report = new_try(
        FileRecipients(str(path)), key=DeliveryKey("d", "r", "next"), unsent=None, on_invalid="skip"
    ).run()

    assert (report.invalid, report.sent) == (2, 0)


def test_a_row_mapper_does_not_see_the_note(new_try, path):
    new_try([{"zip": 1}], on_invalid="skip").run()
    seen: list[Any] = []

    list(
        FileRecipients(str(path), row_mapper=lambda row: seen.append(dict(row)) or row).recipients(
            Columns(())
        )
    )

    assert seen == [{"zip": 1}]


# Its place --------------------------------------------------------------------------------------------------


def test_a_local_file_is_private_even_if_the_old_one_was_not(sandbox, new_try, path):
    sandbox.fault("disconnect", times=1)
    fails(new_try())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)

    fails(new_try(which=CLEARED))

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.fixture
def bucket() -> Iterator[ObjectStoragePath]:
    storage = MemoryFileSystem()
    attach(protocol="memory", fs=storage)
    yield ObjectStoragePath("memory://bucket")
    storage.store.clear()


def test_it_may_be_on_object_storage(sandbox, new_try, bucket):
    sandbox.fault("disconnect", times=1)
    target = bucket / "unsent.jsonl"
    text = fails(new_try(unsent=str(target)))
    assert [line["external_user_id"] for line in lines(target)] == [f"p{n}" for n in range(50)]
    assert str(target) in text

    new_try(which=CLEARED, on_uncertain="accept", unsent=str(target)).run()

    assert not target.exists()


def test_a_file_that_can_not_be_written_is_only_a_warning(sandbox, new_try, path, caplog):
    path.parent.parent.write_text("no folder")
    sandbox.fault("disconnect", after=1, times=1)

    text = fails(new_try())

    warnings = [one for one in caplog.records if one.name.endswith("unsent") and "can't be" in one.message]
    assert [one.levelname for one in warnings] == ["WARNING"]
    assert "p50" not in caplog.text
    assert "In doubt: batch 2 of 3 (rows 51–100)" in text


def test_a_write_that_fails_half_way_leaves_only_the_old_file(path):
    file = UnsentFile(ObjectStoragePath(str(path)), KEY)
    assert file.rewrite((), [(1, "bad", None)])

    def broken() -> Iterator[UnsentBatch]:
        yield UnsentBatch(Batch(0, (b'{"external_user_id":"a"}',), numbers=(1,)), State.FAILED, "because")
        raise OSError("no space left")

    assert not file.rewrite(broken(), ())

    assert [p.name for p in path.parent.iterdir()] == [path.name]
    assert states(path) == [(1, None, "invalid")]


def test_memory_does_not_grow_with_its_recipients(path):
    file = UnsentFile(ObjectStoragePath(str(path)), KEY)
    body = b'{"external_user_id":"%s"}' % (b"x" * 100)

    def batches_of_fifty(batches: int) -> Iterator[UnsentBatch]:
        for index in range(batches):
            numbers = tuple(range(50 * index + 1, 50 * index + 51))
            yield UnsentBatch(Batch(index, (body,) * 50, numbers=numbers), State.FAILED, "because")

    tracemalloc.start()
    try:
        assert file.rewrite(batches_of_fifty(1_000), ())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert path.stat().st_size > 10_000_000
    assert peak < 2_000_000


# The failure's text -----------------------------------------------------------------------------------------


def test_the_failure_names_the_file(sandbox, new_try, path):
    sandbox.fault("disconnect", times=1)
    assert f"row, state and reason, are in {path}" in " ".join(fails(new_try(60)).split())


def test_without_a_file_the_failure_names_the_first_held_rows(sandbox, new_try):
    sandbox.fault("disconnect", after=1, times=1)
    assert "In doubt: batch 2 of 3 (rows 51–100)" in fails(new_try(unsent=None))

    # The same if an earlier try has left them in doubt.
    assert "In doubt: batch 2 of 3 (rows 51–100)" in fails(new_try(which=CLEARED, unsent=None))


def test_a_row_that_braze_can_not_read_is_an_invalid_row(new_try, path):
    class Source(RecipientSource):
        def rows(self) -> Iterator[Any]:
            yield BadRow("the line is not JSON")
            yield {"external_user_id": "ada"}

    new_try(Source(), on_invalid="skip").run()

    assert [line["_unsent"]["reason"] for line in lines(path)] == ["the line is not JSON"]

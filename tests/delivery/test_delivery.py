"""A whole delivery: prepare, then deliver, then report."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import pytest

from braze_provider.api.endpoints import CAMPAIGNS_TRIGGER_SEND, MESSAGES_SEND
from braze_provider.api.errors import BrazeAuthenticationError, BrazeValidationError
from braze_provider.delivery.delivery import Delivery
from braze_provider.delivery.failure import DeliveryError
from braze_provider.delivery.options import DeliveryOptions
from braze_provider.delivery.prepare import TooManyRecipientsError
from braze_provider.delivery.stop import StoppedError
from braze_provider.hooks.braze import BrazeHook
from braze_provider.ledger.base import Claim, Receipt
from braze_provider.ledger.memory import MemoryLedger
from braze_provider.recipients import BadRow, InlineRecipients, RecipientSource
from braze_provider.sandbox import Limit, Sandbox

pytestmark = pytest.mark.slow

LOG = logging.getLogger("test.delivery")
CAMPAIGN = {"campaign_id": "c1"}
CITY = {"custom_attribute": {"custom_attribute_name": "city", "comparison": "exists"}}
WEBHOOK = {"webhook": {"url": "https://x.y", "request_method": "GET"}}


def ids(count: int) -> InlineRecipients:
    return InlineRecipients([f"secret-{number}" for number in range(count)], key="external_user_id")


def delivery_of(
    source: RecipientSource | None, fields: Mapping[str, Any] = CAMPAIGN, endpoint: Any = None, **options: Any
) -> Delivery:
    """A delivery of a campaign. It makes one request at a time, so that a fault hits the intended batch."""
    delivery = Delivery(
        hook=BrazeHook(),
        endpoint=endpoint or CAMPAIGNS_TRIGGER_SEND,
        options=DeliveryOptions(**{"concurrency": 1, **options}),
        log=LOG,
    )
    delivery.run = partial(delivery.run, fields, source)  # type: ignore[method-assign]
    return delivery


@pytest.fixture(autouse=True)
def log(caplog) -> Any:
    caplog.set_level(logging.INFO)
    return caplog


# Success -------------------------------------------------------------------------------------------------


def test_all_recipients_are_sent_to_and_the_report_has_all_figures(sandbox):
    rows = [{"external_user_id": f"p{number % 120}"} for number in range(130)]
    delivery = delivery_of(InlineRecipients([*rows, {"zip": 1}]), on_invalid="skip", concurrency=8)

    report = delivery.run()

    assert report is delivery.report
    assert {name: figure for name, figure in report.to_dict().items() if isinstance(figure, int)} == {
        "recipients": 120,
        "requests": 3,
        "sent": 120,
        "invalid": 1,
        "duplicates_dropped": 10,
        "rejected": 0,
        "uncertain": 0,
        "failed": 0,
        "already_sent": 0,
    }
    assert len(sandbox.recipient_keys()) == 120
    assert sandbox.summary()["duplicates"] == 0


def test_each_recipient_gets_the_shared_content_and_its_own(sandbox):
    rows = [{"external_user_id": "ada", "trigger_properties": {"x": 1}}, {"external_user_id": "bob"}]
    fields = {**CAMPAIGN, "trigger_properties": {"x": 0, "y": 2}}

    delivery_of(InlineRecipients(rows), fields).run()

    received = sandbox.recipients()
    assert received["ada"][0]["trigger_properties"] == {"x": 1, "y": 2}
    assert received["bob"][0]["trigger_properties"] == {"x": 0, "y": 2}


def test_ids_are_counted_and_listed_in_batch_order_up_to_a_limit(sandbox):
    delivery = delivery_of(ids(220))
    delivery.run()
    in_order = [request["dispatch_id"] for request in sandbox.requests()]

    for limit in (10, 5, 2, 0):
        assert delivery.ids(limit) == {"dispatch_id": (in_order[:limit], 5)}


def test_ids_of_every_kind_are_listed(sandbox):
    delivery = delivery_of(None, {"campaign_id": "c", "broadcast": True})
    delivery.run()
    (request,) = sandbox.requests()

    assert delivery.ids(10) == {
        "dispatch_id": ([request["dispatch_id"]], 1),
        "send_id": ([request["send_id"]], 1),
    }


def test_the_list_of_dispatch_ids_is_there_even_if_empty(sandbox):
    assert delivery_of(ids(3)).ids(10) == {"dispatch_id": ([], 0)}


@pytest.mark.parametrize(
    "source", [ids(0), InlineRecipients([{"zip": 1}])], ids=["empty", "no valid recipient"]
)
def test_a_source_without_recipients_sends_nothing(sandbox, source):
    report = delivery_of(source, on_invalid="skip").run()

    assert (report.recipients, report.requests, report.sent) == (0, 0, 0)
    assert sandbox.requests() == []


@pytest.mark.parametrize(
    ("endpoint", "fields"),
    [
        (CAMPAIGNS_TRIGGER_SEND, {"campaign_id": "c1", "broadcast": True}),
        (
            MESSAGES_SEND,
            {
                "messages": WEBHOOK,
                "segment_id": "s",
                "broadcast": True,
            },
        ),
    ],
    ids=str,
)
def test_without_a_source_the_request_is_made_once_unchanged(sandbox, endpoint, fields):
    report = delivery_of(None, fields, endpoint, concurrency=8).run()

    assert (report.recipients, report.requests, report.sent) == (None, 1, 1)
    (request,) = sandbox.requests()
    assert request["body"] == fields
    assert request["broadcast"]


def test_a_share_of_the_limit_and_the_connections_own_limit_set_the_pace(sandbox, monkeypatch):
    connection = {
        **json.loads(sandbox.airflow_connection),
        "extra": {
            "rate_limits": {"default": {"limit": 600, "window": 60}},
            "pools": {"braze": {"slots": 4, "bucket": "default"}},
        },
    }
    monkeypatch.setenv("AIRFLOW_CONN_BRAZE_DEFAULT", json.dumps(connection))
    paced = []
    monkeypatch.setattr(
        "braze_provider.delivery.budget.Pacer",
        lambda limit, window, share, **_: paced.append((limit, window, share)) or _Free(),
    )

    delivery_of(ids(1), pool="braze", pool_slots=1).run()

    assert paced == [(600, 60, 0.25)]


@pytest.mark.parametrize(
    ("narrowed_by", "limit_named", "pace"),
    [
        ({"audience": CITY}, 200, 5),
        ({"audience": CITY}, 10, 5),
        ({"segment_id": "s"}, 200, 5),
        ({"audience": CITY}, 250_000, 250_000 / 3_600),
        ({}, 200, 250_000 / 3_600),
    ],
    ids=["an audience", "its own limit", "a segment", "the limit of named recipients", "names alone"],
)
def test_named_recipients_slow_down_if_a_429_counts_them_as_a_broadcast(
    monkeypatch, narrowed_by, limit_named, pace
):
    """Broadcasts have 200 requests a second here, 10 of them for one audience. This task has half of each."""
    with Sandbox(limits={"default": Limit(limit_named, 1)}) as sandbox:
        connection = {
            **json.loads(sandbox.airflow_connection),
            "extra": {
                "rate_limits": {"broadcast": {"limit": 200, "window": 1}},
                "pools": {"braze": {"slots": 2, "bucket": "broadcast"}},
            },
        }
        monkeypatch.setenv("AIRFLOW_CONN_BRAZE_DEFAULT", json.dumps(connection))
        sandbox.fault("rate_limited", reset_after=0)
        fields = {"messages": WEBHOOK, **narrowed_by}
        delivery = delivery_of(ids(1), fields, MESSAGES_SEND, pool="braze")

        delivery.run()

    assert delivery.rate_limited == 1
    assert delivery._sender._pacer._full_rate == pytest.approx(pace)


class _Free:
    """A pacer that admits every request at once."""

    rate = 1_000.0
    closed_for = wait = 0.0

    def admits(self, seconds: float) -> int:
        return 1_000

    def reserve(self) -> float:
        return 0.0

    def observe(self, *args: Any, **kwargs: Any) -> None: ...


# Nothing is sent -----------------------------------------------------------------------------------------


def test_a_bad_row_fails_before_the_first_request(sandbox):
    delivery = delivery_of(InlineRecipients([{"external_user_id": "ada"}, {"external_user_id": 5.5}]))

    with pytest.raises(BrazeValidationError, match="row 2: external_user_id: must be text"):
        delivery.run()
    assert sandbox.requests() == []
    assert not delivery.may_have_sent


def test_too_many_recipients_fail_before_the_first_request(sandbox):
    with pytest.raises(TooManyRecipientsError, match="more than 100 recipients"):
        delivery_of(ids(101), max_recipients=100).run()
    assert sandbox.requests() == []


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({}, "campaign_id: is required"),
        ({"campaign_id": "c1", "recipients": []}, "recipients: must be left out"),
        ({"campaign_id": "c1", "broadcast": True}, "broadcast"),
    ],
)
def test_a_bad_request_fails_before_the_source_is_read(sandbox, fields, problem):
    class Unread(RecipientSource):
        def rows(self) -> Iterator[Mapping[str, Any] | BadRow]:
            raise AssertionError("was read")

    with pytest.raises(BrazeValidationError, match=problem):
        delivery_of(Unread(), fields).run()
    assert sandbox.requests() == []


def test_a_request_too_large_without_recipients_is_named_as_such(sandbox):
    fields = {
        "messages": {"webhook": {"url": "https://x.y", "request_method": "POST", "body": "x" * 4_194_304}}
    }

    with pytest.raises(BrazeValidationError, match=r"4,194,\d{3} bytes without any recipient"):
        delivery_of(ids(1), fields, MESSAGES_SEND, on_invalid="skip").run()
    assert sandbox.requests() == []


def test_a_broadcast_that_is_too_large_is_named_as_such(sandbox):
    body = "x" * 4_194_304
    fields = {
        "messages": {"webhook": {"url": "https://x.y", "request_method": "POST", "body": body}},
        "segment_id": "s",
        "broadcast": True,
    }
    delivery = delivery_of(None, fields, MESSAGES_SEND)

    with pytest.raises(BrazeValidationError, match="Braze takes at most 4,194,304"):
        delivery.run()
    assert sandbox.requests() == []
    assert not delivery.may_have_sent


def test_a_dry_run_counts_and_shows_the_request_but_sends_nothing(sandbox, log):
    delivery = delivery_of(ids(120), {**CAMPAIGN, "trigger_properties": {"x": 7}}, dry_run=True)

    report = delivery.run()

    assert (report.recipients, report.requests, report.sent) == (120, 0, 0)
    assert sandbox.recipients() == {}
    assert not delivery.may_have_sent
    assert "the first request would be POST /campaigns/trigger/send" in log.text
    assert '"x": 7' in log.text
    assert "<50 recipients>" in log.text
    assert "secret" not in log.text


def test_a_dry_run_without_recipients_says_so(sandbox, log):
    delivery_of(ids(0), dry_run=True).run()

    assert "there are no recipients" in log.text


def test_a_dry_run_finds_bad_rows(sandbox):
    with pytest.raises(BrazeValidationError, match="row 1"):
        delivery_of(InlineRecipients(["x"]), dry_run=True).run()


def test_a_stop_during_prepare_sends_nothing(sandbox):
    class Stopping(RecipientSource):
        def rows(self) -> Iterator[Mapping[str, Any] | BadRow]:
            yield {"external_user_id": "ada"}
            delivery.stop()

    delivery = delivery_of(Stopping())

    with pytest.raises(StoppedError):
        delivery.run()
    assert sandbox.requests() == []
    assert not delivery.may_have_sent


# Something is not sent -----------------------------------------------------------------------------------


def test_held_recipients_fail_the_delivery_with_their_number(sandbox):
    sandbox.fault("disconnect", after=1)
    delivery = delivery_of(ids(120))

    with pytest.raises(DeliveryError) as caught:
        delivery.run()

    first, second, *others = str(caught.value).splitlines()
    assert first == "50 recipients in doubt"
    assert second == "120 recipients in 3 requests: 70 sent, 50 uncertain"
    assert "Without a ledger there is no retry" in " ".join(others)
    assert "- batch 2 of 3 (rows 51–100): No answer from 127.0.0.1" in "\n".join(others)
    assert all(len(line) <= 120 for line in (first, second, *others))
    assert caught.value.report is delivery.report
    assert delivery.may_have_sent


def test_rejected_recipients_fail_the_delivery_with_the_reasons(sandbox):
    sandbox.fault("status", status=400, message="Draft", after=1)

    with pytest.raises(DeliveryError, match="120 recipients in 3 requests: 70 sent, 50 rejected") as caught:
        delivery_of(ids(120)).run()
    assert "batch 2 of 3 (rows 51–100): Braze refused the request with 400 (Draft)" in str(caught.value)
    assert "in doubt" not in str(caught.value)


def test_a_wrong_key_is_the_error_if_nothing_was_sent(sandbox, monkeypatch):
    connection = {**json.loads(sandbox.airflow_connection), "password": "wrong"}
    monkeypatch.setenv("AIRFLOW_CONN_BRAZE_DEFAULT", json.dumps(connection))
    delivery = delivery_of(ids(120))

    with pytest.raises(BrazeAuthenticationError, match="does not know this API key"):
        delivery.run()
    assert len(sandbox.requests()) == 1
    assert not delivery.may_have_sent


def test_the_error_for_a_key_revoked_half_way_has_the_figures(sandbox):
    sandbox.fault("status", status=401, after=1)

    with pytest.raises(DeliveryError, match="50 sent, 50 rejected, 20 failed") as caught:
        delivery_of(ids(120)).run()
    assert caught.value.__cause__ is None  # Its text is in the message already.
    assert "does not know this API key" in str(caught.value)


@pytest.mark.parametrize("at", [0, 1])
def test_an_unexpected_error_reaches_the_caller_with_the_figures(sandbox, monkeypatch, at):
    call, error = BrazeHook.call, RuntimeError("oh")
    calls = []

    def failing(hook: BrazeHook, *args: Any, **kwargs: Any) -> Any:
        calls.append(args)
        if len(calls) > at:
            raise error
        return call(hook, *args, **kwargs)

    monkeypatch.setattr(BrazeHook, "call", failing)
    delivery = delivery_of(ids(120))

    with pytest.raises(
        DeliveryError, match="The delivery was stopped before the end by RuntimeError"
    ) as caught:
        delivery.run()
    assert caught.value.__cause__ is error
    assert (delivery.report.sent, delivery.report.uncertain) == (50 * at, 50)
    assert delivery.may_have_sent


def test_a_failed_ledger_is_an_error_even_if_all_were_sent_to(sandbox):
    class Full(MemoryLedger):
        def write(self, settled: Sequence[Receipt], claims: Sequence[Claim]) -> Collection[int]:
            if settled:
                raise OSError("disk full")
            return super().write(settled, claims)

    delivery = delivery_of(ids(50))
    delivery.ledger = Full()

    with pytest.raises(OSError, match="disk full"):
        delivery.run()
    assert delivery.report.sent == 50
    assert delivery.may_have_sent


def test_an_interrupted_delivery_still_has_its_figures(sandbox, monkeypatch):
    class Timeout(BaseException):
        pass

    def interrupted(engine: Any) -> None:
        if sandbox.requests(limit=1):
            monkeypatch.undo()
            raise Timeout

    monkeypatch.setattr("braze_provider.delivery.engine.Engine._log_progress", interrupted)
    delivery = delivery_of(InlineRecipients([*ids(5_000).rows(), "bad"]), on_invalid="skip")

    with pytest.raises(Timeout):
        delivery.run()

    report = delivery.report
    assert report.sent == len(sandbox.recipient_keys()) > 0
    assert (report.recipients, report.invalid, report.failed) == (5_000, 1, 5_000 - report.sent)
    assert report.finished_at
    assert delivery.may_have_sent
    assert delivery.ids(1_000)["dispatch_id"][1] == report.sent // 50

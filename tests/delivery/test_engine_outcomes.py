"""The engine against the sandbox, over real HTTP: the effect of each outcome, and figures that add up."""

from __future__ import annotations

import json
import logging
import socket
from typing import Any

import pytest
from delivery.engine_helpers import Job, figures, names_of, reached

from braze_provider.api.errors import BrazeAuthenticationError, BrazeNotFoundError, BrazePermissionError
from braze_provider.delivery.report import DeliveryReport

pytestmark = pytest.mark.slow


def fault_id(fault: dict[str, Any]) -> str:
    return (
        " ".join(f"{name}={value}" for name, value in fault.items() if name != "kind") + f" {fault['kind']}"
    )


# Accepted ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("on_uncertain", ["hold", "resend", "accept"])
@pytest.mark.parametrize("fault", ["minor_errors", "queued", "no_dispatch_id"])
def test_an_accepted_batch_is_sent_and_not_repeated(sandbox, fault, on_uncertain):
    sandbox.fault(fault, after=1)
    job = Job(on_uncertain=on_uncertain)

    assert figures(job.run()) == {"sent": 120}
    assert len(sandbox.requests()) == 3
    assert reached(sandbox) == names_of(*range(120))


def test_minor_errors_are_logged(sandbox, caplog):
    sandbox.fault("minor_errors", errors=["country is invalid", {"type": "no such alias", "index": 3}])
    job = Job(50)

    job.run()

    assert (
        "batch 1 (rows 1–50): accepted with minor errors: country is invalid; no such alias, index 3"
        in caplog.text
    )
    assert job.receipts[0].dispatch_id


@pytest.mark.parametrize(("fault", "said"), [("queued", "queued"), ("no_dispatch_id", "success")])
def test_an_acceptance_without_a_dispatch_id_is_logged(sandbox, caplog, fault, said):
    sandbox.fault(fault)
    job = Job(50)

    job.run()

    assert f"batch 1 (rows 1–50): Braze said {said}, without an id" in caplog.text
    assert job.receipts[0].dispatch_id is None


# Not sent ------------------------------------------------------------------------------------------------

NOT_SENT = [
    {"kind": "status", "status": 500},
    {"kind": "status", "status": 502},
    {"kind": "status", "status": 503},
    {"kind": "rate_limited", "retry_after": 0},
]


@pytest.mark.parametrize("on_uncertain", ["hold", "resend", "accept"])
@pytest.mark.parametrize("fault", NOT_SENT, ids=fault_id)
def test_a_batch_that_braze_did_not_take_is_attempted_again(sandbox, fault, on_uncertain):
    sandbox.fault(**fault, after=1, times=2)
    job = Job(on_uncertain=on_uncertain)

    report = job.run()

    assert figures(report) == {"sent": 120}
    assert report.requests == len(sandbox.requests()) == 5
    assert reached(sandbox) == names_of(*range(120))
    assert sandbox.summary()["duplicates"] == 0


@pytest.mark.parametrize("fault", NOT_SENT, ids=fault_id)
def test_trying_again_has_an_end_and_the_rest_goes_on(sandbox, fault):
    sandbox.fault(**fault, recipient_id="p50", times=None)
    job = Job(max_attempts=3)

    report = job.run()

    assert figures(report) == {"sent": 70, "failed": 50}
    assert report.requests == len(sandbox.requests()) == 5
    assert job.states == ["sent", "failed", "sent"]
    assert job.receipts[1].reason
    assert len(list(job.engine.refusals.told())) == 1
    assert job.engine.fatal is None


@pytest.fixture
def closed_port(monkeypatch) -> None:
    """The connection leads to a closed port of this machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    connection = {"conn_type": "braze", "host": f"http://127.0.0.1:{port}", "password": "key"}
    monkeypatch.setenv("AIRFLOW_CONN_BRAZE_DEFAULT", json.dumps(connection))


@pytest.mark.parametrize("on_uncertain", ["hold", "accept"])
def test_a_request_that_was_never_written_is_attempted_again_then_failed(closed_port, on_uncertain):
    job = Job(max_attempts=3, on_uncertain=on_uncertain)

    report = job.run()

    assert figures(report) == {"failed": 120}
    assert report.requests == 9
    assert not job.engine.touched


def test_after_a_429_the_delivery_waits_for_the_reset_and_goes_on(sandbox):
    sandbox.fault("rate_limited", reset_after=1, after=1)
    job = Job()

    report = job.run()

    assert figures(report) == {"sent": 120}
    assert [request["status"] for request in sandbox.requests()] == [201, 429, 201, 201]
    _, refused, repeated, _ = sandbox.requests()
    assert repeated["body"] == refused["body"]
    assert repeated["received_at"] >= refused["received_at"] + 1


# Rejected ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("on_uncertain", ["hold", "resend", "accept"])
@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 400, "message": "The campaign is a draft"},
        {"kind": "status", "status": 422, "message": "The campaign is a draft"},
        {"kind": "status", "status": 400, "body": {"message": "no", "errors": ["The campaign is a draft"]}},
        {"kind": "notice", "message": "The campaign is a draft"},
    ],
    ids=["400", "422", "400 with errors", "notice"],
)
def test_a_rejected_batch_is_not_repeated_and_the_rest_goes_on(sandbox, fault, on_uncertain):
    sandbox.fault(**fault, after=1)
    job = Job(on_uncertain=on_uncertain)

    report = job.run()

    assert figures(report) == {"sent": 70, "rejected": 50}
    assert report.requests == len(sandbox.requests()) == 3
    assert reached(sandbox) == names_of(*range(50), *range(100, 120))
    assert job.states == ["sent", "rejected", "sent"]
    (reason,) = job.engine.refusals.told()
    assert reason == job.receipts[1].reason
    assert reason.startswith("batch 2 (rows 51–100): ")
    assert "The campaign is a draft" in reason


def test_the_dispatch_id_is_on_record_even_if_no_recipient_is_reached(sandbox):
    sandbox.fault("notice")
    job = Job(50)

    job.run()

    assert job.receipts[0].dispatch_id == sandbox.requests()[0]["dispatch_id"] is not None


def test_a_delivery_that_is_refused_from_its_start_is_given_up(sandbox, caplog):
    sandbox.fault("status", status=400, times=None)
    job = Job(5_000)

    report = job.run()

    # A few more may be under way when the third refusal is counted.
    assert 150 <= report.rejected < 2_500
    assert report.rejected + report.failed == 5_000
    assert "batches were all refused" in (job.engine.given_up or "")
    assert "more batches)" in next(job.engine.refusals.told())
    assert caplog.text.count(": rejected") == 1


@pytest.mark.parametrize("status", [403, 404])
def test_pages_of_a_firewall_put_no_more_than_the_first_batches_in_doubt(sandbox, status):
    sandbox.fault("html", status=status, times=None)
    report = Job(5_000).run()

    assert 150 <= report.uncertain < 2_500
    assert report.uncertain + report.failed == 5_000


def test_refusals_after_something_was_accepted_do_not_stop_the_rest(sandbox):
    sandbox.fault("status", status=400, after=1, times=None)

    assert figures(Job(500).run()) == {"sent": 50, "rejected": 450}


def test_more_rejected_recipients_than_allowed_stop_the_delivery(sandbox):
    sandbox.fault("status", status=400, after=1, times=None)
    job = Job(5_000, max_rejected=100)

    assert 150 <= job.run().rejected < 2_500
    assert "max_rejected allows 100" in (job.engine.given_up or "")


@pytest.mark.parametrize(
    ("status", "error"),
    [(401, BrazeAuthenticationError), (403, BrazePermissionError), (404, BrazeNotFoundError)],
)
@pytest.mark.parametrize("before", [0, 1])
def test_an_error_that_every_request_would_get_stops_the_delivery(sandbox, status, error, before):
    sandbox.fault("status", status=status, after=before, times=None)
    job = Job(500)

    report = job.run()

    expected = {"sent": 50 * before, "rejected": 50, "failed": 450 - 50 * before}
    assert figures(report) == {name: count for name, count in expected.items() if count}
    assert report.requests == len(sandbox.requests()) == before + 1
    assert type(job.engine.fatal) is error
    assert job.engine.touched is bool(before)


# Uncertain -----------------------------------------------------------------------------------------------

UNCERTAIN = [
    *(
        {"kind": "disconnect", "processed": processed, "reset": reset}
        for processed in (True, False)
        for reset in (True, False)
    ),
    *({"kind": "cut_answer", "processed": processed} for processed in (True, False)),
    *({"kind": "html", "status": status, "processed": status != 504} for status in (302, 403, 503, 504)),
    {"kind": "empty", "status": 500, "processed": True},
    {"kind": "status", "status": 599, "processed": True},
    {"kind": "read_timeout", "processed": True},
    {"kind": "read_timeout", "processed": False},
    {"kind": "garbage"},
    {"kind": "empty", "status": 201},
    {"kind": "empty", "status": 500},
    {"kind": "disconnect_before_read"},
]


@pytest.fixture
def impatient(sandbox, monkeypatch) -> Any:
    """The sandbox, with a connection that waits for an answer only shortly."""
    connection = {**json.loads(sandbox.airflow_connection), "extra": {"timeout": [5, 0.3]}}
    monkeypatch.setenv("AIRFLOW_CONN_BRAZE_DEFAULT", json.dumps(connection))
    return sandbox


def taken(sandbox: Any) -> bool:
    """Whether Braze took the request that a fault struck."""
    (struck,) = (request for request in sandbox.requests() if request["fault"])
    return bool(struck["accepted"])


def run_with_a_doubt(sandbox: Any, fault: dict[str, Any], on_uncertain: str) -> tuple[Job, DeliveryReport]:
    """Run a delivery of three requests, the second of which a fault strikes."""
    sandbox.fault(**fault, after=1)
    job = Job(on_uncertain=on_uncertain)
    return job, job.run()


@pytest.mark.parametrize("fault", UNCERTAIN, ids=fault_id)
def test_hold_sends_nothing_again_and_goes_on(impatient, fault):
    job, report = run_with_a_doubt(impatient, fault, on_uncertain="hold")

    assert figures(report) == {"sent": 70, "uncertain": 50}
    assert report.requests == len(impatient.requests()) == 3
    assert job.states == ["sent", "uncertain", "sent"]
    assert job.receipts[1].reason
    assert job.receipts[1].dispatch_id is None
    # The client does not know the answer here; only the sandbox does.
    in_doubt = range(50, 100) if taken(impatient) else ()
    assert reached(impatient) == names_of(*range(50), *in_doubt, *range(100, 120))
    assert impatient.summary()["duplicates"] == 0


@pytest.mark.parametrize("fault", UNCERTAIN, ids=fault_id)
def test_resend_repeats_until_braze_has_it(impatient, fault):
    job, report = run_with_a_doubt(impatient, fault, on_uncertain="resend")

    assert figures(report) == {"sent": 120}
    assert report.requests == len(impatient.requests()) == 4
    assert job.states == ["sent", "sent", "sent"]
    assert job.receipts[1].dispatch_id
    assert job.receipts[1].reason is None
    assert reached(impatient) == names_of(*range(120))
    # A user who asks for `resend` risks this. That is why `hold` is the default.
    assert impatient.summary()["duplicates"] == (50 if taken(impatient) else 0)


@pytest.mark.parametrize("fault", UNCERTAIN, ids=fault_id)
def test_accept_takes_it_for_sent(impatient, fault):
    job, report = run_with_a_doubt(impatient, fault, on_uncertain="accept")

    assert figures(report) == {"sent": 120}
    assert report.requests == len(impatient.requests()) == 3
    assert job.states == ["sent", "sent", "sent"]
    assert job.receipts[1].reason
    assert impatient.summary()["duplicates"] == 0


def test_resend_has_an_end_too(sandbox):
    sandbox.fault("disconnect", recipient_id="p50", times=None)
    job = Job(on_uncertain="resend", max_attempts=3)

    report = job.run()

    assert figures(report) == {"sent": 70, "uncertain": 50}
    assert report.requests == 5


@pytest.mark.parametrize("status", [500, 400, 401])
def test_an_uncertain_batch_stays_uncertain_if_a_later_attempt_fails(sandbox, status):
    sandbox.fault("disconnect", processed=True)
    sandbox.fault("status", status=status, times=None)
    job = Job(50, on_uncertain="resend", max_attempts=3)

    assert figures(job.run()) == {"uncertain": 50}
    assert job.states == ["uncertain"]
    assert job.engine.touched


def test_a_refused_key_stops_the_delivery_also_while_something_is_repeated(sandbox):
    sandbox.fault("disconnect")
    sandbox.fault("status", status=401, times=None)
    job = Job(500, on_uncertain="resend")

    assert figures(job.run()) == {"uncertain": 50, "failed": 450}
    assert isinstance(job.engine.fatal, BrazeAuthenticationError)


# All of them ---------------------------------------------------------------------------------------------


def test_outcomes_that_differ_add_up(sandbox):
    sandbox.fault("disconnect", after=1, times=2)
    sandbox.fault("status", status=400, after=2, times=3)
    sandbox.fault("status", status=500, after=7, times=2)
    job = Job(1_000, concurrency=4)

    report = job.run()

    assert figures(report) == {"sent": 750, "rejected": 150, "uncertain": 100}
    assert report.requests == len(sandbox.requests()) == 22
    by_state = {state: job.states.count(state) for state in set(job.states)}
    assert by_state == {"sent": 15, "rejected": 3, "uncertain": 2}


@pytest.mark.parametrize("on_uncertain", ["hold", "resend", "accept"])
def test_the_log_holds_no_recipients_data(sandbox, caplog, on_uncertain):
    caplog.set_level(logging.INFO)
    for kind in ("disconnect", "status", "html", "notice", "garbage", "minor_errors", "no_dispatch_id"):
        sandbox.fault(kind)
    job = Job(on_uncertain=on_uncertain)

    job.run()

    assert caplog.records
    assert "p0" not in caplog.text
    assert "external_user_id" not in caplog.text
    assert sandbox.api_key not in caplog.text

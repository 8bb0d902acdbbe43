"""The one place that decides whether Braze can have accepted a request."""

from __future__ import annotations

import pytest

from braze_provider.api.outcomes import Outcome, outcome_of_failure, outcome_of_status


@pytest.mark.parametrize(
    ("statuses", "outcome"),
    [
        ([200, 201, 202, 204, 299], Outcome.SENT),
        ([301, 302, 304, 307, 308], Outcome.REJECTED),
        ([400, 401, 403, 404, 405, 408, 413, 415, 418, 422, 499], Outcome.REJECTED),
        ([429, 500, 503], Outcome.NOT_SENT),
        ([501, 502, 504, 505, 520, 524, 599], Outcome.UNCERTAIN),
    ],
)
def test_each_status_has_one_outcome(statuses, outcome):
    assert {outcome_of_status(status) for status in statuses} == {outcome}


def test_only_what_braze_documents_as_not_sent_may_be_repeated_after_an_answer():
    safe = [status for status in range(200, 600) if outcome_of_status(status) is Outcome.NOT_SENT]
    assert safe == [429, 500, 503]


def test_a_failure_before_the_first_byte_is_not_sent():
    assert outcome_of_failure(writing_began=False) is Outcome.NOT_SENT


def test_a_failure_from_the_first_byte_on_is_uncertain():
    assert outcome_of_failure(writing_began=True) is Outcome.UNCERTAIN


def test_an_outcome_is_written_as_a_word():
    assert [outcome.value for outcome in Outcome] == ["sent", "not_sent", "rejected", "uncertain"]

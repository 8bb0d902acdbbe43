"""The one place that decides whether Braze can have accepted a request."""

from __future__ import annotations

import pytest

from braze_provider.api.outcomes import Outcome, outcome_of_answer, outcome_of_failure


@pytest.mark.parametrize(
    ("statuses", "outcome"),
    [
        ([200, 201, 202, 204, 299], Outcome.SENT),
        ([400, 401, 403, 404, 405, 409, 413, 415, 418, 422, 425, 499], Outcome.REJECTED),
        ([429, 500, 502, 503], Outcome.NOT_SENT),
        ([301, 302, 304, 307, 308, 408, 501, 504, 505, 520, 524, 599], Outcome.UNCERTAIN),
    ],
)
def test_each_status_of_braze_s_has_one_outcome(statuses, outcome):
    assert {outcome_of_answer(status, is_brazes=True) for status in statuses} == {outcome}


def test_no_answer_of_anybody_else_s_is_believed_but_a_rate_limit():
    outcomes = {status: outcome_of_answer(status, is_brazes=False) for status in range(100, 600)}
    assert outcomes.pop(429) is Outcome.NOT_SENT
    assert set(outcomes.values()) == {Outcome.UNCERTAIN}


def test_only_what_braze_documents_as_not_sent_may_be_repeated_after_an_answer():
    statuses = range(200, 600)
    safe = [code for code in statuses if outcome_of_answer(code, is_brazes=True) is Outcome.NOT_SENT]
    assert safe == [429, 500, 502, 503]


def test_a_failure_before_the_first_byte_is_not_sent():
    assert outcome_of_failure(writing_began=False) is Outcome.NOT_SENT


def test_a_failure_from_the_first_byte_on_is_uncertain():
    assert outcome_of_failure(writing_began=True) is Outcome.UNCERTAIN


def test_an_outcome_is_written_as_a_word():
    assert [outcome.value for outcome in Outcome] == ["sent", "not_sent", "rejected", "uncertain"]

"""The outcome table, which decides whether Braze can have accepted a request."""

from __future__ import annotations

import pytest

from braze_provider.api.outcomes import Outcome, Repeat, outcome_of_answer, outcome_of_failure

sends = pytest.mark.parametrize("repeat", [Repeat.DUPLICATES, Repeat.KEYED])


@sends
@pytest.mark.parametrize(
    ("statuses", "outcome"),
    [
        ([200, 201, 202, 204, 299], Outcome.SENT),
        ([400, 401, 403, 404, 405, 409, 413, 415, 418, 422, 425, 499], Outcome.REJECTED),
        ([429, 500, 502, 503], Outcome.NOT_SENT),
        ([301, 302, 304, 307, 308, 408, 501, 504, 505, 520, 524, 599], Outcome.UNCERTAIN),
    ],
)
def test_each_status_from_braze_has_one_outcome(statuses, outcome, repeat):
    assert {outcome_of_answer(status, is_brazes=True, repeat=repeat) for status in statuses} == {outcome}


@sends
def test_of_other_servers_only_a_rate_limit_is_believed(repeat):
    outcomes = {code: outcome_of_answer(code, is_brazes=False, repeat=repeat) for code in range(100, 600)}
    assert outcomes.pop(429) is Outcome.NOT_SENT
    assert set(outcomes.values()) == {Outcome.UNCERTAIN}


@sends
def test_only_answers_that_braze_documents_as_not_sent_allow_a_repeat(repeat):
    outcomes = {code: outcome_of_answer(code, is_brazes=True, repeat=repeat) for code in range(200, 600)}
    assert [code for code, outcome in outcomes.items() if outcome is Outcome.NOT_SENT] == [429, 500, 502, 503]


@pytest.mark.parametrize(
    ("statuses", "is_brazes", "outcome"),
    [
        ([200, 201, 299], True, Outcome.SENT),
        ([200, 201, 299], False, Outcome.REPEATABLE),
        ([302, 400, 401, 403, 404, 499], True, Outcome.REJECTED),
        ([302, 400, 401, 403, 404, 499], False, Outcome.REJECTED),
        ([408, 500, 502, 503, 504, 599], True, Outcome.REPEATABLE),
        ([408, 500, 502, 503, 504, 599], False, Outcome.REPEATABLE),
        ([429], False, Outcome.NOT_SENT),
    ],
)
def test_nothing_is_uncertain_where_a_repeat_does_no_harm(statuses, is_brazes, outcome):
    outcomes = {outcome_of_answer(code, is_brazes=is_brazes, repeat=Repeat.SAFE) for code in statuses}
    assert outcomes == {outcome}


@pytest.mark.parametrize("repeat", Repeat)
def test_a_failure_before_the_first_byte_is_not_sent(repeat):
    assert outcome_of_failure(writing_began=False, repeat=repeat) is Outcome.NOT_SENT


@pytest.mark.parametrize(
    ("repeat", "outcome"),
    [
        (Repeat.SAFE, Outcome.REPEATABLE),
        (Repeat.KEYED, Outcome.UNCERTAIN),
        (Repeat.DUPLICATES, Outcome.UNCERTAIN),
    ],
)
def test_after_the_first_byte_the_outcome_depends_on_the_repeat(repeat, outcome):
    assert outcome_of_failure(writing_began=True, repeat=repeat) is outcome


def test_an_outcome_is_written_as_a_word():
    words = ["sent", "not_sent", "rejected", "uncertain", "repeatable"]
    assert [outcome.value for outcome in Outcome] == words

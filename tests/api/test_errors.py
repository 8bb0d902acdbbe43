"""The family of errors: what can be caught together, and what each of them says."""

from __future__ import annotations

import copy
import pickle

import pytest

from braze_provider.api import errors
from braze_provider.api.errors import (
    MAX_PROBLEMS_SHOWN,
    BrazeConfigurationError,
    BrazeConnectionError,
    BrazeError,
    BrazeRejectedError,
    BrazeRequestError,
    BrazeValidationError,
    Problem,
)
from braze_provider.api.limits import RateLimitState
from braze_provider.api.outcomes import Outcome

FAMILY = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, BrazeError)]


def rejected() -> BrazeRejectedError:
    error = BrazeRejectedError(
        "Braze refused",
        outcome=Outcome.REJECTED,
        status=400,
        braze_message="No Recipients",
        errors=["a", "b"],
    )
    error.batch = "batch 7"
    error.rate_limit = RateLimitState(remaining=3)
    return error


def test_no_error_is_an_airflow_exception():
    assert {base.__module__.partition(".")[0] for kind in FAMILY for base in kind.__mro__} == {
        "braze_provider",
        "builtins",
    }


@pytest.mark.parametrize("kind", [BrazeConnectionError, BrazeValidationError])
def test_bad_input_is_a_value_error(kind):
    assert issubclass(kind, ValueError)


def test_errors_of_the_configuration_are_one_family():
    names = {kind.__name__ for kind in FAMILY if issubclass(kind, BrazeConfigurationError)}
    assert names == {
        "BrazeConfigurationError",
        "BrazeAuthenticationError",
        "BrazePermissionError",
        "BrazeNotFoundError",
    }


def test_a_request_s_error_holds_what_braze_said():
    error = rejected()
    assert (error.outcome, error.status, error.braze_message) == (Outcome.REJECTED, 400, "No Recipients")
    assert (error.errors, error.dispatch_id) == (("a", "b"), None)


def test_a_request_s_error_names_the_batch_that_it_belongs_to():
    error = rejected()
    assert str(error) == "batch 7: Braze refused"
    error.batch = ""
    assert str(error) == "Braze refused"


def test_a_validation_error_lists_every_mistake_by_its_place():
    error = BrazeValidationError(
        "/messages/send", [Problem("broadcast", "is no boolean"), Problem("", "names nobody")]
    )
    assert str(error) == (
        "/messages/send: 2 mistakes, nothing was sent\n  - broadcast: is no boolean\n  - names nobody"
    )


def test_one_mistake_is_counted_in_the_singular():
    assert str(BrazeValidationError("row 17", [Problem("email", "is empty")])).startswith(
        "row 17: 1 mistake,"
    )


def test_a_validation_error_shows_the_first_mistakes_and_counts_the_rest():
    problems = [Problem(f"recipients[{n}]", "is empty") for n in range(MAX_PROBLEMS_SHOWN + 1)]
    lines = str(BrazeValidationError("the recipients", problems, total=12_345)).splitlines()
    assert lines[0] == "the recipients: 12,345 mistakes, nothing was sent"
    assert lines[-2] == f"  - recipients[{MAX_PROBLEMS_SHOWN - 1}]: is empty"
    assert lines[-1] == f"  … and {12_345 - MAX_PROBLEMS_SHOWN:,} more"


@pytest.mark.parametrize(
    "error",
    [
        rejected(),
        BrazeValidationError("row 17", [Problem("email", "is empty")], total=3),
        BrazeError("plain"),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("duplicate", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))])
def test_an_error_can_be_copied_and_pickled(error, duplicate):
    twin = duplicate(error)
    assert type(twin) is type(error)
    assert (str(twin), twin.args, vars(twin)) == (str(error), error.args, vars(error))


def test_every_request_s_error_takes_the_same_arguments():
    for kind in FAMILY:
        if issubclass(kind, BrazeRequestError):
            assert kind("m", outcome=Outcome.UNCERTAIN).outcome is Outcome.UNCERTAIN

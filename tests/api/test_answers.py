"""How status, headers and body of an answer become a typed answer or a typed error."""

from __future__ import annotations

import json
from typing import Any

import pytest
from requests.structures import CaseInsensitiveDict

from braze_provider.api.answers import MAX_TEXT, MAX_VALUE, Answer, read_answer
from braze_provider.api.endpoints import CAMPAIGNS_LIST, ENDPOINTS, MESSAGES_SEND
from braze_provider.api.errors import (
    BrazeAuthenticationError,
    BrazeInertError,
    BrazeNoAnswerError,
    BrazeNotFoundError,
    BrazePermissionError,
    BrazeRejectedError,
    BrazeRequestError,
    BrazeServerError,
    BrazeUncertainError,
)
from braze_provider.api.outcomes import Outcome
from braze_provider.api.redaction import hider

SUCCESS = {"message": "success", "dispatch_id": "acf471119f7449d579e8089032003ded"}


def read(status=201, body=SUCCESS, *, endpoint=MESSAGES_SEND, hide=str, **headers) -> Answer:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return read_answer(
        status,
        content,
        CaseInsensitiveDict(names),
        endpoint=endpoint,
        host="rest.iad-01.braze.com",
        hide=hide,
    )


def refusal(status, body, **options) -> BrazeRequestError:
    with pytest.raises(BrazeRequestError) as caught:
        read(status, body, **options)
    return caught.value


# Accepted ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 201, 202])
def test_any_2xx_with_success_is_accepted(status):
    answer = read(status)
    assert (answer.status, answer.message, answer.dispatch_id) == (status, "success", SUCCESS["dispatch_id"])


@pytest.mark.parametrize(
    "body",
    [
        {"message": "success"},
        {"message": "queued"},
        {"dispatch_id": "d"},
        {"message": "accepted", "dispatch_id": "d"},
        {"message": "success", "dispatch_id": None},
    ],
)
def test_a_word_for_success_or_a_dispatch_id_is_an_acceptance(body):
    assert read(201, body).body == body


@pytest.mark.parametrize("body", [{}, {"message": "error"}, {"dispatch_id": ""}, {"dispatch_id": None}])
def test_an_answer_to_a_send_without_either_is_uncertain(body):
    error = refusal(201, body)
    assert (type(error), error.outcome) == (BrazeUncertainError, Outcome.UNCERTAIN)
    assert "may have been accepted" in str(error)


def test_an_answer_to_a_read_needs_neither():
    assert read(200, {"campaigns": []}, endpoint=CAMPAIGNS_LIST).body == {"campaigns": []}


@pytest.mark.parametrize(
    ("more", "ids"),
    [
        ({}, {}),
        ({"schedule_id": "s1"}, {"schedule_id": "s1"}),
        ({"schedule_id": "s1", "send_id": "s2"}, {"schedule_id": "s1", "send_id": "s2"}),
        ({"schedule_id": "", "send_id": None, "unknown_id": "x"}, {}),
        ({"send_id": 7}, {}),
    ],
)
def test_all_ids_of_an_answer_are_found_by_their_names(more, ids):
    assert read(201, {**SUCCESS, **more}).ids == {"dispatch_id": SUCCESS["dispatch_id"], **ids}


def test_a_byte_order_mark_does_not_hide_the_dispatch_id():
    assert read(201, b"\xef\xbb\xbf" + json.dumps(SUCCESS).encode()).dispatch_id == SUCCESS["dispatch_id"]


@pytest.mark.parametrize("errors", [None, [], "", {}])
def test_an_empty_list_of_errors_is_no_error(errors):
    assert read(201, {**SUCCESS, "errors": errors}).errors == ()


@pytest.mark.parametrize(
    ("errors", "texts"),
    [
        ("one text", ("one text",)),
        (["a", "b"], ("a", "b")),
        ([{"type": "Bad", "input_array": "events", "index": 0}], ("Bad, input_array events, index 0",)),
        ({"type": "Bad"}, ("Bad",)),
        ([{"message": "Bad"}], ("Bad",)),
        ([{"code": 7}], ("error",)),
        ([None, 7], ("", "7")),
    ],
)
def test_minor_errors_are_read_in_all_forms(errors, texts):
    assert read(201, {**SUCCESS, "errors": errors}).errors == texts


def test_a_notice_is_an_error_which_keeps_the_ids_and_the_minor_errors():
    body = {**SUCCESS, "schedule_id": "s", "notice": "The Canvas is paused.", "errors": ["a"]}
    error = refusal(201, body)
    assert (type(error), error.outcome) == (BrazeInertError, Outcome.REJECTED)
    assert error.braze_message == "The Canvas is paused."
    assert error.ids == {"dispatch_id": SUCCESS["dispatch_id"], "schedule_id": "s"}
    assert (error.dispatch_id, error.errors) == (SUCCESS["dispatch_id"], ("a",))


@pytest.mark.parametrize("notice", [None, ""])
def test_an_empty_notice_is_ignored(notice):
    assert read(201, {**SUCCESS, "notice": notice}).dispatch_id == SUCCESS["dispatch_id"]


# Refused ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"message": "No Recipients"}, "No Recipients"),
        (
            {"error": "The body does not match\n  the declared format"},
            "The body does not match the declared format",
        ),
        ({"message": "", "error": "said here"}, "said here"),
    ],
)
def test_braze_s_words_are_taken_from_either_key(body, words):
    error = refusal(400, body)
    assert type(error) is BrazeRejectedError
    assert error.braze_message == words
    assert words in str(error)


def test_long_words_are_shortened():
    error = refusal(400, {"message": "x" * 5_000, "errors": ["y" * 5_000]})
    assert len(error.braze_message) == MAX_TEXT
    assert len(str(error)) < 3 * MAX_TEXT


def test_the_list_of_errors_is_in_the_error_and_in_its_text():
    error = refusal(400, {"message": "Bad Request", "errors": ["first", {"type": "second"}]})
    assert type(error) is BrazeRejectedError
    assert error.errors == ("first", "second")
    assert str(error) == "Braze refused the request with 400 (Bad Request); first; second"


def test_the_error_for_a_wrong_key_names_the_host():
    error = refusal(401, {"message": "Unauthorized"})
    assert type(error) is BrazeAuthenticationError
    assert "does not know this API key at rest.iad-01.braze.com (Unauthorized)" in str(error)


@pytest.mark.parametrize(
    "cause",
    [
        "wrong, in quotes or deleted",
        "another workspace or Braze instance",
        "changed the Authorization header",
        "IP allow-list",
        "lacks the permission messages.send",
    ],
)
def test_a_401_names_every_documented_cause(cause):
    assert cause in str(refusal(401, {"message": "Unauthorized"}))


@pytest.mark.parametrize(
    ("body", "told", "not_told"),
    [
        (
            {"message": "Access Denied"},
            "lacks the permission messages.send (Access Denied), or this machine's address is not on its IP",
            "plan",
        ),
        ({"message": "Forbidden"}, "(Forbidden): the plan does not include messages.send", "valid"),
    ],
)
def test_the_error_for_a_403_names_only_causes_that_fit_braze_s_words(body, told, not_told):
    error = refusal(403, body)
    assert type(error) is BrazePermissionError
    assert told in str(error)
    assert not_told not in str(error)


def test_a_body_nested_too_deeply_counts_as_unreadable():
    assert refusal(400, b'{"message":' + b"[" * 100_000).braze_message == ""


def catalog_error(**error: Any) -> dict[str, Any]:
    return {"message": "Invalid Request", "errors": [error]}


NO_CATALOG = {
    "id": "catalog-not-found",
    "message": "Could not find catalog",
    "parameters": ["catalog_name"],
    "parameter_values": ["drinks"],
}


def test_a_catalog_that_does_not_exist_is_not_an_endpoint_that_does_not_exist():
    error = refusal(404, catalog_error(**NO_CATALOG), endpoint=ENDPOINTS["catalogs_items_list"])

    assert isinstance(error, BrazeNotFoundError)
    assert str(error) == (
        "Braze does not know what the request names: 404 (Invalid Request); "
        "catalog-not-found: Could not find catalog (catalog_name drinks)"
    )


@pytest.mark.parametrize(
    ("error", "text"),
    [
        ({"id": "ids-too-large"}, "ids-too-large"),
        ({"id": "ids-too-large", "message": "Too large"}, "ids-too-large: Too large"),
        ({"id": "x", "parameters": "p", "parameter_values": ["v"]}, "x"),
        (
            {"id": "x", "parameters": ["a", "b"], "parameter_values": ["1", {"n": 2}]},
            "x (a 1; b {'n': 2})",
        ),
        (
            {"id": "x", "parameters": ["a"], "parameter_values": ["v" * 100]},
            "x (a " + "v" * (MAX_VALUE - 1) + "…)",
        ),
    ],
)
def test_an_error_of_a_catalog_names_its_id_and_what_it_is_about(error, text):
    found = refusal(400, catalog_error(**error), endpoint=ENDPOINTS["catalogs_items_replace"])

    assert found.errors == (text,)
    assert str(found).endswith(f"; {text}")


# Not Braze's ------------------------------------------------------------------------------------------------

NOT_BRAZES = [
    b"<html>Blocked by your company</html>",
    b"",
    b"null",
    b"[]",
    b"{}",
    b'{"message": null}',
    b'{"message": {"text": "no"}}',
    b'{"title": "Service Unavailable"}',
    b'{"message": "cut',
]


@pytest.mark.parametrize("body", NOT_BRAZES)
@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 408, 409, 413, 421, 425, 499, 500, 502, 503])
def test_an_answer_to_a_send_that_braze_did_not_write_is_uncertain(status, body):
    error = refusal(status, body)
    assert (type(error), error.outcome, error.status) == (BrazeUncertainError, Outcome.UNCERTAIN, status)
    assert f"rest.iad-01.braze.com answered {status} with a body that Braze does not write" in str(error)
    assert "the request may have been accepted" in str(error)
    assert "company" not in str(error)


def test_an_error_without_a_message_is_braze_s_only_with_a_400():
    body = {"error": "The body does not match the declared format"}
    assert refusal(400, body).outcome is Outcome.REJECTED
    assert refusal(403, body).outcome is Outcome.UNCERTAIN
    assert refusal(503, body).outcome is Outcome.UNCERTAIN


def test_a_refusal_by_a_catalog_is_braze_s():
    errors = [{"id": "items-too-large", "message": "Too large", "parameters": ["items"]}]
    error = refusal(400, {"errors": errors, "message": "Invalid Request"})
    assert (type(error), error.errors) == (BrazeRejectedError, ("items-too-large: Too large",))


def test_an_accepted_transactional_email_is_braze_s():
    body = {"dispatch_id": "d", "status": "sent", "metadata": {}}
    assert read(201, body).dispatch_id == "d"


def test_a_2xx_that_may_be_none_keeps_the_ids_that_it_has():
    error = refusal(201, {"schedule_id": "s"})
    assert (type(error), error.ids) == (BrazeUncertainError, {"schedule_id": "s"})


@pytest.mark.parametrize("status", [302, 408, 504])
def test_a_server_on_the_way_is_not_believed_even_with_a_message(status):
    error = refusal(status, {"message": "Timeout"})
    assert (type(error), error.outcome) == (BrazeUncertainError, Outcome.UNCERTAIN)
    assert f"rest.iad-01.braze.com answered {status} (Timeout)" in str(error)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"message": "odd", "errors": ["first", {"type": "second"}]}, "(odd; first; second)"),
        ({"message": "odd"}, "(odd)"),
        ({"errors": ["first"]}, "(first)"),
    ],
)
def test_a_2xx_without_a_dispatch_id_keeps_braze_s_words(body, words):
    error = refusal(201, body)
    assert str(error) == (
        "rest.iad-01.braze.com answered 201 without an id from Braze and without Braze's word for success "
        f"{words}. "
        "So the request may have been accepted"
    )
    assert error.braze_message == body.get("message", "")
    assert len(error.errors) == len(body.get("errors", ()))


@pytest.mark.parametrize(
    ("status", "kind", "told"),
    [
        (403, BrazePermissionError, "a proxy or firewall on the way to rest.iad-01.braze.com"),
        (404, BrazeNotFoundError, "no such Braze endpoint at rest.iad-01.braze.com"),
        (302, BrazeNotFoundError, "no such Braze endpoint at rest.iad-01.braze.com: it answered 302"),
        (200, BrazeNoAnswerError, "rest.iad-01.braze.com answered 200 with a body that Braze does not write"),
        (408, BrazeNoAnswerError, "rest.iad-01.braze.com answered 408 with a body that Braze does not write"),
        (502, BrazeNoAnswerError, "rest.iad-01.braze.com answered 502 with a body that Braze does not write"),
        (504, BrazeNoAnswerError, "It is safe to repeat the request"),
    ],
)
@pytest.mark.parametrize("body", [b"<html>Blocked</html>", b""])
def test_an_answer_to_a_read_that_braze_did_not_write_is_explained(status, kind, told, body):
    error = refusal(status, body, endpoint=CAMPAIGNS_LIST)
    assert type(error) is kind
    assert told in str(error)
    assert "may have been accepted" not in str(error)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_read_that_braze_could_not_serve_is_safe_to_repeat(status):
    error = refusal(status, {"message": "Internal Server Error"}, endpoint=CAMPAIGNS_LIST)
    assert (type(error), error.outcome) == (BrazeServerError, Outcome.REPEATABLE)
    assert str(error).endswith(f"answered {status} (Internal Server Error). It is safe to repeat the request")


@pytest.mark.parametrize("name", ["campaigns_duplicate", "messages_schedule_delete"])
def test_an_empty_success_is_accepted_where_braze_documents_no_body(name):
    assert read(202, b"", endpoint=ENDPOINTS[name]).body == {}


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("messages_schedule_create", {"schedule_id": "s"}),
        ("sends_id_create", {"send_id": "s"}),
        ("users_export_segment", {"object_prefix": "p"}),
    ],
)
def test_an_answer_with_an_id_of_the_endpoint_is_an_acceptance(name, body):
    assert read(201, body, endpoint=ENDPOINTS[name]).body == body


# The API key ------------------------------------------------------------------------------------------------

KEY = "3f1c9a52-7d0e-4b8a-9c61-0e5d2f7a8b43"


@pytest.mark.parametrize(
    "text", [KEY, *(KEY[cut:] for cut in range(1, 29)), *(KEY[:cut] for cut in range(8, 36))]
)
@pytest.mark.parametrize("status", [201, 400, 401, 429, 503])
def test_no_error_repeats_the_key_or_a_part_of_it(status, text):
    said = {"message": f"Invalid API key: {text}", "errors": [f"x{text}", {"type": text, text: 1}]}
    error = refusal(status, said, hide=hider(KEY), date=f"Sat {text}")
    assert error.braze_message == "Invalid API key: ***"
    assert text not in f"{error} {vars(error)}"


def test_a_key_written_with_json_escapes_is_hidden_too():
    escaped = "".join(f"\\u{ord(character):04x}" for character in KEY)
    error = refusal(401, f'{{"message": "Invalid API key: {escaped}"}}'.encode(), hide=hider(KEY))
    assert error.braze_message == "Invalid API key: ***"


def test_no_accepted_answer_repeats_the_key():
    body = {"message": "success", "dispatch_id": KEY, "send_id": KEY, "errors": [KEY], "more": [{KEY: KEY}]}
    answer = read(201, body, hide=hider(KEY))
    assert (answer.dispatch_id, answer.send_id, answer.errors) == ("***", "***", ("***",))
    assert KEY not in str(answer.body)
    assert refusal(201, {**SUCCESS, "notice": KEY}, hide=hider(KEY)).braze_message == "***"


# Rate limits ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body"),
    [(201, b"<html>"), (201, {**SUCCESS, "notice": "paused"}), (400, b""), (429, b""), (503, b"")],
)
def test_every_error_has_the_rate_limit_of_the_headers(status, body):
    error = refusal(status, body, x_ratelimit_remaining="17")
    assert error.rate_limit.remaining == 17


def test_an_answer_has_the_rate_limit_of_the_headers():
    assert read(x_ratelimit_remaining="17").rate_limit.remaining == 17


@pytest.mark.parametrize("value", ["", "many", "nan", "inf", "-inf", "1e999"])
def test_a_header_that_is_not_a_number_never_hides_an_acceptance(value):
    answer = read(x_ratelimit_limit=value, x_ratelimit_remaining=value, x_ratelimit_reset=value)
    assert answer.dispatch_id == SUCCESS["dispatch_id"]
    assert (answer.rate_limit.limit, answer.rate_limit.remaining, answer.rate_limit.reset) == (
        None,
        None,
        None,
    )

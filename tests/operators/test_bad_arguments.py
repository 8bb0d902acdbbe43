"""Bad constant arguments fail when the Dag is parsed. One error names every mistake."""

from __future__ import annotations

import re
from datetime import timedelta

import pendulum
import pytest
from airflow.sdk import DAG

from braze_provider.api.errors import BrazeValidationError
from braze_provider.operators.campaigns import CampaignTriggerOperator
from braze_provider.operators.messages import MessagesSendOperator
from braze_provider.recipients import InlineRecipients, SqlRecipients
from braze_provider.recipients.columns import Columns
from braze_provider.templating import ContentFile

EMAIL = {"email": {"app_id": "a", "from": "F <f@example.com>", "subject": "s", "body": "b"}}
SOURCE = SqlRecipients("db", "SELECT 1")


def messages(**arguments):
    return MessagesSendOperator(task_id="t", **{"messages": EMAIL, **arguments})


def campaign(**arguments):
    return CampaignTriggerOperator(task_id="t", **{"campaign_id": "c", **arguments})


TOO_LARGE = {"x": "y" * 52_000}
ATTACHMENTS = [{"file_name": "f", "url": "https://example.com/y.pdf"}]
TO_U = {"external_user_ids": ["u"]}


@pytest.mark.parametrize(
    ("make", "arguments", "mistake"),
    [
        (messages, {}, "reaches no recipient"),
        (campaign, {}, "reaches no recipient"),
        (messages, {"segment_id": "s"}, "broadcast: must be true"),
        (messages, {**TO_U, "broadcast": True}, "external_user_ids: is not allowed with `broadcast: true`"),
        (campaign, {"recipients": SOURCE, "broadcast": True}, "recipients: is not allowed with `broadcast"),
        (
            campaign,
            {"recipients": [{"external_user_id": "u", "braze_id": "b"}]},
            "recipients[0]: has 2 identities",
        ),
        (campaign, {"recipients": [{"email": "e@example.com"}]}, "recipients[0].prioritization: is required"),
        (
            campaign,
            {"recipients": [{"external_user_id": "u", "send_to_existing_only": False}]},
            "recipients[0].attributes: must hold something",
        ),
        (campaign, {"broadcast": True, "attachments": ATTACHMENTS}, "attachments: "),
        (messages, {**TO_U, "messages": {"pigeon": {}}}, "messages.pigeon: unknown"),
        (messages, {**TO_U, "messages": {}}, "messages: "),
        (messages, {**TO_U, "campaign_id": "c"}, "messages.email.message_variation_id: is required"),
        (campaign, {"recipients": SOURCE, "trigger_properties": TOO_LARGE}, "trigger_properties: "),
        (campaign, {"broadcast": "true"}, "broadcast: must be a JSON Boolean"),
        (
            messages,
            {**TO_U, "override_frequency_capping": "false"},
            "override_frequency_capping: must be a JSON",
        ),
        (messages, {"external_user_ids": [5.5]}, "external_user_ids[0]: must be text"),
        (messages, {"external_user_ids": "u1"}, "external_user_ids: must be a list, a table or a source"),
        (
            messages,
            {"external_user_ids": {"u1": 1}},
            "external_user_ids: must be a list, a table or a source",
        ),
        (
            messages,
            {"recipients": ["u1", "u2"]},
            "recipients: must be a list of objects, not of ids: give a list of ids to external_user_ids",
        ),
        (
            campaign,
            {"recipients": ["u1"]},
            'recipients: must be a list of objects, not of ids: write {"external_user_id"',
        ),
        (messages, {"user_aliases": [{"alias_name": "n"}]}, "user_aliases[0].alias_label: is required"),
        (messages, {**TO_U, "recipient_subscription_state": "some"}, "recipient_subscription_state: "),
        (campaign, {"recipients": SOURCE, "send_id": "s" * 65}, "send_id: "),
        (
            campaign,
            {"recipients": SOURCE, "on_uncertain": "hodl"},
            "on_uncertain: must be one of hold, resend, accept, not 'hodl'; did you mean 'hold'?",
        ),
        (campaign, {"recipients": SOURCE, "on_invalid": 5}, "on_invalid: must be one of fail, skip, not 5"),
        (
            campaign,
            {"recipients": SOURCE, "concurrency": "8"},
            "concurrency: must be a number above 0, not '8'",
        ),
        (campaign, {"recipients": SOURCE, "max_recipients": "many"}, "max_recipients: must be a number"),
        (campaign, {"recipients": SOURCE, "max_lateness": 3}, "max_lateness: must be a timedelta"),
        (campaign, {"recipients": SOURCE, "dry_run": "yes"}, "dry_run: must be a Boolean"),
    ],
)
def test_a_bad_constant_fails_the_dag_parse_and_names_its_place(make, arguments, mistake):
    with pytest.raises(BrazeValidationError, match="- " + re.escape(mistake)):
        make(**arguments)


def test_all_mistakes_are_in_one_error():
    with pytest.raises(BrazeValidationError) as raised:
        messages(
            messages={"email": {**EMAIL["email"], "boddy": "x"}},
            external_user_ids=["u", ""],
            override_frequency_capping="false",
            concurrency=0,
        )
    places = {problem.path for problem in raised.value.problems}
    assert places == {
        "messages.email.boddy",
        "external_user_ids[1]",
        "override_frequency_capping",
        "concurrency",
    }


@pytest.mark.parametrize(
    ("make", "arguments"),
    [
        (campaign, {"recipients": SOURCE, "campaign_id": "{{ params.c }}"}),
        (campaign, {"recipients": "{{ ti.xcom_pull('x') }}"}),
        (campaign, {"recipients": SOURCE, "trigger_properties": "{{ params.p }}"}),
        (campaign, {"recipients": SOURCE, "audience": "{{ params.a }}"}),
        (campaign, {"recipients": SOURCE, "on_uncertain": "{{ params.u }}"}),
        (campaign, {"recipients": [{"external_user_id": "{{ params.u }}", "attributes": "{{ params.a }}"}]}),
        (messages, {"external_user_ids": ["u"], "messages": ContentFile("m.json")}),
        (messages, {"external_user_ids": ["u"], "messages": {"email": ContentFile("m.json")}}),
        (
            messages,
            {
                "external_user_ids": ["u"],
                "messages": {"apple_push": {"alert": "a", "badge": "{{ params.b }}"}},
            },
        ),
        (
            messages,
            {
                "external_user_ids": ["u"],
                "campaign_id": "{{ params.c }}",
            },
        ),
    ],
)
def test_a_mistake_that_rendering_may_correct_is_left_for_later(make, arguments):
    assert make(**arguments).task_id == "t"


def test_a_constant_mistake_beside_a_template_is_found():
    with pytest.raises(BrazeValidationError, match=r"messages\.email\.from"):
        messages(external_user_ids=["u"], messages={"email": {"app_id": "{{ params.app }}", "body": "b"}})


def test_bad_rows_of_a_list_are_allowed_if_they_are_skipped():
    assert campaign(recipients=[{"external_user_id": ""}], on_invalid="skip")


def test_more_than_fifty_recipients_are_allowed():
    assert messages(external_user_ids=[f"u{number}" for number in range(51)])


def test_ids_may_be_whole_numbers():
    assert messages(external_user_ids=[1, 2], user_aliases=[{"alias_name": 3, "alias_label": "crm"}])
    assert campaign(recipients=[{"external_user_id": 1}])


@pytest.fixture
def folder(tmp_path):
    """A folder in the Dag's ``template_searchpath``, with a template."""
    (tmp_path / "content").mkdir()
    (tmp_path / "content" / "welcome.html").write_text("<p>Welcome</p>")
    return tmp_path


def test_a_path_in_the_search_path_is_refused_with_content_file(folder):
    with (
        DAG("d", schedule=None, template_searchpath=[str(folder)]),
        pytest.raises(BrazeValidationError, match=r"messages\.email\.body: .*ContentFile\('content/welcome"),
    ):
        messages(**TO_U, messages={"email": {**EMAIL["email"], "body": "content/welcome.html"}})


def test_a_path_of_a_file_beside_the_dag_is_refused_with_content_file(folder):
    with DAG("d", schedule=None) as dag:
        dag.fileloc = str(folder / "dag.py")
        with pytest.raises(BrazeValidationError, match=r"messages\.apple_push\.alert: .*ContentFile"):
            messages(**TO_U, messages={"apple_push": {"alert": "content/welcome.html"}})


@pytest.mark.parametrize(
    "text",
    [
        "content/other.html",
        "content",
        "Hello.",
        "https://example.com/a.html",
        "{{ ds }}.html",
        "x" * 250 + ".html",
        "é" * 200 + ".html",
    ],
)
def test_a_text_that_is_not_the_path_of_a_file_is_content(folder, text):
    with DAG("d", schedule=None, template_searchpath=[str(folder)]):
        assert messages(**TO_U, messages={"apple_push": {"alert": text}})


def test_any_templated_argument_can_be_an_xcom_of_another_task():
    with DAG("d", schedule=None):
        first = CampaignTriggerOperator(task_id="first", campaign_id="c", recipients=SOURCE)
        second = CampaignTriggerOperator(
            task_id="second",
            campaign_id=first.output["campaign"],
            recipients=first.output["recipients"],
            trigger_properties=first.output["properties"],
            on_uncertain=first.output["choice"],
        )
    assert second.upstream_task_ids == {"first"}


def test_several_arguments_with_recipients_are_one_source_in_order():
    operator = messages(
        external_user_ids=["u1"],
        user_aliases=[{"alias_name": "n", "alias_label": "l"}],
        recipients=InlineRecipients([{"external_user_id": "u2"}]),
    )
    assert list(operator.recipient_source().recipients(Columns(()))) == [
        {"external_user_id": "u1"},
        {"user_alias": {"alias_name": "n", "alias_label": "l"}},
        {"external_user_id": "u2"},
    ]


@pytest.mark.parametrize("duration", [timedelta(hours=3), pendulum.duration(hours=3)], ids=repr)
def test_max_lateness_is_a_timedelta_or_a_pendulum_duration(duration):
    assert campaign(recipients=SOURCE, max_lateness=duration).max_lateness == timedelta(hours=3)


def test_arguments_are_keyword_only():
    with pytest.raises(TypeError):
        CampaignTriggerOperator("t", "c")

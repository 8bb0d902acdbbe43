"""Content from files."""

from __future__ import annotations

import json

import pytest
from airflow.sdk import DAG

from braze_provider.operators.messages import MessagesSendOperator
from braze_provider.templating import BrazeTemplateError, ContentFile

CONTEXT = {"ds": "2026-11-21", "params": {"language": "en"}}


@pytest.fixture
def folder(tmp_path):
    """A folder that the Dag's ``template_searchpath`` names."""
    return tmp_path


@pytest.fixture
def rendered(folder):
    """Render the messages of a task of a Dag that finds templates in the folder."""

    def render(messages):
        with DAG("d", schedule=None, template_searchpath=[str(folder)]):
            operator = MessagesSendOperator(task_id="t", external_user_ids=["u"], messages=messages)
        operator.render_template_fields(dict(CONTEXT))
        return operator.messages

    return render


def webhook(body):
    return {"webhook": {"url": "https://example.com", "request_method": "POST", "body": body}}


@pytest.mark.parametrize(
    "text",
    [
        "<p>{{${first_name}}}</p>\n",
        "a\r\nb\r\n",
        "{% raw %}{{ ds }}{% endraw %}",
        "Größe: {{${size}}} 🎉",
        "",
    ],
)
def test_a_files_liquid_arrives_byte_for_byte(folder, rendered, text):
    (folder / "body.html").write_bytes(text.encode())
    assert rendered(webhook(ContentFile("body.html")))["webhook"]["body"] == text


def test_an_expression_for_airflow_in_a_file_is_rendered(folder, rendered):
    (folder / "body.html").write_text("{{ ds }} {{${first_name}}}\n")
    assert rendered(webhook(ContentFile("body.html")))["webhook"]["body"] == "2026-11-21 {{${first_name}}}\n"


def test_a_files_name_is_a_template(folder, rendered):
    (folder / "body_en.html").write_text("Hello")
    assert rendered(webhook(ContentFile("body_{{ params.language }}.html")))["webhook"]["body"] == "Hello"


def test_a_file_in_the_place_of_messages_holds_json(folder, rendered):
    messages = {"sms": {"subscription_group_id": "s", "app_id": "a", "body": "{{ ds }} {{${first_name}}}"}}
    (folder / "welcome.json").write_text(json.dumps(messages))
    assert rendered(ContentFile("welcome.json"))["sms"]["body"] == "2026-11-21 {{${first_name}}}"


def test_a_file_in_the_place_of_a_channel_holds_json(folder, rendered):
    (folder / "push.json").write_text('{"alert": "{{ ds }}", "badge": 1}')
    assert rendered({"apple_push": ContentFile("push.json")}) == {
        "apple_push": {"alert": "2026-11-21", "badge": 1}
    }


def test_a_json_file_deeper_down_is_text(folder, rendered):
    (folder / "body.json").write_text('{"day": "{{ ds }}"}')
    assert rendered(webhook(ContentFile("body.json")))["webhook"]["body"] == '{"day": "2026-11-21"}'


def test_a_value_with_quotes_cannot_break_a_json_file(folder, rendered):
    (folder / "push.json").write_text('{"alert": "{{ params.language ~ \'\\u0022\' }}"}')
    assert rendered({"apple_push": ContentFile("push.json")})["apple_push"]["alert"] == 'en"'


@pytest.mark.parametrize(
    ("reads_as", "expected"),
    [
        ("mixed", "{% if a %}2026-11-21{% endif %}"),
        ("liquid", "{% if a %}{{ ds }}{% endif %}"),
    ],
)
def test_a_file_can_be_read_as_only_liquid(folder, rendered, reads_as, expected):
    (folder / "body.html").write_text("{% if a %}{{ ds }}{% endif %}")
    assert rendered(webhook(ContentFile("body.html", reads_as=reads_as)))["webhook"]["body"] == expected


def test_a_file_can_be_read_as_only_jinja(folder, rendered):
    (folder / "body.html").write_text("{% if ds %}{{ ds }}{% endif %}{# gone #}")
    body = rendered(webhook(ContentFile("body.html", reads_as="jinja")))["webhook"]["body"]
    assert body == "2026-11-21"


def test_a_missing_file_is_named_with_the_searched_folders(folder, rendered):
    with pytest.raises(BrazeTemplateError, match=r"messages\.webhook\.body: .*'no\.html'") as raised:
        rendered(webhook(ContentFile("no.html")))
    assert str(folder) in str(raised.value)


def test_a_file_that_is_not_json_is_named(folder, rendered):
    (folder / "push.json").write_text("{")
    with pytest.raises(BrazeTemplateError, match=r"messages\.apple_push: .*'push\.json' is not JSON"):
        rendered({"apple_push": ContentFile("push.json")})


@pytest.mark.parametrize("text", ["https://cdn.example.com/x.json", "hello.html", "query.sql"])
def test_a_text_that_ends_like_a_file_name_stays_a_text(rendered, text):
    assert rendered(webhook(text))["webhook"]["body"] == text

"""An Airflow name that the run lacks is an error, and a mistyped one a warning: Liquid hides neither."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk import DAG, Context
from jinja2 import Undefined

from braze_provider.operators.campaigns import CampaignTriggerOperator
from braze_provider.operators.messages import MessagesSendOperator
from braze_provider.recipients import SqlRecipients
from braze_provider.templating import BrazeTemplateError
from braze_provider.templating.names import AIRFLOW_NAMES, DATED_NAMES, _is_one_edit_apart

# The context that Airflow gives to a run without a logical date.
CONTEXT = {"run_id": "r", "params": {"x": "X", "none": None}, "dag_run": "the run", "partition_key": None}
# Only callbacks have these names, or only loops (``loop``), and Liquid has variables of the same names.
NOT_FOR_TEMPLATES = {"exception", "loop", "reason", "start_date"}


class Macros:
    """Like Airflow's macros, which raise a ``TypeError`` for a value that is not text."""

    def ds_add(self, ds: str, days: int) -> str:
        return ds + str(days)


def rendered(content: Any, *, native: bool = False, context: Any = None, **dag_arguments: Any) -> Any:
    with DAG("d", schedule=None, render_template_as_native_obj=native, **dag_arguments):
        operator = MessagesSendOperator(
            task_id="t", external_user_ids=["u"], messages={"apple_push": {"alert": content}}
        )
    operator.render_template_fields({**CONTEXT, **(context or {})})
    return operator.messages["apple_push"]["alert"]


def test_every_name_of_this_airflow_is_known():
    assert set(Context.__annotations__) - NOT_FOR_TEMPLATES <= AIRFLOW_NAMES


# A name that the run lacks -------------------------------------------------------------------------------


@pytest.mark.parametrize("lenient", [False, True], ids=["strict", "undefined names allowed"])
@pytest.mark.parametrize(
    ("content", "name"),
    [
        *((f"{{{{ {name} }}}}", name) for name in sorted(DATED_NAMES)),
        ("On {{ ds }}, {{${first_name}}}", "ds"),
        ("{{ data_interval_end | ds }}", "data_interval_end"),
        ("{{ logical_date.year }}", "logical_date"),
        ("{{ macros.ds_add(ds, 7) }}", "ds"),
        ("{{ params.x ~ ds }}", "ds"),
    ],
)
def test_a_date_that_the_run_lacks_is_an_error_with_the_way_out(content, name, lenient):
    options = {"template_undefined": Undefined} if lenient else {}
    with pytest.raises(BrazeTemplateError) as raised:
        rendered(content, context={"macros": Macros()}, **options)

    text = str(raised.value)
    assert text.startswith("messages.apple_push.alert: ")
    assert content[content.index("{{") : content.index("}}")] in text
    assert f"no logical date and therefore no {name}" in text
    assert "dag_run.run_after" in text
    assert "default('…')" in text


def test_another_name_that_the_run_lacks_is_an_error_too():
    with pytest.raises(BrazeTemplateError, match=r"alert: .*This run has no partition_date: give a default"):
        rendered("{{ partition_date }}")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("{{ ds | default('today') }}", "today"),
        ("{{ ds | d(run_id) }}", "r"),
        ("{{ ds if ds is defined else run_id }}", "r"),
        ("{{ params.x }}", "X"),
    ],
)
def test_a_name_that_the_run_lacks_may_have_a_default(content, expected):
    assert rendered(content) == expected


@pytest.mark.parametrize("content", ["{{ params.none }}", "Key {{ partition_key }}"])
def test_a_value_of_none_is_an_error(content):
    with pytest.raises(BrazeTemplateError, match=r"alert: {{ \w+.* }} is None in this run.*default"):
        rendered(content)


def test_a_value_of_none_may_have_a_default():
    assert rendered("{{ partition_key | default('none', true) }}") == "none"


def test_the_text_none_is_accepted():
    assert rendered("{{ params.x }}", context={"params": {"x": "None"}}) == "None"


@pytest.mark.parametrize("name", sorted(NOT_FOR_TEMPLATES))
def test_a_name_that_only_callbacks_have_is_liquid(name):
    assert rendered(f"{{{{ {name} }}}}") == f"{{{{ {name} }}}}"


@pytest.mark.parametrize(
    "arguments",
    [
        {"trigger_properties": {"run": "{{ ds }}"}},
        {"campaign_id": "{{ ds }}"},
        {"audience": "{{ macros.ds_add(ds, 1) }}"},
    ],
)
@pytest.mark.parametrize("native", [False, True])
def test_a_plain_field_names_itself_and_the_way_out(arguments, native):
    with DAG("d", schedule=None, render_template_as_native_obj=native):
        operator = CampaignTriggerOperator(
            task_id="t", recipients=[{"external_user_id": "u"}], **{"campaign_id": "c", **arguments}
        )
    with pytest.raises(BrazeTemplateError, match=rf"^{next(iter(arguments))}: .*no logical date .* no ds"):
        operator.render_template_fields({**CONTEXT, "macros": Macros()})


def test_a_source_names_its_class_and_field():
    source = SqlRecipients("db", "SELECT '{{ ds }}' AS external_user_id")
    with DAG("d", schedule=None):
        operator = CampaignTriggerOperator(task_id="t", campaign_id="c", recipients=source)
    with pytest.raises(BrazeTemplateError, match=r"^SqlRecipients\.sql: .*no logical date"):
        operator.render_template_fields(dict(CONTEXT))


# Errors that say what to do ------------------------------------------------------------------------------


def campaign(native: bool = False, **arguments: Any) -> CampaignTriggerOperator:
    with DAG("d", schedule=None, render_template_as_native_obj=native):
        return CampaignTriggerOperator(
            task_id="t",
            **{"campaign_id": "c", "recipients": [{"external_user_id": "u"}], **arguments},
        )


@pytest.mark.parametrize("native", [False, True])
def test_an_id_that_cannot_be_rendered_names_its_field(native):
    operator = campaign(native, campaign_id="{{ params.nope }}")
    with pytest.raises(BrazeTemplateError, match=r"^campaign_id: .*{{ params\.nope }}.*no attribute 'nope'"):
        operator.render_template_fields(dict(CONTEXT))


@pytest.mark.parametrize("native", [False, True])
def test_liquid_in_a_plain_field_names_literal_and_raw(native):
    operator = campaign(native, trigger_properties={"greeting": "Hello {{${first_name}}}"})
    with pytest.raises(BrazeTemplateError, match=r"^trigger_properties: .*sdk\.literal.*{% raw %}"):
        operator.render_template_fields(dict(CONTEXT))


@pytest.mark.parametrize(
    ("arguments", "place"),
    [
        ({"messages": "{{ params.content }}"}, "messages"),
        ({"messages": {"apple_push": "{{ params.content }}"}}, "messages.apple_push"),
        ({"audience": "{{ params.content }}"}, "audience"),
    ],
)
def test_an_object_that_becomes_text_names_native_objects(arguments, place):
    def render(native: bool) -> MessagesSendOperator:
        with DAG("d", schedule=None, render_template_as_native_obj=native):
            operator = MessagesSendOperator(
                task_id="t",
                external_user_ids=["u"],
                **{"messages": {"apple_push": {"alert": "a"}}, **arguments},
            )
        operator.render_template_fields({"params": {"content": {"alert": "a"}}})
        return operator

    with pytest.raises(BrazeTemplateError, match=rf"^{place}: .*render_template_as_native_obj=True"):
        render(native=False)
    assert "{{" not in str(render(native=True).messages)


def test_a_field_that_a_subclass_adds_may_be_text():
    class Titled(MessagesSendOperator):
        template_fields = (*MessagesSendOperator.template_fields, "title")

        def __init__(self, *, title: str, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.title = title

    with DAG("d", schedule=None):
        operator = Titled(
            task_id="t",
            title="{{ run_id }}",
            messages={"apple_push": {"alert": "a"}},
            external_user_ids=["u"],
        )
    operator.render_template_fields(dict(CONTEXT))

    assert operator.title == "r"


# Liquid that looks like an Airflow expression
# -------------------------------------------------------------------------------


@pytest.fixture
def log_of(monkeypatch):
    """Render content, and give the log lines as (level, text)."""

    def render(content: Any) -> list[tuple[str, str]]:
        lines: list[tuple[str, str]] = []

        class Log:
            def __getattr__(self, level: str) -> Any:
                return lambda text, *values: lines.append((level, text % values))

        monkeypatch.setattr(MessagesSendOperator, "log", Log())
        rendered(content)
        return lines

    return render


@pytest.mark.parametrize(
    ("content", "doubt"),
    [
        ("{{ prams.x }}", "prams is nearly Airflow's params"),
        ("{{ parmas.x }}", "parmas is nearly Airflow's params"),
        ("{{ param.x }}", "param is nearly Airflow's params"),
        ("{{ dagrun.run_id }}", "dagrun is nearly Airflow's dag_run"),
        ("{{ execution_date }}", "execution_date is a name of Airflow 2"),
        ("{{ yesterday_ds }}", "yesterday_ds is a name of Airflow 2"),
        ("{{ day | ds_nodash }}", "ds_nodash is an Airflow filter, and day is not an Airflow name"),
        ("{{ x if x is defined }}", "'is defined' is an Airflow test, and x is not an Airflow name"),
        ("{{ x is not none }}", "'is none' is an Airflow test"),
        ("{{ (logical_date | default(1)) | ds }}", "logical_date is an Airflow name, and Airflow renders"),
        ("{{ 'On ' ~ ds }}", "ds is an Airflow name, and Airflow renders only what begins with"),
    ],
)
def test_liquid_that_looks_like_an_airflow_expression_is_a_warning(log_of, content, doubt):
    (warning, *_) = log_of(f"a {content} b")

    assert warning[0] == "warning"
    assert warning[1].startswith(f"messages.apple_push.alert: {content} goes to Braze as Liquid, but {doubt}")


@pytest.mark.parametrize(
    "content",
    [
        "{{ first_name }}",
        "{{ day }} {{ car }} {{ id }} {{ d }} {{ item }}",
        "{{ prams.${x} }}",
        "{{ 'ds' | upcase }} {{ (1..5) }} {{ (item.params) }}",
        "{% for param in params_list %}{{ param }}{% endfor %}",
        "{% assign prams = 'x' %}{{ prams }}",
        "{{ n | plus: 1 | default: 'this is even | ds' }}",
        "{{ 'now' | date: '%Y' }}",
    ],
)
def test_other_liquid_is_not_a_warning(log_of, content):
    assert {level for level, _ in log_of(content)} == {"info"}


def test_every_expression_left_to_liquid_is_named_once(log_of):
    tag = "{% if {{${vip}}} %}{{${first_name}}}{% endif %}"
    content = "{{${first_name}}} {{ name }} {{ name }} {{ run_id }} " + tag

    assert log_of(content) == [
        ("info", "In messages, left to Braze as Liquid:\n{{${first_name}}}\n{{ name }}")
    ]


def test_nothing_is_logged_if_nothing_is_left_to_liquid(log_of):
    assert log_of("{{ run_id }} {% if x %}{% endif %} {{ unclosed") == []


@pytest.mark.parametrize(
    ("one", "other", "near"),
    [
        ("params", "params", False),
        ("prams", "params", True),
        ("paramss", "params", True),
        ("parans", "params", True),
        ("aprams", "params", True),
        ("prasm", "params", False),
        ("smarap", "params", False),
        ("", "p", True),
    ],
)
def test_one_edit_adds_removes_changes_or_swaps_letters(one, other, near):
    assert _is_one_edit_apart(one, other) is _is_one_edit_apart(other, one) is near


# On real Airflow -----------------------------------------------------------------------------------------


@pytest.mark.dag
@pytest.mark.parametrize(
    "text",
    ["{{ ds }}", "{{ data_interval_end | ds }}", "{{ ts_nodash }}", "{{ prev_data_interval_end_success }}"],
)
def test_a_run_without_a_logical_date_sends_no_message_with_a_gap(run_dag, sandbox, text):
    with DAG("d", schedule="@daily") as dag:
        MessagesSendOperator(
            task_id="t", external_user_ids=["u"], messages={"apple_push": {"alert": f"Today, {text}"}}
        )

    failed = run_dag(dag, dated=False).task("t")

    assert isinstance(failed.error, BrazeTemplateError)
    assert "This run has no logical date" in str(failed.error)
    assert sandbox.requests() == []


@pytest.mark.dag
@pytest.mark.parametrize("dated", [False, True])
def test_every_run_has_run_after(run_dag, sandbox, dated):
    alert = "{{ dag_run.run_after | ds }} {{ logical_date | default(dag_run.run_after) | ds_nodash }}"
    with DAG("d", schedule=None) as dag:
        MessagesSendOperator(task_id="t", external_user_ids=["u"], messages={"apple_push": {"alert": alert}})

    result = run_dag(dag, dated=dated)

    assert result.state == "success", result.log
    day, plain = sandbox.requests()[0]["body"]["messages"]["apple_push"]["alert"].split()
    assert day.replace("-", "") == plain


@pytest.mark.dag
def test_a_tasks_log_names_the_parts_left_to_liquid(run_dag, sandbox):
    alert = "{{${first_name}}} {{ prams.x }}"
    with DAG("d", schedule=None) as dag:
        MessagesSendOperator(task_id="t", external_user_ids=["u"], messages={"apple_push": {"alert": alert}})

    log = run_dag(dag).task("t").log

    assert log.count("left to Braze as Liquid:\n{{${first_name}}}\n{{ prams.x }}") == 1
    assert "messages.apple_push.alert: {{ prams.x }} goes to Braze as Liquid, but prams is nearly" in log

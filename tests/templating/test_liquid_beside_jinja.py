"""Which parts of message content Airflow renders, and which stay Liquid. Airflow's own code renders here."""

from __future__ import annotations

import pytest
from airflow.sdk import DAG

from braze_provider._compat import Context
from braze_provider.operators.messages import MessagesSendOperator
from braze_provider.templating import BrazeTemplateError, Jinja

try:
    from airflow.sdk import literal
except ImportError:
    from airflow.sdk.definitions.template import literal

CONTEXT: Context = {
    "ds": "2026-11-21",
    "ts": "2026-11-21T00:00:00+00:00",
    "run_id": "scheduled__2026-11-21",
    "params": {"x": "X", "n": 5, "id": "1e5", "items": ["a", "b"]},
    "task": "the task",
    "dag": "the Dag",
    "conn": "connections",
    "var": "variables",
}


def rendered(content, *, context: Context = CONTEXT, native: bool = False, **dag_arguments):
    """Render an e-mail's body as Airflow renders it for a task."""
    with DAG("d", schedule=None, render_template_as_native_obj=native, **dag_arguments):
        operator = MessagesSendOperator(
            task_id="t",
            external_user_ids=["u"],
            messages={"email": {"app_id": "a", "from": "F <f@example.com>", "body": content}},
        )
    operator.render_template_fields(dict(context))
    return operator.messages["email"]["body"]


# Every row of the contract's table of what Airflow does to Liquid (section 4.2).
LIQUID = [
    # Anything with ${…}
    "{{${first_name}}}",
    "{{ ${first_name} | default: 'there' }}",
    "{{custom_attribute.${x}}}",
    "{{api_trigger_properties.${x}}}",
    "{{context.${x}}}",
    "{{content_blocks.${n}}}",
    "{{campaign.${dispatch_id}}}",
    "{% if ${first_name} %}x{% endif %}",
    "{% if {{custom_attribute.${x}}} > 0 %}x{% endif %}",
    "{{params.${x}}}",
    # Filters with colons
    "{{ x | default: 'there' }}",
    "{{ 'now' | date: '%Y' }}",
    "{{ a | append: 'b' }}",
    "{{ n | plus: 1 }}",
    "{{ a | split: ',' | first }}",
    # Filters that only Liquid has
    "{{ 'x' | upcase }}",
    "{{ items | size }}",
    # Tags
    "{% if a %}x{% elsif b %}y{% endif %}",
    "{% unless a %}x{% endunless %}",
    "{% assign a = 'b' %}",
    "{% capture a %}b{% endcapture %}",
    "{% case a %}{% when 'b' %}c{% endcase %}",
    "{% comment %}a {{ ds }}{% endcomment %}",
    "{% connected_content https://example.com/{{${user_id}}} :save x :retry %}",
    "{% abort_message('no {{name}}') %}",
    "{% random %}",
    "{% catalog_items things {{ id }} %}",
    "{% promotion('spring') %}",
    # Operators and loops
    "{% if x contains 'a' %}y{% endif %}",
    "{% if a && b %}y{% endif %}",
    "{% for i in xs limit:5 %}{{ i }}{% endfor %}",
    "{% for i in (1..5) %}{{ i }}{% endfor %}",
    # Three braces
    "{{{ x }}}",
    "{{{ ds }}}",
    # CSS and HTML that look like Jinja comments
    "@media{#id{color:red}}",
    "@media{#id{color:red}} between {b:c#}",
    "{# a comment {{ ds }} #}",
    # Plain names: Liquid's own variables
    "{{ name }}",
    "{{ campaign }}",
    "{{ context }}",
    "{% if x %}y{% endif %}",
    "{% for i in items %}{{ i }}{% endfor %}",
    "{{ items[0].title }}",
    "{{ name.first }}",
    "{% if x == blank %}y{% endif %}",
    # Valid in both languages
    "{{ 'abc' | capitalize }}",
    "{{ range(3) }}",
    # Liquid's own raw block, with the text that it protects from Liquid
    "{% raw %}{{ ds }} {{ name }}{% endraw %}",
    # Text that is not a tag
    "{{ never closed",
    "{% never closed",
    "{ds} {{}} {",
    '{"a": {"b": {"c": 1}}}',
    # White space
    "ends with a line feed\n",
    "{{ name }}\n\n",
    "\r\n{{- name -}}\r\n",
]


@pytest.mark.parametrize("native", [False, True], ids=["as text", "natively"])
@pytest.mark.parametrize("content", LIQUID)
def test_liquid_arrives_byte_for_byte(content, native):
    assert rendered(content, native=native) == content


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("{{ ds }}", "2026-11-21"),
        ("{{ds}}", "2026-11-21"),
        ("{{ ts }}", "2026-11-21T00:00:00+00:00"),
        ("{{ run_id }}", "scheduled__2026-11-21"),
        ("{{ task }}, {{ dag }}, {{ conn }}, {{ var }}", "the task, the Dag, connections, variables"),
        ("{{ params.x }}", "X"),
        ("{{ params['x'] | lower }}", "x"),
        ("{{ params.n + 1 }}", "6"),
        ("{{ params.x if params.n > 3 else 'no' }}", "X"),
        ("{{ params.x ~ '}}' }}", "X}}"),
        ("{{ params.x ~ {'a': {'b': 1}}['a']['b'] }}", "X1"),
        ("{{ ds.replace('-', '') }}", "20261121"),
        ("a {{- ds -}} b", "a2026-11-21b"),
        ("a {{+ ds }} b", "a 2026-11-21 b"),
        ("{{ ds }}\n", "2026-11-21\n"),
    ],
)
def test_an_expression_that_begins_with_an_airflow_name_is_rendered(content, expected):
    assert rendered(content) == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("{{ params.x }} and {{${first_name}}}", "X and {{${first_name}}}"),
        ("{{${first_name}}}{{ params.x }}\n", "{{${first_name}}}X\n"),
        ("{% if {{${vip}}} %}{{ ds }}{% endif %}", "{% if {{${vip}}} %}2026-11-21{% endif %}"),
        ("{{ x | default: {{ds}} }}{{ds}}", "{{ x | default: {{ds}} }}2026-11-21"),
        ("{{ unclosed {{ ds }}", "{{ unclosed 2026-11-21"),
        ("{#id{a:b} {{ ds }}", "{#id{a:b} 2026-11-21"),
        ("{% unclosed {{ ds }}", "{% unclosed 2026-11-21"),
        ('{"day": "{{ ds }}", "who": "{{${user_id}}}"}', '{"day": "2026-11-21", "who": "{{${user_id}}}"}'),
    ],
)
def test_a_text_can_hold_both_languages(content, expected):
    assert rendered(content) == expected


def test_a_macro_of_the_dag_is_rendered():
    content = "{{ shout(params.x) }} {{${first_name}}} {{ other(1) }}"
    macros = {"shout": lambda text: text + "!"}
    assert rendered(content, user_defined_macros=macros) == "X! {{${first_name}}} {{ other(1) }}"


def test_a_filter_of_the_dag_works_in_an_airflow_expression():
    assert rendered("{{ ds | year }}", user_defined_filters={"year": lambda day: day[:4]}) == "2026"


def test_literal_makes_a_whole_text_liquid():
    assert rendered(literal("{{ ds }} {{ params.x }}")) == "{{ ds }} {{ params.x }}"


def test_jinja_lets_airflow_render_a_whole_text():
    content = Jinja(
        "{% for item in params['items'] %}{{ item }},{% endfor %}{# gone #}{% raw %}{{${x}}}{% endraw %}"
    )
    assert rendered(content) == "a,b,{{${x}}}"


def test_keys_of_an_object_are_not_rendered():
    with DAG("d", schedule=None):
        operator = MessagesSendOperator(
            task_id="t",
            external_user_ids=["u"],
            messages={"web_push": {"alert": "a", "title": "t", "extra": {"{{ ds }}": "{{ ds }}"}}},
        )
    operator.render_template_fields(dict(CONTEXT))
    assert operator.messages["web_push"]["extra"] == {"{{ ds }}": "2026-11-21"}


def test_numbers_and_booleans_in_content_keep_their_types():
    with DAG("d", schedule=None):
        operator = MessagesSendOperator(
            task_id="t",
            external_user_ids=["u"],
            messages={"apple_push": {"alert": "{{ ds }}", "badge": 3, "mutable_content": True}},
        )
    operator.render_template_fields(dict(CONTEXT))
    assert operator.messages["apple_push"] == {"alert": "2026-11-21", "badge": 3, "mutable_content": True}


def test_native_rendering_keeps_the_type_of_a_single_expression():
    assert rendered("{{ params.n }}", native=True) == 5


@pytest.mark.parametrize("content", ["{{ params.id }}", "123", "True", "[1, 2]", "{{ params.id }}0"])
def test_native_rendering_never_parses_text_again(content):
    assert rendered(content, native=True) == content.replace("{{ params.id }}", "1e5")


@pytest.mark.parametrize(
    "content", ["{{ ds | default: 'x' }}", "{{ params.missing }}", "{{ params.x | nonsense }}"]
)
def test_the_error_of_a_bad_expression_names_field_and_way_out(content):
    with pytest.raises(BrazeTemplateError, match=r"messages\.email\.body: .*airflow\.sdk\.literal"):
        rendered(content)

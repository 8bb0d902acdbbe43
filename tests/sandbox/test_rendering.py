"""Liquid as the recipient of a message would see it."""

from __future__ import annotations

import pytest

from braze_provider.sandbox.rendering import AbortedError, render

VALUES = {
    "braze_user": {"first_name": "Ada"},
    "custom_attribute": {"favourite colour": "red"},
    "api_trigger_properties": {"offer": "10 %", "items": [1, 2]},
}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("no Liquid", "no Liquid"),
        ("Hi {{${first_name}}}!", "Hi Ada!"),
        ("Hi {{ ${first_name} | upcase }}!", "Hi ADA!"),
        ("{{${last_name} | default: 'friend'}}", "friend"),
        ("{{custom_attribute.${favourite colour}}}", "red"),
        ("{{api_trigger_properties.${offer}}}, {{api_trigger_properties.offer}}", "10 %, 10 %"),
        ("{% for item in api_trigger_properties.${items} %}{{item}};{% endfor %}", "1;2;"),
        ("{% if ${first_name} == 'Ada' %}yes{% else %}no{% endif %}", "yes"),
        ("{% if ${unknown} %}yes{% else %}no{% endif %}", "no"),
        ("{% assign name = ${first_name} %}{{name}}", "Ada"),
        ("a {{- ${first_name} -}} b", "aAdab"),
        ("{% comment %}{{unknown}}{% endcomment %}seen", "seen"),
        ("${price} p { color: red }", "${price} p { color: red }"),
    ],
)
def test_what_braze_would_render_is_rendered(text, shown):
    rendered = render(text, VALUES)

    assert (rendered.text, rendered.marks) == (shown, [])


@pytest.mark.parametrize(
    ("text", "marked", "why"),
    [
        ("Hi {{${last_name}}}!", "{{${last_name}}}", "the sandbox knows no value"),
        ("Hi {{ ${last_name} | upcase }}!", "{{ ${last_name} | upcase }}", "the sandbox knows no value"),
        (
            "{{ ${last_name} | append: 'x' }}",
            "{{ ${last_name} | append: 'x' }}",
            "the sandbox knows no value",
        ),
        ("a {{content_blocks.${footer}}} b", "{{content_blocks.${footer}}}", "the sandbox knows no value"),
        ("a {{ b c }} d", "{{ b c }}", "expected"),
        ("a {{ 'b' | nonesuch }} c", "{{ 'b' | nonesuch }}", "nonesuch"),
        (
            "a {% connected_content https://x.test/{{${id}}} :save r %} b",
            "{% connected_content https://x.test/{{${id}}} :save r %}",
            "Braze fetches this address",
        ),
        ("a {% promotion('spring') %} b", "{% promotion('spring') %}", "Braze has the promotion codes"),
        ("a {% nonesuch %} b", "a {% nonesuch %} b", "nonesuch"),
        ("a {% if %}", "a {% if %}", "expression"),
        ("a {{ b", "a {{ b", "has no end"),
        ("a {% if b", "a {% if b", "has no end"),
        (
            "{% for i in (1..1000000000) %}x{% endfor %}",
            "{% for i in (1..1000000000) %}x{% endfor %}",
            "limit",
        ),
        ("{% if a %}" * 2000, "{% if a %}" * 2000, ""),
    ],
)
def test_what_cannot_be_rendered_is_shown_as_it_is_and_marked(text, marked, why):
    rendered = render(text, VALUES)

    assert rendered.text == text
    assert [text[mark.start : mark.end] for mark in rendered.marks] == [marked]
    assert why in rendered.marks[0].why


def test_the_rest_of_a_text_is_rendered_around_a_marked_part():
    rendered = render("{{${last_name}}} {{${first_name}}} {{${middle}}}", VALUES)

    assert rendered.text == "{{${last_name}}} Ada {{${middle}}}"
    assert [(mark.start, mark.end) for mark in rendered.marks] == [(0, 16), (21, 34)]


def test_a_message_can_stop_itself():
    with pytest.raises(AbortedError, match="no consent"):
        render("{% if true %}{% abort_message('no consent') %}{% endif %}", VALUES)


@pytest.mark.parametrize(
    ("html", "shown"),
    [
        ("<p>{{a}}</p>", '<p><mark title="the sandbox knows no value for it">{{a}}</mark></p>'),
        ("<a href='{{a}}'>b</a>", "<a href='{{a}}'>b</a>"),
        ("<p>{{a | append: '<b>'}}", "{{a | append: &#x27;&lt;b&gt;&#x27;}}</mark>"),
    ],
)
def test_marks_in_html_break_no_tag(html, shown):
    assert render(html, {}).html().endswith(shown)


def test_a_value_cannot_pretend_to_be_a_mark():
    assert render("{{a}}", {"a": "\ue0000:0\ue001"}).text == "\ue0000:0\ue001"


def test_a_text_that_grows_without_end_is_shown_as_it_is():
    text = "{% assign a = 'x' %}" + "{% assign a = a | append: a %}" * 60 + "{{a}}"

    assert render(text, {}).text == text


@pytest.mark.parametrize("text", ["{{" * 20_000, "{{${" * 10_000, "{%" * 20_000, "{{a}" * 10_000])
def test_a_strange_text_is_shown_as_it_is(text):
    assert render(text, {}).text == text

"""An e-mail can't reach the page around it, and loads nothing unless it is allowed to."""

from __future__ import annotations

import pytest
from browser.conftest import EMAIL

pytestmark = pytest.mark.browser

ELSEWHERE = "https://elsewhere.test"
HARM = (
    "top.document.title = 'harmed'; parent.harmed = true; window.harmed = true; "
    "fetch('/_sandbox/reset', {method: 'POST'})"
)
HOSTILE = f"""
<meta http-equiv="refresh" content="0; url={ELSEWHERE}/refreshed">
<base href="{ELSEWHERE}/">
<link rel="stylesheet" href="{ELSEWHERE}/style.css">
<style>@import url("{ELSEWHERE}/import.css"); body {{ background: url("{ELSEWHERE}/background.png") }}</style>
<script>{HARM}</script>
<script src="{ELSEWHERE}/script.js"></script>
<img id="picture" src="{ELSEWHERE}/pixel.png" onerror="{HARM}">
<svg onload="{HARM}"></svg>
<iframe srcdoc="<script>parent.parent.harmed = true</script>"></iframe>
<iframe src="/" onload="{HARM}"></iframe>
<object data="/"></object><embed src="/">
<video src="{ELSEWHERE}/film.mp4" autoplay onerror="{HARM}"></video>
<form id="form" method="post" action="/_sandbox/reset"><button id="submit">Unsubscribe</button></form>
<a id="script" href="javascript:{HARM}">One</a>
<a id="top" href="{ELSEWHERE}/top" target="_top">Two</a>
<a id="blank" href="{ELSEWHERE}/blank" target="_blank">Three</a>
<a id="self" href="{ELSEWHERE}/self">Four</a>
<input autofocus onfocus="{HARM}">
<p>The end</p>
</iframe></body></html><script>{HARM}</script>
"""


@pytest.fixture
def outside(client):
    """Requests that left for elsewhere. The host answers, so that a leak is seen as one."""
    return []


def watch(page, outside):
    def answer(route):
        outside.append(route.request.url)
        route.fulfill(body="", content_type="text/plain")

    page.context.route(f"{ELSEWHERE}/**", answer)


def show(page, client):
    page.goto(f"{client.sandbox.url}/#/send/0")
    frame = page.frame_locator("article iframe")
    frame.get_by_text("The end").wait_for()
    return frame


def is_harmed(page, client):
    return page.evaluate("Boolean(window.harmed)") or client.sandbox.summary()["requests"] != 1


def test_without_the_frame_the_email_would_do_harm(tab, outside):
    page = tab()
    watch(page, outside)
    page.goto("about:blank")
    page.set_content(HOSTILE.replace("http-equiv", "data-not"), wait_until="commit")

    page.wait_for_function("window.harmed")
    page.wait_for_timeout(300)
    assert f"{ELSEWHERE}/pixel.png" in outside


def test_a_hostile_email_runs_nothing_and_loads_nothing(tab, client, outside):
    client.send("ada", email={**EMAIL, "body": HOSTILE})
    page = tab()
    watch(page, outside)
    show(page, client)
    page.wait_for_timeout(500)

    assert not is_harmed(page, client)
    assert outside == []
    assert page.url == f"{client.sandbox.url}/#/send/0"


@pytest.mark.parametrize("link", ["script", "top", "blank", "self", "submit"])
def test_a_click_in_a_hostile_email_leads_nowhere(tab, client, outside, link):
    client.send("ada", email={**EMAIL, "body": HOSTILE})
    page = tab()
    watch(page, outside)
    show(page, client).locator(f"#{link}").click()
    page.wait_for_timeout(500)

    assert not is_harmed(page, client)
    assert outside == []
    assert page.url == f"{client.sandbox.url}/#/send/0"
    assert len(page.context.pages) == 1


def test_with_the_switch_on_pictures_load_and_still_nothing_runs(tab, client, outside):
    client.send("ada", email={**EMAIL, "body": HOSTILE})
    page = tab()
    watch(page, outside)
    show(page, client)
    with page.expect_request(f"{ELSEWHERE}/pixel.png"):
        page.get_by_label("Load pictures and styles from elsewhere").check()
    page.wait_for_timeout(500)

    assert not is_harmed(page, client)
    assert {url.removeprefix(ELSEWHERE) for url in outside} <= {
        "/pixel.png",
        "/style.css",
        "/import.css",
        "/background.png",
    }


def test_the_frame_alone_in_a_tab_runs_nothing_either(tab, client, outside):
    client.send("ada", email={**EMAIL, "body": HOSTILE})
    page = tab()
    watch(page, outside)
    show(page, client)
    address = page.locator("article iframe").get_attribute("src")
    alone = page.context.new_page()
    alone.goto(client.sandbox.url + address)
    alone.get_by_text("The end").wait_for()
    alone.wait_for_timeout(500)

    assert alone.title() != "harmed"
    assert not is_harmed(page, client)
    assert outside == []


@pytest.mark.parametrize("field", ["subject", "preheader", "from"])
def test_hostile_text_in_a_field_stays_text(tab, client, outside, field):
    hostile = f'<img src="{ELSEWHERE}/pixel.png" onerror="{HARM}">'
    if field == "from":
        hostile = "{% raw %}" + hostile + "{% endraw %} <a@example.com>"
    client.send("ada", email={**EMAIL, field: hostile})
    page = tab()
    watch(page, outside)
    page.goto(f"{client.sandbox.url}/#/send/0")
    page.locator(".envelope").get_by_text("onerror").wait_for()

    assert page.locator(".envelope img").count() == 0
    assert not is_harmed(page, client)
    assert outside == []


def test_a_hostile_value_of_a_recipient_stays_in_the_frame(tab, client, outside):
    client.know("ada", first_name=f"</iframe><script>{HARM}</script>")
    client.send("ada", email={**EMAIL, "body": "<p>Hi {{${first_name}}}</p><p>The end</p>"})
    page = tab()
    watch(page, outside)
    page.goto(f"{client.sandbox.url}/#/send/1")
    page.frame_locator("article iframe").get_by_text("The end").wait_for()

    assert not page.evaluate("Boolean(window.harmed)")
    assert client.sandbox.summary()["requests"] == 2

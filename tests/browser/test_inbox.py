"""The inbox in a real browser."""

from __future__ import annotations

import contextlib
import json
import threading
from pathlib import Path

import pytest

# Without Playwright the tests are skipped, and the fixture says so.
with contextlib.suppress(ImportError):
    from playwright.sync_api import expect
from browser.conftest import ACTIVITY, IMAGES, MESSAGES, WELCOME, Client

from braze_provider.sandbox import Limit, Sandbox

pytestmark = pytest.mark.browser
AXE = (Path(__file__).parent / "axe" / "axe.min.js").read_text()


def entries(page):
    return page.locator(".entries a")


def open_send(page, client, number=0, recipient=None):
    page.goto(f"{client.sandbox.url}/#/send/{number}" + (f"?recipient={recipient}" if recipient else ""))
    page.locator(".detail h2").wait_for()


def card(page, channel):
    return page.locator(f"article.{channel}")


def test_a_send_appears_without_a_reload(page, client):
    client.trigger("ada", "bob")

    entries(page).first.wait_for()
    text = entries(page).first.inner_text()
    assert "Win back" in text
    assert "2 recipients" in text
    assert "win_back_customers › send_offers · scheduled__2026-11-21" in text


def test_the_newest_send_comes_first(page, client):
    client.trigger(campaign_id="older")
    client.trigger(campaign_id="newer")

    page.locator(".entries a >> nth=1").wait_for()
    assert [entry.split("\n")[0] for entry in entries(page).all_inner_texts()] == [
        "Campaign newer",
        "Campaign older",
    ]


def test_older_sends_are_loaded_by_a_button(tab, client):
    for _ in range(60):
        client.trigger()
    page = tab()
    page.goto(client.sandbox.url)
    page.get_by_role("button", name="Show older ones").click()

    page.locator(".entries a >> nth=59").wait_for()
    assert entries(page).count() == 60
    assert page.get_by_role("button", name="Show older ones").is_hidden()


@pytest.mark.parametrize("sought", ["dora", "dispatch", "spring-sale", "Welc"])
def test_search_finds_a_send_by_recipient_dispatch_id_campaign_id_or_name(page, client, sought):
    for number in range(3):
        client.trigger(f"user-{number}")
    wanted = client.trigger("dora", campaign_id=WELCOME if sought == "Welc" else "spring-sale")
    page.locator(".entries a >> nth=3").wait_for()

    page.get_by_role("searchbox").fill(wanted["dispatch_id"] if sought == "dispatch" else sought)

    expect(entries(page)).to_have_count(1)
    assert entries(page).first.get_attribute("data-number") == "3"


def test_a_refused_request_says_why(page, client):
    client.trigger(recipients=[])
    entries(page).first.click()

    page.get_by_role("heading", name="Answer: 400").wait_for()
    assert "No Recipients" in page.get_by_role("region", name="Body of the answer").inner_text()


def test_a_schedule_waits_until_the_clock_is_moved(page, client):
    client.schedule("ada")
    page.locator(".entries .pill", has_text="waiting").wait_for()
    page.get_by_role("link", name="Controls").click()
    page.get_by_label("Hours").fill("2000000")
    page.get_by_role("button", name="Move").click()
    page.get_by_text("What was due is sent.").wait_for()
    page.get_by_role("link", name="Inbox").click()

    page.locator(".entries .pill", has_text="sent").wait_for()


@pytest.mark.parametrize(
    ("channel", "text"),
    [
        ("email", "Ada, a present for you"),
        ("apple_push", "10 % off in Paris."),
        ("android_push", "10 % off, Ada."),
        ("sms", "Hi Ada, 10 % off. STOP to end."),
        ("content_card", "10 % for Ada"),
        ("webhook", "https://hooks.example.com/ada"),
        ("whats_app", "Hi Ada, shall we reserve it?"),
    ],
)
def test_a_message_is_shown_with_the_values_of_its_recipient(page, client, channel, text):
    client.know("ada", first_name="Ada", city="Paris")
    client.send("ada", **{channel: MESSAGES[channel]})
    open_send(page, client, 1)

    card(page, channel).get_by_text(text).wait_for()


def test_an_email_is_shown_as_the_recipient_sees_it(page, client):
    client.know("ada", first_name="Ada", city="Paris")
    client.send("ada")
    open_send(page, client, 1)

    frame = page.frame_locator("iframe")
    frame.get_by_role("heading", name="We miss you, Ada!").wait_for()
    assert frame.locator("mark").inner_text() == "{{custom_attribute.${points}}}"


def test_another_recipient_is_picked_with_an_arrow_key(page, client):
    client.know("bob", first_name="Bob")
    client.send("ada", "bob", sms=MESSAGES["sms"])
    open_send(page, client, 1)
    mark = card(page, "sms").locator("mark")
    mark.wait_for()
    assert mark.inner_text() == "{{${first_name}}}"

    page.get_by_role("button", name="ada").focus()
    page.keyboard.press("ArrowDown")

    card(page, "sms").get_by_text("Hi Bob, 10 % off.").wait_for()


def test_recipients_come_a_page_at_a_time(page, client):
    client.trigger(*(f"user-{number:02}" for number in range(50)))
    open_send(page, client)
    page.get_by_text("1–25 of 50").wait_for()
    page.get_by_role("button", name="Recipients after these").click()

    page.get_by_text("26–50 of 50").wait_for()
    assert page.locator(".recipients button").first.inner_text() == "user-25"


def test_a_campaign_of_the_dashboard_shows_the_values_for_it(page, client):
    client.trigger("ada", trigger_properties={"offer": "10 %"})
    open_send(page, client)

    page.get_by_text("Braze keeps the content of this campaign").wait_for()
    assert '"offer": "10 %"' in page.get_by_role("region", name="Values for this recipient").inner_text()


def test_a_request_is_copied_as_curl_without_its_key(tab, client):
    client.trigger("ada")
    page = tab(permissions=["clipboard-read", "clipboard-write"])
    open_send(page, client)
    page.get_by_role("button", name="Copy as curl").click()
    page.get_by_text("Copied").wait_for()

    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith(f"curl -X POST {client.sandbox.url}/campaigns/trigger/send")
    assert '-H "Authorization: Bearer $BRAZE_API_KEY"' in copied
    assert client.sandbox.api_key not in copied


def test_no_key_is_shown_even_if_a_request_repeats_it(page, client):
    client.trigger("ada", trigger_properties={"key": client.sandbox.api_key})
    open_send(page, client)
    page.get_by_role("region", name="Values for this recipient").wait_for()

    text = page.locator("body").inner_text()
    assert '"key": "$BRAZE_API_KEY"' in text
    assert client.sandbox.api_key not in text


def test_a_fault_is_switched_on_and_off_by_hand(page, client):
    page.get_by_role("link", name="Controls").click()
    page.get_by_label("Times (empty: always)").fill("")
    page.get_by_label("status", exact=True).fill("503")
    page.get_by_role("button", name="Switch on").click()
    page.get_by_text("1 fault on").wait_for()
    assert "message" in client.trigger()
    assert client.sandbox.summary()["messages"] == 0

    page.get_by_role("button", name="Switch off status").click()
    page.get_by_text("1 fault on").wait_for(state="hidden")
    client.trigger()
    assert client.sandbox.summary()["messages"] == 1


def test_a_fault_that_cannot_be_says_why(page):
    page.get_by_role("link", name="Controls").click()
    page.get_by_label("status", exact=True).fill("200")
    page.get_by_role("button", name="Switch on").click()

    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("status")


def test_rate_limits_show_what_is_used_left_and_refused(tab, browser):
    with Sandbox(hourly_limit=2) as sandbox:
        client = Client(sandbox)
        for _ in range(3):
            client.trigger()
        page = tab()
        page.goto(f"{sandbox.url}/#/controls")
        page.locator(".budget.full").wait_for()

        assert page.locator(".budget.full .legend").inner_text().split("\n") == [
            "2 used",
            "0 left",
            "1 refused",
        ]
        drawn = page.get_by_role("img", name="default, the last two minutes")
        told = drawn.get_attribute("aria-label")
        assert told == "default, the last two minutes: 2 requests admitted, 1 refused, 0 left now"


def test_a_rate_limit_is_drawn_second_by_second_and_live(page, client):
    page.get_by_role("link", name="Controls").click()
    page.locator(".budget").first.wait_for()
    assert page.locator(".bar-used").count() == 0
    for _ in range(3):
        client.trigger()
        client.sandbox.advance(seconds=10)

    expect(page.locator(".budget").first.locator(".bar-used")).to_have_count(3)
    client.sandbox.advance(minutes=3)
    expect(page.locator(".bar-used")).to_have_count(0)


def test_a_budget_that_is_full_again_is_drawn_so(tab, browser):
    with Sandbox(limits={"default": Limit(2, 10)}) as sandbox:
        client = Client(sandbox)
        for _ in range(3):
            client.trigger()
        sandbox.advance(seconds=30)
        page = tab()
        page.goto(f"{sandbox.url}/#/controls")
        page.locator(".bar-refused").wait_for()

        assert "0 used\n2 left\n0 refused" in page.locator(".legend").inner_text()
        heights = page.evaluate(
            "document.querySelector('.line-left').getAttribute('points').split(' ')"
            ".map((point) => Number(point.split(',')[1]))"
        )
        assert heights[0] == heights[-1] == min(heights)
        assert max(heights) == 63


def test_everything_is_cleared_by_one_button_after_a_question(page, client):
    client.trigger()
    page.get_by_role("link", name="Controls").click()
    page.get_by_role("button", name="Clear everything").click()
    page.get_by_role("dialog").get_by_role("button", name="Clear everything").click()
    page.get_by_text("Everything is cleared").wait_for()

    assert client.sandbox.summary()["requests"] == 0
    page.get_by_role("link", name="Inbox").click()
    page.get_by_text("Nothing was sent yet.").wait_for()


def test_what_was_received_is_exported_as_json_lines(page, client):
    client.trigger("ada")
    client.trigger("bob")
    page.get_by_role("link", name="Controls").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Export as JSON lines").click()

    lines = [json.loads(line) for line in Path(download.value.path()).read_text().splitlines()]
    assert [line["body"]["recipients"][0]["external_user_id"] for line in lines] == ["ada", "bob"]


def test_profiles_show_what_requests_have_written(page, client):
    client.know("ada", first_name="Ada")
    page.get_by_role("link", name="Profiles").click()
    page.locator("summary", has_text="ada").click()

    assert '"first_name": "Ada"' in page.get_by_role("region", name="Profile of ada").inner_text()


def test_profiles_are_loaded_from_a_file(page, client, tmp_path):
    path = tmp_path / "users.csv"
    path.write_text("external_id,first_name\nada,Ada\nbob,Bob\n")
    page.get_by_role("link", name="Profiles").click()
    page.get_by_label("File with profiles").set_input_files(path)
    page.get_by_role("button", name="Load").click()

    page.get_by_text("2 profiles loaded").wait_for()
    page.locator("summary", has_text="bob").wait_for()


def test_a_file_with_wrong_rows_loads_nothing_and_names_them(page, client, tmp_path):
    path = tmp_path / "users.jsonl"
    path.write_text('{"external_id": "ada"}\n{"city": "rosebud"}\nrosebud\n')
    page.get_by_role("link", name="Profiles").click()
    page.get_by_label("File with profiles").set_input_files(path)
    page.get_by_role("button", name="Load").click()

    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("Nothing was loaded: 2 rows are wrong.")
    expect(alert).to_contain_text("Row 2: names no user")
    expect(alert).to_contain_text("Row 3: is not JSON")
    assert "rosebud" not in page.locator("body").inner_text()
    assert client.sandbox.profile("ada") is None


def test_catalogs_are_shown_a_page_at_a_time(page, client):
    for start in (0, 50):
        items = [{"id": f"dish-{number:02}"} for number in range(start, start + 50)]
        client.put("/catalogs/dishes/items", {"items": items})
    page.get_by_role("link", name="Catalogs").click()
    page.get_by_text("100 items").click()
    page.get_by_text("1–50 of 100").wait_for()
    page.get_by_role("button", name="Items of dishes after these").click()

    page.get_by_text("51–100 of 100").wait_for()
    shown = page.get_by_role("region", name="Items of dishes").inner_text()
    assert shown.split("\n")[0] == '{"id":"dish-50"}'


def test_a_live_activity_is_shown_on_a_phone(page, client):
    client.post("/messages/live_activity/start", ACTIVITY)
    open_send(page, client)

    shown = card(page, "live_activity")
    shown.get_by_text("Kick-off").wait_for()
    assert "score\n1:0" in shown.inner_text()


def test_a_request_that_has_no_answer_yet_is_under_way(page, client):
    client.sandbox.fault("slow", delay=3)
    sending = threading.Thread(target=client.trigger)
    sending.start()
    page.locator(".entries .pill", has_text="under way").wait_for()
    sending.join()

    page.locator(".entries .pill", has_text="sent").wait_for()


def test_with_a_token_the_page_asks_for_it_until_it_is_right(tab):
    with Sandbox(token="s3cret-token") as sandbox:
        client = Client(sandbox)
        client.know("ada", first_name="Ada", city="Paris")
        client.send("ada")
        page = tab()
        page.goto(f"{sandbox.url}/#/send/1")
        page.get_by_role("textbox", name="Token").fill("wrong")
        page.get_by_role("button", name="Open").click()
        page.get_by_text("That was not the token.").wait_for()
        page.get_by_role("textbox", name="Token").fill("s3cret-token")
        page.get_by_role("button", name="Open").click()

        page.frame_locator("iframe").get_by_role("heading", name="We miss you, Ada!").wait_for()
        client.trigger(campaign_id="live")
        entries(page).get_by_text("Campaign live").wait_for()
        assert "s3cret-token" not in page.locator("body").inner_text()
        assert "s3cret" not in page.url


def test_the_keyboard_alone_finds_a_send_and_reads_it(page, client):
    client.trigger("ada")
    client.trigger("bob", campaign_id=WELCOME)
    page.locator(".entries a >> nth=1").wait_for()

    page.keyboard.press("/")
    page.keyboard.type("ada")
    expect(entries(page)).to_have_count(1)
    page.keyboard.press("Tab")  # the filter
    page.keyboard.press("Tab")  # the send
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", name="Win back")).to_be_focused()
    page.get_by_role("button", name="ada").wait_for()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="ada")).to_be_focused()


def test_a_row_that_has_the_focus_keeps_it_while_others_arrive(page, client):
    client.trigger(campaign_id="first")
    entries(page).first.wait_for()
    entries(page).first.focus()
    client.trigger(campaign_id="second")
    page.locator(".entries a >> nth=1").wait_for()

    assert page.evaluate("document.activeElement.dataset.number") == "0"


def fill(client):
    """Everything that the page can show."""
    client.know("ada", first_name="Ada", city="Paris")
    client.post("/messages/send", {"campaign_id": WELCOME, "external_user_ids": ["ada", "bob"], "messages": {
        channel: {**message, "message_variation_id": channel} for channel, message in MESSAGES.items()
    }})  # fmt: skip
    client.trigger(*(f"customer-{number:05}" for number in range(50)), trigger_properties={"offer": "10 %"})
    client.trigger(recipients=[])
    client.schedule("ada")
    client.put("/catalogs/dishes/items", {"items": [{"id": "tea", "price": 3}]})
    client.post("/messages/live_activity/start", ACTIVITY)
    client.post("/canvas/trigger/send", {"canvas_id": "33a51e60-2f0d-7b42", "broadcast": True})
    client.sandbox.fault("status", status=503, times=1)
    client.trigger("zoe")
    client.sandbox.fault("rate_limited", after=2)


PLACES = {
    "list": "#/",
    "send": "#/send/1",
    "campaign": "#/send/2",
    "controls": "#/controls",
    "profiles": "#/profiles",
    "catalogs": "#/catalogs",
}
READY = {
    "list": ".entries a",
    "send": "article.whats_app",
    "campaign": ".note",
    "controls": ".budget",
    "profiles": "summary",
    "catalogs": "summary",
}


def visit(page, client, place):
    page.goto(f"{client.sandbox.url}/{PLACES[place]}")
    page.locator(READY[place]).first.wait_for()
    page.get_by_text("live", exact=True).wait_for()


@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("place", PLACES)
def test_the_accessibility_checker_finds_nothing(tab, client, place, scheme, width):
    fill(client)
    page = tab(width=width, color_scheme=scheme, bypass_csp=True)
    visit(page, client, place)
    page.evaluate(AXE)

    found = page.evaluate("axe.run(document, {iframes: false})")
    assert found["passes"]
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found["violations"]] == []


@pytest.mark.parametrize("place", PLACES)
def test_nothing_is_wider_than_a_phone(tab, client, place):
    fill(client)
    page = tab(width=400, height=800)
    visit(page, client, place)

    assert page.evaluate("document.documentElement.scrollWidth") == 400


def test_the_page_loads_nothing_from_elsewhere(tab, client):
    fill(client)
    page = tab()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for place in PLACES:
        visit(page, client, place)

    assert asked
    assert [url for url in asked if not url.startswith(client.sandbox.url)] == []


@pytest.fixture
def picture(request, tmp_path):
    """Take a picture for the documentation. It goes there only with --pictures."""

    def take(what, name):
        folder = IMAGES if request.config.getoption("--pictures") else tmp_path
        path = folder / f"{name}.png"
        what.screenshot(path=path)
        assert (IMAGES / path.name).exists()
        assert path.stat().st_size > 5_000

    return take


@pytest.mark.parametrize(
    ("name", "place", "scheme", "height"),
    [
        ("inbox-list", "list", "light", 620),
        ("inbox-message", "send", "light", 760),
        ("inbox-message-dark", "send", "dark", 760),
    ],
)
def test_the_pictures_of_the_inbox_are_made(tab, client, picture, name, place, scheme, height):
    fill(client)
    page = tab(width=1120, height=height, color_scheme=scheme)
    visit(page, client, place)
    if place == "send":
        page.frame_locator("iframe").get_by_role("heading").wait_for()
    picture(page, name)


@pytest.mark.parametrize(("name", "channels"), [("push", ["apple_push", "android_push"]), ("sms", ["sms"])])
def test_the_pictures_of_phones_are_made(tab, client, picture, name, channels):
    client.know("ada", first_name="Ada", city="Paris")
    client.send("ada", **{channel: MESSAGES[channel] for channel in channels})
    page = tab(width=1440)
    open_send(page, client, 1)
    card(page, channels[-1]).wait_for()
    picture(page.locator(".shown") if len(channels) > 1 else card(page, name), f"inbox-{name}")


def test_the_picture_of_the_controls_is_made(tab, picture, browser):
    with Sandbox(limits={"default": Limit(60, 30)}) as sandbox:
        client = Client(sandbox)
        for step in range(40):  # more and more requests, until the limit refuses some
            for number in range(1 + step // 4):
                client.trigger(f"user-{step}-{number}")
            sandbox.advance(seconds=3)
        sandbox.fault("status", status=503, endpoint="/campaigns/trigger/send", times=3)
        sandbox.fault("disconnect", processed=True, after=10)
        page = tab(width=1120, height=900)
        page.goto(f"{sandbox.url}/#/controls")
        page.locator(".bar-refused").first.wait_for()
        picture(page, "inbox-controls")

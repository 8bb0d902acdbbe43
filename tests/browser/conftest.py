"""A real browser, and a sandbox with messages in it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from braze_provider.sandbox import Sandbox

WELCOME = "8d2c1f6a-03b7-4e55-1c90-6a7be2f4d913"
WIN_BACK = "417220e4-5a2a-b634-7f7d-9ec891532368"

BODY = """<html><body style="font-family:sans-serif;background:#f4f0ff;margin:0;padding:24px">
<div style="max-width:520px;margin:auto;background:#fff;border-radius:12px;padding:28px">
<h1 style="color:#4a3fb5;margin-top:0">We miss you, {{${first_name} | default: "friend"}}!</h1>
<p>Come back to our shop in {{custom_attribute.${city}}}, and get <b>10 %</b> off.</p>
<p><a href="https://shop.example.com/{{${user_id}}}" style="background:#4a3fb5;color:#fff;padding:10px 18px;
border-radius:8px;text-decoration:none">Shop now</a></p>
<p style="color:#666;font-size:12px">Your points: {{custom_attribute.${points}}}</p></div></body></html>"""
EMAIL = {
    "app_id": "app",
    "from": "Shop <shop@example.com>",
    "subject": "{{${first_name}}}, a present for you",
    "preheader": "Only this week",
    "body": BODY,
}
MESSAGES: dict[str, Any] = {
    "email": EMAIL,
    "apple_push": {
        "alert": {
            "title": "We miss you, {{${first_name}}}",
            "body": "10 % off in {{custom_attribute.${city}}}.",
        }
    },
    "android_push": {"title": "A present", "alert": "10 % off, {{${first_name}}}."},
    "sms": {
        "app_id": "app",
        "subscription_group_id": "sms",
        "body": "Hi {{${first_name}}}, 10 % off. STOP to end.",
    },
    "content_card": {
        "type": "CLASSIC",
        "title": "10 % for {{${first_name}}}",
        "description": "Until Sunday, in all shops.",
        "time_to_live": 86_400,
        "uri_text": "See the offer",
    },
    "webhook": {
        "url": "https://hooks.example.com/{{${user_id}}}",
        "request_method": "POST",
        "request_headers": {"Content-Type": "application/json"},
        "body": '{"points": {{custom_attribute.${points}}}}',
    },
    "whats_app": {
        "app_id": "app",
        "subscription_group_id": "chat",
        "message_type": "quick_reply_response_message",
        "message": {"body": "Hi {{${first_name}}}, shall we reserve it?", "buttons": [{"text": "Yes"}]},
    },
}
ACTIVITY = {
    "app_id": "app",
    "activity_id": "final",
    "content_state": {"score": "1:0"},
    "activity_attributes_type": "Match",
    "activity_attributes": {"teams": "Reds and Blues"},
    "external_user_ids": ["ada"],
    "notification": {"alert": {"title": "The final", "body": "Kick-off"}},
}
TASK = {
    "X-Airflow-Dag-Id": "win_back_customers",
    "X-Airflow-Run-Id": "scheduled__2026-11-21",
    "X-Airflow-Task-Id": "send_offers",
}


class Client:
    """Sends what a Dag would send."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self._session = requests.Session()
        self._session.headers.update({"Authorization": f"Bearer {sandbox.api_key}", **TASK})

    def post(self, path: str, body: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self._session.post(self.sandbox.url + path, json=body, timeout=10).json()
        return answer

    def put(self, path: str, body: Any) -> None:
        self._session.put(self.sandbox.url + path, json=body, timeout=10)

    def know(self, key: str, **attributes: Any) -> None:
        self.post("/users/track", {"attributes": [{"external_id": key, **attributes}]})

    def send(self, *ids: str, **messages: Any) -> dict[str, Any]:
        body = {"external_user_ids": list(ids or ("ada",)), "messages": messages or {"email": EMAIL}}
        return self.post("/messages/send", body)

    def trigger(self, *ids: str, campaign_id: str = WIN_BACK, **changes: Any) -> dict[str, Any]:
        recipients = [{"external_user_id": one} for one in ids or ("ada",)]
        body = {"campaign_id": campaign_id, "recipients": recipients, **changes}
        return self.post("/campaigns/trigger/send", body)

    def schedule(self, *ids: str) -> dict[str, Any]:
        recipients = [{"external_user_id": one} for one in ids or ("ada",)]
        body = {
            "campaign_id": WIN_BACK,
            "recipients": recipients,
            "schedule": {"time": "2199-01-01T09:00:00Z"},
        }
        return self.post("/campaigns/trigger/schedule/create", body)


def _chromium() -> str | None:
    given = os.environ.get("BRAZE_TEST_BROWSER")
    return (
        given or shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    )


# One for each module: while Playwright's loop runs in this thread, no other code here can start one.
@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="no Playwright")
    with playwright.sync_playwright() as driver:
        try:
            # Chromium's own sandbox needs rights that containers lack.
            browser = driver.chromium.launch(executable_path=_chromium(), args=["--no-sandbox"])
        except playwright.Error as error:
            reason = str(error).strip().splitlines()[0]
            pytest.skip(f"no Chromium (set BRAZE_TEST_BROWSER to name one): {reason}")
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def client(running: Sandbox) -> Client:
    running.reset()
    return Client(running)


@pytest.fixture
def tab(browser: Any) -> Iterator[Callable[..., Any]]:
    """Open a tab of its own browser profile. An error in the page's own code fails the test."""
    opened: list[Any] = []
    errors: list[str] = []

    def tab(*, width: int = 1280, height: int = 860, **options: Any) -> Any:
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        context.set_default_timeout(10_000)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        opened.append(context)
        return page

    yield tab
    for context in opened:
        context.close()
    assert errors == []


@pytest.fixture
def page(tab: Callable[..., Any], client: Client) -> Any:
    """The inbox, open and empty."""
    page = tab()
    page.goto(client.sandbox.url)
    page.get_by_text("Nothing was sent yet.").wait_for()
    return page


IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"

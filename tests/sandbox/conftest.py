"""One sandbox for the whole session, reset for each test, and a plain HTTP client for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from braze_provider.sandbox import Sandbox

CAMPAIGN = "417220e4-5a2a-b634-7f7d-9ec891532368"
EMAIL = {"app_id": "app", "from": "Shop <shop@example.com>", "subject": "Hello", "body": "<p>Hello</p>"}


class Client:
    """Sends requests as a careful user of curl would. Each body is right until a test changes it."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {sandbox.api_key}"

    def post(self, path: str, body: Any = None, **options: Any) -> requests.Response:
        options.setdefault("timeout", 10)
        if "data" not in options:
            options["json"] = body
        return self.session.post(self.sandbox.url + path, **options)

    def get(self, path: str, **params: Any) -> requests.Response:
        return self.session.get(self.sandbox.url + path, params=params, timeout=10)

    def trigger(self, *ids: str, **changes: Any) -> requests.Response:
        """Trigger a campaign for the ids; a change to ``None`` removes the field."""
        body = {
            "campaign_id": CAMPAIGN,
            "recipients": [{"external_user_id": external_id} for external_id in ids or ("ada",)],
        }
        return self.post("/campaigns/trigger/send", _changed(body, changes))

    def send(self, *ids: str, **changes: Any) -> requests.Response:
        """Send an e-mail to the ids; a change to ``None`` removes the field."""
        body = {"external_user_ids": list(ids or ("ada",)), "messages": {"email": EMAIL}}
        return self.post("/messages/send", _changed(body, changes))


def _changed(body: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**body, **changes}.items() if value is not None}


@pytest.fixture(scope="session")
def running_sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running_sandbox: Sandbox) -> Sandbox:
    running_sandbox.reset()
    return running_sandbox


@pytest.fixture
def client(sandbox: Sandbox) -> Client:
    return Client(sandbox)


@pytest.fixture
def start() -> Iterator[Any]:
    """Start a sandbox with its own options; returns a client of it."""
    started: list[Sandbox] = []

    def start(**options: Any) -> Client:
        sandbox = Sandbox(**options)
        sandbox.start()
        started.append(sandbox)
        return Client(sandbox)

    yield start
    for sandbox in started:
        sandbox.stop()

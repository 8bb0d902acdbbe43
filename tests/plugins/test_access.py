"""Who may see a delivery, and who may decide: asked of a real API server."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
import requests
from plugins.conftest import JSON, route

pytestmark = pytest.mark.process

DECISION = {"decision": "sent"}


@pytest.fixture(scope="module")
def routes(held) -> list[tuple[str, str]]:
    """Every route of the app, with the values of a delivery that is in doubt."""
    from braze_provider.plugins.app import create_app

    values = {"dag_id": held["dag_id"], "delivery_id": held["id"], "name": "app.js"}
    found = [(method, one.path.format(**values)) for one in create_app().routes for method in one.methods]
    assert len(found) > 5
    return found


def test_nobody_gets_an_answer_from_any_route(user, routes):
    nobody = user(None)
    answers = {
        (method, path): nobody.session.request(
            method, f"{nobody.url}/braze-deliveries{path}", json=DECISION, headers=JSON
        )
        for method, path in routes
    }
    assert {asked: answer.status_code for asked, answer in answers.items()} == dict.fromkeys(answers, 401)


@pytest.mark.parametrize("name", ["lola", "mallory"])
def test_a_user_without_access_to_the_dag_is_refused(user, routes, held, name):
    asked = [(method, path) for method, path in routes if held["dag_id"] in path]
    assert len(asked) == 3
    someone = user(name)
    for method, path in asked:
        answer = someone.session.request(
            method, f"{someone.url}/braze-deliveries{path}", json=DECISION, headers=JSON
        )
        assert answer.status_code == 403
        assert held["run_id"] not in answer.text


def test_the_list_has_only_deliveries_of_dags_that_the_user_may_read(user, held, mapped):
    assert {one["dag_id"] for one in user("vera").deliveries()} >= {"loyalty_points", held["dag_id"]}
    assert {one["dag_id"] for one in user("lola").deliveries()} == {"loyalty_points"}
    assert user("mallory").get("api/deliveries").status_code == 403


def test_another_dag_in_the_path_opens_no_delivery(user, held):
    """Airflow is asked about the Dag in the path, so the delivery has to be one of that Dag."""
    for dag_id in ("loyalty_points", "~"):
        other = {**held, "dag_id": dag_id}
        assert user("lola").get(route(other)).status_code == 404
        assert user("lola").get(route(other, "batches")).status_code == 404
        assert user("lola").post(route(other, "settle"), DECISION).status_code in (403, 404)


@pytest.mark.parametrize("name", ["vera", "uma", "admin"])
def test_who_may_read_the_dag_may_read_its_deliveries(user, held, name):
    assert user(name).get(route(held)).status_code == 200
    assert user(name).get(route(held, "batches")).status_code == 200


def test_a_running_delivery_is_settled_by_nobody(cluster, user):
    run_id = cluster.trigger("newsletter")
    cluster.eventually(lambda: user("admin").deliveries(q=run_id), "the delivery has begun")
    one = user("admin").find(run_id)
    answer = user("admin").post(route(one, "settle"), DECISION)
    assert answer.status_code == 409
    assert "The delivery is running" in answer.json()["detail"]


def test_a_viewer_may_not_settle(user, held):
    assert user("vera").post(route(held, "settle"), DECISION).status_code == 403
    assert not user("vera").show(held)["may_settle"]
    assert user("uma").show(held)["may_settle"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({**JSON, "Content-Type": "text/plain"}, 415),
        ({**JSON, "Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content-Type": "application/json"}, 403),
        ({**JSON, "Origin": "https://evil.example"}, 403),
        ({**JSON, "Sec-Fetch-Site": "cross-site"}, 403),
        ({**JSON, "Sec-Fetch-Site": "same-site"}, 403),
    ],
)
def test_a_request_that_another_site_may_have_made_decides_nothing(user, held, headers, status):
    headers = {"Content-Type": "application/json", **headers}
    answer = user("admin").session.post(
        f"{user('admin').url}/braze-deliveries/{route(held, 'settle')}",
        data='{"decision": "sent"}',
        headers=headers,
    )
    assert answer.status_code == status
    assert user("admin").show(held)["state"] == "in_doubt"


@pytest.mark.browser
def test_a_form_on_a_page_of_another_site_decides_nothing(tab, user, held):
    """The other page is on another port of this host, so the browser sends the cookie with its form."""
    admin = user("admin")
    action = f"{admin.url}/braze-deliveries/{route(held, 'settle')}"
    # A form that looks like JSON once it is sent as plain text.
    page = f"""<form method=post enctype=text/plain action="{action}">
        <input name='{{"decision": "sent", "x": "' value='"}}'><button>Win a prize</button></form>"""

    class Evil(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page.encode())

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Evil) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        opened = tab()
        opened.context.add_cookies([{"name": "_token", "value": admin.token, "url": admin.url}])
        opened.goto(f"http://127.0.0.1:{server.server_port}/")
        with opened.expect_response(action) as answer:
            opened.get_by_role("button").click()
        server.shutdown()

    assert "_token" in answer.value.request.all_headers().get("cookie", "")
    assert answer.value.status in (403, 415, 422)
    assert admin.show(held)["state"] == "in_doubt"
    assert admin.show(held)["decisions"] == []


def test_answers_tell_browsers_what_they_must_not_do(user, held):
    for path in ("", "app.js", "api/deliveries"):
        headers = user("vera").get(path).headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'self'" in policy
        assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", ["docs", "redoc", "openapi.json", "..%2fapp.py", "app.py", "nothing.js"])
def test_nothing_else_is_served(user, path):
    assert user("admin").get(path).status_code == 404


def test_the_guard_is_airflow_s_own(cluster, held):
    """A token of nobody's is refused as by Airflow itself."""
    answer = requests.get(
        f"{cluster.url}/braze-deliveries/api/deliveries", headers={"Authorization": "Bearer made.up.token"}
    )
    own = requests.get(f"{cluster.url}/api/v2/dags", headers={"Authorization": "Bearer made.up.token"})
    assert answer.status_code == own.status_code

"""What the inbox reads, and who may read it."""

from __future__ import annotations

import json
import shlex
import subprocess
import time

import pytest
import requests

from braze_provider.sandbox import Campaign, Canvas

CAMPAIGN = "417220e4-5a2a-b634-7f7d-9ec891532368"
SMS = {"app_id": "app", "subscription_group_id": "group", "body": "Hi {{${first_name}}}"}


def shown(client, **query):
    return client.get("/_sandbox/inbox", **query).json()


def numbers(client, **query):
    return [entry["number"] for entry in shown(client, **query)["entries"]]


def message(client, number=0, **query):
    return client.get(f"/_sandbox/inbox/{number}/message", **query).json()


def test_entries_come_newest_first_a_page_at_a_time(client):
    for _ in range(5):
        client.trigger()

    first = shown(client, limit=2)
    second = shown(client, limit=2, before=first["next"])
    third = shown(client, limit=2, before=second["next"])

    pages = [[entry["number"] for entry in page["entries"]] for page in (first, second, third)]
    assert pages == [[4, 3], [2, 1], [0]]
    assert third["next"] is None


def test_a_page_that_ends_with_the_last_entry_has_none_after_it(client):
    client.trigger()
    client.trigger()

    assert shown(client, limit=2)["next"] is None


@pytest.mark.parametrize(
    ("kind", "found"),
    [("sends", [4, 2, 0]), ("scheduled", [4]), ("failed", [3, 2]), ("all", [4, 3, 2, 1, 0])],
)
def test_entries_are_filtered_by_their_kind(client, kind, found):
    client.trigger()
    client.get("/campaigns/list")
    client.trigger(recipients=[])
    client.get("/nowhere")
    schedule = {"time": "2199-01-01T09:00:00Z"}
    client.post("/campaigns/trigger/schedule/create", {
        "campaign_id": CAMPAIGN, "recipients": [{"external_user_id": "ada"}], "schedule": schedule,
    })  # fmt: skip

    assert numbers(client, kind=kind) == found


def test_an_entry_tells_what_a_refused_request_wanted(client):
    client.sandbox.fault("status", status=500)
    client.trigger("ada", "bob")

    (entry,) = shown(client)["entries"]
    assert (entry["status"], entry["fault"], entry["accepted"]) == (500, "status", False)
    assert (entry["campaign"], entry["campaign_id"], entry["recipients"]) == ("Win back", CAMPAIGN, 2)


def test_an_entry_names_the_task_that_a_client_sent(client):
    client.session.headers["X-Airflow-Dag-Id"] = "caf%C3%A9"
    client.trigger()

    assert shown(client)["entries"][0]["task"] == {"dag_id": "café"}
    assert numbers(client, q="café") == [0]


@pytest.mark.parametrize("q", ["spring", "SPRING-SALE", "win b"])
def test_a_refused_request_is_found_by_the_campaign_that_it_wanted(client, q):
    client.trigger(campaign_id=CAMPAIGN if q == "win b" else "spring-sale", recipients=[])
    client.trigger(campaign_id="another")

    assert numbers(client, q=q) == [0]
    assert numbers(client, q=q, kind="failed") == [0]


@pytest.mark.parametrize("header", ["X-Airflow-Dag-Id", "X-Airflow-Run-Id", "X-Airflow-Task-Id"])
def test_a_send_is_found_by_a_part_of_what_its_task_is_called(client, header):
    client.session.headers[header] = "Win_back__2026"
    client.trigger()
    del client.session.headers[header]
    client.trigger()

    assert numbers(client, q="back__") == [0]


def test_a_schedule_is_found_by_the_beginning_of_its_id(client):
    schedule = {"time": "2199-01-01T09:00:00Z"}
    answer = client.post("/campaigns/trigger/schedule/create", {
        "campaign_id": CAMPAIGN, "recipients": [{"external_user_id": "ada"}], "schedule": schedule,
    })  # fmt: skip
    client.trigger()

    assert numbers(client, q=answer.json()["schedule_id"][:9]) == [0]


def test_a_search_with_what_could_be_sql_finds_nothing(client):
    client.trigger()

    for q in ("%", "' OR 1 = 1 --", "_", "*", "\ud800", "a\0b"):
        assert numbers(client, q=q.encode("utf-8", "replace").decode()) == []


@pytest.mark.parametrize("q", ["ada@example.com", "email:ada@example.com", "  ada@example.com "])
def test_a_recipient_is_found_by_the_key_or_the_address(client, q):
    client.trigger(recipients=[{"email": "ada@example.com", "prioritization": ["identified"]}])
    client.trigger("bob")

    assert numbers(client, q=q) == [0]


def test_a_recipient_of_a_schedule_that_waits_is_found(client):
    schedule = {"time": "2199-01-01T09:00:00Z"}
    client.post("/campaigns/trigger/schedule/create", {
        "campaign_id": CAMPAIGN, "recipients": [{"external_user_id": "ada"}], "schedule": schedule,
    })  # fmt: skip

    assert numbers(client, q="ada") == [0]
    assert numbers(client, q="bob") == []


@pytest.mark.parametrize("field", ["dispatch_id", "send_id", "campaign_id"])
def test_a_send_is_found_by_a_part_of_an_id(client, field):
    client.trigger(campaign_id="SUMMER-1", send_id="label-1")
    client.trigger()
    entry = shown(client)["entries"][1]

    assert numbers(client, q=entry[field][:6].lower()) == [0]


def test_a_request_is_opened_with_its_head_and_its_answer(client):
    answer = client.trigger("ada", trigger_properties={"offer": "10 %"})
    opened = client.get("/_sandbox/inbox/0").json()

    assert (opened["method"], opened["url"], opened["status"]) == ("POST", "/campaigns/trigger/send", 201)
    assert json.loads(opened["body"])["trigger_properties"] == {"offer": "10 %"}
    assert json.loads(opened["answer"]) == answer.json()
    assert opened["headers"]["content-type"] == "application/json"
    assert "authorization" not in opened["headers"]


def test_the_query_of_a_request_is_shown(client):
    client.get("/campaigns/list", page=1)

    assert client.get("/_sandbox/inbox/0").json()["url"] == "/campaigns/list?page=1"


@pytest.mark.parametrize("path", ["/0", "/-1", "/0/recipients", "/0/message", "/0/curl"])
def test_a_request_that_never_came_is_not_found(client, path):
    answer = client.get(f"/_sandbox/inbox{path}")

    assert (answer.status_code, answer.json()) == (404, {"message": "No such request"})


def test_bodies_that_are_not_kept_are_not_shown(start):
    client = start(record_bodies=False)
    client.trigger("ada")
    opened = client.get("/_sandbox/inbox/0").json()

    assert (opened["kept"], opened["body"], opened["answer"]) == (False, None, None)
    assert (opened["recipients"], opened["reached"]) == (1, 1)


def test_recipients_tell_whether_the_request_reached_them(start):
    client = start(unknown_ids=["ghost"])
    client.trigger("ada", "ghost")

    assert client.get("/_sandbox/inbox/0/recipients").json() == {
        "total": 2,
        "recipients": [{"key": "ada", "reached": True}, {"key": "ghost", "reached": False}],
    }


def test_recipients_of_a_refused_request_are_those_that_it_named(client):
    client.sandbox.fault("status")
    client.trigger("ada", "bob")

    page = client.get("/_sandbox/inbox/0/recipients", offset=1).json()
    assert page == {"total": 2, "recipients": [{"key": "bob", "reached": False}]}


@pytest.mark.parametrize(
    "body", [{"recipients": "ada"}, {"recipients": [1]}, [], {"external_user_ids": {}}, {"campaign_id": [1]}]
)
def test_a_request_that_makes_no_sense_is_opened_all_the_same(client, body):
    client.post("/campaigns/trigger/send", body)

    assert client.get("/_sandbox/inbox/0").status_code == 200
    assert client.get("/_sandbox/inbox/0/recipients").json()["total"] in (0, 1)
    assert client.get("/_sandbox/inbox/0/message").status_code == 200
    assert len(shown(client)["entries"]) == 1


def test_a_message_has_the_values_of_the_profile_the_request_and_the_recipient(start):
    text = "{{${first_name}}} {{custom_attribute.${city}}} {{api_trigger_properties.${offer}}} {{${user_id}}}"
    sms = {**SMS, "body": f"{text} {{{{campaign.${{name}}}}}}"}
    client = start(campaigns=[Campaign(id="c", name="Spring", messages={"sms": sms})])
    client.post(
        "/users/track", {"attributes": [{"external_id": "ada", "first_name": "Ada", "city": "Paris"}]}
    )
    recipient = {
        "external_user_id": "ada",
        "trigger_properties": {"offer": "20 %"},
        "attributes": {"city": "Rome"},
    }
    client.trigger(campaign_id="c", trigger_properties={"offer": "10 %"}, recipients=[recipient])

    (sent,) = message(client, 1, recipient="ada")["messages"]
    assert sent["message"]["body"] == {"text": "Ada Rome 20 % ada Spring", "marks": []}


def test_a_canvas_has_its_context(start):
    sms = {**SMS, "body": "{{context.${step}}} {{canvas_entry_properties.${step}}}"}
    client = start(canvases=[Canvas(id="c", messages={"sms": sms})])
    client.post("/canvas/trigger/send", {"canvas_id": "c", "broadcast": True, "context": {"step": 2}})

    (sent,) = message(client)["messages"]
    assert sent["message"]["body"]["text"] == "2 2"


def test_a_message_that_stops_itself_says_why(client):
    client.send("ada", messages={"sms": {**SMS, "body": "{% abort_message('no consent') %}"}})

    assert message(client, recipient="ada")["messages"] == [{"channel": "sms", "aborted": "no consent"}]


def test_the_messages_of_a_campaign_come_from_the_workspace_file(start, tmp_path):
    from braze_provider.sandbox.workspace_file import read_workspace

    path = tmp_path / "workspace.json"
    path.write_text(json.dumps({"campaigns": [{"id": "c", "messages": {"sms": SMS}}]}))
    client = start(**read_workspace(str(path)))
    client.trigger(campaign_id="c")

    assert message(client, recipient="ada")["messages"][0]["channel"] == "sms"


@pytest.mark.parametrize("messages", [{"letter": {}}, {"sms": "text"}, []])
def test_a_workspace_file_with_other_messages_is_refused(tmp_path, messages):
    from braze_provider.sandbox.workspace_file import read_workspace

    path = tmp_path / "workspace.json"
    path.write_text(json.dumps({"campaigns": [{"id": "c", "messages": messages}]}))
    with pytest.raises(ValueError, match="messages"):
        read_workspace(str(path))


def test_curl_repeats_the_request(client):
    client.trigger("o'neil", trigger_properties={"offer": '$HOME `id` \\ "10" %'})
    command = client.get("/_sandbox/inbox/0/curl").json()["curl"]
    assert client.sandbox.api_key not in command

    words = shlex.split(command)
    subprocess.run(
        ["bash", "-c", command],
        env={"BRAZE_API_KEY": client.sandbox.api_key, "PATH": "/usr/bin:/bin"},
        check=True,
        capture_output=True,
        timeout=20,
    )
    assert words[:4] == ["curl", "-X", "POST", f"{client.sandbox.url}/campaigns/trigger/send"]
    first, second = client.sandbox.requests()
    assert (second["status"], second["body"]) == (201, first["body"])


@pytest.mark.parametrize("path", ["", "/0", "/0/recipients", "/0/message?recipient=x", "/0/curl"])
def test_no_answer_repeats_a_key(client, path):
    key = client.sandbox.api_key
    client.session.headers["X-Mistake"] = key
    client.trigger(key, campaign_id=key, trigger_properties={key: [key]})

    answer = client.get(f"/_sandbox/inbox{path}")
    assert answer.status_code == 200
    assert key not in answer.text
    assert key not in client.get("/_sandbox/export").text


def test_the_frame_of_an_email_repeats_no_key(client):
    client.send("ada", messages={"email": {
        "app_id": "app", "from": "A <a@example.com>", "subject": "S", "body": client.sandbox.api_key,
    }})  # fmt: skip
    frame = message(client, recipient="ada")["messages"][0]["frame"]

    assert client.get(f"/_sandbox/frames/{frame}").text == "$BRAZE_API_KEY"


def test_the_export_has_each_request_with_its_answer(client):
    client.trigger("ada")
    client.get("/nowhere")

    lines = [json.loads(line) for line in client.get("/_sandbox/export").text.splitlines()]
    assert [line["url"] for line in lines] == ["/campaigns/trigger/send", "/nowhere"]
    assert lines[0]["body"]["recipients"] == [{"external_user_id": "ada"}]
    assert lines[1]["answer"] == {"message": "Invalid URL"}


def test_one_fault_is_switched_off_by_its_place(client):
    client.sandbox.fault("slow")
    client.sandbox.fault("garbage")

    assert client.session.delete(f"{client.sandbox.url}/_sandbox/faults?number=0").json() == {
        "message": "success"
    }
    assert [fault["kind"] for fault in client.sandbox.faults()] == ["garbage"]
    for number in (1, -1):
        path = f"{client.sandbox.url}/_sandbox/faults?number={number}"
        assert client.session.delete(path).status_code == 404


def test_every_kind_of_fault_is_described(client):
    from braze_provider.sandbox.faults import KINDS

    told = client.get("/_sandbox/fault-kinds").json()
    kinds = {kind["kind"]: kind for kind in told["kinds"]}

    assert kinds.keys() == KINDS.keys()
    assert all(kind["does"] for kind in kinds.values())
    assert {"name": "status", "type": "number", "default": 503} not in kinds["status"]["fields"]
    assert {"name": "status", "type": "number", "default": 500} in kinds["status"]["fields"]
    assert "/messages/send" in told["endpoints"]


def test_rate_limits_show_what_was_used_left_and_refused(start):
    client = start(hourly_limit=2)
    for _ in range(5):
        client.trigger()

    (budget,) = client.get("/_sandbox/live").json()["limits"]
    assert (budget["limit"], budget["requests"], budget["seconds"]) == ("default", 2, 3600)
    assert (budget["used"], budget["left"], budget["refused"]) == (2, 0, 3)


def test_a_broadcast_has_a_budget_for_its_audience(client):
    client.trigger(broadcast=True, recipients=None)

    limits = {budget["limit"]: budget for budget in client.get("/_sandbox/live").json()["limits"]}
    assert limits.keys() == {"default", "broadcast", "audience"}
    assert CAMPAIGN in limits["audience"]["key"]


def test_profiles_are_listed_a_page_at_a_time(client):
    client.post("/users/track", {"attributes": [{"external_id": one, "city": "Paris"} for one in "abc"]})

    page = client.get("/_sandbox/profiles", offset=1, limit=1).json()
    assert page["total"] == 3
    assert [profile["keys"] for profile in page["profiles"]] == [["b"]]


def events(client, **options):
    address = f"{client.sandbox.url}/_sandbox/events"
    response = client.session.get(address, stream=True, timeout=10, **options)
    assert response.headers["content-type"].startswith("text/event-stream")
    for line in response.iter_lines():
        if line.startswith(b"data: "):
            yield json.loads(line[6:])


def test_events_tell_the_state_and_then_each_change(client):
    stream = events(client)
    assert next(stream)["summary"]["requests"] == 0
    client.trigger()

    state = next(stream)
    assert (state["summary"]["requests"], state["summary"]["messages"]) == (1, 1)
    client.sandbox.advance(hours=2)
    assert next(stream)["ahead"] == 7200
    stream.close()


def test_a_sandbox_stops_while_a_page_listens(start):
    client = start()
    stream = events(client)
    next(stream)
    began = time.monotonic()
    client.sandbox.stop()

    assert time.monotonic() - began < 9  # not the time after which it gives up
    with pytest.raises((StopIteration, requests.RequestException)):
        next(stream)


# Who may ask


@pytest.mark.parametrize("path", ["/", "/_sandbox/page/app.js", "/_sandbox/page/inbox.css"])
def test_the_page_needs_no_token_and_its_data_do(start, path):
    client = start(token="s3cret-token")
    del client.session.headers["Authorization"]

    assert client.get(path).status_code == 200
    assert "s3cret-token" not in client.get(path).text
    for data in ("inbox", "live", "events", "export", "fault-kinds", "inbox/0/message"):
        assert client.get(f"/_sandbox/{data}").status_code == 401


@pytest.mark.parametrize(
    "path", ["page/", "page/nowhere.js", "page/../inbox.py", "page/%2e%2e/inbox.py", "frames/", "frames/x"]
)
def test_other_files_are_not_served(client, path):
    request = requests.Request("GET", f"{client.sandbox.url}/_sandbox/{path}").prepare()
    request.url = f"{client.sandbox.url}/_sandbox/{path}"

    assert requests.Session().send(request, timeout=10).status_code == 404


def test_the_page_may_load_and_run_only_what_the_sandbox_serves(client):
    headers = client.get("/").headers
    policy = headers["Content-Security-Policy"]

    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert (headers["X-Content-Type-Options"], headers["Referrer-Policy"]) == ("nosniff", "no-referrer")


@pytest.mark.parametrize(
    "path", ["/_sandbox", "/_sandbox/summary", "/_sandbox/nowhere", "/_sandbox/frames/x"]
)
def test_data_are_never_a_page(client, path):
    policy = client.get(path).headers["Content-Security-Policy"]

    assert policy == "default-src 'none'; frame-ancestors 'none'; sandbox"


@pytest.mark.parametrize("remote", [False, True])
def test_an_email_is_served_as_a_sandboxed_page_of_its_own(client, remote):
    client.send("ada")
    frame = message(client, recipient="ada", remote=remote)["messages"][0]["frame"]
    answer = client.get(f"/_sandbox/frames/{frame}")

    assert answer.text == "<p>Hello</p>"
    policy = answer.headers["Content-Security-Policy"].split("; ")
    assert policy[:2] == ["sandbox", "default-src 'none'"]
    assert not any(part.startswith(("script-src", "connect-src", "frame-src")) for part in policy)
    assert any("https:" in part for part in policy) is remote


def test_old_frames_are_forgotten(client):
    client.send("ada")
    first, *_ = [message(client, recipient="ada")["messages"][0]["frame"] for _ in range(65)]

    assert client.get(f"/_sandbox/frames/{first}").status_code == 404


@pytest.mark.parametrize(
    "host", ["evil.test", "evil.test:8010", "localhost.evil.test", "127.0.0.1.evil.test", "[::1"]
)
@pytest.mark.parametrize("path", ["/", "/_sandbox/summary", "/_sandbox/events", "/_sandbox/frames/x"])
def test_a_name_that_points_to_loopback_is_refused(client, host, path):
    """DNS rebinding: a page's own name may suddenly lead here, and the browser would let it read answers."""
    answer = client.session.get(client.sandbox.url + path, headers={"Host": host}, timeout=10)

    assert answer.status_code == 403
    assert "localhost" in answer.json()["message"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:1234", "LOCALHOST", "[::1]:8010", "10.1.2.3"])
def test_an_address_or_localhost_is_no_name_of_a_page(client, host):
    answer = client.session.get(f"{client.sandbox.url}/_sandbox/summary", headers={"Host": host}, timeout=10)

    assert answer.status_code == 200


def test_with_a_token_any_name_will_do(start):
    client = start(token="s3cret-token")
    address = f"{client.sandbox.url}/_sandbox/summary"

    assert client.session.get(address, headers={"Host": "braze:8010"}, timeout=10).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.test"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "reset"), ("POST", "clock?seconds=60"), ("POST", "faults"), ("DELETE", "faults")],
)
def test_a_page_of_another_site_changes_nothing(client, headers, method, path):
    client.sandbox.fault("slow")
    address = f"{client.sandbox.url}/_sandbox/{path}"
    answer = client.session.request(method, address, headers=headers, json={"kind": "empty"}, timeout=10)

    assert answer.status_code == 403
    assert [fault["kind"] for fault in client.sandbox.faults()] == ["slow"]


def test_the_page_itself_and_programs_may_change_things(client):
    address = f"{client.sandbox.url}/_sandbox/reset"
    own = {"Origin": client.sandbox.url, "Sec-Fetch-Site": "same-origin"}

    assert client.session.post(address, headers=own, timeout=10).status_code == 200
    assert client.session.post(address, timeout=10).status_code == 200


def test_opening_the_page_is_no_request_to_braze(client):
    client.get("/")
    client.get("/_sandbox/page/app.js")
    assert client.sandbox.summary()["requests"] == 0

    client.post("/")
    assert client.sandbox.requests()[0]["status"] == 404

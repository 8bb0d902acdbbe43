"""Aliases, ids, deletions and subscriptions of users."""

from __future__ import annotations

import pytest


def alias(name: str, label: str = "crm") -> dict[str, str]:
    return {"alias_name": name, "alias_label": label}


def test_an_alias_that_is_in_use_is_skipped_and_counted(client):
    client.post("/users/alias/new", {"user_aliases": [{"external_id": "ada", **alias("a")}]})

    answer = client.post("/users/alias/new", {"user_aliases": [{"external_id": "bob", **alias("a")}]})

    assert (answer.status_code, answer.json()) == (201, {"message": "success", "aliases_processed": 1})
    assert client.sandbox.profile("alias:crm:a")["keys"] == ["ada", "alias:crm:a"]


def test_an_alias_for_a_user_who_does_not_exist_does_nothing(start):
    client = start(unknown_ids=["ada"])

    client.post("/users/alias/new", {"user_aliases": [{"external_id": "ada", **alias("a")}]})

    assert client.sandbox.profile("alias:crm:a") is None


def test_an_alias_is_renamed_unless_the_new_name_is_in_use(client):
    aliases = [{"external_id": name, **alias(name)} for name in ("ada", "bob")]
    client.post("/users/alias/new", {"user_aliases": aliases})
    updates = [
        {"alias_label": "crm", "old_alias_name": "ada", "new_alias_name": "eve"},
        {"alias_label": "crm", "old_alias_name": "bob", "new_alias_name": "eve"},
        {"alias_label": "crm", "old_alias_name": "unknown", "new_alias_name": "x"},
    ]

    client.post("/users/alias/update", {"alias_updates": updates})

    assert client.sandbox.profile("ada")["keys"] == ["ada", "alias:crm:eve"]
    assert client.sandbox.profile("bob")["keys"] == ["bob", "alias:crm:bob"]


def identify(client, external_id, name):
    body = {"aliases_to_identify": [{"external_id": external_id, "user_alias": alias(name)}]}
    return client.post("/users/identify", body)


def test_a_user_with_an_alias_gets_an_id(client):
    client.post("/users/alias/new", {"user_aliases": [alias("a")]})

    assert identify(client, "ada", "a").json() == {"message": "success", "aliases_processed": 1}

    assert client.sandbox.profile("ada")["keys"] == ["alias:crm:a", "ada"]


def test_nothing_happens_if_the_user_has_an_alias_of_that_label_already(client):
    client.post("/users/alias/new", {"user_aliases": [{"external_id": "ada", **alias("a")}, alias("b")]})

    identify(client, "ada", "b")

    assert client.sandbox.profile("ada")["keys"] == ["ada", "alias:crm:a"]
    assert client.sandbox.profile("alias:crm:b")["keys"] == ["alias:crm:b"]


@pytest.mark.parametrize(
    ("order", "is_found"),
    [(["most_recently_updated"], True), (["unidentified"], True), (["identified"], False)],
)
def test_the_order_chooses_one_of_several_users_with_an_address(client, order, is_found):
    alone = {"user_alias": alias("a"), "_update_existing_only": False}
    known = {"external_id": "bob"}
    attributes = [{**one, "email": "both@example.com"} for one in (known, alone)]
    client.post("/users/track", {"attributes": attributes})

    entry = {"external_id": "ada", "email": "both@example.com", "prioritization": order}
    client.post("/users/identify", {"emails_to_identify": [entry]})

    keys = client.sandbox.profile("ada")["keys"]
    assert ("alias:crm:a" in keys) is is_found
    assert ("bob" in keys) is not is_found


def test_a_tie_of_several_users_deletes_nobody(client):
    attributes = [{"external_id": name, "email": "both@example.com"} for name in ("ada", "bob")]
    client.post("/users/track", {"attributes": attributes})

    entry = {"email": "both@example.com", "prioritization": ["identified"]}
    client.post("/users/delete", {"email_addresses": [entry]})

    assert client.sandbox.profile("ada") is not None
    assert client.sandbox.profile("bob") is not None


def test_a_deleted_user_is_gone_until_somebody_has_the_id_again(client):
    client.post("/users/track", {"attributes": [{"external_id": "ada", "tier": "gold"}]})

    assert client.post("/users/delete", {"external_ids": ["ada", "eve"]}).json() == {
        "message": "success",
        "deleted": 2,
    }

    client.trigger("ada", "eve", "bob")
    assert set(client.sandbox.recipients()) == {"bob"}
    client.post("/users/track", {"attributes": [{"external_id": "ada", "tier": "new"}]})
    client.trigger("ada")
    assert set(client.sandbox.recipients()) == {"bob", "ada"}
    assert client.sandbox.profile("ada")["attributes"] == {"tier": "new"}


def test_the_state_of_a_single_address_is_set(client):
    body = {"subscription_group_id": "g", "subscription_state": "subscribed", "email": "a@example.com"}

    assert client.post("/subscription/status/set", body).json() == {"message": "success"}

    assert client.sandbox.profile("email:a@example.com")["subscriptions"] == {"g": "subscribed"}


@pytest.mark.parametrize(
    ("path", "body", "text"),
    [
        (
            "/subscription/status/set",
            {"email": ["a@b.c"], "phone": ["+4930123456"]},
            "Either an email address or a phone number should be provided, but not both.",
        ),
        ("/users/delete", {"external_ids": ["u"], "braze_ids": ["b"]}, "a request takes exactly one of them"),
        ("/users/identify", {}, "names no user"),
        ("/users/alias/new", {}, "user_aliases: is required"),
    ],
)
def test_a_request_that_breaks_the_rules_is_refused(client, path, body, text):
    if path == "/subscription/status/set":
        body = {"subscription_group_id": "g", "subscription_state": "subscribed", **body}

    answer = client.post(path, body)

    assert answer.status_code == 400
    assert text in answer.json()["message"]

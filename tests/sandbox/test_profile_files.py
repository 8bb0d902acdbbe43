"""Profiles from CSV and JSON lines, from the command line, from Python and over HTTP."""

from __future__ import annotations

import json

import pytest

from braze_provider.sandbox.__main__ import main
from braze_provider.sandbox.profile_file import BadProfilesError, read_profile_file, read_profiles

CSV = "external_id,first_name,attributes.city,points\nada,Ada,Paris,3\nbob,Bob,,\n"
ADA = {"external_id": "ada", "first_name": "Ada", "city": "Paris", "points": "3"}


def load(client, content, kind="csv"):
    return client.post("/_sandbox/profiles", params={"format": kind}, data=content)


@pytest.mark.parametrize(
    ("kind", "content", "profiles"),
    [
        ("csv", CSV, [ADA, {"external_id": "bob", "first_name": "Bob"}]),
        (
            "csv",
            '\ufeffexternal_user_id,note\na,"two\nlines"\n',
            [{"external_id": "a", "note": "two\nlines"}],
        ),
        (
            "csv",
            "alias_label,alias_name,city\nshop,a,Rome\n",
            [{"city": "Rome", "user_alias": {"alias_name": "a", "alias_label": "shop"}}],
        ),
        ("csv", "email\nada@example.com\n", [{"email": "ada@example.com"}]),
        ("jsonl", '{"external_id": "a", "n": {"x": [1]}}\n', [{"external_id": "a", "n": {"x": [1]}}]),
        (
            "jsonl",
            '{"external_user_id": "a"}\n{"braze_id": "b"}\n\n',
            [{"external_id": "a"}, {"braze_id": "b"}],
        ),
    ],
)
def test_profiles_are_read(kind, content, profiles):
    assert read_profiles(content.encode(), kind) == profiles


@pytest.mark.parametrize(
    ("kind", "content", "told"),
    [
        ("csv", "external_id,city\nada,rosebud\n,rosebud\n", "row 2: names no user"),
        ("csv", "external_id,city\nada\n", "row 1: has 1 fields, and the header has 2"),
        ("csv", "external_id,external_id\n", "the header names a column more than once"),
        ("csv", 'external_id\n"rosebud\n', "is not CSV"),
        ("jsonl", '{"external_id": "a"}\nrosebud\n[1]\n', "row 2: is not JSON; row 3: is not a JSON object"),
        ("jsonl", '{"external_id": {"rosebud": 1}}\n', "row 1: external_id"),
        ("jsonl", '{"external_id": "a", "n": {"inc": "rosebud"}}\n', "row 1: 'n' can only be incremented"),
        ("jsonl", '{"external_id": "a"}\n{"x": "\xe9rosebud"}'.encode("latin-1"), "line 2 is not UTF-8"),
        ("jsonl", "rosebud\n" * 12, "row 10: is not JSON; and 2 more rows"),
    ],
)
def test_what_is_wrong_is_named_by_its_row_without_the_data(kind, content, told):
    with pytest.raises(BadProfilesError) as refused:
        read_profiles(content if isinstance(content, bytes) else content.encode(), kind)

    assert told in str(refused.value)
    assert "rosebud" not in str(refused.value)


def test_the_ending_of_a_name_tells_the_format(tmp_path):
    (tmp_path / "users.CSV").write_text(CSV)
    assert read_profile_file(str(tmp_path / "users.CSV"))[0] == ADA
    (tmp_path / "users.xlsx").write_text(CSV)
    for name, told in (("users.xlsx", "none of .csv, .jsonl"), ("nowhere.csv", "No such file")):
        with pytest.raises(ValueError, match=told):
            read_profile_file(str(tmp_path / name))


def test_the_command_refuses_a_file_that_is_not_right(tmp_path, capsys):
    path = tmp_path / "users.csv"
    path.write_text("city\nrosebud\n")
    with pytest.raises(SystemExit) as ended:
        main(["--profiles", str(path)])

    told = capsys.readouterr().err
    assert ended.value.code == 2
    assert f"{path} are not right: row 1: names no user" in told
    assert "rosebud" not in told


def test_profiles_are_there_from_the_start_and_again_after_a_reset(start):
    client = start(profiles=[ADA], unknown_ids=["ada"])
    client.post("/users/track", {"attributes": [{"external_id": "ada", "city": "Rome"}]})
    client.sandbox.reset()

    assert client.sandbox.profile("ada")["attributes"] == {
        "first_name": "Ada",
        "city": "Paris",
        "points": "3",
    }
    client.trigger("ada")
    assert len(client.sandbox.received("ada")) == 1


def test_a_file_is_loaded_over_http(client):
    answer = load(client, CSV)

    assert (answer.status_code, answer.json()) == (201, {"message": "success", "profiles": 2})
    assert client.sandbox.profile("ada")["attributes"]["city"] == "Paris"
    assert client.sandbox.summary()["requests"] == 0


def test_a_file_with_a_wrong_row_loads_nothing(client):
    lines = [{"external_id": "ada"}, {"city": "rosebud"}]
    answer = load(client, "\n".join(map(json.dumps, lines)), "jsonl")

    assert answer.status_code == 400
    assert answer.json()["wrong"] == 1
    assert [one["row"] for one in answer.json()["rows"]] == [2]
    assert "rosebud" not in answer.text
    assert client.sandbox.profile("ada") is None


@pytest.mark.slow
def test_a_hundred_thousand_profiles_are_loaded_at_once(client):
    lines = "".join(f"user-{number},City {number % 50}\n" for number in range(100_000))
    address = f"{client.sandbox.url}/_sandbox/profiles"
    content = f"external_id,city\n{lines}"
    answer = client.session.post(f"{address}?format=csv", data=content, timeout=120)
    assert answer.status_code == 201

    page = client.session.get(f"{address}?offset=99999&limit=1", timeout=120).json()
    assert page["total"] == 100_000
    assert page["profiles"][0]["attributes"] == {"city": "City 49"}

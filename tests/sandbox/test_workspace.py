"""The workspace's campaigns, Canvases, segments and users, from options and from a file."""

from __future__ import annotations

import json

import pytest

from braze_provider.sandbox import Campaign, Canvas
from braze_provider.sandbox.__main__ import main
from braze_provider.sandbox.answers import RefusedError
from braze_provider.sandbox.workspace import Workspace
from braze_provider.sandbox.workspace_file import read_workspace


@pytest.fixture
def written(tmp_path):
    """Write a workspace to a file; returns its path."""

    def write(content):
        path = tmp_path / "workspace.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return str(path)

    return write


def test_a_segment_that_is_not_given_is_refused_as_soon_as_one_is(start):
    client = start(segments=["vip"])
    broadcast = {"broadcast": True, "external_user_ids": None}

    assert client.send(segment_id="vip", **broadcast).status_code == 201
    assert client.send(segment_id="any", **broadcast).json() == {"message": "Invalid Segment ID"}
    assert client.trigger(campaign_id="any").status_code == 201


@pytest.mark.parametrize(
    ("kind", "given", "message"),
    [
        ("campaign", {"campaigns": [Campaign(id="there", name="There")]}, "Invalid Campaign ID"),
        ("canvas", {"canvases": ["there"]}, "Invalid Canvas ID"),
        ("segment", {"segments": ["there"]}, "Invalid Segment ID"),
    ],
)
def test_each_kind_is_closed_by_its_own_ids_alone(kind, given, message):
    workspace = Workspace(**given)

    for other in ("campaign", "canvas", "segment"):
        workspace.require(other, "there")
        if other != kind:
            workspace.require(other, "elsewhere")
    with pytest.raises(RefusedError, match=message):
        workspace.require(kind, "elsewhere")


def test_what_exists_is_shown(start):
    client = start(campaigns=[Campaign(id="spring", name="Spring")], segments=["vip", "new", "vip"])

    assert client.get("/_sandbox/workspace").json() == {
        "campaign_ids": ["spring"],
        "canvas_ids": [],
        "segment_ids": ["vip", "new"],
    }


def test_a_file_tells_what_exists(start, written):
    variations = {"v1": "email"}
    path = written(
        {
            "campaigns": ["spring", {"id": "api", "tags": ["a"], "archived": True, "variations": variations}],
            "canvases": ["welcome", {"id": "old", "archived": True}],
        }
    )

    assert read_workspace(path) == {
        "campaigns": [
            Campaign(id="spring", name="spring"),
            Campaign(id="api", name="api", tags=["a"], archived=True, variations=variations),
        ],
        "canvases": [Canvas(id="welcome"), Canvas(id="old", archived=True)],
    }


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{", "cannot be read: Expecting property name"),
        ([], "is not right: must be an object, not an array"),
        ({"campaign": []}, "campaign: unknown field; did you mean `campaigns`"),
        ({"segments": "vip"}, "segments: must be an array, not text"),
        ({"canvases": [{"id": "welcome", "pause": True}]}, r"canvases\[0\].pause: unknown field"),
        ({"campaigns": [{"name": "Spring"}]}, r"campaigns\[0\].id: is required"),
        ({"campaigns": ["a", ""]}, r"campaigns\[1\].id: must not be empty"),
        ({"campaigns": [17]}, r"campaigns\[0\]: must be an id or an object, not a number"),
        (
            {"campaigns": [{"id": "a", "variations": {"v": "mail"}}]},
            r"campaigns\[0\].variations.v: must be one of .*`email`",
        ),
    ],
)
def test_a_file_that_says_something_else_is_refused(written, capsys, content, problem):
    path = written(content)
    with pytest.raises(ValueError, match=problem):
        read_workspace(path)

    with pytest.raises(SystemExit):
        main(["--workspace", path])
    assert path in capsys.readouterr().err


def test_a_file_that_is_not_there_is_named(capsys):
    with pytest.raises(SystemExit):
        main(["--workspace", "nowhere.json"])

    assert "The workspace nowhere.json cannot be read: [Errno 2]" in capsys.readouterr().err

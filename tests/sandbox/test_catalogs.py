"""Catalogs: their items, and errors with ids."""

from __future__ import annotations

import json

import pytest

from braze_provider.sandbox import Catalog
from braze_provider.sandbox.workspace_file import read_workspace


def write(client, method, items, catalog="dishes"):
    url = f"{client.sandbox.url}/catalogs/{catalog}/items"
    return client.session.request(method, url, json={"items": items}, timeout=10)


def error_of(answer) -> tuple[int, str]:
    (error,) = answer.json()["errors"]
    assert answer.json()["message"] == "Invalid Request"
    assert error["message"]
    assert len(error["parameters"]) == len(error["parameter_values"])
    return answer.status_code, error["id"]


def test_a_write_is_taken_and_done_later(client):
    answer = write(client, "PUT", [{"id": "a", "price": 1}])

    assert (answer.status_code, answer.json()) == (202, {"message": "success"})
    assert client.sandbox.catalog("dishes") == {"a": {"id": "a", "price": 1}}
    assert client.get("/_sandbox/catalogs").json()["catalogs"] == {"dishes": {"a": {"id": "a", "price": 1}}}


def test_put_replaces_patch_changes_and_delete_deletes(client):
    write(client, "PUT", [{"id": "a", "price": 1, "name": "n"}, {"id": "b", "price": 1, "name": "n"}])
    write(client, "PUT", [{"id": "a", "price": 2}])
    write(client, "PATCH", [{"id": "b", "price": 2}, {"id": "new", "price": 2}])

    assert client.sandbox.catalog("dishes") == {
        "a": {"id": "a", "price": 2},
        "b": {"id": "b", "price": 2, "name": "n"},
    }

    write(client, "DELETE", [{"id": "a"}, {"id": "unknown"}])

    assert set(client.sandbox.catalog("dishes")) == {"b"}


@pytest.mark.parametrize(
    ("items", "error"),
    [
        ([{"id": str(number)} for number in range(51)], "request-includes-too-many-items"),
        ([{"price": 1}], "items-missing-ids"),
        ([{"id": 5}], "ids-not-strings"),
        ([{"id": "a"}, {"id": "a"}], "ids-not-unique"),
        ([{"id": "a" * 251}], "ids-too-large"),
        ([{"id": "a b"}], "invalid-ids"),
        ([{"id": "a", "text": "x" * 5_001}], "items-too-large"),
        ([{"id": "a", "place": {"x.y": 1}}], "invalid-keys-in-value-object"),
        ("a", "item-array-invalid"),
    ],
)
def test_a_mistake_is_refused_with_its_id(client, items, error):
    assert error_of(write(client, "PUT", items)) == (400, error)
    assert client.sandbox.catalog("dishes") == {}


def test_the_items_of_a_catalog_are_listed_50_on_a_page(client):
    for start in (0, 50):
        write(client, "PUT", [{"id": str(number)} for number in range(start, start + 50)])
    write(client, "PUT", [{"id": "last"}])

    first = client.get("/catalogs/dishes/items")
    second = client.get("/catalogs/dishes/items", cursor="50")
    last = client.get("/catalogs/dishes/items", cursor="100")

    assert [len(answer.json()["items"]) for answer in (first, second, last)] == [50, 50, 1]
    assert [answer.links.get("next", {}).get("url") for answer in (first, second, last)] == [
        "/catalogs/dishes/items?cursor=50",
        "/catalogs/dishes/items?cursor=100",
        None,
    ]
    assert error_of(client.get("/catalogs/dishes/items", cursor="x")) == (400, "invalid-cursor")


def test_only_the_workspace_s_catalogs_and_fields_exist_as_soon_as_one_is_given(start):
    client = start(catalogs=["drinks", Catalog(name="dishes", fields=["price"])])

    assert write(client, "PUT", [{"id": "a", "price": 1}]).status_code == 202
    assert write(client, "PUT", [{"id": "a", "any": 1}], "drinks").status_code == 202
    assert error_of(write(client, "PUT", [{"id": "a", "any": 1}])) == (400, "invalid-fields")
    assert error_of(write(client, "PUT", [{"id": "a"}], "nowhere")) == (404, "catalog-not-found")
    assert [one["name"] for one in client.get("/catalogs").json()["catalogs"]] == ["drinks", "dishes"]


def test_a_reset_forgets_the_items_and_keeps_the_catalogs(start):
    client = start(catalogs=["dishes"])
    write(client, "PUT", [{"id": "a"}])

    client.sandbox.reset()

    (catalog,) = client.get("/catalogs").json()["catalogs"]
    assert (catalog["name"], catalog["num_items"]) == ("dishes", 0)


def test_the_workspace_file_names_catalogs(tmp_path):
    path = tmp_path / "workspace.json"
    path.write_text(json.dumps({"catalogs": ["dishes", {"name": "shops", "fields": ["city"]}]}))

    assert read_workspace(str(path)) == {
        "catalogs": [Catalog(name="dishes"), Catalog(name="shops", fields=["city"])]
    }

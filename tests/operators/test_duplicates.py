"""Copies of campaigns and Canvases on real Airflow: one copy, whatever happens in between."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk import DAG

from braze_provider.api.errors import BrazeValidationError
from braze_provider.hooks.braze import BrazeHook
from braze_provider.operators.duplicates import CampaignDuplicateOperator, CanvasDuplicateOperator
from braze_provider.sandbox import Campaign, Canvas
from braze_provider.tasks import start

pytestmark = pytest.mark.dag

KINDS: list[tuple[Any, str, str]] = [
    (CampaignDuplicateOperator, "campaigns", "campaign_id"),
    (CanvasDuplicateOperator, "canvas", "canvas_id"),
]
each_kind = pytest.mark.parametrize(
    ("operator", "family", "argument"), KINDS, ids=lambda one: getattr(one, "__name__", "")
)
each_way = pytest.mark.parametrize("deferrable", [False, True], ids=["in its slot", "deferrable"])
WORKSPACE: dict[str, Any] = {
    "campaigns": [
        Campaign(id="original", name="Sale", tags=("season",)),
        Campaign(id="older", name="Sale copy"),
        *(Campaign(id=f"c{number}", name="Other") for number in range(120)),
    ],
    "canvases": [
        Canvas(id="original", name="Sale", tags=("season",)),
        Canvas(id="older", name="Sale copy"),
        *(Canvas(id=f"c{number}", name="Other") for number in range(120)),
    ],
}


@pytest.fixture
def workspace(braze):
    return braze(**WORKSPACE)


@pytest.fixture
def copy(run_dag, operator, argument):
    def run(**arguments: Any) -> Any:
        with DAG("d", schedule=None) as dag:
            operator(
                task_id="t",
                **{
                    argument: "original",
                    "name": "Sale copy",
                    "poll_interval": 0.1,
                    "timeout": 60,
                    "retry_delay": 0,
                    **arguments,
                },
            )
        return run_dag(dag)

    return run


def path(family: str) -> str:
    return f"/{family}/duplicate"


def requests(sandbox, family) -> int:
    return sum(request["endpoint"] == path(family) for request in sandbox.requests())


def copies(family: str) -> list[dict[str, Any]]:
    """The copies in the list, the newest first."""
    answer = BrazeHook().call(f"{family}_list", params={"sort_direction": "desc"})
    listed = answer.body["campaigns" if family == "campaigns" else "canvases"]
    return [one for one in listed if one["name"] == "Sale copy"]


@each_kind
@each_way
def test_it_returns_the_id_of_the_copy_and_of_no_older_one(workspace, copy, family, deferrable):
    result = copy(deferrable=deferrable, tag_names=["new"])

    assert result.state == "success", result.log
    (made,) = copies(family)
    assert (result.xcom("t"), made["tags"]) == (made["id"], ["new"])


@each_kind
def test_it_returns_nothing_if_it_does_not_wait(workspace, copy, family):
    result = copy(wait_for_completion=False)

    assert result.state == "success", result.log
    assert workspace.jobs()["copies_to_come"] == 1


@each_kind
@each_way
@pytest.mark.parametrize("point", ["after the start", "while it waits"])
def test_a_killed_task_waits_for_the_copy_it_has_asked_for(
    workspace, copy, dies_after, notes, family, point, deferrable
):
    if point == "after the start":
        dies_after(f"{family}_duplicate")
    else:
        dies_after(f"{family}_list", requests=2)

    result = copy(retries=1, deferrable=deferrable)

    assert result.state == "success", result.log
    assert result.task("t").try_number == 2
    assert [made["id"] for made in copies(family)] == [result.xcom("t")]


@each_kind
def test_a_task_killed_before_it_asked_asks(workspace, copy, dies_after, notes, family, monkeypatch):
    monkeypatch.setattr(start, "APPEARS_WITHIN", 0.5)
    dies_after(f"{family}_list")

    result = copy(retries=1)

    assert result.state == "success", result.log
    assert requests(workspace, family) == 1


@each_kind
@each_way
def test_a_lost_answer_makes_no_second_copy(workspace, copy, family, deferrable):
    workspace.fault("disconnect", endpoint=path(family), processed=True)

    result = copy(deferrable=deferrable)

    assert result.state == "success", result.log
    assert [made["id"] for made in copies(family)] == [result.xcom("t")]
    assert requests(workspace, family) == 1


@each_kind
@each_way
def test_a_lost_request_is_made_again_once_the_copy_should_be_there(
    workspace, copy, family, monkeypatch, deferrable
):
    monkeypatch.setattr(start, "APPEARS_WITHIN", 1.5)
    workspace.fault("disconnect", endpoint=path(family), processed=False)

    result = copy(deferrable=deferrable)

    assert result.state == "success", result.log
    assert [made["id"] for made in copies(family)] == [result.xcom("t")]
    assert requests(workspace, family) == 2


@each_kind
def test_the_first_copy_in_a_workspace_is_found(braze, copy, family):
    braze()

    result = copy()

    assert result.state == "success", result.log
    assert [made["id"] for made in copies(family)] == [result.xcom("t")]


@each_kind
def test_an_unknown_original_fails_without_a_retry(workspace, copy, argument, family):
    result = copy(retries=3, **{argument: "nowhere"})

    assert (result.state, result.task("t").try_number) == ("failed", 1)
    assert "Invalid Ca" in result.log
    assert requests(workspace, family) == 1


@each_kind
def test_the_end_of_the_time_tells_what_was_last_seen(braze, copy, family):
    braze(**WORKSPACE, job_seconds=3_600)

    result = copy(timeout=0.5, retries=3)

    assert (result.state, result.task("t").try_number) == ("failed", 1)
    assert "Last seen: no copy with the name 'Sale copy' is listed yet" in result.log


@each_kind
def test_a_bad_argument_is_named_at_dag_parse(operator, argument, family):
    with pytest.raises(BrazeValidationError, match="name: must not be empty") as caught:
        operator(task_id="t", **{argument: ""}, name="", tag_names=[5])
    assert {problem.path for problem in caught.value.problems} == {argument, "name", "tag_names[0]"}

"""Statistics as rows, on real Airflow."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

import pytest
from airflow.sdk import DAG

from braze_provider.api.errors import BrazeValidationError
from braze_provider.operators.campaigns import CampaignTriggerOperator
from braze_provider.operators.canvas import CanvasTriggerOperator
from braze_provider.operators.statistics import (
    CampaignStatsOperator,
    CanvasStatsOperator,
    SendStatsOperator,
)
from braze_provider.sandbox import Campaign, Canvas, Sandbox
from braze_provider.tasks import rows_file, statistics

pytestmark = pytest.mark.dag

TOMORROW = "{{ (macros.datetime.utcnow() + macros.timedelta(days=1)).strftime('%Y-%m-%d') }}"
KINDS = [
    (CampaignStatsOperator, {"campaign_id": "c"}),
    (SendStatsOperator, {"campaign_id": "c", "send_id": "s"}),
    (CanvasStatsOperator, {"canvas_id": "c"}),
]
each_kind = pytest.mark.parametrize(("operator", "what"), KINDS, ids=lambda one: getattr(one, "__name__", ""))


def recipients(count: int) -> list[dict[str, str]]:
    return [{"external_user_id": f"u{number}"} for number in range(count)]


def today() -> str:
    return datetime.now(timezone.utc).date().isoformat()


def yesterday() -> str:
    return (datetime.now(timezone.utc) - timedelta(days=1)).date().isoformat()


@pytest.fixture
def workspace(monkeypatch):
    """A sandbox with a campaign of two channels and a Canvas of two."""
    variations = {"v-mail": "email", "v-push": "apple_push"}
    with Sandbox(
        campaigns=[Campaign(id="c", name="C", variations=variations, audience=70)],
        canvases=[Canvas(id="c", channels=["email", "sms"])],
    ) as sandbox:
        monkeypatch.setenv("AIRFLOW_CONN_BRAZE_DEFAULT", sandbox.airflow_connection)
        yield sandbox


def shown(rows, *names):
    return [tuple(row[name] for name in names) for row in rows]


# Rows -------------------------------------------------------------------------------------------------------


def test_a_campaign_has_a_row_for_each_day_channel_and_variation(run_dag, workspace):
    with DAG("d", schedule=None) as dag:
        send = CampaignTriggerOperator(task_id="send", campaign_id="c", recipients=recipients(3))
        send >> CampaignStatsOperator(task_id="t", campaign_id="c", length=2, end=TOMORROW)

    result = run_dag(dag)

    assert result.state == "success", result.log
    rows = result.xcom("t")
    columns = ("date", "level", "campaign_id", "channel", "variation_id", "sent", "unique_recipients")
    assert sorted(shown(rows, *columns), key=str) == [
        (yesterday(), "day", "c", None, None, None, 0),
        (today(), "day", "c", None, None, None, 3),
        (today(), "variation", "c", "email", "v-mail", 3, 3),
        (today(), "variation", "c", "ios_push", "v-push", 3, 3),
    ]
    assert {tuple(row) for row in rows} == {tuple(CampaignStatsOperator.columns)}


def test_a_send_has_rows_of_its_own_under_the_send_id_of_the_task_that_sent(run_dag, workspace):
    with DAG("d", schedule=None) as dag:
        other = CampaignTriggerOperator(task_id="other", campaign_id="c", recipients=recipients(5))
        send = CampaignTriggerOperator(task_id="send", campaign_id="c", broadcast=True)
        stats = SendStatsOperator(
            task_id="t",
            campaign_id="c",
            send_id="{{ ti.xcom_pull(task_ids='send', key='send_ids')[0] }}",
            length=1,
            end=TOMORROW,
        )
        [other, send] >> stats

    result = run_dag(dag)

    assert result.state == "success", result.log
    sent = result.xcom("send", "send_ids")[0]
    assert sorted(shown(result.xcom("t"), "send_id", "channel", "sent"), key=str) == [
        (sent, "email", 70),
        (sent, "ios_push", 70),
        (sent, None, None),
    ]


def test_a_canvas_has_rows_of_its_variants_steps_and_their_messages(run_dag, workspace):
    with DAG("d", schedule=None) as dag:
        send = CanvasTriggerOperator(task_id="send", canvas_id="c", recipients=recipients(2))
        send >> CanvasStatsOperator(task_id="t", canvas_id="c", length=1, end=TOMORROW)

    result = run_dag(dag)

    assert result.state == "success", result.log
    columns = ("level", "variant_id", "step_id", "channel", "entries", "sent")
    assert sorted(shown(result.xcom("t"), *columns), key=str) == [
        ("day", None, None, None, 2, None),
        ("message", None, "c-step", "email", None, 2),
        ("message", None, "c-step", "sms", None, 2),
        ("step", None, "c-step", None, None, None),
        ("variant", "c-variant", None, None, 2, None),
    ]


@each_kind
def test_the_day_before_the_run_is_read_by_default(run_dag, sandbox, operator, what):
    with DAG("d", schedule=None) as dag:
        operator(task_id="t", **what)

    result = run_dag(dag, logical_date=datetime.now(timezone.utc).replace(microsecond=0))

    assert result.state == "success", result.log
    assert {row["date"] for row in result.xcom("t")} == {yesterday()}


@each_kind
def test_more_days_than_one_request_gives_come_once_each(run_dag, sandbox, operator, what):
    with DAG("d", schedule=None) as dag:
        operator(task_id="t", length=30, **what)

    result = run_dag(dag)

    assert result.state == "success", result.log
    days = shown((row for row in result.xcom("t") if row["level"] == "day"), "date")
    # Those of a send are kept for 14 days.
    assert len(days) == len(set(days)) == (14 if operator is SendStatsOperator else 30)
    assert len(sandbox.requests()) == (3 if operator is CanvasStatsOperator else 1)


def test_figures_that_have_no_column_are_kept_in_other():
    operator = CampaignStatsOperator(task_id="t", campaign_id="c")
    item = {"variation_api_id": "v", "sent": 2, "notif_button_1_Yes_click": 1, "clicks": 1.5, "opens": None}
    day = {"time": "2026-09-01", "messages": {"ios_push": [item]}, "revenue": 3, "new_total": 7}

    whole, message = operator.rows_of_day(day)

    assert (whole["revenue"], whole["other"]) == (3.0, {"new_total": 7})
    assert (message["sent"], message["clicks"], message["opens"]) == (2, None, None)
    assert message["other"] == {"notif_button_1_Yes_click": 1, "clicks": 1.5}


# Files ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_the_rows_are_written_to_the_output_path(run_dag, workspace, tmp_path, ending):
    parquet = pytest.importorskip("pyarrow.parquet") if ending == "parquet" else None
    with DAG("d", schedule=None) as dag:
        send = CampaignTriggerOperator(task_id="send", campaign_id="c", recipients=recipients(3))
        send >> CampaignStatsOperator(
            task_id="t",
            campaign_id="c",
            length=1,
            end=TOMORROW,
            output_path=f"{tmp_path}/{{{{ task.task_id }}}}.{ending}",
        )

    result = run_dag(dag)

    assert result.state == "success", result.log
    path = tmp_path / f"t.{ending}"
    assert result.xcom("t") == {"output_path": str(path), "rows": 3}
    if parquet is not None:
        rows = parquet.read_table(path).to_pylist()
    else:
        rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [row["sent"] for row in rows] == [None, 3, 3]


def test_a_task_that_dies_before_its_file_is_whole_leaves_none_and_the_next_try_writes_it(
    run_dag, sandbox, tmp_path, monkeypatch
):
    write = rows_file._write
    seen = []

    def dies_first(file, path, rows, columns):
        seen.append((tmp_path / "rows.jsonl").exists())
        if len(seen) == 1:
            file.write(b'{"half": ')
            raise RuntimeError("the worker is out of memory")
        write(file, path, rows, columns)

    monkeypatch.setattr(rows_file, "_write", dies_first)
    with DAG("d", schedule=None) as dag:
        CampaignStatsOperator(
            task_id="t", campaign_id="c", output_path=f"{tmp_path}/rows.jsonl", retries=1, retry_delay=0
        )

    result = run_dag(dag)

    assert (result.state, seen) == ("success", [False, False]), result.log
    assert [path.name for path in tmp_path.iterdir()] == ["rows.jsonl"]
    (row,) = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert row["level"] == "day"


def test_too_many_rows_for_an_xcom_are_refused_with_a_way_out(run_dag, sandbox, monkeypatch):
    monkeypatch.setattr(statistics, "MAX_XCOM_ROWS", 5)
    with DAG("d", schedule=None) as dag:
        CampaignStatsOperator(task_id="t", campaign_id="c", length=6, retries=2, retry_delay=0)

    result = run_dag(dag)

    assert (result.state, len(sandbox.requests())) == ("failed", 1)
    assert "output_path: 6 rows are too many for an XCom (5 at most): give a path" in result.log


# Failures ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "disconnect"},
        {"kind": "status", "status": 502},
        {"kind": "rate_limited", "reset_after": 1},
    ],
    ids=lambda fault: fault["kind"],
)
def test_a_request_that_failed_is_repeated(run_dag, sandbox, fault):
    sandbox.fault(**fault, times=1)
    with DAG("d", schedule=None) as dag:
        CanvasStatsOperator(task_id="t", canvas_id="c", length=20)

    result = run_dag(dag)

    assert result.state == "success", result.log
    assert len(sandbox.requests()) == 3
    assert len({row["date"] for row in result.xcom("t")}) == 20


@each_kind
def test_a_refusal_fails_at_once(run_dag, sandbox, operator, what):
    sandbox.fault("status", status=400, message="Invalid ID", times=1)
    with DAG("d", schedule=None) as dag:
        operator(task_id="t", retries=3, retry_delay=0, **what)

    result = run_dag(dag)

    assert (result.state, len(sandbox.requests())) == ("failed", 1)
    assert "Invalid ID" in result.log


# Bad input --------------------------------------------------------------------------------------------------

BAD = [
    ({"start": "soon"}, "start: must be a date"),
    ({"end": datetime(2026, 9, 1)}, "end: must be a date"),  # noqa: DTZ001 - what is refused
    ({"start": "2026-09-02", "end": "2026-09-01"}, "end: must not be before start"),
    ({"length": 0}, "length: must be a whole number of days"),
    ({"length": 3, "start": "2026-09-02"}, "length: is not allowed with start"),
    ({"timezone": "Mars"}, "timezone: must be the name of a time zone"),
    ({"output_path": "rows.csv"}, "output_path: must end in .jsonl, .ndjson or .parquet"),
]


@each_kind
@pytest.mark.parametrize(("arguments", "reason"), BAD)
def test_a_bad_argument_is_named_at_dag_parse(operator, what, arguments, reason):
    with pytest.raises(BrazeValidationError, match=f"{operator.__name__} 't'") as caught:
        operator(task_id="t", **what, **arguments)
    assert reason in str(caught.value)


@each_kind
def test_an_empty_id_is_named_at_dag_parse(operator, what):
    for name in what:
        with pytest.raises(BrazeValidationError, match=f"{name}: must be a text that is not empty"):
            operator(task_id="t", **{**what, name: " "})


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"campaign_id": "{{ params.nothing }}"}, "campaign_id: must be a text that is not empty"),
        ({"start": "{{ params.nothing }}"}, "start: must be a date"),
        ({"start": "2099-01-01", "end": "2099-01-02"}, "start: is 2099-01-01, a day that has not begun"),
        ({"length": "{{ params.nothing }}"}, "length: must be a whole number"),
        ({"output_path": "{{ params.nothing }}"}, "output_path: must end in"),
    ],
)
def test_what_a_template_makes_is_checked_before_the_first_request(run_dag, sandbox, arguments, reason):
    with DAG("d", schedule=None, params={"nothing": ""}) as dag:
        CampaignStatsOperator(task_id="t", **{"campaign_id": "c", **arguments})

    result = run_dag(dag)

    assert result.state == "failed"
    assert reason in result.log
    assert sandbox.requests() == []

"""
What mypy has to say of calls of the operators: nothing of the right ones, one error for each wrong one.

``make types`` checks this file, and refuses an ignore that ignores nothing.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import task

from braze_provider.operators.campaigns import CampaignTriggerOperator
from braze_provider.operators.messages import MessagesSendOperator
from braze_provider.operators.schedules import CanvasScheduleOperator, MessagesScheduleOperator
from braze_provider.operators.statistics import CampaignStatsOperator
from braze_provider.recipients import FileRecipients, SqlRecipients
from braze_provider.sensors.sends import SendSettledSensor
from braze_provider.templating import ContentFile

PUSH = {"apple_push": {"alert": "Hello"}}
PEOPLE = [{"external_user_id": "u1"}]


class Frame:
    """Stands for a table of pandas or polars, which need not be installed."""

    columns = ("external_user_id",)


@task
def ids() -> list[str]:
    return ["u1"]


@task
def choice() -> str:
    return "c"


# Right ----------------------------------------------------------------------------------------------------

CanvasScheduleOperator(task_id="t", canvas_id="c", time=choice(), check=True, delete_on_failure=True)
MessagesScheduleOperator(task_id="t", messages=PUSH, time="", recipients=PEOPLE, delete_on_failure=True)

MessagesSendOperator(task_id="t", messages=PUSH, external_user_ids=ids())
MessagesSendOperator(task_id="t", messages=PUSH, external_user_ids=["u1", 2])
MessagesSendOperator(task_id="t", messages=PUSH, external_user_ids="{{ ti.xcom_pull('ids') }}")
MessagesSendOperator(task_id="t", messages=PUSH, external_user_ids=Frame())
MessagesSendOperator(task_id="t", messages=PUSH, recipients=FileRecipients("people.csv", delimiter=";"))
MessagesSendOperator(task_id="t", messages=ContentFile("welcome.json"), recipients=PEOPLE)
MessagesSendOperator(task_id="t", messages=choice(), segment_id=choice(), broadcast=True)
CampaignTriggerOperator(task_id="t", campaign_id="c", recipients=SqlRecipients("db", "SELECT 1"))
CampaignTriggerOperator(task_id="t", campaign_id=choice(), recipients=Frame())
CampaignTriggerOperator(task_id="t", campaign_id="c", trigger_properties=choice(), audience="{{ params.a }}")
CampaignTriggerOperator(
    task_id="t",
    campaign_id="c",
    recipients=PEOPLE,
    on_uncertain=choice(),
    resend="{{ params.resend }}",
    max_lateness=timedelta(hours=1),
    # Airflow's own.
    retries=3,
    retry_delay=timedelta(minutes=1),
    pool="braze",
    doc_md="Who gets it.",
)
CampaignStatsOperator(task_id="t", campaign_id=choice(), length=7, output_path="s3://b/{{ ds }}.jsonl")
SendSettledSensor(task_id="t", campaign_id="c", send_id=choice(), timeout=timedelta(hours=2), retries=1)


# Wrong ----------------------------------------------------------------------------------------------------

MessagesSendOperator(task_id="t", messages=PUSH, external_user_ids=5)  # type: ignore[arg-type]
MessagesSendOperator(task_id="t", messages=PUSH, external_user_ids={"u1": 1})  # type: ignore[arg-type]
MessagesSendOperator(task_id="t", messages=PUSH, external_user_ids={"u1"})  # type: ignore[arg-type]
MessagesSendOperator(task_id="t", messages=PUSH, external_user_ids=ids)  # type: ignore[arg-type]
MessagesSendOperator(task_id="t", messages=PUSH, external_user_id=["u1"])  # type: ignore[call-arg]
MessagesSendOperator(task_id="t", messages=PUSH, recipients=["u1"])  # type: ignore[list-item]
MessagesSendOperator(task_id="t", external_user_ids=["u1"])  # type: ignore[call-arg]
MessagesSendOperator(task_id="t", messages=PUSH, external_user_ids=["u1"], broadcast="yes")  # type: ignore[arg-type]
CampaignTriggerOperator(campaign_id="c", recipients=PEOPLE)  # type: ignore[call-arg]
CampaignTriggerOperator(task_id="t", campaign_id=7, recipients=PEOPLE)  # type: ignore[arg-type]
CampaignTriggerOperator(task_id="t", campaign_id="c", recipients=PEOPLE, on_uncertian="hold")  # type: ignore[call-arg]
CampaignTriggerOperator(task_id="t", campaign_id="c", recipients=PEOPLE, concurrency="8")  # type: ignore[arg-type]
CampaignTriggerOperator(task_id="t", campaign_id="c", recipients=PEOPLE, on_invalid="ignore")  # type: ignore[arg-type]
CampaignTriggerOperator(task_id="t", campaign_id="c", recipients=PEOPLE, max_lateness=3600)  # type: ignore[arg-type]
CampaignTriggerOperator(task_id="t", campaign_id="c", recipients=PEOPLE, retires=3)  # type: ignore[call-arg]
CampaignStatsOperator(task_id="t", campaign_id="c", lenght=7)  # type: ignore[call-arg]
SendSettledSensor(task_id="t", campaign_id="c", send_id="s", mode="wait")  # type: ignore[arg-type]
MessagesScheduleOperator(task_id="t", messages=PUSH, time="", recipients=PEOPLE, check=True)  # type: ignore[call-arg]

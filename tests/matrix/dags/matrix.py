"""A Dag for each class, whose task ``t`` is refused, killed and cleared by the matrix."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from airflow.sdk import DAG

from braze_provider.operators.campaigns import CampaignTriggerOperator
from braze_provider.operators.canvas import CanvasTriggerOperator
from braze_provider.operators.catalogs import CatalogItemsOperator
from braze_provider.operators.duplicates import CampaignDuplicateOperator, CanvasDuplicateOperator
from braze_provider.operators.exports import UsersExportOperator
from braze_provider.operators.ingestion import CdiSyncOperator
from braze_provider.operators.live_activities import LiveActivityStartOperator, LiveActivityUpdateOperator
from braze_provider.operators.messages import MessagesSendOperator
from braze_provider.operators.schedules import (
    CampaignScheduleOperator,
    CanvasScheduleOperator,
    MessagesScheduleOperator,
    ScheduleDeleteOperator,
    ScheduleUpdateOperator,
)
from braze_provider.operators.sends import SendIdCreateOperator
from braze_provider.operators.statistics import (
    CampaignStatsOperator,
    CanvasStatsOperator,
    SendStatsOperator,
)
from braze_provider.operators.subscriptions import SubscriptionSetOperator
from braze_provider.operators.transactional import TransactionalEmailOperator
from braze_provider.operators.users import (
    UsersAliasOperator,
    UsersDeleteOperator,
    UsersIdentifyOperator,
    UsersTrackOperator,
)
from braze_provider.sensors.broadcasts import ScheduledBroadcastSensor
from braze_provider.sensors.campaigns import CampaignSentSensor
from braze_provider.sensors.ingestion import CdiSyncSensor
from braze_provider.sensors.sends import SendSettledSensor

COUNT = 120
"""How many recipients or objects each task has: several requests."""
CAMPAIGN, CANVAS = "417220e4-5a2a-b634-7f7d-9ec891532368", "a-canvas"
SMS = {"sms": {"subscription_group_id": "g", "app_id": "a", "body": "Hello"}}
CONF = "{{{{ dag_run.conf['{}'] }}}}"

NAMES = [f"{{{{ run_id }}}}-{number}" for number in range(COUNT)]
RECIPIENTS = [{"external_user_id": name} for name in NAMES]
WITH_LEDGER = {"ledger_conn_id": "ledger", "concurrency": 1}
ACTIVITY = {"app_id": "a", "activity_id": "{{ run_id }}-match", "content_state": {"score": "1:0"}}
WAIT = {"poll_interval": 1, "timeout": 120}


def ids_of(**others: Any) -> list[dict[str, Any]]:
    """An object for each user."""
    return [{"external_id": name, **others} for name in NAMES]


TASKS: dict[str, Callable[..., Any]] = {
    "CampaignTriggerOperator": lambda **k: CampaignTriggerOperator(
        campaign_id=CAMPAIGN, recipients=RECIPIENTS, **WITH_LEDGER, **k
    ),
    "CanvasTriggerOperator": lambda **k: CanvasTriggerOperator(
        canvas_id=CANVAS, recipients=RECIPIENTS, **WITH_LEDGER, **k
    ),
    "MessagesSendOperator": lambda **k: MessagesSendOperator(
        messages=SMS, recipients=RECIPIENTS, **WITH_LEDGER, **k
    ),
    "TransactionalEmailOperator": lambda **k: TransactionalEmailOperator(
        campaign_id=CAMPAIGN, recipients=RECIPIENTS[:5], **WITH_LEDGER, **k
    ),
    "MessagesScheduleOperator": lambda **k: MessagesScheduleOperator(
        messages=SMS, recipients=RECIPIENTS, time=CONF.format("time"), **WITH_LEDGER, **k
    ),
    "CampaignScheduleOperator": lambda **k: CampaignScheduleOperator(
        campaign_id=CAMPAIGN, recipients=RECIPIENTS, time=CONF.format("time"), **WITH_LEDGER, **k
    ),
    "CanvasScheduleOperator": lambda **k: CanvasScheduleOperator(
        canvas_id=CANVAS, recipients=RECIPIENTS, time=CONF.format("time"), **WITH_LEDGER, **k
    ),
    "ScheduleUpdateOperator": lambda **k: ScheduleUpdateOperator(
        campaign_id=CAMPAIGN, schedule_ids=[CONF.format("schedule_id")], time=CONF.format("time"), **k
    ),
    "ScheduleDeleteOperator": lambda **k: ScheduleDeleteOperator(
        campaign_id=CAMPAIGN, schedule_ids=[CONF.format("schedule_id")], **k
    ),
    "SendIdCreateOperator": lambda **k: SendIdCreateOperator(campaign_id=CAMPAIGN, **k),
    "UsersTrackOperator.attributes": lambda **k: UsersTrackOperator(
        attributes=ids_of(tier="gold"), concurrency=1, **k
    ),
    "UsersTrackOperator.events": lambda **k: UsersTrackOperator(
        events=ids_of(name="visit", time="2026-11-01T00:00:00Z"), **WITH_LEDGER, **k
    ),
    "CampaignStatsOperator": lambda **k: CampaignStatsOperator(campaign_id=CAMPAIGN, **k),
    "CanvasStatsOperator": lambda **k: CanvasStatsOperator(canvas_id=CANVAS, **k),
    "SendStatsOperator": lambda **k: SendStatsOperator(campaign_id=CAMPAIGN, send_id="spring", **k),
    "CatalogItemsOperator": lambda **k: CatalogItemsOperator(
        catalog_name="shop", items=[{"id": name, "price": 1} for name in NAMES], concurrency=1, **k
    ),
    "SubscriptionSetOperator": lambda **k: SubscriptionSetOperator(
        subscription_group_id="g",
        subscription_state="subscribed",
        external_ids=NAMES,
        concurrency=1,
        **k,
    ),
    "UsersAliasOperator": lambda **k: UsersAliasOperator(
        user_aliases=[{"alias_name": name, "alias_label": "crm"} for name in NAMES], concurrency=1, **k
    ),
    "UsersIdentifyOperator": lambda **k: UsersIdentifyOperator(
        aliases_to_identify=[
            {"external_id": name, "user_alias": {"alias_name": name, "alias_label": "crm"}} for name in NAMES
        ],
        concurrency=1,
        **k,
    ),
    "UsersDeleteOperator": lambda **k: UsersDeleteOperator(
        external_ids=NAMES, max_recipients=COUNT, **WITH_LEDGER, **k
    ),
    "LiveActivityStartOperator": lambda **k: LiveActivityStartOperator(
        **ACTIVITY,
        activity_attributes_type="match",
        activity_attributes={},
        notification={"alert": {"title": "Goal", "body": "1:0"}},
        external_user_ids=NAMES,
        **WITH_LEDGER,
        **k,
    ),
    "LiveActivityUpdateOperator": lambda **k: LiveActivityUpdateOperator(
        app_id="a", activity_id=CONF.format("activity_id"), content_state={"score": "1:0"}, **k
    ),
    "CdiSyncOperator": lambda **k: CdiSyncOperator(integration_id="{{ run_id }}-sync", **WAIT, **k),
    "UsersExportOperator": lambda **k: UsersExportOperator(
        segment_id="{{ run_id }}-segment", fields_to_export=["email"], **WAIT, **k
    ),
    "CampaignDuplicateOperator": lambda **k: CampaignDuplicateOperator(
        campaign_id=CAMPAIGN, name="{{ run_id }}-copy", **WAIT, **k
    ),
    "CanvasDuplicateOperator": lambda **k: CanvasDuplicateOperator(
        canvas_id=CANVAS, name="{{ run_id }}-copy", **WAIT, **k
    ),
    "SendSettledSensor": lambda **k: SendSettledSensor(
        campaign_id=CAMPAIGN, send_id="spring", polls=2, poke_interval=1, timeout=120, **k
    ),
    "CdiSyncSensor": lambda **k: CdiSyncSensor(
        integration_id=CONF.format("integration_id"),
        since=CONF.format("since"),
        poke_interval=1,
        timeout=120,
        **k,
    ),
    "ScheduledBroadcastSensor": lambda **k: ScheduledBroadcastSensor(
        campaign_id=CAMPAIGN, within=timedelta(days=2), poke_interval=1, timeout=120, **k
    ),
    "CampaignSentSensor": lambda **k: CampaignSentSensor(
        campaign_id=CAMPAIGN, poke_interval=1, timeout=120, **k
    ),
}

for name, make in TASKS.items():
    with DAG(f"matrix_{name}", schedule=None) as dag:
        make(
            task_id="t",
            braze_conn_id=f"matrix_{name.lower().replace('.', '_')}",
            retries=1,
            retry_delay=timedelta(0),
        )
    globals()[dag.dag_id] = dag

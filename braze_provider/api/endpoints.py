"""
The table of Braze's endpoints: adding one is a row here, a request model and a thin operator.

A row says everything that the code has to know of an endpoint. It is said nowhere else.

.. seealso:: https://www.braze.com/docs/api/endpoints
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import quote

from braze_provider.api.errors import BrazeValidationError, Problem
from braze_provider.api.limits import MAX_BODY_BYTES, MEGABYTE
from braze_provider.api.outcomes import Repeat

DOCUMENTATION = "https://www.braze.com/docs/api/endpoints/"
_PARAMETER = re.compile(r"{(\w+)}")


@dataclass(frozen=True)
class Endpoint:
    """
    One call of Braze's REST API.

    :param name: Its name in this package: the row and the hook's method, if there is one, have it.
    :param method: HTTP method.
    :param path: Path below the REST endpoint, with path parameters in braces. No slash at the end: Braze
        answers it with 403.
    :param page: Its page, below ``https://www.braze.com/docs/api/endpoints/``. Default: none.
    :param permission: The permission that the API key needs. Default: the path with dots.
    :param bucket: The rate-limit bucket that it counts against. Default ``default``.
    :param broadcast_bucket: The bucket of a request to a segment or an audience instead of named recipients.
        Default: the same.
    :param repeat: What the same request does a second time. A GET is always ``SAFE``. Default
        ``DUPLICATES``, the most careful choice.
    :param arrays: The fields of a request that hold rows, such as recipients; or one row, if it takes one.
    :param rows: Rows in one request at most, in all arrays together. Default: the request has none.
    :param page_size: Items on a page of the answer at most, for a list that has pages.
    :param length: Days (for some endpoints: hours) that a request for a series may cover at most.
    :param max_bytes: Bytes of a request's body at most. Default 4 MB.
    :param ids: The ids that an answer may carry, the main one first.
    :param key: The field of a request by which Braze recognises a repeat, if a delivery makes its value.
    :param key_hours: Hours for which Braze remembers the value.
    :param recognised: How Braze's text begins if it recognises a repeat by its key: the first one counts.
    :param one_at_a_time: Whether the request starts a job of which only one runs at a time. While one runs,
        Braze answers 429 to another, and that is then no rate limit.
    :param request: Name of its request model in :mod:`braze_provider.api.requests`.
    """

    name: str
    method: str
    path: str
    page: str = ""
    permission: str = ""
    bucket: str = "default"
    broadcast_bucket: str | None = None
    repeat: Repeat = Repeat.DUPLICATES
    arrays: tuple[str, ...] = ()
    rows: int | None = None
    page_size: int | None = None
    length: int | None = None
    max_bytes: int = MAX_BODY_BYTES
    ids: tuple[str, ...] = ()
    key: str | None = None
    key_hours: int = 0
    recognised: str | None = None
    one_at_a_time: bool = False
    request: str | None = None

    def __post_init__(self) -> None:
        if not self.permission:
            object.__setattr__(self, "permission", self.path.strip("/").replace("/", "."))
        if self.method == "GET":
            object.__setattr__(self, "repeat", Repeat.SAFE)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def documentation(self) -> str:
        """Address of Braze's page about it, or about its family."""
        return DOCUMENTATION + self.page

    @property
    def path_parameters(self) -> tuple[str, ...]:
        """Names of the parameters in its path, in their order."""
        return tuple(_PARAMETER.findall(self.path))

    def bucket_of(self, *, broadcast: bool) -> str:
        """
        Tell which bucket a request counts against.

        :param broadcast: Whether it goes to a segment or an audience instead of named recipients.
        """
        return self.broadcast_bucket if broadcast and self.broadcast_bucket else self.bucket

    def path_with(self, values: Mapping[str, str]) -> str:
        """
        Put values into the path, percent-encoded.

        :param values: A text for each of :attr:`path_parameters`, and nothing else.
        :raises BrazeValidationError: If one is missing, unknown, empty or has a slash in it.
        """
        names = self.path_parameters
        problems = [
            Problem(name, f"{self.path} has no such parameter") for name in values if name not in names
        ]
        for name in names:
            value = values.get(name)
            if not isinstance(value, str) or not value.strip():
                problems.append(Problem(name, f"is required for {self.path}: give a text"))
            elif reason := reason_against_path(value):
                problems.append(Problem(name, reason))
        if problems:
            raise BrazeValidationError(str(self), problems)
        return _PARAMETER.sub(lambda match: quote(values[match[1]], safe=""), self.path)


def reason_against_path(text: str) -> str | None:
    """
    Say why a text can't be the value of a parameter in a path; None if it can.

    :param text: The text.
    """
    if not text.strip():
        return "is part of a path: it must not be blank"
    if "/" in text or text in (".", ".."):
        # A server on the way to Braze might read it as another path.
        return "is part of a path: a slash or dots alone are not allowed"
    return None


# A row holds what Braze's page of an endpoint says, in the same order in each row.
# fmt: off
_ROWS = (
    # Sending now
    Endpoint("messages_send", "POST", "/messages/send",
             "messaging/send_messages/post_send_messages", broadcast_bucket="broadcast",
             repeat=Repeat.DUPLICATES, arrays=("external_user_ids", "user_aliases"), rows=50,
             ids=("dispatch_id", "send_id"), request="MessagesSend"),
    Endpoint("campaigns_trigger_send", "POST", "/campaigns/trigger/send",
             "messaging/send_messages/post_send_triggered_campaigns", broadcast_bucket="broadcast",
             repeat=Repeat.DUPLICATES, arrays=("recipients",), rows=50, ids=("dispatch_id", "send_id"),
             request="CampaignTriggerSend"),
    Endpoint("canvas_trigger_send", "POST", "/canvas/trigger/send",
             "messaging/send_messages/post_send_triggered_canvases", broadcast_bucket="broadcast",
             repeat=Repeat.DUPLICATES, arrays=("recipients",), rows=50, ids=("dispatch_id",),
             request="CanvasTriggerSend"),
    # Send ids and schedules
    Endpoint("sends_id_create", "POST", "/sends/id/create",
             "messaging/send_messages/post_create_send_ids", bucket="send_ids", repeat=Repeat.KEYED,
             ids=("send_id",), request="SendIdCreate"),
    Endpoint("messages_schedule_create", "POST", "/messages/schedule/create",
             "messaging/schedule_messages/post_schedule_messages", repeat=Repeat.DUPLICATES,
             arrays=("external_user_ids", "user_aliases"), rows=50, ids=("dispatch_id", "schedule_id"),
             request="MessagesScheduleCreate"),
    Endpoint("messages_schedule_update", "POST", "/messages/schedule/update",
             "messaging/schedule_messages/post_update_scheduled_messages", repeat=Repeat.SAFE,
             request="MessagesScheduleUpdate"),
    Endpoint("messages_schedule_delete", "POST", "/messages/schedule/delete",
             "messaging/schedule_messages/post_delete_scheduled_messages", repeat=Repeat.SAFE,
             request="MessagesScheduleDelete"),
    Endpoint("campaigns_trigger_schedule_create", "POST", "/campaigns/trigger/schedule/create",
             "messaging/schedule_messages/post_schedule_triggered_campaigns", broadcast_bucket="broadcast",
             repeat=Repeat.DUPLICATES, arrays=("recipients",), rows=50, ids=("dispatch_id", "schedule_id"),
             request="CampaignScheduleCreate"),
    Endpoint("campaigns_trigger_schedule_update", "POST", "/campaigns/trigger/schedule/update",
             "messaging/schedule_messages/post_update_scheduled_triggered_campaigns", repeat=Repeat.SAFE,
             request="CampaignScheduleUpdate"),
    Endpoint("campaigns_trigger_schedule_delete", "POST", "/campaigns/trigger/schedule/delete",
             "messaging/schedule_messages/post_delete_scheduled_triggered_messages", repeat=Repeat.SAFE,
             request="CampaignScheduleDelete"),
    Endpoint("canvas_trigger_schedule_create", "POST", "/canvas/trigger/schedule/create",
             "messaging/schedule_messages/post_schedule_triggered_canvases", broadcast_bucket="broadcast",
             repeat=Repeat.DUPLICATES, arrays=("recipients",), rows=50, ids=("dispatch_id", "schedule_id"),
             request="CanvasScheduleCreate"),
    Endpoint("canvas_trigger_schedule_update", "POST", "/canvas/trigger/schedule/update",
             "messaging/schedule_messages/post_update_scheduled_triggered_canvases", repeat=Repeat.SAFE,
             request="CanvasScheduleUpdate"),
    Endpoint("canvas_trigger_schedule_delete", "POST", "/canvas/trigger/schedule/delete",
             "messaging/schedule_messages/post_delete_scheduled_triggered_canvases", repeat=Repeat.SAFE,
             request="CanvasScheduleDelete"),
    Endpoint("messages_scheduled_broadcasts", "GET", "/messages/scheduled_broadcasts",
             "messaging/schedule_messages/get_messages_scheduled", permission="messages.schedule_broadcasts"),
    # Live Activities, transactional e-mail, copies
    Endpoint("messages_live_activity_start", "POST", "/messages/live_activity/start",
             "messaging/live_activity/start", repeat=Repeat.DUPLICATES,
             arrays=("external_user_ids", "user_aliases"), rows=50, request="LiveActivityStart"),
    Endpoint("messages_live_activity_update", "POST", "/messages/live_activity/update",
             "messaging/live_activity/update", repeat=Repeat.SAFE, request="LiveActivityUpdate"),
    Endpoint("transactional_send", "POST", "/transactional/v1/campaigns/{campaign_id}/send",
             "messaging/send_messages/post_send_transactional_message", permission="transactional.send",
             repeat=Repeat.KEYED, arrays=("recipient",), rows=1, ids=("dispatch_id",),
             key="external_send_id", key_hours=24, recognised="The external reference has been queued",
             request="TransactionalSend"),
    Endpoint("campaigns_duplicate", "POST", "/campaigns/duplicate",
             "messaging/duplicate_messages/post_duplicate_campaigns", bucket="duplicate_campaign",
             repeat=Repeat.DUPLICATES, request="CampaignDuplicate"),
    Endpoint("canvas_duplicate", "POST", "/canvas/duplicate",
             "messaging/duplicate_messages/post_duplicate_canvases", bucket="duplicate_canvas",
             repeat=Repeat.DUPLICATES, request="CanvasDuplicate"),
    # Campaigns and Canvases, for reading
    Endpoint("sends_data_series", "GET", "/sends/data_series", "export/campaigns", length=100),
    Endpoint("campaigns_data_series", "GET", "/campaigns/data_series",
             "export/campaigns", bucket="campaign_series", length=100),
    Endpoint("campaigns_list", "GET", "/campaigns/list", "export/campaigns/get_campaigns", page_size=100),
    Endpoint("campaigns_details", "GET", "/campaigns/details", "export/campaigns/get_campaign_details"),
    Endpoint("canvas_list", "GET", "/canvas/list", "export/canvas", page_size=100),
    Endpoint("canvas_details", "GET", "/canvas/details", "export/canvas"),
    Endpoint("canvas_data_series", "GET", "/canvas/data_series", "export/canvas", length=14),
    Endpoint("canvas_data_summary", "GET", "/canvas/data_summary", "export/canvas", length=14),
    # Cloud Data Ingestion
    Endpoint("cdi_integrations_list", "GET", "/cdi/integrations",
             "cdi/get_integration_list", permission="cdi.integration_list", bucket="cdi_list", page_size=10),
    Endpoint("cdi_integrations_sync", "POST", "/cdi/integrations/{integration_id}/sync",
             "cdi/post_job_sync", permission="cdi.integration_sync", bucket="cdi_sync", repeat=Repeat.KEYED,
             one_at_a_time=True),
    Endpoint("cdi_integrations_job_sync_status", "GET", "/cdi/integrations/{integration_id}/job_sync_status",
             "cdi/get_job_sync_status", permission="cdi.integration_job_status", bucket="cdi_status",
             page_size=10),
    # Users
    Endpoint("users_track", "POST", "/users/track",
             "user_data/post_user_track", bucket="users_track", repeat=Repeat.DUPLICATES,
             arrays=("attributes", "events", "purchases"), rows=75, request="UsersTrack"),
    Endpoint("users_track_sync", "POST", "/users/track/sync",
             "user_data/post_user_track_synchronous", bucket="users_track_sync", repeat=Repeat.DUPLICATES,
             arrays=("attributes", "events", "purchases"), rows=1),
    Endpoint("users_track_bulk", "POST", "/users/track/bulk",
             "user_data/post_user_track_bulk", bucket="users_track_bulk", repeat=Repeat.DUPLICATES,
             arrays=("attributes", "events", "purchases"), rows=1000, max_bytes=2 * MEGABYTE),
    Endpoint("users_alias_new", "POST", "/users/alias/new",
             "user_data/post_user_alias", bucket="identity", repeat=Repeat.KEYED, arrays=("user_aliases",),
             rows=50, request="UsersAliasNew"),
    Endpoint("users_alias_update", "POST", "/users/alias/update",
             "user_data/post_users_alias_update", bucket="identity", repeat=Repeat.SAFE,
             arrays=("alias_updates",), rows=50, request="UsersAliasUpdate"),
    Endpoint("users_identify", "POST", "/users/identify",
             "user_data/post_user_identify", bucket="identity", repeat=Repeat.SAFE,
             arrays=("aliases_to_identify", "emails_to_identify", "phone_numbers_to_identify"), rows=50,
             request="UsersIdentify"),
    Endpoint("users_merge", "POST", "/users/merge",
             "user_data/post_users_merge", bucket="identity", repeat=Repeat.SAFE, arrays=("merge_updates",),
             rows=50),
    Endpoint("users_delete", "POST", "/users/delete",
             "user_data/post_user_delete", bucket="identity", repeat=Repeat.SAFE,
             arrays=("external_ids", "user_aliases", "braze_ids", "email_addresses", "phone_numbers"),
             rows=50, request="UsersDelete"),
    Endpoint("users_external_ids_rename", "POST", "/users/external_ids/rename",
             "user_data/external_id_migration/post_external_ids_rename", bucket="external_ids_rename",
             repeat=Repeat.KEYED, arrays=("external_id_renames",), rows=50),
    Endpoint("users_external_ids_remove", "POST", "/users/external_ids/remove",
             "user_data/external_id_migration/post_external_ids_remove", bucket="external_ids_remove",
             repeat=Repeat.SAFE, arrays=("external_ids",), rows=50),
    Endpoint("users_export_ids", "POST", "/users/export/ids",
             "export/user_data/post_users_identifier", bucket="export_ids", repeat=Repeat.SAFE,
             arrays=("external_ids", "user_aliases"), rows=50, request="UsersExportIds"),
    Endpoint("users_export_segment", "POST", "/users/export/segment",
             "export/user_data/post_users_segment", repeat=Repeat.KEYED, ids=("object_prefix",),
             one_at_a_time=True, request="UsersExportSegment"),
    Endpoint("users_export_global_control_group", "POST", "/users/export/global_control_group",
             "export/user_data/post_users_global_control_group", repeat=Repeat.DUPLICATES,
             ids=("object_prefix",), request="UsersExportGlobalControlGroup"),
    Endpoint("export_segment_cancel", "POST", "/export/segment/cancel",
             "export/segments/post_cancel_export", permission="segments.list", repeat=Repeat.SAFE,
             request="ExportSegmentCancel"),
    # Subscription groups
    Endpoint("subscription_status_get", "GET", "/subscription/status/get",
             "subscription_groups/get_list_user_subscription_group_status"),
    Endpoint("subscription_user_status", "GET", "/subscription/user/status",
             "subscription_groups/get_list_user_subscription_groups", permission="subscription.groups.get",
             page_size=100),
    Endpoint("subscription_status_set", "POST", "/subscription/status/set",
             "subscription_groups/post_update_user_subscription_group_status", bucket="subscription_set",
             repeat=Repeat.SAFE, arrays=("external_id", "email", "phone"), rows=50,
             request="SubscriptionStatusSet"),
    Endpoint("subscription_status_set_v2", "POST", "/v2/subscription/status/set",
             "subscription_groups/post_update_user_subscription_group_status_v2",
             permission="subscription.status.set", bucket="subscription_set", repeat=Repeat.SAFE),
    # Catalogs
    Endpoint("catalogs_list", "GET", "/catalogs", "catalogs", permission="catalogs.get", bucket="catalogs"),
    Endpoint("catalogs_create", "POST", "/catalogs",
             "catalogs", permission="catalogs.create", bucket="catalogs", repeat=Repeat.KEYED),
    Endpoint("catalogs_delete", "DELETE", "/catalogs/{catalog_name}",
             "catalogs", permission="catalogs.delete", bucket="catalogs", repeat=Repeat.SAFE),
    Endpoint("catalogs_items_list", "GET", "/catalogs/{catalog_name}/items",
             "catalogs", permission="catalogs.get_items", bucket="catalog_items_sync", page_size=50),
    Endpoint("catalogs_items_create", "POST", "/catalogs/{catalog_name}/items",
             "catalogs", permission="catalogs.add_items", bucket="catalog_items_async", repeat=Repeat.KEYED,
             arrays=("items",), rows=50),
    Endpoint("catalogs_items_update", "PATCH", "/catalogs/{catalog_name}/items",
             "catalogs", permission="catalogs.update_items", bucket="catalog_items_async", repeat=Repeat.SAFE,
             arrays=("items",), rows=50, request="CatalogItemsUpdate"),
    Endpoint("catalogs_items_replace", "PUT", "/catalogs/{catalog_name}/items",
             "catalogs", permission="catalogs.replace_items", bucket="catalog_items_async",
             repeat=Repeat.SAFE, arrays=("items",), rows=50, request="CatalogItemsReplace"),
    Endpoint("catalogs_items_delete", "DELETE", "/catalogs/{catalog_name}/items",
             "catalogs", permission="catalogs.delete_items", bucket="catalog_items_async", repeat=Repeat.SAFE,
             arrays=("items",), rows=50, request="CatalogItemsDelete"),
    Endpoint("catalogs_item_get", "GET", "/catalogs/{catalog_name}/items/{item_id}",
             "catalogs", permission="catalogs.get_item", bucket="catalog_items_sync"),
    Endpoint("catalogs_item_create", "POST", "/catalogs/{catalog_name}/items/{item_id}",
             "catalogs", permission="catalogs.create_item", bucket="catalog_items_sync", repeat=Repeat.KEYED),
    Endpoint("catalogs_item_update", "PATCH", "/catalogs/{catalog_name}/items/{item_id}",
             "catalogs", permission="catalogs.update_item", bucket="catalog_items_sync", repeat=Repeat.SAFE),
    Endpoint("catalogs_item_replace", "PUT", "/catalogs/{catalog_name}/items/{item_id}",
             "catalogs", permission="catalogs.replace_item", bucket="catalog_items_sync", repeat=Repeat.SAFE),
    Endpoint("catalogs_item_delete", "DELETE", "/catalogs/{catalog_name}/items/{item_id}",
             "catalogs", permission="catalogs.delete_item", bucket="catalog_items_sync", repeat=Repeat.SAFE),
    Endpoint("catalogs_fields_create", "POST", "/catalogs/{catalog_name}/fields",
             "catalogs", permission="catalogs.create_fields", bucket="catalog_schema", repeat=Repeat.KEYED,
             arrays=("fields",), rows=50),
    Endpoint("catalogs_field_delete", "DELETE", "/catalogs/{catalog_name}/fields/{field_name}",
             "catalogs", permission="catalogs.delete_fields", bucket="catalog_schema", repeat=Repeat.SAFE),
    Endpoint("catalogs_selection_create", "POST", "/catalogs/{catalog_name}/selections",
             "catalogs", permission="catalogs.create_selection", bucket="catalog_schema",
             repeat=Repeat.KEYED),
    Endpoint("catalogs_selection_delete", "DELETE", "/catalogs/{catalog_name}/selections/{selection_name}",
             "catalogs", permission="catalogs.delete_selection", bucket="catalog_schema", repeat=Repeat.SAFE),
    # Content Blocks and e-mail templates
    Endpoint("content_blocks_list", "GET", "/content_blocks/list",
             "templates/content_blocks_templates", page_size=1000),
    Endpoint("content_blocks_info", "GET", "/content_blocks/info", "templates/content_blocks_templates"),
    Endpoint("content_blocks_create", "POST", "/content_blocks/create",
             "templates/content_blocks_templates", repeat=Repeat.KEYED, ids=("content_block_id",)),
    Endpoint("content_blocks_update", "POST", "/content_blocks/update",
             "templates/content_blocks_templates", repeat=Repeat.SAFE, ids=("content_block_id",)),
    Endpoint("templates_email_list", "GET", "/templates/email/list",
             "templates/email_templates", page_size=1000),
    Endpoint("templates_email_info", "GET", "/templates/email/info", "templates/email_templates"),
    Endpoint("templates_email_create", "POST", "/templates/email/create",
             "templates/email_templates", repeat=Repeat.DUPLICATES, ids=("email_template_id",)),
    Endpoint("templates_email_update", "POST", "/templates/email/update",
             "templates/email_templates", repeat=Repeat.SAFE),
    # E-mail addresses and phone numbers
    Endpoint("email_hard_bounces", "GET", "/email/hard_bounces", "email", page_size=500),
    Endpoint("email_unsubscribes", "GET", "/email/unsubscribes",
             "email", permission="email.unsubscribe", page_size=500),
    Endpoint("email_status", "POST", "/email/status",
             "email", repeat=Repeat.SAFE, arrays=("email",), rows=50),
    Endpoint("email_blocklist", "POST", "/email/blocklist",
             "email", permission="email.blacklist", repeat=Repeat.SAFE, arrays=("email",), rows=50),
    Endpoint("email_bounce_remove", "POST", "/email/bounce/remove",
             "email", repeat=Repeat.SAFE, arrays=("email",), rows=50),
    Endpoint("email_spam_remove", "POST", "/email/spam/remove",
             "email", repeat=Repeat.SAFE, arrays=("email",), rows=50),
    Endpoint("sms_invalid_phone_numbers", "GET", "/sms/invalid_phone_numbers", "sms", page_size=500),
    Endpoint("sms_invalid_phone_numbers_remove", "POST", "/sms/invalid_phone_numbers/remove",
             "sms", repeat=Repeat.SAFE, arrays=("phone_numbers",), rows=50),
    # Preference centers
    Endpoint("preference_center_list", "GET", "/preference_center/v1/list",
             "preference_center/get_list_preference_center", permission="preference_center.list",
             bucket="preference_center"),
    Endpoint("preference_center_details", "GET", "/preference_center/v1/{preferenceCenterExternalID}",
             "preference_center/get_view_details_preference_center", permission="preference_center.get",
             bucket="preference_center"),
    Endpoint("preference_center_user_url", "GET",
             "/preference_center/v1/{preferenceCenterExternalID}/url/{userID}",
             "preference_center/get_create_url_preference_center", permission="preference_center.user.get",
             bucket="preference_center"),
    # Statistics
    Endpoint("kpi_new_users_data_series", "GET", "/kpi/new_users/data_series", "export/kpi", length=100),
    Endpoint("kpi_dau_data_series", "GET", "/kpi/dau/data_series", "export/kpi", length=100),
    Endpoint("kpi_mau_data_series", "GET", "/kpi/mau/data_series", "export/kpi", length=100),
    Endpoint("kpi_uninstalls_data_series", "GET", "/kpi/uninstalls/data_series", "export/kpi", length=100),
    Endpoint("sessions_data_series", "GET", "/sessions/data_series", "export/sessions", length=100),
    Endpoint("events_data_series", "GET", "/events/data_series", "export/custom_events", length=100),
    Endpoint("events_list", "GET", "/events/list", "export/custom_events", bucket="lists", page_size=250),
    Endpoint("events_get", "GET", "/events",
             "export/custom_events", permission="events.get", bucket="lists", page_size=50),
    Endpoint("custom_attributes_get", "GET", "/custom_attributes",
             "export/custom_attributes", permission="custom_attributes.get", bucket="lists", page_size=50),
    Endpoint("purchases_product_list", "GET", "/purchases/product_list", "export/purchases", bucket="lists"),
    Endpoint("purchases_quantity_series", "GET", "/purchases/quantity_series",
             "export/purchases", bucket="lists", length=100),
    Endpoint("purchases_revenue_series", "GET", "/purchases/revenue_series",
             "export/purchases", bucket="lists", length=100),
    Endpoint("segments_list", "GET", "/segments/list", "export/segments", page_size=100),
    Endpoint("segments_details", "GET", "/segments/details", "export/segments"),
    Endpoint("segments_data_series", "GET", "/segments/data_series", "export/segments", length=100),
)
# fmt: on

ENDPOINTS: Mapping[str, Endpoint] = MappingProxyType({endpoint.name: endpoint for endpoint in _ROWS})
"""Endpoints by name."""

ID_NAMES = tuple(sorted({name for row in ENDPOINTS.values() if row.rows for name in row.ids}))
"""The ids that Braze may give to a batch."""

MESSAGES_SEND = ENDPOINTS["messages_send"]
CAMPAIGNS_TRIGGER_SEND = ENDPOINTS["campaigns_trigger_send"]
CANVAS_TRIGGER_SEND = ENDPOINTS["canvas_trigger_send"]
MESSAGES_SCHEDULE_CREATE = ENDPOINTS["messages_schedule_create"]
CAMPAIGNS_TRIGGER_SCHEDULE_CREATE = ENDPOINTS["campaigns_trigger_schedule_create"]
CANVAS_TRIGGER_SCHEDULE_CREATE = ENDPOINTS["canvas_trigger_schedule_create"]
MESSAGES_SCHEDULE_UPDATE = ENDPOINTS["messages_schedule_update"]
CAMPAIGNS_TRIGGER_SCHEDULE_UPDATE = ENDPOINTS["campaigns_trigger_schedule_update"]
CANVAS_TRIGGER_SCHEDULE_UPDATE = ENDPOINTS["canvas_trigger_schedule_update"]
MESSAGES_SCHEDULE_DELETE = ENDPOINTS["messages_schedule_delete"]
CAMPAIGNS_TRIGGER_SCHEDULE_DELETE = ENDPOINTS["campaigns_trigger_schedule_delete"]
CANVAS_TRIGGER_SCHEDULE_DELETE = ENDPOINTS["canvas_trigger_schedule_delete"]
MESSAGES_LIVE_ACTIVITY_START = ENDPOINTS["messages_live_activity_start"]
MESSAGES_LIVE_ACTIVITY_UPDATE = ENDPOINTS["messages_live_activity_update"]
SENDS_ID_CREATE = ENDPOINTS["sends_id_create"]
CAMPAIGNS_DUPLICATE = ENDPOINTS["campaigns_duplicate"]
CANVAS_DUPLICATE = ENDPOINTS["canvas_duplicate"]
CDI_INTEGRATIONS_LIST = ENDPOINTS["cdi_integrations_list"]
CDI_INTEGRATIONS_SYNC = ENDPOINTS["cdi_integrations_sync"]
CDI_INTEGRATIONS_JOB_SYNC_STATUS = ENDPOINTS["cdi_integrations_job_sync_status"]
USERS_EXPORT_IDS = ENDPOINTS["users_export_ids"]
USERS_EXPORT_SEGMENT = ENDPOINTS["users_export_segment"]
USERS_EXPORT_GLOBAL_CONTROL_GROUP = ENDPOINTS["users_export_global_control_group"]
EXPORT_SEGMENT_CANCEL = ENDPOINTS["export_segment_cancel"]
CAMPAIGNS_LIST = ENDPOINTS["campaigns_list"]
CAMPAIGNS_DETAILS = ENDPOINTS["campaigns_details"]
CAMPAIGNS_DATA_SERIES = ENDPOINTS["campaigns_data_series"]
CANVAS_DATA_SERIES = ENDPOINTS["canvas_data_series"]
SENDS_DATA_SERIES = ENDPOINTS["sends_data_series"]
MESSAGES_SCHEDULED_BROADCASTS = ENDPOINTS["messages_scheduled_broadcasts"]
CANVAS_DETAILS = ENDPOINTS["canvas_details"]

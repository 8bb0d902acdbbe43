"""How a Dag reaches each endpoint: through a task class, or the reason why there is none."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from functools import cache

import braze_provider
from braze_provider.api.endpoints import ENDPOINTS, Endpoint

ROOMS_OF_CLASSES = ("operators", "sensors")

NO_CLASS = {
    "no operator yet: `BrazeHook.call`": """
        users_track_sync users_track_bulk users_merge
        users_external_ids_rename users_external_ids_remove
        subscription_status_set_v2 catalogs_create catalogs_delete
        catalogs_items_create
        catalogs_item_create catalogs_item_update catalogs_item_replace catalogs_item_delete
        catalogs_fields_create catalogs_field_delete catalogs_selection_create catalogs_selection_delete
        content_blocks_create content_blocks_update templates_email_create templates_email_update
        email_status email_blocklist email_bounce_remove email_spam_remove
        sms_invalid_phone_numbers_remove
    """,
    "a read for code of one's own: the method of `BrazeHook`": """
        campaigns_list canvas_list canvas_details canvas_data_summary kpi_new_users_data_series
        kpi_dau_data_series kpi_mau_data_series kpi_uninstalls_data_series sessions_data_series
        events_data_series events_list events_get custom_attributes_get purchases_product_list
        purchases_quantity_series purchases_revenue_series segments_list segments_details
        segments_data_series
    """,
    "no operator: a method of `BrazeHook`": """
        users_export_global_control_group export_segment_cancel cdi_integrations_list
    """,
    "a read for code of one's own: `BrazeHook.call`": """
        subscription_status_get
        subscription_user_status catalogs_list catalogs_items_list catalogs_item_get content_blocks_list
        content_blocks_info templates_email_list templates_email_info email_hard_bounces
        email_unsubscribes sms_invalid_phone_numbers preference_center_list preference_center_details
        preference_center_user_url
    """,
}
"""Why these endpoints have no operator or sensor, with their names."""

REASONS = {name: reason for reason, names in NO_CLASS.items() for name in names.split()}


@cache
def classes() -> tuple[type, ...]:
    """The operators and sensors that users put into Dags."""
    return tuple(_classes())


def _classes() -> Iterator[type]:
    for room in ROOMS_OF_CLASSES:
        folder = f"{braze_provider.__path__[0]}/{room}"
        for found in pkgutil.walk_packages([folder], f"braze_provider.{room}."):
            module = importlib.import_module(found.name)
            for _, one in inspect.getmembers(module, inspect.isclass):
                if one.__module__ == module.__name__ and isinstance(getattr(one, "endpoint", None), Endpoint):
                    yield one


def reach() -> dict[str, str]:
    """By endpoint: the names of its classes, or the reason why it has none."""
    of_classes = {
        name: ", ".join(one.__name__ for one in classes() if ENDPOINTS[name] in one.endpoints)
        for name in ENDPOINTS
    }
    return {name: found or REASONS.get(name, "") for name, found in of_classes.items()}

"""What Airflow is told about this package: the connection type with its form, its options, its classes."""

from __future__ import annotations

from typing import Any


def get_provider_info() -> dict[str, Any]:
    """
    Return the provider's metadata (entry point ``apache_airflow_provider``).

    Airflow 3.2 and newer draw the connection's form from ``ui-field-behaviour`` and ``conn-fields``. Older
    ones ignore both: they ask the hook, and take the extra fields as JSON.
    """
    return {
        "package-name": "airflow-provider-braze-messaging",
        "name": "Braze",
        "description": "`Braze <https://www.braze.com/>`__: send messages and trigger campaigns.",
        "integrations": [
            {
                "integration-name": "Braze",
                "external-doc-url": "https://www.braze.com/docs/api/home",
                "tags": ["service"],
            }
        ],
        "hooks": [
            {
                "integration-name": "Braze",
                "python-modules": ["braze_provider.hooks.braze"],
            }
        ],
        "operators": [
            {
                "integration-name": "Braze",
                "python-modules": [
                    "braze_provider.operators.campaigns",
                    "braze_provider.operators.canvas",
                    "braze_provider.operators.catalogs",
                    "braze_provider.operators.live_activities",
                    "braze_provider.operators.duplicates",
                    "braze_provider.operators.exports",
                    "braze_provider.operators.ingestion",
                    "braze_provider.operators.messages",
                    "braze_provider.operators.schedules",
                    "braze_provider.operators.sends",
                    "braze_provider.operators.transactional",
                    "braze_provider.operators.subscriptions",
                    "braze_provider.operators.users",
                    "braze_provider.operators.statistics",
                ],
            }
        ],
        "sensors": [
            {
                "integration-name": "Braze",
                "python-modules": [
                    "braze_provider.sensors.broadcasts",
                    "braze_provider.sensors.campaigns",
                    "braze_provider.sensors.sends",
                    "braze_provider.sensors.ingestion",
                ],
            }
        ],
        "triggers": [
            {
                "integration-name": "Braze",
                "python-modules": ["braze_provider.triggers.wait"],
            }
        ],
        "extra-links": [
            "braze_provider.links.braze.BrazeDashboardLink",
            "braze_provider.links.braze.MessageActivityLogLink",
            "braze_provider.links.braze.CloudDataIngestionLink",
        ],
        "notifications": ["braze_provider.notifications.braze.BrazeNotifier"],
        "task-decorators": [
            {
                "name": "braze_campaign",
                "class-name": "braze_provider.decorators.braze.braze_campaign_task",
            },
            {
                "name": "braze_messages",
                "class-name": "braze_provider.decorators.braze.braze_messages_task",
            },
        ],
        # The plugin is not named here: Airflow finds it by its entry point, and warns of a second mention.
        "config": {
            "braze": {
                "description": "Options of the Braze provider.",
                "options": {
                    "deliveries_conn_id": {
                        "description": "The connection to the SQL ledger that the page *Browse → Braze "
                        "deliveries* shows: the one that tasks name as ``ledger_conn_id``. Airflow 3.1 and "
                        "newer have the page.",
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "ledger",
                        "default": "",
                    }
                },
            }
        },
        "connection-types": [
            {
                "connection-type": "braze",
                "hook-class-name": "braze_provider.hooks.braze.BrazeHook",
                "hook-name": "Braze",
                "ui-field-behaviour": {
                    # Airflow 3.3 tests a saved connection only if it has a port, so the form asks for one.
                    "hidden-fields": ["schema", "login"],
                    "relabeling": {"host": "REST endpoint", "password": "REST API key"},
                    "placeholders": {
                        "host": "rest.iad-01.braze.com",
                        "port": "443, for the Test button; or use: airflow connections test",
                        "password": "from Settings > APIs and Identifiers > API Keys",
                    },
                },
                "conn-fields": {
                    "timeout": {
                        "label": "Timeout",
                        "description": "Seconds to wait for Braze's answer. Default 60.",
                        "schema": {"type": ["number", "null"], "exclusiveMinimum": 0},
                    },
                    "proxies": {
                        "label": "Proxy",
                        "description": "Such as http://proxy.example.com:3128. Default: the environment's.",
                        "schema": {"type": ["string", "null"]},
                    },
                    "verify": {
                        "label": "Verify TLS",
                        "description": "Path of a CA bundle, or false to check no certificate. Default true.",
                        "schema": {"type": ["string", "null"]},
                    },
                    "allow_http": {
                        "label": "Allow plain http",
                        "description": "Only for a sandbox on another host: the API key travels unencrypted.",
                        "schema": {"type": ["boolean", "null"]},
                    },
                    "rate_limits": {
                        "label": "Rate limits",
                        "description": "Requests in each window by bucket, where your contract differs from "
                        'Braze\'s defaults: {"default": 500000}.',
                        "schema": {"type": ["object", "null"]},
                    },
                    "pools": {
                        "label": "Pools",
                        "description": "Airflow pools that are a share of a rate limit: "
                        '{"braze": {"slots": 10, "bucket": "default"}}.',
                        "schema": {"type": ["object", "null"]},
                    },
                },
            }
        ],
    }

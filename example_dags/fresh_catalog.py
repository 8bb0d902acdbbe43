"""
Bring a Braze catalog up to date with the table of products, several times a day.

The first task writes all products on sale, and creates those that the catalog does not have yet. The second
one deletes those that are sold out. Both may run as often as one likes. A message then shows a product with
``{% catalog_items products p1 %} {{ items[0].name }}``.
"""

from __future__ import annotations

import pendulum
from airflow.sdk import DAG

from braze_provider.operators.catalogs import CatalogItemsOperator
from braze_provider.recipients import SqlRecipients

with DAG(
    dag_id="fresh_catalog",
    schedule="0 */4 * * *",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    # Two runs at the same time could write an older price over a newer one.
    max_active_runs=1,
    tags=["braze"],
    doc_md=__doc__,
) as dag:
    # [START howto_operator_catalog_items]
    on_sale = CatalogItemsOperator(
        task_id="on_sale",
        catalog_name="products",
        items=SqlRecipients(
            conn_id="customers",
            sql="SELECT sku AS id, name, price FROM products WHERE stock > 0 ORDER BY sku",
        ),
        mode="upsert",
    )
    sold_out = CatalogItemsOperator(
        task_id="sold_out",
        catalog_name="products",
        items=SqlRecipients(
            conn_id="customers", sql="SELECT sku AS id FROM products WHERE stock = 0 ORDER BY sku"
        ),
        mode="delete",
    )
    # [END howto_operator_catalog_items]
    on_sale >> sold_out

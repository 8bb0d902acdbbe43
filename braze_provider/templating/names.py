"""The names that Airflow's templates know, and other names that look like them."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment

DATED_NAMES = frozenset(
    {
        "data_interval_end",
        "data_interval_start",
        "ds",
        "ds_nodash",
        "logical_date",
        "prev_data_interval_end_success",
        "prev_data_interval_start_success",
        "ts",
        "ts_nodash",
        "ts_nodash_with_tz",
    }
)
"""Names that a run has only if it has a logical date."""

AIRFLOW_NAMES = DATED_NAMES | {
    "asset_state_store",
    "conn",
    "dag",
    "dag_run",
    "expanded_ti_count",
    "inlet_events",
    "inlets",
    "macros",
    "map_index_template",
    "outlet_events",
    "outlets",
    "params",
    "partition_date",
    "partition_key",
    "prev_end_date_success",
    "prev_start_date_success",
    "run_id",
    "task",
    "task_instance",
    "task_instance_key_str",
    "task_reschedule_count",
    "task_state_store",
    "templates_dict",
    "test_mode",
    "ti",
    "triggering_asset_events",
    "try_number",
    "var",
}
"""Airflow's names in every run, of all supported versions. Names that only callbacks have (``exception``,
``reason``) are not among them: a template can't mean them, and Liquid can."""

_AIRFLOW_2 = frozenset(
    {
        "conf",
        "execution_date",
        "next_ds",
        "next_ds_nodash",
        "next_execution_date",
        "prev_ds",
        "prev_ds_nodash",
        "prev_execution_date",
        "prev_execution_date_success",
        "tomorrow_ds",
        "tomorrow_ds_nodash",
        "triggering_dataset_events",
        "yesterday_ds",
        "yesterday_ds_nodash",
    }
)
# Shorter names are too similar to common words: ``dag`` to ``day``, ``var`` to ``car``.
_MIN_LENGTH = 4
_HEAD = re.compile(r"\{\{[-+]?\s*([^\W\d]\w*)")
_FILTER = re.compile(r"\|\s*([^\W\d]\w*)")
_TEST = re.compile(r"\bis\s+(?:not\s+)?([^\W\d]\w*)")
_WORD = re.compile(r"(?<![.\w])[^\W\d]\w*")
_QUOTED = re.compile(r"""'[^']*'|"[^"]*\"""")


def names_of(context: Mapping[str, Any], jinja_env: Environment) -> frozenset[str]:
    """
    List the names with which an expression for Airflow can begin.

    :param context: Airflow's template context.
    :param jinja_env: The Dag's Jinja environment.
    """
    from jinja2.defaults import DEFAULT_NAMESPACE

    return AIRFLOW_NAMES | set(context) | (set(jinja_env.globals) - set(DEFAULT_NAMESPACE))


def missing_in(template: str, context: Mapping[str, Any], jinja_env: Environment) -> list[str]:
    """
    List the Airflow names that a template uses and this run lacks.

    :param template: The template.
    :param context: Airflow's template context.
    :param jinja_env: The Dag's Jinja environment.
    """
    from jinja2 import TemplateError, meta

    try:
        used = meta.find_undeclared_variables(jinja_env.parse(template))
    except TemplateError:
        return []
    return sorted(used & AIRFLOW_NAMES - set(context))


def resemblance(output: str, text: str, names: Collection[str], jinja_env: Environment) -> str | None:
    """
    Say why an output that is left to Liquid looks as if it were meant for Airflow. None: it does not.

    :param output: The output, with its braces.
    :param text: The text that holds it.
    :param names: As :func:`names_of` gives them.
    :param jinja_env: The Dag's Jinja environment.
    """
    if "${" in output:
        return None
    from jinja2.filters import FILTERS

    bare = _QUOTED.sub("", output)
    head = _HEAD.match(output)
    if head is None:
        known = next((word for word in _WORD.findall(bare) if word in names), None)
        return known and f"{known} is an Airflow name, and Airflow renders only what begins with such a name"
    name = head[1]
    if re.search(rf"\b(?:assign|capture|for)\s+{name}\b", text):
        return None
    if name in _AIRFLOW_2:
        return f"{name} is a name of Airflow 2"
    for known in sorted(names):
        if len(known) >= _MIN_LENGTH and _is_one_edit_apart(name, known):
            return f"{name} is nearly Airflow's {known}"
    for found in _FILTER.findall(bare):
        if found in jinja_env.filters and found not in FILTERS:
            return f"{found} is an Airflow filter, and {name} is not an Airflow name"
    for found in _TEST.findall(bare):
        if found in jinja_env.tests:
            return f"'is {found}' is an Airflow test, and {name} is not an Airflow name"
    return None


def _is_one_edit_apart(one: str, other: str) -> bool:
    pairs = enumerate(zip(one, other, strict=False))
    same = next((place for place, (x, y) in pairs if x != y), min(len(one), len(other)))
    a, b = one[same:], other[same:]
    swapped = a[:2] == b[1::-1] and a[2:] == b[2:]
    return one != other and (a[1:] == b[1:] or a[1:] == b or a == b[1:] or swapped)

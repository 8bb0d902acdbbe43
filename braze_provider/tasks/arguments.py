"""
Types of the arguments that operators share, so that editors complete them and mypy checks them.

Nothing here runs. An operator takes them as ``**kwargs: Unpack[SendArguments]`` and passes them on.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, TypedDict

from airflow.sdk import DAG, TaskGroup, XComArg

from braze_provider.recipients.base import RecipientSource

if TYPE_CHECKING:
    from typing_extensions import Required

Templated: TypeAlias = str | XComArg
"""Text that may hold a template, or the result of another task."""


class DataFrame(Protocol):
    """A table of pandas or polars."""

    @property
    def columns(self) -> Any:
        """Names of the columns."""


class ArrowTable(Protocol):
    """A table or record batch of Arrow."""

    @property
    def column_names(self) -> Any:
        """Names of the columns."""


Recipients: TypeAlias = RecipientSource | DataFrame | ArrowTable | XComArg | str
"""Everything that can name recipients, except a list. Text is a template that makes a list with native
rendering."""

_Callback: TypeAlias = Callable[..., Any]
_Callbacks: TypeAlias = Callable[..., Any] | Sequence[Callable[..., Any]] | None


class OperatorArguments(TypedDict, total=False):
    """The arguments of Airflow's ``BaseOperator``, on all supported versions."""

    task_id: Required[str]
    allow_nested_operators: bool
    dag: DAG | None
    default_args: dict[str, Any] | None
    depends_on_past: bool
    do_xcom_push: bool
    doc: str | None
    doc_json: str | None
    doc_md: str | None
    doc_rst: str | None
    doc_yaml: str | None
    email: str | Sequence[str] | None
    email_on_failure: bool
    email_on_retry: bool
    end_date: datetime | None
    execution_timeout: timedelta | None
    executor: str | None
    executor_config: dict[str, Any] | None
    ignore_first_depends_on_past: bool
    inlets: Any
    logger_name: str | None
    map_index_template: str | None
    max_active_tis_per_dag: int | None
    max_active_tis_per_dagrun: int | None
    max_retry_delay: timedelta | float | None
    multiple_outputs: bool
    on_execute_callback: _Callbacks
    on_failure_callback: _Callbacks
    on_retry_callback: _Callbacks
    on_skipped_callback: _Callbacks
    on_success_callback: _Callbacks
    outlets: Any
    owner: str
    params: MutableMapping[str, Any] | None
    pool: str | None
    pool_slots: int
    post_execute: _Callback | None
    pre_execute: _Callback | None
    priority_weight: int
    queue: str
    render_template_as_native_obj: bool | None
    resources: dict[str, Any] | None
    retries: int | None
    retry_delay: timedelta | float
    retry_exponential_backoff: float
    retry_policy: Any
    run_as_user: str | None
    sla: timedelta | None
    start_date: datetime | None
    task_display_name: str | None
    task_group: TaskGroup | None
    trigger_rule: str
    wait_for_downstream: bool
    wait_for_past_depends_before_skipping: bool
    weight_rule: Any


class RequestArguments(OperatorArguments, total=False):
    """The arguments of :class:`~braze_provider.tasks.request.BrazeRequestOperator`, which explains them."""

    allow_unknown_fields: bool
    braze_conn_id: Templated


class StatisticsArguments(OperatorArguments, total=False):
    """The arguments of the operators that read statistics. Their base explains them."""

    braze_conn_id: Templated
    end: date | datetime | Templated | None
    length: int | Templated | None
    output_path: Templated | None
    start: date | datetime | Templated | None
    timezone: Templated


class StartArguments(OperatorArguments, total=False):
    """The arguments of :class:`~braze_provider.tasks.start.BrazeStartOperator`, which explains them."""

    braze_conn_id: Templated
    deferrable: bool
    poll_interval: timedelta | float
    timeout: timedelta | float
    wait_for_completion: bool


class SensorArguments(OperatorArguments, total=False):
    """The arguments of :class:`~braze_provider.tasks.wait.BrazeSensor` and of Airflow's own sensors."""

    braze_conn_id: Templated
    deferrable: bool
    exponential_backoff: bool
    max_wait: timedelta | float | None
    mode: Literal["poke", "reschedule"]
    never_fail: bool
    poke_interval: timedelta | float
    silent_fail: bool
    soft_fail: bool
    timeout: timedelta | float


class SendArguments(OperatorArguments, total=False):
    """
    The arguments of :class:`~braze_provider.tasks.send.BrazeSendOperator`, which explains them.

    A choice that may be a template has the type text. So the check at Dag parse finds a mistyped choice, and
    mypy does not.
    """

    allow_duplicates: bool
    allow_unknown_fields: bool
    braze_conn_id: Templated
    concurrency: int
    deferrable: bool
    dry_run: bool
    ledger_conn_id: Templated | None
    max_lateness: timedelta | None
    max_recipients: int | None
    max_rejected: float | None
    max_slot_wait: float
    on_empty: Literal["succeed", "skip", "fail"]
    on_invalid: Literal["fail", "skip"]
    on_source_change: Literal["fail", "send_rest"]
    on_uncertain: Literal["hold", "resend", "accept"] | Templated
    receipts_path: Templated | None
    resend: bool | Templated
    unsent_path: Templated | None


class TriggerArguments(SendArguments, total=False):
    """The arguments of :class:`~braze_provider.tasks.trigger.BrazeTriggerOperator`, which explains them."""

    check: bool


class ScheduleArguments(SendArguments, total=False):
    """The arguments of :class:`~braze_provider.tasks.schedule.BrazeScheduleOperator`, which explains them."""

    delete_on_failure: bool


class TriggerScheduleArguments(TriggerArguments, ScheduleArguments, total=False):
    """The arguments of the operators that trigger later."""

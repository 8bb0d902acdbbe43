"""The hook: it makes requests through an Airflow connection, and gives typed answers and typed errors."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from braze_provider import __version__
from braze_provider._compat import mask_secret
from braze_provider.api.answers import Answer, read_answer
from braze_provider.api.endpoints import CAMPAIGNS_LIST, ENDPOINTS, Endpoint
from braze_provider.api.errors import (
    BrazeError,
    BrazeNoAnswerError,
    BrazePermissionError,
    BrazeRequestError,
    BrazeUncertainError,
    BrazeUnreachableError,
    BrazeValidationError,
    BrazeWithheldError,
    Problem,
)
from braze_provider.api.outcomes import Outcome, Repeat, outcome_of_failure
from braze_provider.api.redaction import Hide, hider
from braze_provider.api.windows import refuse_long_window
from braze_provider.hooks.catalogs import CatalogMethods
from braze_provider.hooks.connection import BrazeConnection
from braze_provider.hooks.duplicates import DuplicateMethods
from braze_provider.hooks.exports import ExportMethods
from braze_provider.hooks.ingestion import IngestionMethods
from braze_provider.hooks.live_activities import LiveActivityMethods
from braze_provider.hooks.reads import ReadMethods
from braze_provider.hooks.schedules import ScheduleMethods
from braze_provider.hooks.sends import SendMethods
from braze_provider.hooks.statistics import StatisticsMethods
from braze_provider.hooks.subscriptions import SubscriptionMethods
from braze_provider.hooks.users import UserMethods

if TYPE_CHECKING:
    import requests

    from braze_provider.api.base import BrazeObject
    from braze_provider.hooks.transport import ThreadSession


MAX_ANSWER_BYTES = 16 * 1024 * 1024
"""The longest answer to a request that only reads. Braze's longest ones hold a few thousand objects of a few
kilobytes each."""
MAX_SHORT_ANSWER_BYTES = 1024 * 1024
"""The longest answer to a request whose repeat does harm. It holds a few ids, and errors of the rows."""


class BrazeHook(
    SendMethods,
    ScheduleMethods,
    LiveActivityMethods,
    DuplicateMethods,
    UserMethods,
    ExportMethods,
    IngestionMethods,
    SubscriptionMethods,
    CatalogMethods,
    ReadMethods,
    StatisticsMethods,
):
    """
    Talk to Braze's REST API through an Airflow connection of type ``braze``.

    Each call of a method makes exactly one request, except :meth:`items_of` and :meth:`series_of`, which read
    all pages of a list and all parts of a series. The hook never repeats a request, because it can't know
    whether a repeat does harm: that depends on the endpoint and on the caller. The ``outcome`` of every error
    says whether Braze can have accepted the request. Threads may share a hook: each thread gets its own
    keep-alive session.

    :param braze_conn_id: Id of the Airflow connection. Default ``braze_default``.

    .. seealso:: https://www.braze.com/docs/api/basics
    """

    conn_name_attr = "braze_conn_id"
    default_conn_name = "braze_default"
    conn_type = "braze"
    hook_name = "Braze"

    def __init__(self, braze_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.braze_conn_id = braze_conn_id
        self._local = threading.local()
        self._sessions: list[requests.Session] = []

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Tell Airflow 3.0 and 3.1 how the connection's form looks. Newer versions read the provider info."""
        from braze_provider.get_provider_info import get_provider_info

        behaviour = get_provider_info()["connection-types"][0]["ui-field-behaviour"]
        return {
            "hidden_fields": behaviour["hidden-fields"],
            "relabeling": behaviour["relabeling"],
            "placeholders": behaviour["placeholders"],
        }

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Give Airflow 3.0 and 3.1 the form's extra fields. Newer versions read the provider info."""
        # Flask-AppBuilder's widgets and translations are not used. No form of Airflow 3 shows them, and where
        # Flask-AppBuilder is not installed, a hook that imports it loses its labels and placeholders too.
        from wtforms import StringField  # type: ignore[import-untyped]

        from braze_provider.get_provider_info import get_provider_info

        fields = get_provider_info()["connection-types"][0]["conn-fields"]
        return {
            name: StringField(field["label"], description=field["description"])
            for name, field in fields.items()
        }

    @cached_property
    def connection(self) -> BrazeConnection:
        """
        The connection's settings, read once.

        :raises BrazeConnectionError: If the connection is malformed. The error names the field.
        """
        conn = self.get_connection(self.braze_conn_id)
        if conn.password:
            # The key is masked as it is sent, without spaces around it: a log never shows the spaces.
            mask_secret(conn.password.strip())
        return BrazeConnection.from_airflow(conn)

    @cached_property
    def _hide(self) -> Hide:
        """Hides the API key in texts that the server writes."""
        return hider(self.connection.api_key)

    def get_conn(self) -> ThreadSession:
        """Return the current thread's session. It is opened when it is first used, and kept alive."""
        session: ThreadSession | None = getattr(self._local, "session", None)
        if session is None:
            from braze_provider.hooks.transport import open_session, task_headers

            connection = self.connection
            session = self._local.session = open_session(
                connection.base_url,
                connection.api_key,
                proxies=connection.proxies,
                verify=connection.verify,
                user_agent=f"airflow-provider-braze-messaging/{__version__}",
                headers=task_headers() if connection.is_on_this_machine else {},
            )
            self._sessions.append(session)
        return session

    def close(self) -> None:
        """Close the sessions of all threads. A later call opens new ones."""
        while self._sessions:
            self._sessions.pop().close()
        self._local = threading.local()

    def call(
        self,
        endpoint: Endpoint | str,
        body: Mapping[str, Any] | BrazeObject | bytes | None = None,
        *,
        path: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
        before_write: Callable[[], bool] | None = None,
    ) -> Answer:
        """
        Make one request to any endpoint of Braze.

        :param endpoint: A row of :mod:`braze_provider.api.endpoints`, the name of a row, or your own
            :class:`~braze_provider.api.endpoints.Endpoint` for an endpoint that Braze has added since.
        :param body: The request: a model, a mapping that is sent as JSON without a check, or finished JSON.
        :param path: Values of the parameters in the endpoint's path. Default: the model's fields of these
            names.
        :param params: Query parameters.
        :param before_write: Called directly before the first byte is written, when the connection is already
            open. It returns whether the request may be made. It must not wait for anything, because the
            server may close the connection in that time.
        :return: Braze's answer, if Braze accepted the request.
        :raises BrazeValidationError: If the body is not JSON or is larger than Braze takes, if a parameter
            of the path is missing, is empty or has a slash in it, or if a date window is longer than Braze
            takes.
        :raises BrazeWithheldError: If ``before_write`` says no. Nothing was written.
        :raises BrazeRequestError: If Braze did not accept the request, or may not have accepted it. Its
            ``outcome`` says whether the request may have been sent.
        """
        endpoint = _endpoint(endpoint)
        if path is None and endpoint.path_parameters:
            from braze_provider.api.base import BrazeObject

            if isinstance(body, BrazeObject):
                path, body = body.split(endpoint.path_parameters)
        content = _content(endpoint, body)
        address = endpoint.path_with(path or {})
        refuse_long_window(endpoint, params or {})
        connection = self.connection
        session = self.get_conn()

        import requests
        import urllib3

        from braze_provider.hooks.transport import WithheldError, cause_of, exchange, writing_began

        failure: BrazeRequestError | None = None
        try:
            received = exchange(
                session,
                endpoint.method,
                connection.base_url + address,
                data=content,
                params=params,
                headers=None if content is None else {"Content-Type": "application/json"},
                timeout=connection.timeout,
                max_bytes=MAX_ANSWER_BYTES if endpoint.repeat is Repeat.SAFE else MAX_SHORT_ANSWER_BYTES,
                before_write=before_write,
            )
        except WithheldError:
            failure = BrazeWithheldError(
                f"The request to {connection.host} was not written: this copy of the task may no longer send",
                outcome=Outcome.NOT_SENT,
            )
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            cause = self._hide(cause_of(error))
            failure = _failure(endpoint, connection, cause, writing_began=writing_began())
        if failure is not None:
            # The error is not raised inside the handler, because it would then hold the caught error. That
            # one holds the request, with the key and the recipients.
            raise failure
        return read_answer(
            *received,
            endpoint=endpoint,
            host=connection.host,
            hide=self._hide,
        )

    def test_connection(self) -> tuple[bool, str]:
        """
        Check host and key. The test reads the first page of campaigns, which changes nothing.

        A key without ``campaigns.list`` passes, because a key that may only send is good practice.

        :return: Whether host and key are right, and a sentence for the user.
        """
        try:
            self.campaigns_list()
        except BrazePermissionError as error:
            if error.braze_message in ("", "Forbidden"):
                return False, str(error)
            return True, (
                f"{self.connection.host} knows the API key. The key lacks {CAMPAIGNS_LIST.permission}, which "
                "only this test needs, so the test can't check its other permissions"
            )
        except BrazeError as error:
            return False, str(error)
        return True, f"{self.connection.host} knows the API key, and it may list campaigns"


def _endpoint(endpoint: Endpoint | str) -> Endpoint:
    if isinstance(endpoint, Endpoint):
        return endpoint
    try:
        return ENDPOINTS[endpoint]
    except KeyError:
        from braze_provider.api.reasons import near_miss

        raise BrazeError(f"There is no endpoint {endpoint!r}{near_miss(endpoint, ENDPOINTS)}") from None


def _content(endpoint: Endpoint, body: Mapping[str, Any] | BrazeObject | bytes | None) -> bytes | None:
    if body is None:
        return None
    if isinstance(body, bytes):
        content = body
    elif isinstance(body, Mapping):
        try:
            content = json.dumps(dict(body), allow_nan=False, separators=(",", ":")).encode()
        except (TypeError, ValueError, RecursionError):
            problem = Problem("", "holds a value that is not JSON")
            raise BrazeValidationError(endpoint.path, [problem]) from None
    else:
        content = body.to_json()
    if len(content) > endpoint.max_bytes:
        problem = Problem("", f"{len(content):,} bytes, and Braze takes at most {endpoint.max_bytes:,}")
        raise BrazeValidationError(endpoint.path, [problem])
    return content


def _failure(
    endpoint: Endpoint, connection: BrazeConnection, cause: str, *, writing_began: bool
) -> BrazeRequestError:
    outcome = outcome_of_failure(writing_began=writing_began, repeat=endpoint.repeat)
    if outcome is Outcome.NOT_SENT:
        return BrazeUnreachableError(
            f"{connection.host} could not be reached ({cause}): the request was never written",
            outcome=outcome,
        )
    what = f"No answer from {connection.host} ({cause}) after the request was written"
    if outcome is Outcome.REPEATABLE:
        return BrazeNoAnswerError(f"{what}: it is safe to repeat the request", outcome=outcome)
    return BrazeUncertainError(f"{what}: Braze may have accepted it", outcome=outcome)

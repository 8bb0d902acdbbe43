"""Recipients from a SQL query, through any DB-API connection of Airflow's."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import closing
from typing import Any, ClassVar

from braze_provider.api.errors import BrazeError, BrazeValidationError, Problem
from braze_provider.recipients.base import RecipientSource, RowMapper, in_chunks
from braze_provider.recipients.blocks import BadRow, Table

ROWS_PER_FETCH = 5_000
MAX_QUERY_SHOWN = 200
"""Characters of a query in a log line or an error."""


class SqlRecipients(RecipientSource):
    """
    The rows of a query.

    The query runs once in each try, before the first request, and its cursor is closed again before
    anything is sent. If the driver has a server-side cursor (PostgreSQL, MySQL), it is used, so that the
    result is not in the worker's memory. Give the query an ``ORDER BY`` over a unique column: the
    order of the rows decides which recipients share a request.

    Put values into ``parameters``, not into the text of the query. The driver decides how the query names
    them:

    ==================================== =================== ====================
    database                             from a list         from a dict
    ==================================== =================== ====================
    PostgreSQL, MySQL, Snowflake, MSSQL  ``%s``              ``%(name)s``
    BigQuery                                                 ``%(name)s``
    SQLite                               ``?``               ``:name``
    Oracle                               ``:1``              ``:name``
    Trino, ODBC, JDBC                    ``?``
    ==================================== =================== ====================

    If the driver uses ``%``, write a per cent sign in the query twice: ``LIKE 'a%%'``.

    :param conn_id: Id of the Airflow connection to query. (templated)
    :param sql: The query, or the name of a ``.sql`` file found where Airflow finds templates. (templated)
    :param parameters: Query parameters, bound by the driver. (templated)
    :param row_mapper: Called with each row as a dict, returns the recipient as Braze has it. Default: the
        columns' names decide; see :class:`~braze_provider.recipients.columns.ColumnShaper`.
    """

    template_fields: ClassVar[Collection[str]] = ("conn_id", "sql", "parameters")
    template_ext: ClassVar[Collection[str]] = (".sql",)
    same_columns = True

    def __init__(
        self,
        conn_id: str,
        sql: str,
        parameters: Iterable[Any] | Mapping[str, Any] | None = None,
        *,
        row_mapper: RowMapper | None = None,
    ) -> None:
        super().__init__(row_mapper=row_mapper)
        self.conn_id = conn_id
        self.sql = sql
        self.parameters = parameters

    def __repr__(self) -> str:
        return f"SqlRecipients(conn_id={self.conn_id!r}, sql={' '.join(str(self.sql).split())!r})"

    def __str__(self) -> str:
        query = " ".join(str(self.sql).split())
        shown = query if len(query) <= MAX_QUERY_SHOWN else query[: MAX_QUERY_SHOWN - 1] + "…"
        return f"SqlRecipients(conn_id={self.conn_id!r}, sql={shown!r})"

    def serialize(self) -> str:
        """Give what Airflow stores of this source as a rendered field: the whole query, never its rows."""
        return repr(self)

    def rows(self) -> Iterator[Mapping[str, Any] | BadRow]:
        """Run the query and stream its rows."""
        for chunk in self.chunks():
            if isinstance(chunk, Table):
                yield from (dict(zip(chunk.names, row, strict=True)) for row in chunk.rows)
            else:
                yield from chunk

    def chunks(self) -> Iterator[Table | list[Mapping[str, Any] | BadRow]]:
        """Run the query and stream its rows as the driver gives them."""
        with closing(self._connect()) as connection, closing(_streaming_cursor(connection)) as cursor:
            if self.parameters is None:
                cursor.execute(self.sql)
            else:
                cursor.execute(self.sql, self.parameters)
            rows = cursor.fetchmany(ROWS_PER_FETCH)
            # A server-side cursor knows its columns only after the first fetch.
            if cursor.description is None:
                raise BrazeValidationError(str(self), [Problem("sql", "is not a query that returns rows")])
            columns = tuple(column[0] for column in cursor.description)
            if repeated := sorted({name for name in columns if columns.count(name) > 1}):
                raise BrazeValidationError(
                    str(self), [Problem("sql", f"returns the column {repeated[0]!r} more than once")]
                )
            while rows:
                for some in in_chunks(iter(rows)):
                    # The connection's settings may ask for cursors that give dicts.
                    is_table = not isinstance(some[0], dict)
                    yield Table(columns, some, range(len(some))) if is_table else some
                rows = cursor.fetchmany(ROWS_PER_FETCH)

    def _connect(self) -> Any:
        from braze_provider._compat import AirflowException, AirflowNotFoundException, BaseHook

        try:
            hook = BaseHook.get_hook(self.conn_id)
        except AirflowNotFoundException:
            raise
        except (AirflowException, ImportError) as error:
            kind = str(BaseHook.get_connection(self.conn_id).conn_type)
            package = "apache-airflow-providers-" + _PACKAGES.get(kind, kind.replace("_", "-"))
            raise BrazeError(
                f"{self}: the provider for connection {self.conn_id!r} of type {kind!r} is not installed or "
                f"can't be loaded: pip install {package} ({error})"
            ) from error
        if not hasattr(hook, "get_conn") or not hasattr(hook, "get_records"):
            raise BrazeError(f"{self}: connection {self.conn_id!r} is not a DB-API connection")
        return hook.get_conn()


def _streaming_cursor(connection: Any) -> Any:
    """Open a server-side cursor if the driver has to be asked for one. Other drivers stream by themselves."""
    driver = type(connection).__module__.partition(".")[0]
    open_cursor = _SERVER_SIDE.get(driver)
    return connection.cursor() if open_cursor is None else open_cursor(connection)


def _named(connection: Any) -> Any:
    cursor = connection.cursor(name="braze_recipients")
    cursor.itersize = ROWS_PER_FETCH
    return cursor


def _mysqlclient(connection: Any) -> Any:
    from MySQLdb.cursors import SSCursor

    return connection.cursor(SSCursor)


def _pymysql(connection: Any) -> Any:
    from pymysql.cursors import SSCursor

    return connection.cursor(SSCursor)


_SERVER_SIDE: Mapping[str, Callable[[Any], Any]] = {
    "psycopg2": _named,
    "psycopg": _named,
    "MySQLdb": _mysqlclient,
    "pymysql": _pymysql,
}
# Connection types whose names differ from the package that brings them.
_PACKAGES: Mapping[str, str] = {
    "aws": "amazon",
    "databricks_sql": "databricks",
    "gcpbigquery": "google",
    "gcpcloudsql": "google",
    "google_cloud_platform": "google",
    "mssql": "microsoft-mssql",
    "redshift": "amazon",
}

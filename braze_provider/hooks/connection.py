"""The settings of an Airflow connection of type ``braze``, checked and ready for use."""

from __future__ import annotations

import ipaddress
import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from braze_provider.api.clusters import rest_host
from braze_provider.api.errors import BrazeConnectionError
from braze_provider.api.limits import BUCKETS, Bucket

if TYPE_CHECKING:
    from braze_provider._compat import Connection

CONNECT_TIMEOUT = 10.0
READ_TIMEOUT = 60.0
EXTRAS = ("timeout", "proxies", "verify", "allow_http", "rate_limits", "pools")

_log = logging.getLogger(__name__)

_HOST_NAME = re.compile(r"[\w-]+(\.[\w-]+)*\.?")


@dataclass(frozen=True)
class Pool:
    """
    An Airflow pool that shares out a rate limit: a task may use as much of the limit as it holds of the
    slots.

    :param slots: Number of slots in the pool.
    :param bucket: Name of the rate-limit bucket.
    """

    slots: int
    bucket: str


@dataclass(frozen=True)
class BrazeConnection:
    """
    The settings of one connection.

    :param base_url: Scheme, host and port of the REST endpoint, without a trailing slash.
    :param api_key: The REST API key. No ``repr`` shows it.
    :param timeout: Seconds to wait for the connection, and for the answer.
    :param proxies: Proxy URL by scheme, as ``requests`` takes them. Empty: the proxies of the environment.
    :param verify: Whether to check the server's certificate, or the path of the CA bundle to check it with.
    :param rate_limits: The buckets whose limit or window differs from Braze's defaults.
    :param pools: The Airflow pools that share out a bucket.
    """

    base_url: str
    api_key: str = field(repr=False)
    timeout: tuple[float, float] = (CONNECT_TIMEOUT, READ_TIMEOUT)
    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)
    verify: bool | str = True
    rate_limits: Mapping[str, Bucket] = field(default_factory=dict)
    pools: Mapping[str, Pool] = field(default_factory=dict)

    @property
    def host(self) -> str:
        """Host of the REST endpoint, without scheme or port."""
        return urlsplit(self.base_url).hostname or ""

    @property
    def is_on_this_machine(self) -> bool:
        """Whether it leads to this machine: to a sandbox, never to Braze."""
        return _is_loopback(self.host)

    @classmethod
    def from_airflow(cls, conn: Connection) -> BrazeConnection:
        """
        Read and check an Airflow connection.

        :param conn: The connection as Airflow holds it.
        :raises BrazeConnectionError: If a field is missing or can't be used. The error names the field.
        """
        where = f"Connection {conn.conn_id!r}"
        if conn.conn_type and conn.conn_type != "braze":
            raise BrazeConnectionError(f"{where}: its type is {conn.conn_type!r}, not 'braze'")
        key = (conn.password or "").strip()
        if not key:
            raise BrazeConnectionError(f"{where}: password is empty; it must hold the REST API key")
        if not key.isascii() or not key.isprintable() or " " in key:
            raise BrazeConnectionError(
                f"{where}: password holds characters that an API key never has; paste only the key"
            )
        if not key.strip("*"):
            raise BrazeConnectionError(
                f"{where}: password is {key}, which Airflow shows instead of a key. The Test button of "
                "Airflow 3.0 sends it too; on 3.0, use: airflow connections test <connection id>"
            )
        extra = _extra(where, conn)
        allow_http = _allow_http(where, extra.get("allow_http"))
        return cls(
            base_url=_base_url(where, conn, allow_http=allow_http),
            api_key=key,
            timeout=_timeout(where, extra.get("timeout")),
            proxies=_proxies(where, extra.get("proxies")),
            verify=_verify(where, extra.get("verify")),
            rate_limits=_rate_limits(where, extra.get("rate_limits")),
            pools=_pools(where, extra.get("pools")),
        )

    def bucket(self, name: str) -> Bucket:
        """
        Give the limit and the window of a bucket that hold for this connection.

        :param name: The bucket's name.
        """
        return self.rate_limits.get(name, BUCKETS[name])

    def share(self, pool: str, slots: int, bucket: str) -> float:
        """
        Give the share of a bucket that a task may use.

        :param pool: The Airflow pool that the task runs in.
        :param slots: The slots that the task holds.
        :param bucket: Name of the bucket.
        :return: A share above 0 and up to 1. It is 1 if the pool does not share out this bucket.
        """
        budget = self.pools.get(pool)
        if budget is None or budget.bucket != bucket:
            return 1.0
        return min(slots / budget.slots, 1.0)


def _base_url(where: str, conn: Connection, *, allow_http: bool) -> str:
    host = (conn.host or "").strip()
    if not host:
        raise BrazeConnectionError(
            f"{where}: host is empty; it must be the REST endpoint, such as rest.iad-01.braze.com"
        )
    scheme, separator, address = host.partition("://")
    if not separator:
        scheme, address = conn.schema or "https", host
        if scheme.lower() not in ("http", "https"):
            raise BrazeConnectionError(f"{where}: schema must be http or https, or stay empty")
    if ":" in address and _ip_address(address):
        # Airflow removes the brackets when it reads a connection from a URI.
        address = f"[{address}]"
    try:
        parts = urlsplit(f"{scheme}://{address}")
        name = parts.hostname or ""
    except ValueError:
        raise BrazeConnectionError(f"{where}: host is not the address of a REST endpoint") from None
    if "@" in parts.netloc:
        raise BrazeConnectionError(f"{where}: host holds credentials; the API key belongs in password")
    try:
        port = parts.port or conn.port
    except ValueError:
        raise BrazeConnectionError(f"{where}: the port in host is not a number below 65536") from None
    if conn.port and not 0 < conn.port < 65_536:
        raise BrazeConnectionError(f"{where}: port is not a number below 65536")
    is_name = _HOST_NAME.fullmatch(name) and "[" not in address  # only IPv6 addresses have brackets
    if parts.scheme not in ("http", "https") or not (is_name or _ip_address(name)):
        raise BrazeConnectionError(f"{where}: host is not the address of a REST endpoint")
    if name.startswith("dashboard") and name.endswith((".braze.com", ".braze.eu")):
        raise BrazeConnectionError(_not_the_dashboard(where, name))
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise BrazeConnectionError(
            f"{where}: host must be a host name alone, such as rest.iad-01.braze.com, not a whole URL"
        )
    if not (separator or conn.schema) and (allow_http or _is_loopback(name)):
        # This is most likely a sandbox. It does not speak https, and the error of a request would speak of a
        # wrong version number.
        raise BrazeConnectionError(
            f"{where}: host must begin with http:// or https:// here; a sandbox takes http://{address}"
        )
    if parts.scheme == "http" and not _is_loopback(name):
        if not allow_http:
            raise BrazeConnectionError(
                f"{where}: plain http would show the API key to the network; it is allowed only to loopback "
                "addresses, or with allow_http in extra"
            )
        _log.warning("%s: allow_http is set, so the API key goes to %s without encryption", where, name)
    return f"{parts.scheme}://{f'[{name}]' if ':' in name else name}" + (f":{port}" if port else "")


def _not_the_dashboard(where: str, name: str) -> str:
    rest = rest_host(name)
    return f"{where}: host is a Braze dashboard, not a REST endpoint; " + (
        f"the REST endpoint of {name} is {rest}"
        if rest
        else "the REST endpoint is in the dashboard, under Settings > APIs and Identifiers"
    )


def _ip_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _is_loopback(host: str) -> bool:
    address = _ip_address(host)
    return host == "localhost" if address is None else address.is_loopback


def _extra(where: str, conn: Connection) -> dict[str, Any]:
    if not conn.extra:
        return {}
    try:
        extra = json.loads(conn.extra)
    except ValueError:
        raise BrazeConnectionError(f"{where}: extra is not JSON") from None
    if not isinstance(extra, dict):
        raise BrazeConnectionError(f"{where}: extra must be a JSON object")
    if unknown := sorted(set(extra) - set(EXTRAS)):
        raise BrazeConnectionError(
            f"{where}: extra has no field {', '.join(map(repr, unknown))}; its fields are {', '.join(EXTRAS)}"
        )
    # The form gives an empty text for a field that was not filled in, and an object as JSON text.
    return {name: _parsed(where, name, value) for name, value in extra.items() if value not in (None, "")}


def _parsed(where: str, name: str, value: Any) -> Any:
    if name == "timeout" and isinstance(value, str):
        value = value.strip("[] ")
        try:
            numbers = [float(number) for number in value.split(",")]
        except ValueError:
            return value
        return numbers[0] if len(numbers) == 1 else numbers
    if name in ("rate_limits", "pools") or (name == "proxies" and str(value).lstrip().startswith("{")):
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value)
        except ValueError:
            raise BrazeConnectionError(f"{where}: extra.{name} is not JSON") from None
    return value


def _is_seconds(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < 86_400


def _timeout(where: str, value: Any) -> tuple[float, float]:
    if value is None:
        return CONNECT_TIMEOUT, READ_TIMEOUT
    if _is_seconds(value):
        return min(CONNECT_TIMEOUT, float(value)), float(value)
    if isinstance(value, list) and len(value) == 2 and all(_is_seconds(seconds) for seconds in value):
        return float(value[0]), float(value[1])
    raise BrazeConnectionError(
        f"{where}: extra.timeout must be a number of seconds, or two: to connect, and to wait for the answer"
    )


def _proxies(where: str, value: Any) -> dict[str, str]:
    if isinstance(value, str):
        return {"http": value, "https": value}
    if value is None:
        return {}
    if isinstance(value, dict) and all(isinstance(url, str) for url in value.values()):
        return dict(value)
    raise BrazeConnectionError(f'{where}: extra.proxies must be an object such as {{"https": "http://…"}}')


def _verify(where: str, value: Any) -> bool | str:
    if value is None or isinstance(value, bool):
        return value is not False
    if isinstance(value, str):
        path = value.strip()
        if path.lower() in ("true", "false"):
            return path.lower() == "true"
        if Path(path).exists():
            return path
    raise BrazeConnectionError(
        f"{where}: extra.verify must be true, false or the path of a CA bundle that exists"
    )


def _allow_http(where: str, value: Any) -> bool:
    if value is None or isinstance(value, bool):
        return value is True
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    raise BrazeConnectionError(f"{where}: extra.allow_http must be true or false")


def _rate_limits(where: str, value: Any) -> dict[str, Bucket]:
    buckets = {}
    for name, limit in _object(where, "rate_limits", value).items():
        field = f"{where}: extra.rate_limits.{name}"
        bucket = _bucket(field, name)
        given = limit if isinstance(limit, dict) else {"limit": limit}
        if not given or set(given) - {"limit", "window"} or not all(map(_is_count, given.values())):
            raise BrazeConnectionError(
                f'{field} must be a number of requests, or {{"limit": requests, "window": seconds}}'
            )
        buckets[name] = replace(bucket, **given)
    return buckets


def _pools(where: str, value: Any) -> dict[str, Pool]:
    pools = {}
    for name, budget in _object(where, "pools", value).items():
        field = f"{where}: extra.pools.{name}"
        if not isinstance(budget, dict) or set(budget) != {"slots", "bucket"}:
            raise BrazeConnectionError(f'{field} must be {{"slots": number, "bucket": name}}')
        if not _is_count(budget["slots"]):
            raise BrazeConnectionError(f"{field}.slots must be a number above 0")
        pools[name] = Pool(budget["slots"], _bucket(f"{field}.bucket", budget["bucket"]).name)
    return pools


def _object(where: str, name: str, value: Any) -> dict[str, Any]:
    if value is None or isinstance(value, dict):
        return value or {}
    raise BrazeConnectionError(f"{where}: extra.{name} must be a JSON object")


def _bucket(field: str, name: Any) -> Bucket:
    if not isinstance(name, str) or name not in BUCKETS:
        raise BrazeConnectionError(f"{field}: there is no such bucket; the buckets are {', '.join(BUCKETS)}")
    return BUCKETS[name]


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0

"""The servers that a cluster can use, or the reason why it can't."""

from __future__ import annotations

import contextlib
import os
import secrets
from typing import Any
from urllib.parse import urlsplit, urlunsplit

POSTGRES_URL = os.environ.get("BRAZE_TEST_POSTGRES_URL", "postgresql://root@127.0.0.1:5432/test")
REDIS_URL = os.environ.get("BRAZE_TEST_REDIS_URL", "redis://127.0.0.1:6379/0")


class ServiceMissingError(Exception):
    """A server does not answer, or its client library is not installed."""


def check_postgres() -> None:
    """
    Check that PostgreSQL answers.

    :raises ServiceMissingError: If it doesn't.
    """
    _connect_to_postgres().close()


def create_database() -> str:
    """
    Create a PostgreSQL database beside the one of ``POSTGRES_URL``, and return its name.

    :raises ServiceMissingError: If PostgreSQL doesn't answer.
    """
    name = f"braze_provider_test_{secrets.token_hex(6)}"
    with contextlib.closing(_connect_to_postgres()) as server, server.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
    return name


def _connect_to_postgres() -> Any:
    try:
        import psycopg2
    except ImportError as error:
        raise ServiceMissingError("psycopg2 is not installed") from error
    try:
        server = psycopg2.connect(POSTGRES_URL, connect_timeout=3)
    except psycopg2.OperationalError as error:
        reason = f"no PostgreSQL (set BRAZE_TEST_POSTGRES_URL to name one): {error}".splitlines()[0]
        raise ServiceMissingError(reason) from error
    server.autocommit = True
    return server


def database_url(name: str, scheme: str = "postgresql") -> str:
    """Return the URL of a database that :func:`create_database` made."""
    return urlunsplit(urlsplit(POSTGRES_URL)._replace(scheme=scheme, path=f"/{name}"))


def check_redis() -> None:
    """
    Check that Redis answers.

    :raises ServiceMissingError: If it doesn't.
    """
    try:
        import redis
    except ImportError as error:
        raise ServiceMissingError("the Redis client is not installed") from error
    try:
        with contextlib.closing(redis.Redis.from_url(REDIS_URL, socket_connect_timeout=3)) as server:
            server.ping()
    except redis.RedisError as error:
        raise ServiceMissingError(f"no Redis (set BRAZE_TEST_REDIS_URL to name one): {error}") from error

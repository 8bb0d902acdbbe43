"""API keys and what each of them may do."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from braze_provider.sandbox.refusals import RefusedError


class KeyRing:
    """
    The workspace's REST API keys.

    :param keys: each key's permissions (mapping of str to a collection of permission names such as
        ``messages.send``); ``None`` in place of a collection stands for all of them.
    """

    def __init__(self, keys: Mapping[str, Collection[str] | None]) -> None:
        self._keys = {key: None if names is None else frozenset(names) for key, names in keys.items()}

    def authorise(self, header: str | None, permission: str) -> None:
        """
        Let a request through or refuse it.

        :param header: its ``Authorization`` header (str), or ``None``.
        :param permission: the permission (str) its endpoint asks for.
        :raises RefusedError: 401 without a key that this workspace knows, 403 when the key lacks the
            permission.
        """
        scheme, _, key = (header or "").partition(" ")
        if scheme.lower() != "bearer" or key not in self._keys:
            raise RefusedError(401)
        permissions = self._keys[key]
        if permissions is not None and permission not in permissions:
            raise RefusedError(403)

"""What the hook's methods are made of. Each area of Braze's API has its own module of methods."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from braze_provider._compat import BaseHook

if TYPE_CHECKING:
    from braze_provider.api.answers import Answer
    from braze_provider.api.base import BrazeObject
    from braze_provider.api.endpoints import Endpoint
    from braze_provider.hooks.connection import BrazeConnection


class HookMethods(BaseHook):
    """Base of the hook's methods, area by area. :class:`~braze_provider.hooks.braze.BrazeHook` joins them."""

    @property
    @abstractmethod
    def connection(self) -> BrazeConnection:
        """The connection's settings."""

    @abstractmethod
    def call(
        self,
        endpoint: Endpoint | str,
        body: Mapping[str, Any] | BrazeObject | bytes | None = None,
        *,
        path: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
        before_write: Callable[[], bool] | None = None,
    ) -> Answer:
        """Make one request. See :meth:`~braze_provider.hooks.braze.BrazeHook.call`."""

    def _send(
        self, endpoint: Endpoint, request: Mapping[str, Any] | BrazeObject, allow_unknown_fields: bool
    ) -> Answer:
        from braze_provider.api.base import BrazeObject

        if not isinstance(request, BrazeObject):
            from braze_provider.api import requests as models
            from braze_provider.api.validation import unknown_fields, validate

            model = getattr(models, endpoint.request or "")
            made = validate(model, request, endpoint.path, allow_unknown_fields=allow_unknown_fields)
            if names := unknown_fields(made):
                self.log.warning("Fields unknown to this package are sent as they are: %s", ", ".join(names))
            request = made
        return self.call(endpoint, request)

"""The hook's methods for copies of campaigns and Canvases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from braze_provider.api.endpoints import CAMPAIGNS_DUPLICATE, CANVAS_DUPLICATE
from braze_provider.hooks.methods import HookMethods

if TYPE_CHECKING:
    from braze_provider.api.answers import Answer
    from braze_provider.api.base import BrazeObject


class DuplicateMethods(HookMethods):
    """Copy campaigns and Canvases. Braze makes the copy later, and does not tell its id."""

    def campaigns_duplicate(
        self, request: Mapping[str, Any] | BrazeObject, *, allow_unknown_fields: bool = False
    ) -> Answer:
        """
        Copy a campaign. Each request makes another copy.

        :param request: A :class:`~braze_provider.api.requests.CampaignDuplicate` or its fields.
        :param allow_unknown_fields: Whether to send fields that this package does not know, unchanged.
            Default False: they are refused.
        :return: The answer. The copy appears in the list of campaigns a little later.
        :raises BrazeValidationError: If the request breaks Braze's contract. No request was made.
        :raises BrazeRequestError: If Braze did not accept the request, or may not have accepted it.

        .. seealso:: https://www.braze.com/docs/api/endpoints/messaging/duplicate_messages/post_duplicate_campaigns
        """
        return self._send(CAMPAIGNS_DUPLICATE, request, allow_unknown_fields)

    def canvas_duplicate(
        self, request: Mapping[str, Any] | BrazeObject, *, allow_unknown_fields: bool = False
    ) -> Answer:
        """
        Copy a Canvas. Each request makes another copy.

        :param request: A :class:`~braze_provider.api.requests.CanvasDuplicate` or its fields.
        :param allow_unknown_fields: Whether to send fields that this package does not know, unchanged.
            Default False: they are refused.
        :return: The answer. The copy appears in the list of Canvases a little later.
        :raises BrazeValidationError: If the request breaks Braze's contract. No request was made.
        :raises BrazeRequestError: If Braze did not accept the request, or may not have accepted it.

        .. seealso:: https://www.braze.com/docs/api/endpoints/messaging/duplicate_messages/post_duplicate_canvases
        """
        return self._send(CANVAS_DUPLICATE, request, allow_unknown_fields)

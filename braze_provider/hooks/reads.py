"""The hook's methods for reading campaigns and Canvases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from braze_provider.api.endpoints import CAMPAIGNS_DETAILS, CAMPAIGNS_LIST
from braze_provider.api.errors import BrazeNoAnswerError
from braze_provider.api.outcomes import Outcome
from braze_provider.hooks.methods import HookMethods


class ReadMethods(HookMethods):
    """Read lists, details and statistics of campaigns and Canvases."""

    def campaigns_list(self, page: int = 0) -> list[dict[str, Any]]:
        """
        List the workspace's campaigns, 100 on a page. A page with fewer is the last one.

        :param page: Number of the page. Default 0, the first.
        :return: Campaigns as Braze describes them: ``id``, ``name``, ``tags``, ``is_api_campaign``, …
        :raises BrazeRequestError: If Braze did not answer with the list.

        .. seealso:: https://www.braze.com/docs/api/endpoints/export/campaigns/get_campaigns
        """
        answer = self.call(CAMPAIGNS_LIST, params={"page": page})
        campaigns = answer.body.get("campaigns")
        if not isinstance(campaigns, list):
            raise BrazeNoAnswerError(
                f"{self.connection.host} answered {answer.status} without a list of campaigns. Is it a Braze "
                "REST endpoint?",
                outcome=Outcome.REPEATABLE,
                status=answer.status,
            )
        return campaigns

    def campaigns_details(self, campaign_id: str) -> Mapping[str, Any]:
        """
        Describe a campaign.

        :param campaign_id: Id of the campaign.
        :return: The campaign as Braze describes it: ``name``, ``enabled``, ``archived``, ``draft``,
            ``channels``, …
        :raises BrazeRequestError: If Braze did not answer with the campaign, such as for an unknown id.

        .. seealso:: https://www.braze.com/docs/api/endpoints/export/campaigns/get_campaign_details
        """
        return self.call(CAMPAIGNS_DETAILS, params={"campaign_id": campaign_id}).body

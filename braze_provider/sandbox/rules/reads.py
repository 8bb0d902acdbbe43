"""The endpoints that only tell something: ``/campaigns/list`` and ``/campaigns/details``."""

from __future__ import annotations

import re
from collections.abc import Mapping

from braze_provider.sandbox.calls import Accepted, Call
from braze_provider.sandbox.refusals import refuse
from braze_provider.sandbox.rules.checks import choice, timestamp
from braze_provider.sandbox.workspace import Campaign

PAGE_SIZE = 100

_PARAMETERS = frozenset({"page", "include_archived", "sort_direction", "last_edit.time[gt]"})


def campaigns_list(call: Call) -> Accepted:
    """
    Judge ``GET /campaigns/list``: the workspace's campaigns, in the order of their creation.

    :param call: the request.
    :raises RefusedError: when a query parameter is unknown or malformed.
    """
    query = call.query
    if strange := query.keys() - _PARAMETERS:
        refuse(f"{min(strange)} is not a known parameter")
    page = _page(query)
    with_archived = query.get("include_archived", "false")
    choice("true", "false")(with_archived, "include_archived")
    direction = query.get("sort_direction", "asc")
    choice("asc", "desc")(direction, "sort_direction")
    edited_after = query.get("last_edit.time[gt]", "")
    if edited_after:
        timestamp(edited_after, "last_edit.time[gt]")
    campaigns = [
        campaign
        for campaign in call.workspace.campaigns
        if (with_archived == "true" or not campaign.archived)
        # Both are ISO 8601 in UTC: the first nineteen characters sort as the times do.
        and campaign.last_edited[:19] > edited_after[:19]
    ]
    if direction == "desc":
        campaigns.reverse()
    listed = [campaign.listed() for campaign in campaigns[page * PAGE_SIZE : (page + 1) * PAGE_SIZE]]
    return Accepted(status=200, answer={"campaigns": listed})


def campaigns_details(call: Call) -> Accepted:
    """
    Judge ``GET /campaigns/details``: what the workspace knows of one campaign.

    :param call: the request.
    :raises RefusedError: when there is no such campaign.
    """
    campaign_id = call.query.get("campaign_id", "")
    if not campaign_id:
        refuse("campaign_id is required")
    known = {campaign.id: campaign for campaign in call.workspace.campaigns}
    campaign = call.workspace.campaign(campaign_id) or known.get(campaign_id)
    if campaign is None:  # One that only the real workspace knows.
        campaign = Campaign(id=campaign_id, name=campaign_id)
    return Accepted(status=200, answer=campaign.described())


def _page(query: Mapping[str, str]) -> int:
    page = query.get("page", "0")
    if not re.fullmatch(r"[0-9]{1,9}", page):
        refuse("page must be a whole number, zero or more")
    return int(page)

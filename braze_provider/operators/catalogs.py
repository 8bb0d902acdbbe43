"""Operators that write the items of catalogs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from braze_provider.api.endpoints import ENDPOINTS
from braze_provider.api.errors import Problem
from braze_provider.api.reasons import listed
from braze_provider.links.braze import DASHBOARD_LINKS
from braze_provider.tasks.fields import FIXED, RECIPIENTS, TEXT, Field
from braze_provider.tasks.send import BrazeSendOperator

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from braze_provider.api.endpoints import Endpoint
    from braze_provider.tasks.arguments import Recipients, SendArguments, Templated

_MODES = {
    "upsert": ENDPOINTS["catalogs_items_replace"],
    "update": ENDPOINTS["catalogs_items_update"],
    "delete": ENDPOINTS["catalogs_items_delete"],
}


class CatalogItemsOperator(BrazeSendOperator):
    """
    Write the items of a catalog, or delete them: 50 in each request.

    ``items`` is a list of Braze's objects, a source such as
    :class:`~braze_provider.recipients.SqlRecipients`, a table of pandas, polars or Arrow, or an XComArg. The
    column ``id`` is the item's id, at most 250 characters. Every other column is a field of the catalog. A
    text is at most 5,000 characters long. For ``mode="delete"``, a list of ids will do.

    Braze takes a request, and does the work a little later.

    All of this may be done again without harm. So a retry repeats requests whose outcome is not known, a
    cleared task writes everything again, and no ledger is needed.

    :class:`~braze_provider.tasks.send.BrazeSendOperator` explains what a kill does, the XComs, and the
    parameters that all sending operators share. Where these say recipient, it is an item here. If an id is in
    more than one row, the first row counts: Braze refuses a request that has it twice, so
    ``allow_duplicates`` is not allowed.

    .. seealso::
        - :ref:`howto/operator:CatalogItemsOperator`
        - https://www.braze.com/docs/api/endpoints/catalogs

    :param catalog_name: Name of the catalog. (templated)
    :param items: The items. (templated)
    :param mode: ``upsert`` (default) writes whole items and creates those that do not exist. ``update``
        changes the given fields of items that exist. ``delete`` deletes items.
    :raises BrazeValidationError: For bad arguments or items, before anything is written.
    """

    operator_extra_links = DASHBOARD_LINKS
    endpoint = _MODES["upsert"]
    endpoints = tuple(_MODES.values())
    request_fields: ClassVar[Mapping[str, Field]] = {
        "catalog_name": TEXT,
        "items": RECIPIENTS,
        "mode": FIXED,
    }
    deciding_fields = ("mode",)

    def __init__(
        self,
        *,
        catalog_name: Templated,
        items: Sequence[Mapping[str, Any] | str | int] | Recipients,
        mode: Literal["upsert", "update", "delete"] = "upsert",
        **kwargs: Unpack[SendArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.catalog_name = catalog_name
        self.items = items
        self.mode = mode
        self.check_constants()

    def target(self) -> Endpoint:
        """Return the endpoint of the mode."""
        return next((endpoint for mode, endpoint in _MODES.items() if mode == self.mode), self.endpoint)

    def recipient_keys(self) -> Mapping[str, str | None]:
        """Say what a bare item of the list gives: an id, if items are to be deleted."""
        return {"items": "id" if self.mode == "delete" else None}

    def argument_problems(self) -> list[Problem]:
        """Check the mode, and that each id is written once."""
        problems = []
        if self.mode not in (None, *_MODES):
            problems.append(Problem("mode", f"must be {listed(tuple(_MODES))}"))
        if self.allow_duplicates:
            reason = "is not allowed here: Braze refuses a request that has an id twice"
            problems.append(Problem("allow_duplicates", reason))
        return problems

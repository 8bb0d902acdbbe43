"""Requests that export user profiles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from braze_provider.api.base import BrazeObject, Breach
from braze_provider.api.endpoints import USERS_EXPORT_IDS
from braze_provider.api.objects.user_alias import UserAlias
from braze_provider.api.reasons import listed
from braze_provider.api.values import Array, NonEmptyText, Omittable, is_empty_array

MAX_CUSTOM_ATTRIBUTES = 500

_ALONE = ("device_id", "braze_id", "email_address", "phone")


class UsersExportIds(BrazeObject):
    """
    Export the users that are named. The answer holds their profiles.

    :param external_ids: External ids, at most 50 together with ``user_aliases``.
    :param user_aliases: User aliases.
    :param device_id: A device's id, instead of the two lists.
    :param braze_id: A Braze id, likewise.
    :param email_address: An e-mail address, likewise. Several users may have it.
    :param phone: A phone number in E.164, likewise.
    :param fields_to_export: The profile's fields to export. Accounts made since 22 August 2024 must give it.

    .. seealso:: https://www.braze.com/docs/api/endpoints/export/user_data/post_users_identifier
    """

    external_ids: Omittable[Array[NonEmptyText]] = None
    user_aliases: Omittable[Array[UserAlias]] = None
    device_id: Omittable[NonEmptyText] = None
    braze_id: Omittable[NonEmptyText] = None
    email_address: Omittable[NonEmptyText] = None
    phone: Omittable[NonEmptyText] = None
    fields_to_export: Omittable[Array[NonEmptyText]] = None

    @classmethod
    def rules(cls, given: Mapping[str, Any]) -> Iterator[Breach]:
        """Check that at least one user is named, and not too many."""
        arrays = USERS_EXPORT_IDS.arrays
        names = (*arrays, *_ALONE)
        lists = [given[name] for name in arrays if isinstance(given.get(name), (list, tuple))]
        yield from (
            Breach("is empty", (name,), (name,)) for name in arrays if is_empty_array(given.get(name))
        )
        alone = [name for name in _ALONE if given.get(name) is not None]
        if all(given.get(name) is None for name in names):
            yield Breach(f"names no user: give {listed(names)}", fields=names)
        elif len(alone) > 1 or (alone and lists):
            yield Breach(f"{listed(_ALONE)} is given alone", (alone[0],), names)
        most = USERS_EXPORT_IDS.rows or 0
        if (count := sum(map(len, lists))) > most:
            both = listed(arrays, "and")
            yield Breach(f"{count:,} in {both}; one request takes {most:,} at most", fields=arrays)


class UsersExport(BrazeObject):
    """
    What the exports that make files have in common.

    :param fields_to_export: The profile's fields to export.
    :param callback_endpoint: Address to which Braze posts once the export is done. Default: none.
    :param output_format: ``zip`` (Braze's default) or ``gzip``, which needs a connected S3 bucket.
    """

    fields_to_export: Array[NonEmptyText]
    callback_endpoint: Omittable[NonEmptyText] = None
    output_format: Omittable[Literal["zip", "gzip"]] = None

    @classmethod
    def rules(cls, given: Mapping[str, Any]) -> Iterator[Breach]:
        """Check that something is exported, and not too many custom attributes by name."""
        if is_empty_array(given.get("fields_to_export")):
            yield Breach("is empty", ("fields_to_export",), ("fields_to_export",))
        attributes = given.get("custom_attributes_to_export")
        if isinstance(attributes, (list, tuple)) and len(attributes) > MAX_CUSTOM_ATTRIBUTES:
            reason = f"{len(attributes):,} attributes; one request takes {MAX_CUSTOM_ATTRIBUTES:,} at most"
            yield Breach(reason, ("custom_attributes_to_export",), ("custom_attributes_to_export",))


class UsersExportSegment(UsersExport):
    """
    Export the users of a segment to files. Its other fields are those of
    :class:`~braze_provider.api.requests.exports.UsersExport`.

    :param segment_id: The segment.
    :param custom_attributes_to_export: Names of custom attributes, at most 500. Braze ignores it if
        ``fields_to_export`` names ``custom_attributes``, which means all of them.

    .. seealso:: https://www.braze.com/docs/api/endpoints/export/user_data/post_users_segment
    """

    segment_id: NonEmptyText
    custom_attributes_to_export: Omittable[Array[NonEmptyText]] = None


class UsersExportGlobalControlGroup(UsersExport):
    """
    Export the users of the global control group to files. Its fields are those of
    :class:`~braze_provider.api.requests.exports.UsersExport`.

    .. seealso:: https://www.braze.com/docs/api/endpoints/export/user_data/post_users_global_control_group
    """


class ExportSegmentCancel(BrazeObject):
    """
    Stop all running exports of a segment.

    :param segment_id: The segment.

    .. seealso:: https://www.braze.com/docs/api/endpoints/export/segments/post_cancel_export
    """

    segment_id: NonEmptyText

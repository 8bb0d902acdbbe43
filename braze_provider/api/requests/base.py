"""The base of the requests that a delivery makes: a few fields, and up to millions of rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar

from braze_provider.api import validation
from braze_provider.api.base import BrazeObject, Breach
from braze_provider.api.endpoints import Endpoint
from braze_provider.api.errors import BrazeValidationError, Problem
from braze_provider.api.objects.row import Row
from braze_provider.api.outcomes import Repeat
from braze_provider.api.reasons import listed, with_article

if TYPE_CHECKING:
    from typing_extensions import Self


class SendRequest(BrazeObject):
    """
    A request that a delivery makes: to send messages to named recipients, or to all users of a segment or an
    audience; or to write users or items.

    A delivery of many rows is one **envelope**, which holds all fields except the rows, and the **rows**: one
    for each recipient, or whatever else the request takes many of. Envelope and rows are validated and
    serialised only once. ``fill`` then joins the rows of a batch and the envelope as bytes, so a batch
    costs no more than that.
    """

    endpoint: ClassVar[Endpoint]
    """The request's endpoint. Its row says which fields name recipients, and how many one request takes."""

    recipient_model: ClassVar[type[Row]]
    """The model of one row."""

    row_noun: ClassVar[str] = "recipient"
    """What logs and errors call a row, in the singular."""

    row_starts: ClassVar[Mapping[str, bytes]] = {}
    """By array: how the JSON of its rows begins. For a request with several arrays, whose rows have one field
    that tells the array."""

    refuses_rows: ClassVar[bool] = False
    """Whether Braze may accept a request and refuse rows of it, which it then names."""

    content_fields: ClassVar[frozenset[str]]
    """The fields that may change between two tries of a task. A change of any other field, or of a recipient,
    makes it another delivery, which a later try must not continue. Each model states its own: none are
    inherited."""

    _stand_in: ClassVar[Mapping[str, Any]]
    """A made-up row that takes the place of the rows while an envelope is validated."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Refuse a model that does not state its content fields."""
        super().__pydantic_init_subclass__(**kwargs)
        if "endpoint" in vars(cls) and "content_fields" not in vars(cls):
            raise TypeError(f"{cls.__name__} must state content_fields, which may change between two tries")

    @classmethod
    def rules(cls, given: Mapping[str, Any]) -> Iterator[Breach]:
        """Check the rows: at least one, not too many, and none beside a broadcast."""
        named = [name for name in cls.endpoint.arrays if given.get(name) is not None]
        count = 0
        for name in named:
            recipients = given[name]
            if isinstance(recipients, (list, tuple)):
                count += len(recipients)
                if not recipients:
                    # An empty list is not just left out: the request might then reach all users.
                    reason = f"is empty: name {with_article(cls.row_noun)}, or leave the field out on purpose"
                    yield Breach(reason, (name,), (name,))
            if given.get("broadcast") is True:
                yield Breach("is not allowed with `broadcast: true`", (name,), ("broadcast", name))
        if cls.endpoint.rows is not None and count > cls.endpoint.rows:
            counted = cls.endpoint.arrays
            yield Breach(
                f"{count:,} in {listed(counted, 'and')}; one request takes {cls.endpoint.rows:,} at most",
                (counted[0],) if len(counted) == 1 else (),
                counted,
            )

    @classmethod
    def join(cls, rows: Sequence[bytes]) -> dict[str, bytes]:
        """
        Put rows into the JSON arrays of a request, without parsing or serialising them again. They keep their
        order in each array.

        :param rows: Rows as :meth:`recipient_model.to_json() <BrazeObject.to_json>` gives them, in order.
        :returns: JSON arrays by field name. No array is empty.
        """
        if not cls.row_starts:
            return {cls.endpoint.arrays[0]: b"[%s]" % b",".join(rows)} if rows else {}
        arrays = {}
        for field, start in cls.row_starts.items():
            if members := [row[len(start) : -1] for row in rows if row.startswith(start)]:
                arrays[field] = b"[%s]" % b",".join(members)
        return arrays

    @classmethod
    def place_of(cls, rows: Sequence[bytes], array: str, index: int) -> int | None:
        """
        Find the row that an error of Braze's names.

        :param rows: The rows of the request.
        :param array: The array that holds the row.
        :param index: Its index in that array.
        :returns: Its index among the rows; None if there is none.
        """
        start = cls.row_starts.get(array, b"")
        places = (place for place, row in enumerate(rows) if row.startswith(start))
        return next(islice(places, index, None), None) if index >= 0 else None

    @classmethod
    def repeat_of(cls, rows: Sequence[bytes]) -> Repeat:
        """
        Tell what a repeat of a request does. Default: what the endpoint's row says. A model overrides it if
        the rows decide.

        :param rows: The rows of the request; none to ask what a request with harmless rows does.
        """
        return cls.endpoint.repeat

    @classmethod
    def fill(cls, envelope: bytes, rows: Sequence[bytes]) -> bytes:
        """
        Make the body of one request.

        :param envelope: An envelope, as its :meth:`to_json` gives it.
        :param rows: The rows of one batch.
        :returns: The body, as JSON in UTF-8.
        """
        fields = [b'"%s":%s' % (name.encode(), array) for name, array in cls.join(rows).items()]
        if len(envelope) > len(b"{}"):
            fields.insert(0, envelope[1:-1])
        return b"{%s}" % b",".join(fields)

    def purpose(self) -> list[Any]:
        """Give the fields that make it this delivery and no other: all except content and recipients."""
        given = self.to_body()
        others = {
            name: value
            for name, value in given.items()
            if name not in self.content_fields and name not in self.endpoint.arrays
        }
        # These three come first and separately, because ledgers of earlier versions hold them so.
        purpose: list[Any] = [others.pop(name, None) for name in ("campaign_id", "segment_id", "audience")]
        return [*purpose, others] if others else purpose

    @classmethod
    def envelope_problems(
        cls, fields: Mapping[str, Any], *, allow_unknown_fields: bool = False
    ) -> list[Problem]:
        """
        List the mistakes in all fields of a request except the recipients, which come later.

        A rule that asks whether recipients are named gets the answer yes.

        :param fields: The fields. A field that names recipients is a mistake.
        :param allow_unknown_fields: As in :func:`~braze_provider.api.validation.validate`.
        """
        named_twice = [
            Problem(name, "must be left out: the recipients come from their source", (name,))
            for name in cls.endpoint.arrays
            if fields.get(name) is not None
        ]
        whole = cls._with_stand_in(fields)
        return named_twice + validation.problems(cls, whole, allow_unknown_fields=allow_unknown_fields)

    @classmethod
    def validate_envelope(
        cls, fields: Mapping[str, Any], subject: str | None = None, *, allow_unknown_fields: bool = False
    ) -> Self:
        """
        Make an envelope: a request without its recipients, which come later.

        :param fields: The fields. A field that names recipients is a mistake.
        :param subject: The name of the request in errors, such as ``/messages/send``.
        :param allow_unknown_fields: As in :func:`~braze_provider.api.validation.validate`.
        :raises BrazeValidationError: With all mistakes.
        """
        if problems := cls.envelope_problems(fields, allow_unknown_fields=allow_unknown_fields):
            raise BrazeValidationError(subject or cls.__name__, problems)
        whole = validation.validate(
            cls, cls._with_stand_in(fields), allow_unknown_fields=allow_unknown_fields
        )
        return whole.split(cls.endpoint.arrays)[1]

    @classmethod
    def _with_stand_in(cls, fields: Mapping[str, Any]) -> dict[str, Any]:
        others = {name: value for name, value in fields.items() if name not in cls.endpoint.arrays}
        return {**others, **cls._stand_in}

"""WhatsApp messages: a message from a template, or one of six kinds of reply in an open conversation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, PlainValidator, SerializeAsAny, ValidationInfo

from braze_provider.api.base import Breach, MessagePart, part
from braze_provider.api.channels.base import Channel
from braze_provider.api.reasons import kind, refusal
from braze_provider.api.values import Array, NonEmptyText, Omittable, Text, has_liquid, is_empty_array

MAX_LIST_ROWS = 10
MAX_CAPTION_LENGTH = 20
MIN_CARDS, MAX_CARDS = 2, 10
MAX_CARD_BUTTONS = 2
MAX_CARD_TEXT_LENGTH = 160

MediaType = Literal["image", "video"]


def _by_index(variables: dict[str, str]) -> dict[str, str]:
    if not all(name.isdecimal() for name in variables):
        raise refusal('must have the placeholders\' indexes as keys: "0", "1", …')
    return variables


def _at_most_one(variables: dict[str, str]) -> dict[str, str]:
    if len(variables) > 1:
        raise refusal("must hold one variable at most")
    return variables


Variables = Annotated[dict[str, Text], AfterValidator(_by_index)]
OneVariable = Annotated[Variables, AfterValidator(_at_most_one)]


def _at_most_long(limit: int) -> Callable[[str], str]:
    def check(text: str) -> str:
        if len(text) > limit and not has_liquid(text):
            raise refusal(f"must be at most {limit} characters long")
        return text

    return check


def _card_rules(field: str, cards: object, media_type: str) -> Iterator[Breach]:
    """Check the number of cards, and that they all show the same kind of media."""
    if not isinstance(cards, (list, tuple)):
        return
    if not MIN_CARDS <= len(cards) <= MAX_CARDS:
        yield Breach(f"must hold {MIN_CARDS} to {MAX_CARDS} cards, not {len(cards)}", (field,))
    types = [part(card, media_type) for card in cards]
    if "image" in types and "video" in types:
        yield Breach(f"must have the same `{media_type}` on every card", (field,))


class WhatsAppMessage(MessagePart):
    """Base of the seven kinds of message."""


class TemplateCard(MessagePart):
    """
    A card of a template with a carousel.

    :param header_media_uri: Address of the picture or film, in Braze's media library.
    :param header_media_type: ``image`` or ``video``, as in the template.
    :param body_variables: The card's variables, by index from ``"0"``.
    :param button_variables: The path of a button's link, by the button's index. At most one.
    """

    header_media_uri: NonEmptyText
    header_media_type: MediaType
    body_variables: Omittable[Variables] = None
    button_variables: Omittable[OneVariable] = None


class TemplateMessage(WhatsAppMessage):
    """
    A message from a template that WhatsApp has approved (``template_message``).

    :param template_name: Name of the template.
    :param template_language_code: Language of the template.
    :param header_variables: The header's variable, by index from ``"0"``. At most one.
    :param body_variables: The body's variables, by index from ``"0"``.
    :param button_variables: The path of a button's link, by the button's index. At most one.
    :param header_media_uri: Address of the picture, if the header is a picture.
    :param carousel_cards: The cards of a template with a carousel, 2 to 10, as many as the template has.
    """

    hints: ClassVar[Mapping[str, str]] = {"header_image_uri": "Braze has renamed it to `header_media_uri`"}

    template_name: NonEmptyText
    template_language_code: NonEmptyText
    header_variables: Omittable[OneVariable] = None
    body_variables: Omittable[Variables] = None
    button_variables: Omittable[OneVariable] = None
    header_media_uri: Omittable[NonEmptyText] = None
    carousel_cards: Omittable[Array[TemplateCard]] = None

    @classmethod
    def rules(cls, given: Mapping[str, Any]) -> Iterator[Breach]:
        """Check the cards."""
        yield from _card_rules("carousel_cards", given.get("carousel_cards"), "header_media_type")


class TextResponse(WhatsAppMessage):
    """
    A text (``text_response_message``).

    :param body: The text.
    :param preview_url: Whether links in it are shown with a preview.
    """

    body: NonEmptyText
    preview_url: Omittable[bool] = None


class ImageResponse(WhatsAppMessage):
    """
    A picture (``text_image_response_message``).

    :param image_uri: Its address.
    :param caption: A text below it.
    """

    image_uri: NonEmptyText
    caption: Omittable[Text] = None


class QuickReplyButton(MessagePart):
    """
    A reply that the user can tap.

    :param text: The reply's text.
    """

    text: NonEmptyText


class QuickReplyResponse(WhatsAppMessage):
    """
    A text with replies to tap (``quick_reply_response_message``).

    :param body: The text.
    :param buttons: The replies.
    :param header_text: A text above. Not allowed with ``header_image_uri``.
    :param header_image_uri: Address of a picture above. Not allowed with ``header_text``.
    :param footer: A text below.
    """

    body: NonEmptyText
    buttons: Array[QuickReplyButton]
    header_text: Omittable[Text] = None
    header_image_uri: Omittable[NonEmptyText] = None
    footer: Omittable[Text] = None

    @classmethod
    def rules(cls, given: Mapping[str, Any]) -> Iterator[Breach]:
        """Check that there are buttons, and one header."""
        if is_empty_array(given.get("buttons")):
            yield Breach("must not be empty", ("buttons",))
        if given.get("header_text") is not None and given.get("header_image_uri") is not None:
            yield Breach("is not allowed with `header_text`", ("header_image_uri",))


class ListRow(MessagePart):
    """
    A row of a list.

    :param row_title: The text that the user can choose.
    :param row_description: A longer description.
    """

    row_title: NonEmptyText
    row_description: Omittable[Text] = None


class ListSection(MessagePart):
    """
    A section of a list.

    :param section_title: Title of the section.
    :param list_rows: Rows of the section.
    """

    section_title: NonEmptyText
    list_rows: Array[ListRow]


class ListOfOptions(MessagePart):
    """
    A list to choose from.

    :param list_button_text: Text of the button that opens the list.
    :param list_sections: Sections of the list, at least one. Together they have at most ten rows.
    """

    list_button_text: NonEmptyText
    list_sections: Array[ListSection]

    @classmethod
    def rules(cls, given: Mapping[str, Any]) -> Iterator[Breach]:
        """Check the numbers of sections and rows."""
        sections = given.get("list_sections")
        if not isinstance(sections, (list, tuple)):
            return
        if not sections:
            yield Breach("must not be empty", ("list_sections",))
        rows = [part(section, "list_rows") for section in sections]
        count = sum(len(some) for some in rows if isinstance(some, (list, tuple)))
        if count > MAX_LIST_ROWS:
            yield Breach(f"has {count} rows in all; at most {MAX_LIST_ROWS} are allowed", ("list_sections",))


class ListResponse(WhatsAppMessage):
    """
    A text with a list to choose from (``list_response_message``).

    :param body: The text.
    :param list: The list.
    :param header: A text above.
    :param footer: A text below.
    """

    body: NonEmptyText
    list: ListOfOptions
    header: Omittable[Text] = None
    footer: Omittable[Text] = None


class FlowButton(MessagePart):
    """
    The button that starts a flow.

    :param caption: The button's text, at most 20 characters.
    :param flow_id: Id of a published flow.
    """

    caption: Annotated[NonEmptyText, AfterValidator(_at_most_long(MAX_CAPTION_LENGTH))]
    flow_id: NonEmptyText


class FlowResponse(WhatsAppMessage):
    """
    A text with a flow to complete (``flow_response_message``).

    :param body: The text.
    :param flow_button: The button that starts the flow.
    :param header_text: A text above.
    :param footer: A text below.
    :param generate_custom_attribute: Whether the answers become a custom attribute.
    """

    body: NonEmptyText
    flow_button: FlowButton
    header_text: Omittable[Text] = None
    footer: Omittable[Text] = None
    generate_custom_attribute: Omittable[bool] = None


class LinkButton(MessagePart):
    """
    A button that opens a web address.

    :param display_text: What it says.
    :param url: The address.
    """

    display_text: NonEmptyText
    url: NonEmptyText


class CarouselCard(MessagePart):
    """
    A card of a carousel.

    :param media_uri: Address of the picture or film.
    :param media_type: ``image`` or ``video``.
    :param body_text: A text below it, at most 160 characters.
    :param buttons: Texts of the replies to tap. Required for ``quick_reply``.
    :param cta_url_button: A button that opens a web address. Required for ``url``.
    """

    media_uri: NonEmptyText
    media_type: MediaType
    body_text: Omittable[Annotated[Text, AfterValidator(_at_most_long(MAX_CARD_TEXT_LENGTH))]] = None
    buttons: Omittable[Array[NonEmptyText]] = None
    cta_url_button: Omittable[LinkButton] = None


class CarouselResponse(WhatsAppMessage):
    """
    A text with cards to swipe through (``carousel_response_message``).

    :param body: The text.
    :param carousel_button_type: Kind of the cards' buttons: ``quick_reply`` or ``url``.
    :param cards: The cards in the order in which they are shown, 2 to 10.
    """

    body: NonEmptyText
    carousel_button_type: Literal["quick_reply", "url"]
    cards: Array[CarouselCard]

    @classmethod
    def rules(cls, given: Mapping[str, Any]) -> Iterator[Breach]:
        """Check the cards and their buttons."""
        cards = given.get("cards")
        yield from _card_rules("cards", cards, "media_type")
        if not isinstance(cards, (list, tuple)):
            return
        kind_of_button = given.get("carousel_button_type")
        numbers = set()
        for index, card in enumerate(cards):
            if not isinstance(card, (Mapping, CarouselCard)):
                continue
            if kind_of_button == "url" and part(card, "cta_url_button") is None:
                yield Breach("is required for `url`", ("cards", index, "cta_url_button"))
            if kind_of_button == "quick_reply":
                buttons = part(card, "buttons")
                if not buttons:
                    yield Breach("is required for `quick_reply`", ("cards", index, "buttons"))
                elif isinstance(buttons, (list, tuple)):
                    numbers.add(len(buttons))
                    if len(buttons) > MAX_CARD_BUTTONS:
                        yield Breach(
                            f"must hold {MAX_CARD_BUTTONS} buttons at most", ("cards", index, "buttons")
                        )
        if len(numbers) > 1:
            yield Breach("must have the same number of `buttons` on every card", ("cards",))


MESSAGE_TYPES: Mapping[str, type[WhatsAppMessage]] = {
    "template_message": TemplateMessage,
    "text_response_message": TextResponse,
    "text_image_response_message": ImageResponse,
    "quick_reply_response_message": QuickReplyResponse,
    "list_response_message": ListResponse,
    "flow_response_message": FlowResponse,
    "carousel_response_message": CarouselResponse,
}
"""The kind of message for each ``message_type``."""


def _message_of_its_type(value: object, info: ValidationInfo) -> object:
    # This is not a union, because pydantic would report mistakes for all seven kinds, although `message_type`
    # names the one that is meant.
    if not isinstance(value, (Mapping, WhatsAppMessage)):
        raise refusal("is required" if value is None else f"must be an object, not {kind(value)}")
    model = MESSAGE_TYPES.get(info.data.get("message_type", ""))
    return value if model is None else model.model_validate(value)


class WhatsApp(Channel):
    """
    A WhatsApp message. Only a template may be sent if the user has not written within the last day.

    :param message_variation_id: A WhatsApp variation of the campaign.
    :param app_id: Any app of the workspace.
    :param subscription_group_id: The subscription group, which has the sender's number.
    :param message_type: The kind of message, a key of :data:`MESSAGE_TYPES`.
    :param message: The message of that kind.

    .. seealso:: https://www.braze.com/docs/api/objects_filters/messaging/whats_app_object
    """

    app_id: NonEmptyText
    subscription_group_id: NonEmptyText
    message_type: Literal[
        "template_message",
        "text_response_message",
        "text_image_response_message",
        "quick_reply_response_message",
        "list_response_message",
        "flow_response_message",
        "carousel_response_message",
    ]
    message: Annotated[SerializeAsAny[WhatsAppMessage], PlainValidator(_message_of_its_type)]

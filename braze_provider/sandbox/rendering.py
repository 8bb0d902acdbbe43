"""
Liquid as the recipient of a message would see it.

Braze's Liquid has names in ``${…}``, tags of its own, and data that only Braze has. What can't be rendered
here stays in the text as it was written, and is marked with the reason.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any, ClassVar, TextIO

from liquid import Environment, Expression, Node, RenderContext, Tag, Token, TokenStream, Undefined
from liquid.builtin.expressions import FilteredExpression, tokenize
from liquid.builtin.output import Output
from liquid.exceptions import LiquidError
from liquid.stringify import to_liquid_string
from liquid.token import TOKEN_EXPRESSION, TOKEN_OUTPUT, TOKEN_TAG

USER = "braze_user"
"""The variable with what Braze's Liquid writes without a prefix, such as ``${first_name}``."""

_MAX_LOOPS = 10_000
_MAX_OUTPUT = 4_000_000

# Each part ends where another statement begins, and the alternatives share no first character. So no text
# makes the search slow.
_STATEMENT = re.compile(
    r"{{((?:\$\{[^{}]*\}|\$(?!\{)|{(?!{)|[^${}]|\}(?!\}))*)}}|{%((?:[^{%]|{(?!%)|%(?!}))*)%}"
)
_STATEMENT_BEGINS = re.compile(r"{[{%]")
_PREFIXED_NAME = re.compile(r"(\w)\.\$\{([^{}]*)\}")
_NAME = re.compile(r"\$\{([^{}]*)\}")

# Tags that only Braze can follow, each with the reason.
_BRAZE_TAGS: Mapping[str, str] = {
    "connected_content": "Braze fetches this address when it sends",
    "catalog_items": "Braze has the catalogs",
    "catalog_selection_items": "Braze has the catalogs",
    "promotion": "Braze has the promotion codes",
    "message_extras": "Braze puts this into its exports",
}


class AbortedError(Exception):
    """The message stops itself with ``abort_message``, and the recipient gets nothing."""


@dataclass(frozen=True)
class Mark:
    """
    A part of a text that could not be rendered.

    :param start: Where it begins.
    :param end: Where it ends.
    :param why: The reason.
    """

    start: int
    end: int
    why: str


@dataclass(frozen=True)
class Rendered:
    """
    A rendered text.

    :param text: The text.
    :param marks: Its parts that could not be rendered, from first to last.
    """

    text: str
    marks: list[Mark] = field(default_factory=list)

    def shown(self) -> dict[str, Any]:
        """Give it as JSON."""
        return {"text": self.text, "marks": [vars(mark) for mark in self.marks]}

    def html(self) -> str:
        """Give it as HTML, if it is HTML, with its marked parts highlighted."""
        pieces = []
        at = 0
        for mark in self.marks:
            pieces.append(self.text[at : mark.start])
            written = escape(self.text[mark.start : mark.end])
            # Inside a tag there is no room for an element, and a highlight would break the tag.
            if self.text.rfind("<", 0, mark.start) > self.text.rfind(">", 0, mark.start):
                pieces.append(written)
            else:
                pieces.append(f'<mark title="{escape(mark.why)}">{written}</mark>')
            at = mark.end
        return "".join([*pieces, self.text[at:]])


class _Notes:
    """What happens while one text is rendered."""

    def __init__(self) -> None:
        self._nonce = secrets.token_hex(8)
        self._marked: list[tuple[str, str]] = []
        self._originals: dict[str, str] = {}
        self.undefined = 0
        """How many names had no value so far."""

    def rewritten(self, text: str) -> str:
        """Give a text with Braze's names in the form of plain Liquid."""
        return _STATEMENT.sub(self._plain, text)

    def _plain(self, match: re.Match[str]) -> str:
        statement = match[0]
        plain = _PREFIXED_NAME.sub(lambda name: f"{name[1]}[{_quoted(name[2])}]", statement)
        plain = _NAME.sub(lambda name: f"{USER}[{_quoted(name[1])}]", plain)
        self._originals[_without_blanks(plain[2:-2].strip("-"))] = statement
        return plain

    def original(self, inside: str) -> str:
        """
        Give a statement as it was written.

        :param inside: What the parser found in it, whose blanks it may have left out.
        """
        return self._originals.get(_without_blanks(inside), inside)

    def mark(self, original: str, why: str) -> str:
        """Give a placeholder that no template knows for a part that can't be rendered."""
        self._marked.append((original, why))
        return f"\ue000{self._nonce}:{len(self._marked) - 1}\ue001"

    def resolved(self, text: str) -> Rendered:
        """Put the parts that can't be rendered where their placeholders are."""
        pieces: list[str] = []
        marks: list[Mark] = []
        length = at = 0
        for match in re.finditer(f"\ue000{self._nonce}:(\\d+)\ue001", text):
            original, why = self._marked[int(match[1])]
            before = text[at : match.start()]
            length += len(before)
            marks.append(Mark(length, length + len(original), why))
            pieces += [before, original]
            length += len(original)
            at = match.end()
        return Rendered("".join([*pieces, text[at:]]), marks)


def render(text: str, values: Mapping[str, Any]) -> Rendered:
    """
    Render a text.

    :param text: The text, with Liquid in it or not.
    :param values: The variables.
    :raises AbortedError: If the text stops the message.
    """
    if "{{" not in text and "{%" not in text:
        return Rendered(text)
    if _STATEMENT_BEGINS.search(_STATEMENT.sub("", text)):
        # The parser would take minutes to find that out for some texts.
        return Rendered(text, [Mark(0, len(text), "a statement in it has no end")])
    notes = _Notes()
    try:
        rendered = _environment(notes).from_string(notes.rewritten(text)).render(**values)
    except LiquidError as error:
        return Rendered(text, [Mark(0, len(text), _reason(error))])
    except RecursionError:
        return Rendered(text, [Mark(0, len(text), "it is nested too deeply")])
    return notes.resolved(rendered)


class _Environment(Environment):
    loop_iteration_limit = _MAX_LOOPS
    output_stream_limit = _MAX_OUTPUT
    local_namespace_limit = _MAX_OUTPUT
    notes: _Notes


def _environment(notes: _Notes) -> _Environment:
    class Noted(Undefined):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            notes.undefined += 1

    environment = _Environment(undefined=Noted)
    environment.notes = notes
    environment.add_tag(_Output)
    environment.add_tag(_Abort)
    for name, why in _BRAZE_TAGS.items():
        environment.add_tag(type(f"_Tag_{name}", (_BrazeTag,), {"name": name, "why": why}))
    return environment


class _Marked(Node):
    """A part that can't be rendered."""

    def __init__(self, token: Token, notes: _Notes, original: str, why: str) -> None:
        super().__init__(token)
        self.blank = False
        self._mark: Callable[[], str] = lambda: notes.mark(original, why)

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        return buffer.write(self._mark())


class _OutputNode(Node):
    """A value, or the statement as it was written if a name in it has no value."""

    def __init__(self, token: Token, expression: Expression, notes: _Notes, original: str) -> None:
        super().__init__(token)
        self.blank = False
        self._expression = expression
        self._notes = notes
        self._original = original
        self._has_default = any(each.name == "default" for each in getattr(expression, "filters", None) or ())

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        before = self._notes.undefined
        try:
            text = to_liquid_string(self._expression.evaluate(context), context.autoescape)
        except LiquidError as error:
            return buffer.write(self._notes.mark(self._original, _reason(error)))
        if self._notes.undefined > before and not (text and self._has_default):
            text = self._notes.mark(self._original, "the sandbox knows no value for it")
        return buffer.write(text)


class _Output(Output):
    def parse(self, stream: TokenStream) -> Any:
        token = stream.eat(TOKEN_OUTPUT)
        written = stream.expect(TOKEN_EXPRESSION)
        notes = self.env.notes  # type: ignore[attr-defined]
        original = notes.original(written.value)
        try:
            expression = FilteredExpression.parse(self.env, TokenStream(tokenize(written.value, written)))
        except LiquidError as error:
            return _Marked(token, notes, original, _reason(error))
        return _OutputNode(token, expression, notes, original)


class _BrazeTag(Tag):
    """A tag that only Braze can follow."""

    block = False
    why: ClassVar[str] = ""

    def parse(self, stream: TokenStream) -> Node:
        token = stream.eat(TOKEN_TAG)
        written = stream.current.value if stream.current.kind == TOKEN_EXPRESSION else ""
        notes = self.env.notes  # type: ignore[attr-defined]
        return self.node(token, notes, notes.original(f"{token.value}{written}"), written)

    def node(self, token: Token, notes: _Notes, original: str, written: str) -> Node:
        """Give what the tag becomes."""
        return _Marked(token, notes, original, self.why)


class _AbortNode(Node):
    def __init__(self, token: Token, reason: str) -> None:
        super().__init__(token)
        self.blank = False
        self._reason = reason

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        raise AbortedError(self._reason)


class _Abort(_BrazeTag):
    name = "abort_message"

    def node(self, token: Token, notes: _Notes, original: str, written: str) -> Node:
        return _AbortNode(token, written.strip("() '\"") or "no reason given")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', "").strip() + '"'


def _without_blanks(text: str) -> str:
    return "".join(text.split())


def _reason(error: LiquidError) -> str:
    return str(error.args[0] if error.args else error).partition("\n")[0] or type(error).__name__

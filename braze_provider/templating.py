"""
Jinja that leaves Liquid alone.

Message content is full of Liquid, which Braze renders for each person when it sends. Airflow's Jinja
would raise on most of it and silently swallow the rest, so content is read by one rule instead:

    ``{{ … }}`` is Airflow's if its expression begins with a name in Airflow's template context (``ds``,
    ``params``, ``macros``, a macro of the Dag's …) and contains no ``${``. Everything else, every
    ``{% … %}`` and every ``{# … #}`` is Liquid (or CSS) and reaches Braze byte for byte.

Where the rule reads a text the wrong way round, ``airflow.sdk.literal("…")`` makes all of it Liquid and
:class:`Jinja` makes all of it Airflow's.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from braze_provider.api.errors import BrazeError

if TYPE_CHECKING:
    from jinja2 import Environment

    from braze_provider._compat import Context


class BrazeTemplateError(BrazeError, ValueError):
    """Message content that Airflow can't render; names the field and the expression."""


@dataclass(frozen=True)
class Jinja:
    """
    Text that is Jinja from beginning to end, tags and comments included, as in any other template field.

    :param text: The template. A part that Braze shall see needs ``{% raw %} … {% endraw %}``.
    """

    text: str


@dataclass(frozen=True)
class ContentFile:
    """
    Content that lives in a file.

    It is searched for where Airflow searches for templates: beside the Dag's file, and in the Dag's
    ``template_searchpath``. In the place of ``messages`` or of a whole channel the file holds JSON;
    anywhere deeper its text is the value.

    :param path: Path relative to one of those folders. Jinja in it is rendered.
    :param reads_as: ``mixed`` (default) for the rule of this module, ``liquid`` to leave every byte alone,
        ``jinja`` as :class:`Jinja` does.
    """

    path: str
    reads_as: Literal["mixed", "liquid", "jinja"] = "mixed"


# ``messages`` itself and each of its channels are objects, so a file in their place holds JSON.
_JSON_DEPTH = 1
_LIQUID_BLOCK = re.compile(r"\{%-?\s*(raw|comment)\s*-?%\}.*?\{%-?\s*end\1\s*-?%\}", re.DOTALL)
_HEAD = re.compile(r"\{\{[-+]?\s*([^\W\d]\w*)")
_TOKEN = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|[{}()\[\]]""", re.DOTALL)
_CLOSING = {"{": "}", "(": ")", "[": "]"}
_DELIMITERS = ("{{", "{%", "{#")


@dataclass(frozen=True)
class Expression:
    """
    An ``{{ … }}`` of Airflow's within content.

    :param start: Where its opening braces stand in the content.
    :param end: Where the content goes on behind its closing braces.
    :param source: It, without the whitespace control.
    :param strip_before: Whether it begins with ``{{-``.
    :param strip_after: Whether it ends with ``-}}``.
    """

    start: int
    end: int
    source: str
    strip_before: bool
    strip_after: bool


def find_expressions(text: str, names: Collection[str]) -> Iterator[Expression]:
    """
    Find what is Airflow's in a piece of content.

    :param text: The content.
    :param names: The names that an expression of Airflow's can begin with.
    """
    position = 0
    while (start := text.find("{", position)) >= 0:
        opening = text[start : start + 2]
        if opening == "{{":
            if expression := _expression_at(text, start, names):
                yield expression
                position = expression.end
            else:
                position = _after_liquid_output(text, start)
        elif opening in _DELIMITERS:
            block = _LIQUID_BLOCK.match(text, start)
            end = block.end() if block else text.find(opening[1] + "}", start + 2) + 2
            position = max(end, start + 2)
        else:
            position = start + 1


def _expression_at(text: str, start: int, names: Collection[str]) -> Expression | None:
    head = _HEAD.match(text, start)
    if head is None or head[1] not in names:
        return None
    awaited: list[str] = []
    for token in _TOKEN.finditer(text, head.end()):
        mark = token[0]
        if mark in _CLOSING:
            awaited.append(_CLOSING[mark])
        elif awaited and mark == awaited[-1]:
            awaited.pop()
        elif not awaited and text.startswith("}}", token.start()):
            inner = text[start + 2 : token.start()]
            if "${" in inner:
                return None
            strip_before, strip_after = inner.startswith("-"), inner.endswith("-")
            bare = inner[inner[0] in "-+" :].removesuffix("-" if strip_after else "").strip()
            return Expression(start, token.end() + 1, f"{{{{ {bare} }}}}", strip_before, strip_after)
    return None


def _after_liquid_output(text: str, start: int) -> int:
    """Find the end of a Liquid ``{{ … }}``, in which ``${name}`` and further braces may be nested."""
    depth = 0
    position = start
    while position < len(text):
        if text.startswith("{{", position):
            depth += 1
            position += 2
        elif text.startswith("${", position):
            end = text.find("}", position)
            position = end + 1 if end >= 0 else len(text)
        elif text.startswith("}}", position):
            depth -= 1
            position += 2
            if depth == 0:
                return position
        else:
            position += 1
    # Never closed, hence plain text, in which expressions of Airflow's may still follow.
    return start + 2


def may_be_templated(value: Any) -> bool:
    """
    Tell whether rendering may change a value, so that it can't be judged before.

    :param value: A constructor argument, as the Dag's author gave it.
    """
    if isinstance(value, str):
        return any(delimiter in value for delimiter in _DELIMITERS)
    if isinstance(value, Mapping):
        return any(may_be_templated(item) for item in value.values())
    if isinstance(value, (list, tuple, set)):
        return any(may_be_templated(item) for item in value)
    return isinstance(value, (Jinja, ContentFile)) or _is_resolvable(value)


def render_content(
    value: Any, context: Context, jinja_env: Environment, *, field: str, native: bool = False
) -> Any:
    """
    Render message content by the rule of this module.

    :param value: The content: text, or an object or list of it, at any depth.
    :param context: Airflow's template context.
    :param jinja_env: The Dag's Jinja environment, with its macros, filters and search path.
    :param field: Name of the template field, for error messages.
    :param native: Whether a text that is one expression of Airflow's becomes its value with its own type
        (``render_template_as_native_obj``). Default: everything is text.
    :raises BrazeTemplateError: If something of Airflow's can't be rendered; names the place.
    """
    from jinja2.defaults import DEFAULT_NAMESPACE

    names = set(context) | (set(jinja_env.globals) - set(DEFAULT_NAMESPACE))
    variables = dict(context)

    def evaluate(template: str, path: str) -> Any:
        return _evaluate(template, variables, jinja_env, path)

    def text_of(text: str, path: str) -> Any:
        pieces: list[str] = []
        position = 0
        for expression in find_expressions(text, names):
            value = evaluate(expression.source, path)
            if native and expression.start == 0 and expression.end == len(text):
                return value
            before = text[position : expression.start]
            pieces += (before.rstrip() if expression.strip_before else before, str(value))
            position = expression.end
            if expression.strip_after:
                position += len(text) - position - len(text[position:].lstrip())
        return "".join(pieces) + text[position:]

    def content_of(value: Any, path: str, depth: int) -> Any:
        if isinstance(value, str):
            return text_of(value, path)
        if isinstance(value, Jinja):
            return str(evaluate(value.text, path))
        if isinstance(value, ContentFile):
            return file_of(value, path, depth)
        if isinstance(value, Mapping):
            return {key: content_of(item, f"{path}.{key}", depth + 1) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [content_of(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(value)]
        return value.resolve(context) if _is_resolvable(value) else value

    def file_of(file: ContentFile, path: str, depth: int) -> Any:
        name = str(evaluate(file.path, path))
        text = _read(name, jinja_env, path)
        content = _parse(text, name, path) if depth <= _JSON_DEPTH else text
        if file.reads_as == "liquid":
            return content
        if file.reads_as == "jinja":
            return _map_texts(lambda item: str(evaluate(item, path)), content)
        return content_of(content, path, depth)

    return content_of(value, field, 0)


def render_keeping_types(value: Any, context: Context, jinja_env: Environment, *, field: str) -> Any:
    """
    Render plain Jinja natively, but for fields that hold ids.

    Airflow's native rendering parses every rendered text once more, which turns the id ``1e5`` into a
    number. Here an expression keeps the type of its value, and text stays text.

    :param value: The field's value, at any depth.
    :param context: Airflow's template context.
    :param jinja_env: The Dag's Jinja environment.
    :param field: Name of the template field, for error messages.
    :raises BrazeTemplateError: If it can't be rendered; names the field.
    """
    if _is_resolvable(value):
        return value.resolve(context)
    variables = dict(context)
    return _map_texts(lambda text: _evaluate(text, variables, jinja_env, field), value)


def load_template_files(holder: Any, jinja_env: Environment) -> None:
    """
    Put the text of template files in the place of their names, as Airflow does for an operator's own fields.

    :param holder: An object with ``template_fields``, and with ``template_ext`` if any may name a file.
    :param jinja_env: The Dag's Jinja environment.
    """
    endings = tuple(getattr(holder, "template_ext", ()))
    for field in holder.template_fields if endings else ():
        value = getattr(holder, field)
        if isinstance(value, str) and value.endswith(endings):
            setattr(holder, field, _read(value, jinja_env, field))


def _map_texts(change: Callable[[str], Any], value: Any) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {key: _map_texts(change, item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_map_texts(change, item) for item in value]
    return value


def _evaluate(template: str, variables: dict[str, Any], jinja_env: Environment, path: str) -> Any:
    """Render a template: one expression becomes its value with its own type, anything else becomes text."""
    if not any(delimiter in template for delimiter in _DELIMITERS):
        return template
    from jinja2 import TemplateError, Undefined, nodes
    from jinja2.environment import TemplateExpression

    try:
        tree = jinja_env.parse(template)
        match tree.body:
            case [nodes.Output(nodes=[nodes.Expr() as expression])] if not isinstance(
                expression, nodes.TemplateData
            ):
                result = nodes.Assign(nodes.Name("result", "store"), expression, lineno=1)
                compiled = jinja_env.from_string(nodes.Template([result], lineno=1))
                value = TemplateExpression(compiled, undefined_to_none=False)(variables)
                return str(value) if isinstance(value, Undefined) else value
        compiled = jinja_env.from_string(template)
        return "".join(str(piece) for piece in compiled.root_render_func(compiled.new_context(variables)))
    except TemplateError as error:
        shown = template if len(template) < 100 else template[:99] + "…"
        raise BrazeTemplateError(
            f"{path}: Airflow can't render {shown} ({type(error).__name__}: {error.message}); "
            "if it is Liquid, wrap the text in airflow.sdk.literal"
        ) from error


def _read(name: str, jinja_env: Environment, path: str) -> str:
    from jinja2 import TemplateNotFound

    loader = jinja_env.loader
    if loader is None:
        raise BrazeTemplateError(f"{path}: the Dag has no folder in which the file {name!r} could be")
    try:
        text, filename, _ = loader.get_source(jinja_env, name)
    except TemplateNotFound:
        folders = ", ".join(getattr(loader, "searchpath", ())) or "where the Dag's templates are"
        raise BrazeTemplateError(f"{path}: the file {name!r} was not found in {folders}") from None
    if filename is None or not (file := Path(filename)).is_file():
        return text
    # Read again because Jinja's loaders replace the line ends, and content must arrive byte for byte.
    return file.read_bytes().decode("utf-8")


def _parse(text: str, name: str, path: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise BrazeTemplateError(f"{path}: the file {name!r} is not JSON: {error}") from None


def _is_resolvable(value: Any) -> bool:
    """Tell whether Airflow resolves a value itself: an XComArg, or what ``airflow.sdk.literal`` returns."""
    return not isinstance(value, os.PathLike) and callable(getattr(value, "resolve", None))

"""How message content is rendered."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from braze_provider.api.errors import BrazeError
from braze_provider.templating.expressions import DELIMITERS, Expression, find_outputs
from braze_provider.templating.names import AIRFLOW_NAMES, DATED_NAMES, missing_in, names_of, resemblance

if TYPE_CHECKING:
    from jinja2 import Environment

    from braze_provider._compat import Context


class BrazeTemplateError(BrazeError, ValueError):
    """Airflow can't render message content. The error names the field and the expression."""


@dataclass(frozen=True)
class Jinja:
    """
    Text that is all Jinja, with its tags and comments, as in any other template field.

    :param text: The template. A part for Braze needs ``{% raw %} … {% endraw %}``.
    """

    text: str


@dataclass(frozen=True)
class ContentFile:
    """
    Content from a file.

    The file is looked for where Airflow looks for templates: beside the Dag's file, and in the Dag's
    ``template_searchpath``. In the place of ``messages`` or of a whole channel, the file holds JSON. Anywhere
    deeper, its text is the value.

    :param path: Path relative to one of those folders. Jinja in it is rendered.
    :param reads_as: ``mixed`` (default) for the rule of this package, ``liquid`` to leave every byte as it
        is, ``jinja`` to read the file as :class:`Jinja`.
    """

    path: str
    reads_as: Literal["mixed", "liquid", "jinja"] = "mixed"


@dataclass(frozen=True)
class LeftToLiquid:
    """
    The parts of content that rendering leaves to Liquid.

    :param outputs: Each ``{{ … }}`` once.
    :param doubts: Why some of them look as if they were meant for Airflow, by place and output.
    """

    outputs: dict[str, None] = dataclasses.field(default_factory=dict)
    doubts: dict[str, str] = dataclasses.field(default_factory=dict)


# ``messages`` and each of its channels are objects, so a file in their place holds JSON.
_JSON_DEPTH = 1


def may_be_templated(value: Any) -> bool:
    """
    Tell whether rendering may change a value. If it may, the value can't be checked before.

    :param value: A constructor argument, as the Dag's author gave it.
    """
    if isinstance(value, str):
        return any(delimiter in value for delimiter in DELIMITERS)
    if isinstance(value, Mapping):
        return any(may_be_templated(item) for item in value.values())
    if isinstance(value, (list, tuple, set)):
        return any(may_be_templated(item) for item in value)
    return isinstance(value, (Jinja, ContentFile)) or _is_resolvable(value)


def render_content(
    value: Any,
    context: Context,
    jinja_env: Environment,
    *,
    field: str,
    native: bool = False,
    left: LeftToLiquid | None = None,
) -> Any:
    """
    Render message content by the rule of this package.

    :param value: The content: text, or an object or list of it, at any depth.
    :param context: Airflow's template context.
    :param jinja_env: The Dag's Jinja environment, with its macros, filters and search path.
    :param field: Name of the template field, for error messages.
    :param native: Whether a text that is a single Airflow expression becomes the expression's value and keeps
        its type (``render_template_as_native_obj``). Default: everything becomes text.
    :param left: Collects the parts that are left to Liquid. Default: they are not collected.
    :raises BrazeTemplateError: If an Airflow expression can't be rendered. The error names the place.
    """
    from jinja2 import StrictUndefined

    names = names_of(context, jinja_env)
    # Strict for Airflow's names, also if the Dag allows undefined names: no recipient gets a gap in a
    # message.
    variables = {**{name: StrictUndefined(name=name) for name in AIRFLOW_NAMES - set(context)}, **context}

    def evaluate(template: str, path: str) -> Any:
        with explaining(path, template, context, jinja_env, is_content=True):
            return _evaluate(template, variables, jinja_env)

    def text_of(text: str, path: str) -> Any:
        pieces: list[str] = []
        position = 0
        for output in find_outputs(text, names):
            if not isinstance(output, Expression):
                if left is not None:
                    left.outputs[output] = None
                    if doubt := resemblance(output, text, names, jinja_env):
                        left.doubts[f"{path}: {output}"] = doubt
                continue
            value = evaluate(output.source, path)
            if native and output.start == 0 and output.end == len(text):
                return value
            # The text is compared, because Airflow's values may be proxies, also proxies of None.
            if str(value) == "None" and not isinstance(value, str):
                raise BrazeTemplateError(
                    f"{path}: {_shortened(output.source)} is None in this run, and recipients would read "
                    "'None'; give it a | default('…', true)"
                )
            before = text[position : output.start]
            pieces += (before.rstrip() if output.strip_before else before, str(value))
            position = output.end
            if output.strip_after:
                position += len(text) - position - len(text[position:].lstrip())
        return "".join(pieces) + text[position:]

    def content_of(value: Any, path: str, depth: int) -> Any:
        if isinstance(value, str):
            content = text_of(value, path)
        elif isinstance(value, Jinja):
            content = str(evaluate(value.text, path))
        elif isinstance(value, ContentFile):
            return file_of(value, path, depth)
        elif isinstance(value, Mapping):
            return {key: content_of(item, f"{path}.{key}", depth + 1) for key, item in value.items()}
        elif isinstance(value, (list, tuple)):
            return [content_of(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(value)]
        else:
            content = value.resolve(context) if _is_resolvable(value) else value
        if depth <= _JSON_DEPTH:
            refuse_text(content, path)
        return content

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


def refuse_text(value: Any, path: str) -> None:
    """
    Refuse text if a template should have made an object.

    :param value: The value that the template made.
    :param path: Place of the value.
    :raises BrazeTemplateError: If the value is text.
    """
    if isinstance(value, str):
        raise BrazeTemplateError(
            f"{path}: must be an object, but the template makes text. A template makes an object only with "
            "render_template_as_native_obj=True. An XComArg can always be an object, and for "
            "messages a ContentFile can too"
        )


def refuse_undefined(value: Any) -> None:
    """
    Raise an error if Airflow's native rendering left an undefined name in the place of a value.

    :param value: The rendered value, at any depth.
    :raises jinja2.UndefinedError: If the Dag refuses undefined names.
    """
    from jinja2 import Undefined

    if isinstance(value, Undefined):
        str(value)
    elif isinstance(value, (Mapping, list, tuple)):
        for item in value.values() if isinstance(value, Mapping) else value:
            refuse_undefined(item)


@contextmanager
def explaining(
    path: str, template: Any, context: Context, jinja_env: Environment, *, is_content: bool = False
) -> Iterator[None]:
    """
    Give errors of rendering the place of the template and a way to mend it.

    :param path: Its place, such as ``messages.email.body``.
    :param template: The template: text, or an object or list of it, at any depth.
    :param context: Airflow's template context.
    :param jinja_env: The Dag's Jinja environment.
    :param is_content: Whether the template is message content, where ``{% raw %}`` belongs to Liquid.
        Default: it is plain Jinja.
    :raises BrazeTemplateError: Instead of the errors of Jinja and of the functions in an expression.
    """
    from jinja2 import TemplateError

    try:
        yield
    except BrazeError:
        raise
    except (TemplateError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        texts: list[str] = []
        _map_texts(texts.append, template)
        missing = sorted({name for text in texts for name in missing_in(text, context, jinja_env)})
        shown = _shortened(texts[0]) if len(texts) == 1 else "a template"
        message = error.message if isinstance(error, TemplateError) else str(error)
        part = "" if is_content else ", and {% raw %}…{% endraw %} a part of it"
        raise BrazeTemplateError(
            f"{path}: Airflow can't render {shown} ({type(error).__name__}: {message}). {_way_out(missing)}"
            f"If it is Liquid, airflow.sdk.literal('…') leaves a whole text to Braze{part}"
        ) from error


def _way_out(missing: list[str]) -> str:
    if not missing:
        return ""
    names = " and ".join(missing)
    if not DATED_NAMES.issuperset(missing):
        return f"This run has no {names}: give a default('…'). "
    return (
        f"This run has no logical date and therefore no {names}: trigger it with a logical date, use "
        "dag_run.run_after, which every run has, or give a default('…'). "
    )


def _shortened(template: str) -> str:
    return template if len(template) < 100 else template[:99] + "…"


def render_keeping_types(value: Any, context: Context, jinja_env: Environment, *, field: str) -> Any:
    """
    Render plain Jinja natively in a field that holds ids.

    Airflow's native rendering would parse every rendered text once more, and turn the id ``1e5`` into a
    number. Here an expression keeps the type of its value, and text stays text.

    :param value: The field's value, at any depth.
    :param context: Airflow's template context.
    :param jinja_env: The Dag's Jinja environment.
    :param field: Name of the template field, for error messages.
    :raises BrazeTemplateError: If the value can't be rendered. The error names the field.
    """
    if _is_resolvable(value):
        return value.resolve(context)
    variables = dict(context)

    def evaluate(text: str) -> Any:
        with explaining(field, text, context, jinja_env):
            return _evaluate(text, variables, jinja_env)

    return _map_texts(evaluate, value)


def load_template_files(holder: Any, jinja_env: Environment) -> None:
    """
    Replace the names of template files with their text, as Airflow does for an operator's own fields.

    :param holder: An object with ``template_fields``, and with ``template_ext`` if a field may name a file.
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


def _evaluate(template: str, variables: dict[str, Any], jinja_env: Environment) -> Any:
    """Render a template. A single expression keeps the type of its value; anything else becomes text."""
    if not any(delimiter in template for delimiter in DELIMITERS):
        return template
    from jinja2 import Undefined, nodes
    from jinja2.environment import TemplateExpression

    match jinja_env.parse(template).body:
        case [nodes.Output(nodes=[nodes.Expr() as expression])] if not isinstance(
            expression, nodes.TemplateData
        ):
            result = nodes.Assign(nodes.Name("result", "store"), expression, lineno=1)
            compiled = jinja_env.from_string(nodes.Template([result], lineno=1))
            value = TemplateExpression(compiled, undefined_to_none=False)(variables)
            return str(value) if isinstance(value, Undefined) else value
    compiled = jinja_env.from_string(template)
    return "".join(str(piece) for piece in compiled.root_render_func(compiled.new_context(variables)))


def _read(name: str, jinja_env: Environment, path: str) -> str:
    from jinja2 import TemplateNotFound

    loader = jinja_env.loader
    if loader is None:
        raise BrazeTemplateError(f"{path}: the Dag has no folder to search for the file {name!r}")
    try:
        text, filename, _ = loader.get_source(jinja_env, name)
    except TemplateNotFound:
        folders = ", ".join(getattr(loader, "searchpath", ())) or "the folders of the Dag's templates"
        raise BrazeTemplateError(f"{path}: the file {name!r} was not found in {folders}") from None
    if filename is None or not (file := Path(filename)).is_file():
        return text
    # The file is read again because Jinja's loaders change line ends, and content must arrive byte for byte.
    return file.read_bytes().decode("utf-8")


def _parse(text: str, name: str, path: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise BrazeTemplateError(f"{path}: the file {name!r} is not JSON: {error}") from None


def _is_resolvable(value: Any) -> bool:
    """Tell whether Airflow resolves a value itself: an XComArg, or a result of ``airflow.sdk.literal``."""
    return not isinstance(value, os.PathLike) and callable(getattr(value, "resolve", None))

"""How operators render template fields: content beside Liquid, ids as text, and recipients as a number."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import XComArg

from braze_provider.api.errors import Problem
from braze_provider.recipients.base import RecipientSource
from braze_provider.recipients.given import source_of
from braze_provider.templating import (
    BrazeTemplateError,
    LeftToLiquid,
    explaining,
    load_template_files,
    refuse_text,
    refuse_undefined,
    render_content,
    render_keeping_types,
)

if TYPE_CHECKING:
    from airflow.sdk import DAG
    from airflow.sdk.definitions._internal.templater import Templater
    from airflow.sdk.types import Logger
    from jinja2 import Environment

    from braze_provider._compat import Context
else:
    Templater = object


# The bound is shorter than the longest name that a file may have.
_PATH = re.compile(r"[\w ./-]{1,200}\.\w{1,10}", re.ASCII)


class LiquidAwareRendering(Templater):
    """
    Three special kinds of template fields, for an operator or a notifier. All other fields are plain Jinja.

    Airflow renders the fields of plain and mapped tasks, and of notifiers, through the one method that this
    class overrides.
    """

    if TYPE_CHECKING:
        template_fields_renderers: ClassVar[dict[str, str]]

        @property
        def log(self) -> Logger:
            """The task's log."""

        def get_dag(self) -> DAG | None:
            """Return the Dag, if there is one."""

    content_fields: ClassVar[tuple[str, ...]] = ()
    """Message content: everything that Airflow does not render reaches Braze byte for byte."""
    text_fields: ClassVar[tuple[str, ...]] = ()
    """Ids and choices: native rendering does not parse them again."""
    recipient_fields: ClassVar[dict[str, str | None]] = {}
    """Recipients: rendered like ids, and wrapped so that Airflow stores only their number. The value is the
    recipient's field that a bare item of the list gives. None: the items are objects."""

    def _do_render_template_fields(
        self,
        parent: Any,
        template_fields: Iterable[str],
        context: Context,
        jinja_env: Environment,
        seen_oids: set[int],
    ) -> None:
        own = {*self.content_fields, *self.text_fields, *self.recipient_fields} if parent is self else set()
        for field in template_fields:
            value = getattr(parent, field)
            path = field if parent is self else f"{type(parent).__name__}.{field}"
            if field in own:
                if value is not None:
                    setattr(self, field, self._rendered(field, value, context, jinja_env, seen_oids))
            else:
                with explaining(path, value, context, jinja_env):
                    super()._do_render_template_fields(parent, [field], context, jinja_env, seen_oids)
                    refuse_undefined(getattr(parent, field))
                if isinstance(value, str) and self.template_fields_renderers.get(path) == "json":
                    refuse_text(getattr(self, field), field)
            if parent is self and value is not None and getattr(self, field) is None:
                self._refuse_none(field, value)

    def _rendered(
        self, field: str, value: Any, context: Context, jinja_env: Environment, seen_oids: set[int]
    ) -> Any:
        if isinstance(value, RecipientSource):
            return self._rendered_source(value, context, jinja_env, seen_oids)
        # Values that a mapped task gets from XCom are final, and are never rendered.
        if id(value) not in seen_oids:
            native = self._is_native()
            if field in self.content_fields:
                left = LeftToLiquid()
                value = render_content(value, context, jinja_env, field=field, native=native, left=left)
                self._report(field, left)
            elif native:
                value = render_keeping_types(value, context, jinja_env, field=field)
            else:
                with explaining(field, value, context, jinja_env):
                    value = self.render_template(value, context, jinja_env, seen_oids)
        if field in self.recipient_fields:
            return source_of(value, argument=field, keys=self.recipient_keys())
        return value

    def recipient_keys(self) -> Mapping[str, str | None]:
        """Say by argument which field of a recipient a bare item of its list gives; None: it gives none."""
        return self.recipient_fields

    def _refuse_none(self, field: str, given: Any) -> None:
        # A segment or an audience that is None would be left out silently, and more users would get the
        # message.
        if isinstance(given, XComArg):
            raise BrazeTemplateError(
                f"{field}: the task that gives it has returned None. Let it return a value, or leave the "
                "argument out"
            )

    def _report(self, field: str, left: LeftToLiquid) -> None:
        for place, doubt in left.doubts.items():
            self.log.warning("%s goes to Braze as Liquid, but %s", place, doubt)
        if left.outputs:
            self.log.info("In %s, left to Braze as Liquid:\n%s", field, "\n".join(left.outputs))

    def content_problems(self) -> list[Problem]:
        """List the texts of messages that are the path of a file. In other fields, Airflow would read it."""
        dag = self.get_dag()
        if dag is None:
            return []
        folders = [Path(folder) for folder in (dag.folder, *(dag.template_searchpath or ()))]
        return [
            Problem(path, f"is the path of a file; ContentFile({text!r}) sends the content of the file")
            for field in self.content_fields
            for path, text in _texts(getattr(self, field), field)
            if _PATH.fullmatch(text) and any((folder / text).is_file() for folder in folders)
        ]

    def _rendered_source(
        self, source: RecipientSource, context: Context, jinja_env: Environment, seen_oids: set[int]
    ) -> RecipientSource:
        # A copy, because several tasks may share one source, and each renders it with its own context.
        rendered = copy.copy(source)
        load_template_files(rendered, jinja_env)
        self._render_nested_template_fields(rendered, context, jinja_env, seen_oids)
        return rendered

    def _is_native(self) -> bool:
        own: bool | None = getattr(self, "render_template_as_native_obj", None)
        if own is not None:
            return own
        dag = self.get_dag()
        return bool(dag and dag.render_template_as_native_obj)


def _texts(content: Any, path: str) -> Iterator[tuple[str, str]]:
    """List the texts of message content, with their places."""
    if isinstance(content, str):
        yield path, content
    elif isinstance(content, Mapping):
        for key, value in content.items():
            yield from _texts(value, f"{path}.{key}")
    elif isinstance(content, (list, tuple)):
        for index, value in enumerate(content):
            yield from _texts(value, f"{path}[{index}]")

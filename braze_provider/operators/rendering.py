"""How the operators' template fields are rendered: content beside Liquid, ids as text, people as a count."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from braze_provider._compat import BaseOperator
from braze_provider.recipients.base import RecipientSource
from braze_provider.recipients.inline import InlineRecipients
from braze_provider.templating import load_template_files, render_content, render_keeping_types

if TYPE_CHECKING:
    from jinja2 import Environment

    from braze_provider._compat import Context


class LiquidAwareRendering(BaseOperator):
    """
    An operator whose template fields are of three kinds; any other field is plain Jinja.

    Airflow renders the fields of a plain and of a mapped task through the one method overridden here.
    """

    content_fields: ClassVar[tuple[str, ...]] = ()
    """Message content: what is not Airflow's reaches Braze byte for byte."""
    id_fields: ClassVar[tuple[str, ...]] = ()
    """Ids and choices: never parsed again after they were rendered, not even natively."""
    people_fields: ClassVar[dict[str, str | None]] = {}
    """People: rendered as ids, and wrapped so that Airflow stores their number. The value is the recipient's
    field that a bare item of the list is; None where the items are objects."""

    def _do_render_template_fields(
        self,
        parent: Any,
        template_fields: Iterable[str],
        context: Context,
        jinja_env: Environment,
        seen_oids: set[int],
    ) -> None:
        own = {*self.content_fields, *self.id_fields, *self.people_fields} if parent is self else set()
        fields = list(template_fields)
        super()._do_render_template_fields(
            parent, [field for field in fields if field not in own], context, jinja_env, seen_oids
        )
        for field in fields:
            if field in own and (value := getattr(self, field)) is not None:
                setattr(self, field, self._rendered(field, value, context, jinja_env, seen_oids))

    def _rendered(
        self, field: str, value: Any, context: Context, jinja_env: Environment, seen_oids: set[int]
    ) -> Any:
        if isinstance(value, RecipientSource):
            return self._rendered_source(value, context, jinja_env, seen_oids)
        # A mapped task's values that come from XCom are there already, and are never rendered.
        if id(value) not in seen_oids:
            native = self._is_native()
            if field in self.content_fields:
                value = render_content(value, context, jinja_env, field=field, native=native)
            elif native:
                value = render_keeping_types(value, context, jinja_env, field=field)
            else:
                value = self.render_template(value, context, jinja_env, seen_oids)
        if field in self.people_fields and not isinstance(value, (str, RecipientSource)):
            value = InlineRecipients(value, key=self.people_fields[field])
        return value

    def _rendered_source(
        self, source: RecipientSource, context: Context, jinja_env: Environment, seen_oids: set[int]
    ) -> RecipientSource:
        # A copy, because Dags share one source between tasks, and each renders it with its own context.
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

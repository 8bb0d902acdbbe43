"""
Jinja that leaves Liquid alone.

Message content is full of Liquid, which Braze renders for each recipient when it sends. Airflow's Jinja would
fail on most of the Liquid and silently remove the rest. So one rule decides instead:

    Airflow renders ``{{ … }}`` if its expression begins with a name of Airflow's templates (``ds``,
    ``params``, ``macros``, a macro of the Dag …) and contains no ``${``. Everything else, also every
    ``{% … %}`` and every ``{# … #}``, is Liquid (or CSS) and reaches Braze byte for byte.

An Airflow name that the run lacks is an error, such as ``ds`` in a run without a logical date. It is never
left to Liquid, which would render it as nothing.

If the rule is wrong for a text, ``airflow.sdk.literal("…")`` makes the whole text Liquid, and :class:`Jinja`
lets Airflow render the whole text.
"""

from braze_provider.templating.content import (
    BrazeTemplateError,
    ContentFile,
    Jinja,
    LeftToLiquid,
    explaining,
    load_template_files,
    may_be_templated,
    refuse_text,
    refuse_undefined,
    render_content,
    render_keeping_types,
)

__all__ = [
    "BrazeTemplateError",
    "ContentFile",
    "Jinja",
    "LeftToLiquid",
    "explaining",
    "load_template_files",
    "may_be_templated",
    "refuse_text",
    "refuse_undefined",
    "render_content",
    "render_keeping_types",
]

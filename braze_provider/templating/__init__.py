"""
Jinja that leaves Liquid alone.

Message content is full of Liquid, which Braze renders for each person when it sends. Airflow's Jinja
would raise on most of it and silently swallow the rest, so content is read by one rule instead:

    ``{{ … }}`` is Airflow's if its expression begins with a name of Airflow's templates (``ds``,
    ``params``, ``macros``, a macro of the Dag's …) and contains no ``${``. Everything else, every
    ``{% … %}`` and every ``{# … #}`` is Liquid (or CSS) and reaches Braze byte for byte.

A name of Airflow's that the run lacks, such as ``ds`` in a run without a logical date, is an error: never is
it left to Liquid, which would make nothing of it.

Where the rule reads a text the wrong way round, ``airflow.sdk.literal("…")`` makes all of it Liquid and
:class:`Jinja` makes all of it Airflow's.
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

"""Templates that speak: `{% trans %}` and `_(…)` of Jinja over the catalogues of `tongues`."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any, Final

from markupsafe import Markup

from kept.terms import tongues

#: Jinja writes a value as %(name)s, a catalogue as {name}.
_VALUE: Final = re.compile(r"%\((\w+)\)s")
_BRACE: Final = re.compile(r"\{(\w+)\}")


def key(sentence: str) -> str:
    """The key in a catalogue of a sentence as Jinja hands it over."""
    return _VALUE.sub(r"{\1}", sentence).replace("%%", "%")


def _back(sentence: str) -> str:
    return _BRACE.sub(r"%(\1)s", sentence.replace("%", "%%"))


def _said(sentence: str) -> str:
    return _back(tongues.say(key(sentence)))


def _counted(one: str, more: str, n: int) -> str:
    tongue = tongues.spoken().tongue
    forms = tongue.forms.get(key(more))
    return _back(forms[tongue.form(n)]) if forms else one if n == 1 else more


def speaks(environment: Any) -> Any:
    """Let an environment of templates speak the language that is spoken where it renders."""
    environment.add_extension("jinja2.ext.i18n")
    environment.policies["ext.i18n.trimmed"] = True
    environment.install_gettext_callables(_said, _counted, newstyle=True)
    environment.globals["t"] = tongues.say  # where no mark stands in a sentence
    environment.globals["counted"] = tongues.count
    environment.globals["number"] = tongues.number
    environment.filters["law"] = tongues.law
    environment.filters["day"] = _day
    environment.filters["minute"] = _minute
    return environment


def _day(written: str) -> str:
    return tongues.day(dt.date.fromisoformat(written))


def _minute(written: str) -> str:
    return tongues.minute(dt.datetime.fromisoformat(written))


def attribute(language: str) -> Markup:
    """The attribute of what is in another language than is spoken; nothing where it is that."""
    if tongues.base(language) == tongues.base(tongues.spoken().language):
        return Markup("")
    return Markup(' lang="{}"').format(language)


def marked(words: str, language: str) -> Markup:
    """Words as HTML; in another language than the page's, they say in which."""
    if language == tongues.spoken().language:
        return Markup.escape(words)
    return Markup('<span lang="{}">{}</span>').format(language, words)

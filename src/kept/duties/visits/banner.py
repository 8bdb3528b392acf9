"""What a page carries to ask a visitor: a fragment of plain HTML, and what stands in the head.

It works without a script: three buttons of one form. Yes and no have one size, one colour and one
step. The script (`app/assets/banner.js`) saves a reload where it can; style and script are files,
so that the strictest Content-Security-Policy lets them through.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from markupsafe import Markup

from kept.decide import views as deciding
from kept.decide.visit import Visit, under_gpc
from kept.model import gpp
from kept.policy import spoken
from kept.policy.bundle import Bundle
from kept.policy.shapes import Text
from kept.policy.trackers import Tracker
from kept.policy.visits import Words
from kept.terms import tongues
from kept.terms.addresses import host_in

#: Where a choice is made and changed; the same host as the page's own.
PATH: Final = "/privacy/choices"
STYLE: Final = "/privacy/banner.css"
SCRIPT: Final = "/privacy/banner.js"
#: What stands first in a page whose headers are ours: it keeps out what no header governs.
GUARD: Final = "/privacy/guard.js"

#: Types of Google's Consent Mode, and the purpose of the vocabulary that each stands for. What
#: a site cannot do without is not asked about.
_CONSENT_MODE: Final = (
    ("ad_storage", "advertising"),
    ("ad_user_data", "advertising"),
    ("ad_personalization", "advertising"),
    ("analytics_storage", "analytics"),
    ("personalization_storage", "profiling"),
)


def language_of(bundle: Bundle, wanted: str | None) -> str:
    """The language of the bundle that suits a header `Accept-Language` best; else its first."""
    asked: list[tuple[float, str]] = []
    for part in (wanted or "").split(",")[:20]:
        name, _, rest = part.strip().partition(";")
        try:
            weight = float(rest.partition("q=")[2] or 1)
        except ValueError:
            weight = 0.0
        if name and weight > 0:
            asked.append((-weight, name.lower()))
    for _, name in sorted(asked, key=lambda one: one[0]):
        for exact in (True, False):
            for known in bundle.languages:
                same = known.lower() == name
                if same if exact else tongues.base(known) == tongues.base(name):
                    return known
    return bundle.languages[0]


def _ours(sentence: str, language: str) -> Markup:
    """A sentence of ours within words in a language; in another, it says in which."""
    speech = tongues.spoken()
    if tongues.base(speech.language) == tongues.base(language):
        return Markup.escape(tongues.say(sentence))
    words = Markup('<span lang="{}">{}</span>')
    return words.format(speech.language, tongues.say(sentence))


def _own(words: Text, language: str) -> Markup:
    """Words of the policy within words in a language."""
    said, of = spoken.found(words)
    if tongues.base(of) == tongues.base(language):
        return Markup.escape(said)
    return Markup('<span lang="{}">{}</span>').format(of, said)


def worded(words: Words, language: str) -> str:
    """Words of the bundle, in a language or in the first that there is."""
    return words.get(language) or next(iter(words.values()), "")


def head(bundle: Bundle, visit: Visit, *, views: bool = False) -> str:
    """What stands first in the head: style, and the script that knows what may run. In the United
    States the script tells the string of `Visit.gpp` to whoever asks by `__gpp`. `views`: somebody
    takes views of pages, and the script tells of this one where it may be recorded.

    Before any tag it tells Google's tags what is denied (Consent Mode v2, basic: a tag that is
    not allowed is not loaded at all).
    """
    if not bundle.visits.optional:
        return ""
    gone = " ".join(
        trace.name
        for t in bundle.trackers.values()
        for trace in t.traces
        if not visit.allows(t) and trace.kind != "cookie"
    )
    heard = under_gpc(bundle.visits, visit)
    return Markup(
        '<link rel="stylesheet" href="{}"><script src="{}" data-allowed="{}" data-consent="{}"'
        ' data-gpc-allowed="{}" data-gpc-consent="{}" data-gone="{}"{}{}></script>'
    ).format(
        STYLE,
        SCRIPT,
        *(
            " ".join(names)
            for one in (visit, heard)
            for names in (running(bundle, one), consent_mode(bundle, one))
        ),
        gone,
        _gpp(bundle, visit, heard),
        _view(bundle, visit, heard) if views else "",
    )


def _gpp(bundle: Bundle, visit: Visit, heard: Visit) -> Markup:
    """The string of the Global Privacy Platform as it is, and as it is under the signal; and the
    sections in it, in the words of its interface (`7:usnat`).
    """
    string = visit.gpp(bundle.visits)
    if not string:
        return Markup()
    sections = " ".join(f"{gpp.SECTIONS[name].number}:{name}" for name in gpp.decode(string))
    return Markup(' data-gpp="{}" data-gpc-gpp="{}" data-gpp-sections="{}"').format(
        string, heard.gpp(bundle.visits), sections
    )


def _view(bundle: Bundle, visit: Visit, heard: Visit) -> Markup:
    """Where the script tells of a view: nothing before a choice where one is asked for first."""
    path = Markup(' data-{}="{}"')
    return Markup("").join(
        path.format(name, deciding.PATH)
        for name, one in (("view", visit), ("gpc-view", heard))
        if deciding.reason(bundle, one) is not None
    )


def guard(bundle: Bundle, visit: Visit) -> str:
    """The script that comes before all others of a page, and knows which hosts may be reached.

    Hosts of what may run now, and of the sites of the policy; bare names, `*.` for all below.
    """
    hosts = {
        host.rpartition("//")[2].partition(":")[0]
        for row in bundle.trackers.values()
        if visit.allows(row)
        for names in row.hosts.values()
        for host in names
    }
    hosts |= {host for one in bundle.sites if (host := host_in(one))}
    return Markup('<script src="{}" data-hosts="{}"></script>').format(
        GUARD, " ".join(sorted(hosts))
    )


def running(bundle: Bundle, visit: Visit) -> list[str]:
    """The trackers that may run."""
    return [row.id for row in bundle.trackers.values() if visit.allows(row)]


def consent_mode(bundle: Bundle, visit: Visit) -> tuple[str, ...]:
    """The types of Consent Mode that are granted: those of which every aim may reach others."""
    within = bundle.vocabulary.within
    granted = []
    for kind, purpose in _CONSENT_MODE:
        aims = [
            aim.id
            for aim in bundle.visits.aims.values()
            if any(within("purposes", covered, purpose) for covered in aim.covers)
        ]
        if aims and visit.shared.issuperset(aims):
            granted.append(kind)
    return tuple(granted)


def fragment(
    bundle: Bundle, visit: Visit, language: str, return_to: str, *, reload: bool = True
) -> str:
    """What stands before the end of the body: the banner where something waits for a choice,
    and always the way back to the choices. Nothing where nothing can be chosen.

    `reload`: after a yes the page has to be asked for again, because what it may load was fixed
    with its headers; False where labels alone hold things back.
    """
    if not bundle.visits.optional:
        return ""
    with spoken.speaking(bundle, language):
        return _fragment(bundle, visit, language, return_to, reload)


def _fragment(
    bundle: Bundle, visit: Visit, language: str, return_to: str, reload: bool
) -> str:  # fmt: skip
    there = f"{PATH}?return_to={quote(return_to, safe='/')}"
    # A landmark of its own: it stands in pages of others, at the end of the body, where who goes
    # from landmark to landmark would pass it by.
    link = Markup('<nav class="kept-link" lang="{0}" aria-label="{2}"><a href="{1}">{2}</a></nav>')
    link = link.format(language, there, _ours("Your privacy choices", language))
    if not visit.ask:
        return link
    texts = bundle.visits.texts.get(language) or next(iter(bundle.visits.texts.values()), {})
    rows = Markup("").join(
        Markup(
            '<li><label><input type="checkbox" name="aim" value="{0}"{3}> <b>{1}</b></label>'
            "<span>{2}</span></li>"
        ).format(
            name,
            _own(bundle.visits.aims[name].label, language),
            _own(bundle.visits.aims[name].words, language),
            Markup(" checked") if name in visit.allowed else "",
        )
        for name in bundle.visits.optional
    )
    return link + Markup(
        '<section class="kept-banner" id="kept-banner" lang="{language}" aria-labelledby='
        '"kept-title" data-reload="{reload}"><form method="post" action="{path}">'
        '<h2 id="kept-title" tabindex="-1">{title}</h2><p>{lead}</p>'
        '<input type="hidden" name="return_to" value="{back}">'
        '<input type="hidden" name="by" value="banner">'
        '<input type="hidden" name="language" value="{language}">'
        '<div class="kept-both"><button name="do" value="refuse">{refuse}</button>'
        '<button name="do" value="accept">{accept}</button></div>'
        "<details><summary>{choose}</summary><ul>{rows}</ul>"
        '<p><button name="do" value="save">{save}</button> <a href="{there}">{more}</a></p>'
        "</details></form></section>"
    ).format(
        language=language,
        reload="1" if reload else "",
        path=PATH,
        title=texts.get("title", ""),
        lead=texts.get("lead", ""),
        back=return_to,
        refuse=texts.get("refuse", ""),
        accept=texts.get("accept", ""),
        choose=texts.get("choose", ""),
        rows=rows,
        save=_ours("Save these", language),
        there=there,
        more=_ours("What each means", language),
    )


def placeholder(
    bundle: Bundle, tracker: Tracker, language: str, return_to: str, markup: str = ""
) -> str:
    """What stands in the place of a part of a page that comes from others, until it is loaded.

    It says who provides it, what goes out, and where the provider's policy is. `markup` is what
    was there: the script puts it back after the click where the page need not be asked for again.
    """
    with spoken.speaking(bundle, language):
        return _placeholder(bundle, tracker, language, return_to, markup)


def _placeholder(
    bundle: Bundle, tracker: Tracker, language: str, return_to: str, markup: str
) -> str:  # fmt: skip
    words = bundle.vocabulary.categories
    if tracker.provider is None:
        sent = Markup("<p>{}</p>").format(_ours("It comes from our own server.", language))
    else:
        goes = Markup("").join(
            Markup("<li>{}</li>").format(_own(words[name].label, language))
            for name in tracker.sends
        )
        sent = Markup("<p>{}</p><ul>{}</ul>").format(
            _ours("If you load it, whoever provides it learns:", language), goes
        )
        if tracker.traces:
            sent += Markup("<p>{}</p>").format(
                _ours("It may also leave something in your browser.", language)
            )
    link = bundle.links.get(tracker.policy or "")
    policy: str = ""
    if link is not None:
        to = (
            Markup('<a href="{}" rel="external noreferrer">{}</a>').format(
                link.url, _own(link.words, language)
            )
            if link.url
            else Markup("{} ({})").format(
                _own(link.words, language), _ours("the address is still missing", language)
            )
        )
        policy = Markup("<p>{} {}</p>").format(
            _ours("What they do then is theirs to say:", language), to
        )
    kept = Markup("<template>{}</template>").format(Markup(markup)) if markup else ""  # noqa: S704
    return Markup(
        '<div class="kept-embed" data-kept-embed="{id}" lang="{language}"><p><b>{title}</b></p>'
        '{sent}{policy}<form method="post" action="{path}">'
        '<input type="hidden" name="return_to" value="{back}">'
        '<input type="hidden" name="by" value="embed">'
        '<input type="hidden" name="language" value="{language}">'
        '<input type="hidden" name="tracker" value="{id}">'
        '<button name="do" value="load">{load}<span class="kept-sr">: {title}</span></button>'
        "</form>{kept}</div>"
    ).format(
        id=tracker.id,
        language=language,
        title=_own(tracker.title, language),
        sent=sent,
        policy=policy,
        path=PATH,
        back=return_to,
        load=_ours("Load it", language),
        kept=kept,
    )


def notice(bundle: Bundle, language: str) -> str:
    """All that a visitor is told before she chooses, as text: what a consent was given to.

    The purposes with their words, and who stands behind each; the same for banner and page.
    """
    with spoken.speaking(bundle, language):
        return _notice(bundle, language)


def _notice(bundle: Bundle, language: str) -> str:
    texts = bundle.visits.texts.get(language, {})
    lines = [texts.get(key, "") for key in ("title", "lead")]
    for aim in bundle.visits.aims.values():
        lines.append(f"{worded(aim.label, language)}: {worded(aim.words, language)}")
        lines += [
            f"- {spoken.own(row.title)} ({bundle.recipients[row.provider].name})"
            for row in bundle.trackers.values()
            if aim.id in row.aims and row.provider is not None
        ]
    lines += [texts.get(key, "") for key in ("accept", "refuse", "choose")]
    return "\n".join(line for line in lines if line)

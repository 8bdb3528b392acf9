"""What a visitor reads when the gateway has nothing to pass on: plain pages in plain words."""

from __future__ import annotations

from typing import Final

from kept.terms.tongues import say, spoken

#: Status → heading, what it means for whoever reads it.
PAGES: Final = {
    400: ("This request cannot be read", "Your browser, or something between it and us, sent a"
          " request that is not of the form that the web uses. Nothing was done with it."),
    405: ("This kind of request is not answered here", "Nothing was done with it."),
    408: ("It took too long to arrive", "What was being sent did not arrive in time, and nothing"
          " was done with it. Please send it again."),
    421: ("This is another site", "This server does not answer under that name."),
    431: ("The request is too long", "Your browser sends more along than we read; often these are"
          " old cookies of this site. Remove them and try again."),
    501: ("This kind of connection does not pass here", "The page asked for a connection that"
          " stays open (a websocket). Whoever runs the site has to lead it past this server."),
    502: ("The site cannot be reached", "The server behind this address did not answer as it"
          " should. Please try again in a minute."),
    504: ("The site takes too long", "The server behind this address did not answer in time."
          " Please try again in a minute."),
}  # fmt: skip
HEADERS: Final = [
    (b"content-type", b"text/html; charset=utf-8"),
    (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
]
_PAGE: Final = """\
<!doctype html><html lang="{language}"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>
:root {{ color-scheme: light dark; font: 1.0625rem/1.6 system-ui, sans-serif }}
body {{ max-width: 38rem; margin: 0 auto; padding: 4rem 1.2rem }} h1 {{ line-height: 1.2 }}
</style></head><body><main><h1>{title}</h1><p>{words}</p></main></body></html>
"""


def page(status: int) -> bytes:
    """The page for a status, as UTF-8, in the language that is spoken."""
    title, words = PAGES[status]
    return _PAGE.format(language=spoken().language, title=say(title), words=say(words)).encode()

"""Between a site and its visitors: what was not allowed does not load, whoever wrote the page.

Files, in the order of reading: `guard` (one request and its answer, judged), `cookies` and
`rewrite` (what is taken out of them), `tokens` (HTML as it streams by), `asgi` and `wsgi` (inside
a site's own server), `upstream` (before it, as a server of its own), `snippet` (for nginx and
Caddy). The policy itself is made in `decide/csp.py`.
"""

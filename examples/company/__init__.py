"""A small company that operates: a web site, a customer database, a support desk.

It stands for whoever uses Kept and knows only Kept's public sides: it asks `POST /api/v1/decide`
before it stores anything about a person, and answers requests with the command `kept`.
Files, in the order of reading: `door` (asking), `counter` (what happens when a form comes in),
`site` (its pages), `world` (its two databases), `seed` (who was there before), `life` (one
person's story through all of it). The data map of both databases lies in `datamap/`.
"""

"""`kept scan`: a real browser goes through a site, once for every kind of visitor.

`chromium` drives it, `passes` goes through pages and visitors, `sheet` writes the evidence down.
"""

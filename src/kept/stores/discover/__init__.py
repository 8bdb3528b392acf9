"""Discovery: what lies in a database where nobody declared a key, and whose it is.

introspect (stores.introspect) → profile (one statement a table; values are counted, not kept)
→ infer (links by names, types and overlap; owners; categories) → explain (evidence, questions).
"""

from kept.stores.discover.draft import MARK, draft, questions
from kept.stores.discover.report import document
from kept.stores.discover.run import SAMPLE, discover
from kept.stores.discover.shapes import Discovered, Discovery, Found, Verdict

__all__ = [
    "MARK", "SAMPLE", "Discovered", "Discovery", "Found", "Verdict", "discover", "document",
    "draft", "questions",
]  # fmt: skip

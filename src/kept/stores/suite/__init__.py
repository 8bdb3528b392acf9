"""The conformance suite: the laws of a store, for its author to run with pytest.

    class TestMyStore(StoreSuite):
        def make(self, rows): ...   # a store filled with exactly these rows, everything else gone
        def open(self): ...         # another handle on what `make` filled last

The rows are those of `DATASETS`: make such tables, collections or files in a real engine,
never in a double of it. What a store cannot do it says in its `abilities`; the suite then
asks for what remains. Field types that an engine does not have are named in `without`.
"""

from __future__ import annotations

from kept.stores.suite.agreement import AgreementLaws
from kept.stores.suite.reading import ReadingLaws
from kept.stores.suite.residue import ResidueLaws
from kept.stores.suite.sample import DATASETS, Rows, sample
from kept.stores.suite.writing import WritingLaws

__all__ = ["DATASETS", "Rows", "StoreSuite", "sample"]


class StoreSuite(ReadingLaws, WritingLaws, ResidueLaws, AgreementLaws):
    """The laws, each a test. An author gives `make` and `open`."""

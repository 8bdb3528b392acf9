"""What guards the data, listed: each measure with its check, and how it stands (Art. 32 GDPR).

`register` holds the rows, `looks` and `software` what is measured here and nowhere else, `checks`
the control. A measure is checked by controls that are there for other promises, by a look of its
own, or by a person's dated word where nothing can be measured.
"""

from kept.duties.measures import checks
from kept.duties.measures.register import MEASURES, Guard, Measure, Standing, standings

__all__ = ["MEASURES", "Guard", "Measure", "Standing", "checks", "standings"]

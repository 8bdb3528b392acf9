"""What goes out to partners and advertising networks: to whom it may, and back again."""

from kept.duties.release import checks
from kept.duties.release.sending import Planned, Ran, plan, run
from kept.duties.release.taking_back import Recalled, recall

__all__ = ["Planned", "Ran", "Recalled", "checks", "plan", "recall", "run"]

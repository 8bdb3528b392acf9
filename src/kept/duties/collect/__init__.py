"""Collection: what people are told before they send something, and what is taken of it."""

from kept.duties.collect import checks, deciding, form_checks, storing, taking

__all__ = ["checks", "deciding", "form_checks", "storing", "taking"]

"""Collection: what people are told before they send something, and what is taken of it."""

from kept.duties.collect import (
    checks,
    deciding,
    form_checks,
    import_checks,
    importing,
    storing,
    taking,
)

__all__ = [
    "checks",
    "deciding",
    "form_checks",
    "import_checks",
    "importing",
    "storing",
    "taking",
]

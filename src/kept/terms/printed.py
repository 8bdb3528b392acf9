"""The signs that people and printers put between the digits of a number."""

from __future__ import annotations

from typing import Final

#: Blanks of one width that do not break, and those of figures and thin ones.
BLANKS: Final = "\u00a0\u2007\u2009\u202f"
#: Hyphens, dashes, bars and the minus of printers.
DASHES: Final = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212"
#: What does not count where a number is compared by its digits.
BARE: Final = f" \t\r\n-./(){BLANKS}{DASHES}"
#: Blanks that are rarer still; no store searches past them.
_RARE: Final = "\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2008\u200a\u205f\u3000"
#: As `str.translate` takes it: those of printers → those of a keyboard.
KEYBOARD: Final = dict.fromkeys(map(ord, BLANKS + _RARE), " ") | dict.fromkeys(
    map(ord, DASHES), "-"
)

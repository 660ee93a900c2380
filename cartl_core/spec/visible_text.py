"""Text that shows all that it holds: no characters that reorder, hide or fake what stands beside them.

A name with U+202E in it turns the rest of a page's line around; one with a zero-width space looks like
another name. New names are refused (``VISIBLE``); where an older one is shown, such characters are written
as escapes (``visible``).
"""

from __future__ import annotations

import unicodedata

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Controls, formats (bidirectional controls and joiners among them), half pairs, separators of lines."""
HIDDEN_LETTERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Letters and marks without a shape of their own."""


def hidden(character: str) -> bool:
    """True for a character that is not seen, or that changes how others are seen."""
    return unicodedata.category(character) in HIDDEN_CATEGORIES or character in HIDDEN_LETTERS


def first_hidden(text: str) -> str | None:
    """The first hidden character of ``text`` as ``U+202E``; None where there is none."""
    if text.isascii() and text.isprintable():
        return None
    return next((f"U+{ord(character):04X}" for character in text if hidden(character)), None)


def visible(text: str) -> str:
    r"""``text`` with hidden characters as escapes, such as ``\u202e``; line breaks and tabs stay."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escaped(one) if hidden(one) and one not in "\n\r\t" else one for one in text)


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _refuse_hidden(text: str) -> str:
    found = first_hidden(text)
    if found is not None:
        raise PydanticCustomError(
            "hidden_character", "the character {code} is not visible or reorders text", {"code": found}
        )
    return text


VISIBLE = AfterValidator(_refuse_hidden)
"""For the fields of requests. Stored specifications are not asked: an older one must be readable."""

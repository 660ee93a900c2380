"""What the patterns of this interface say, in words; those of specifications are in the library."""

from __future__ import annotations

from cartl_core.spec.allowed import PATTERNS as OF_SPECIFICATIONS
from cartl_core.spec.resources.common import RESOURCE_NAME
from cartl_core.spec.resources.teacher import LAYOUT

PRINTABLE = r"^[\x21-\x7e]+$"
SWEEP = r"^[0-9a-f-]{1,64}$"
NO_NULL = r"^[^\x00]*$"
OWNER = r"^[A-Za-z0-9][A-Za-z0-9._@-]*$"
KEY_NAME = r"^[^\x00-\x1f\x7f]*$"

PATTERNS = {
    **OF_SPECIFICATIONS,
    PRINTABLE: "printable ASCII characters without blanks",
    SWEEP: "1 to 64 characters: digits, a to f and -, as an id was printed",
    NO_NULL: "without null characters",
    OWNER: "letters, digits and . _ @ -, the first a letter or a digit",
    RESOURCE_NAME: "1 to 64 small letters, digits and _ -, the first a letter or a digit",
    LAYOUT: "1 to 64 letters, digits and . _ : -, the first a letter or a digit",
    KEY_NAME: "without line breaks and other control characters",
}

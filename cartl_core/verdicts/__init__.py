"""From what was measured to the checks of the report: plain numbers and booleans in, words out. No torch."""

from cartl_core.verdicts.all import judge
from cartl_core.verdicts.seen import Seen

__all__ = ["Seen", "judge"]

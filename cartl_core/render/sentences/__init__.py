"""The sentences of a report, made from its numbers and codes; every face of it has the same ones."""

from cartl_core.render.sentences.acceptance import (
    ACCEPTANCE,
    acceptance_outcome,
    criterion,
    finding,
    verdict,
    wanted,
)
from cartl_core.render.sentences.comparisons import comparison, retention
from cartl_core.render.sentences.given_teacher import TITLE as GIVEN_TEACHER
from cartl_core.render.sentences.given_teacher import about as about_given_teacher
from cartl_core.render.sentences.making import frozen, learned
from cartl_core.render.sentences.notices import notice
from cartl_core.render.sentences.opening import headline, on_further, read_first
from cartl_core.render.sentences.selection import promise, selection_outcome, selection_rule

__all__ = [
    "ACCEPTANCE",
    "GIVEN_TEACHER",
    "about_given_teacher",
    "acceptance_outcome",
    "comparison",
    "criterion",
    "finding",
    "frozen",
    "headline",
    "learned",
    "notice",
    "on_further",
    "promise",
    "read_first",
    "retention",
    "selection_outcome",
    "selection_rule",
    "verdict",
    "wanted",
]

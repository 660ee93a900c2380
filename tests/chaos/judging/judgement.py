"""The end of a campaign: which rules were broken, and an account of what there was."""

from __future__ import annotations

from collections import Counter

from tests.chaos.field import Field
from tests.chaos.files import late_files, late_rows, leftovers, orphan_files, wrong_results
from tests.chaos.judging import effects
from tests.chaos.judging.checks import wrong_checks
from tests.chaos.judging.invariants import broken_rules, stories, wrong_ends
from tests.chaos.load import Result, Watcher


def judge(ground: Field, expected: dict[str, Result], watchers: list[Watcher]) -> list[str]:
    """Everything that is wrong, in words."""
    stack, settings = ground.stack, ground.stack.judged()
    told = stack.patiently(stories)
    wrong = [
        *broken_rules(told),
        *wrong_ends(told, ground.may_be_cancelled),
        *stack.patiently(lambda session: wrong_results(session, settings, expected, told)),
        *stack.patiently(lambda session: orphan_files(session, settings)),
        *stack.patiently(lambda session: late_rows(session, told)),
        *stack.patiently(wrong_checks),
        *ground.load.trouble,
        *(f"not recovered from: {wound.kind}" for wound in ground.recoveries.open),
        *(fault for watcher in watchers for fault in broken_streams(watcher)),
    ]
    if len(told) != ground.load.posted:
        wrong.append(f"{ground.load.posted} jobs were posted, {len(told)} are there")
    return wrong


def broken_streams(watcher: Watcher) -> list[str]:
    return [
        f"the stream of job {job_id} had gaps or repetitions: {seen}"
        for job_id, seen in watcher.seen.items()
        if seen != list(range(1, len(seen) + 1))
    ]


Account = tuple[dict[str, int], dict[str, object], dict[str, object]]


def account(ground: Field, watchers: list[Watcher]) -> Account:
    """Final states, facts, and the effects of the faults."""
    stack, settings = ground.stack, ground.stack.judged()
    told = stack.patiently(stories)
    states = dict(Counter(story.job.state for story in told))
    facts: dict[str, object] = {
        "a disk to fill": stack.disk.mounted,
        "jobs": len(told),
        "claims": sum(story.job.token for story in told),
        "results compared with the reference": states.get("succeeded", 0),
        "data sets": ground.checks.states(),
        "streams followed": sum(len(watcher.seen) for watcher in watchers),
        "streams dropped and taken up": sum(watcher.drops for watcher in watchers),
        "files": stack.patiently(lambda session: leftovers(session, settings)),
    }
    seen: dict[str, object] = {
        **ground.effects,
        **effects.of_the_record(told),
        **effects.of_the_logs(stack),
        "files written by lost claims": late_files(settings, told),
        "asked to cancel": effects.of_cancelling(told, ground.may_be_cancelled),
        "answers": dict(sorted(ground.load.answers.items())),
    }
    return states, facts, seen

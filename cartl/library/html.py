"""What a notebook shows of jobs, reports and comparisons: pure functions to HTML, every text escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from urllib.parse import quote

from cartl.library.rows import FigureRow
from cartl.library.values import Job, Sweep
from cartl.words import doing, outcome, percent, time_left
from cartl_core.render import numbers
from cartl_core.report import Interval
from cartl_core.statistics.sweep_summary import SeedMean, SweepTable

RIGHT = ' style="text-align:right"'


def job_html(job: Job, base_url: str) -> str:
    """Its state, a bar while it is at work, and a link to its report."""
    told = job.model_dump()
    left = time_left(told)
    what = outcome(told) if job.ended else f"job {job.id}: {doing(told)}" + (f", {left}" if left else "")
    link = f"{base_url}/jobs/{quote(job.id, safe='')}/report"
    return (
        f"<div><strong>{escape(job.name or '')}</strong> {escape(what)} {bar_html(job.fraction, job.ended)}"
        f'<a href="{escape(link)}" target="_blank" rel="noopener">report</a></div>'
    )


def bar_html(fraction: float | None, ended: bool) -> str:
    """A bar with its percentage; nothing where all has ended."""
    if ended:
        return ""
    done = min(max(fraction or 0.0, 0.0), 1.0)
    return f'<progress max="1" value="{done:.4f}"></progress> {percent(done)} '


def report_html(
    headline: str | None, warnings: Sequence[str], rows: Iterable[FigureRow], *, complete: bool
) -> str:
    """The headline, what to know before believing the figures, and the figures."""
    opening = headline or "Nothing was measured yet."
    state = "" if complete else "<p><em>Not complete: the job is at work, or ended early.</em></p>"
    listed = "".join(f"<li>{escape(warning)}</li>" for warning in warnings)
    warned = f"<p>Read first:</p><ul>{listed}</ul>" if listed else ""
    headings = ("network", "test images", "clean accuracy", "robust accuracy", "attacks")
    cells = [(row.network, row.data, _figure(row.clean), _figure(row.robust), row.attacks) for row in rows]
    return f"<div><p><strong>{escape(opening)}</strong></p>{state}{warned}{_table(headings, cells)}</div>"


def comparison_html(rows: Iterable[FigureRow], caption: str) -> str:
    """A row for each job."""
    headings = ("job", "network", "test images", "clean accuracy", "robust accuracy", "attacks")
    cells = [
        (row.name or row.job, row.network, row.data, _figure(row.clean), _figure(row.robust), row.attacks)
        for row in rows
    ]
    return f"<div>{_table(headings, cells)}<p>{escape(caption)}</p></div>"


def sweep_html(sweep: Sweep) -> str:
    """How many of its jobs are where, and its table."""
    states = ", ".join(f"{count} {state}" for state, count in sweep.states.items() if count)
    bar = bar_html(sweep.fraction, sweep.ended)
    return f"<div><p>{escape(f'sweep {sweep.id}: {states}')} {bar}</p>{sweep_table_html(sweep.table)}</div>"


def sweep_table_html(table: SweepTable) -> str:
    """A row for each setting; test figures of those that were chosen. Then a row for each method."""
    headings = (
        *("method", "freeze depth", "beta", "lambda", "seeds", "clean (validation)", "robust (validation)"),
        *("chosen", "clean (test)", "robust (test)"),
    )
    cells = []
    for row in table.rows:
        validation, test = row.validation, row.test
        chosen = [word for word, holds in (("best", row.best), ("front", row.on_front)) if holds]
        cells.append(
            (
                row.setting.method,
                str(row.setting.freeze_depth),
                numbers.number(row.setting.beta),
                numbers.number(row.setting.fdm_weight),
                str(len(row.seeds)),
                _mean(validation.clean if validation else None),
                _mean(validation.robust if validation else None),
                " and ".join(chosen),
                _mean(test.clean if test else None),
                _mean(test.robust if test else None),
            )
        )
    areas = [
        (area.method, f"{area.value:.3f}", str(area.settings), str(len(area.seeds))) for area in table.areas
    ]
    under = _table(("method", "area under its front", "settings", "seeds"), areas) if areas else ""
    return _table(headings, cells) + under


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f'<th scope="col">{escape(heading)}</th>' for heading in headings)
    body = "".join(
        "<tr>" + "".join(f"<td{RIGHT if '%' in cell else ''}>{escape(cell)}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _figure(found: Interval | None) -> str:
    return "not measured" if found is None else f"{numbers.interval(found)}, n = {numbers.count(found.n)}"


def _mean(found: SeedMean | None) -> str:
    if found is None:
        return "\u2013"
    return f"{numbers.percent(found.value)} ({100 * found.low:.1f} to {100 * found.high:.1f})"

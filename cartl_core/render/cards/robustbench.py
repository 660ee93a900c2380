"""The student as an entry of RobustBench's ``model_info``: https://github.com/RobustBench/robustbench.

What only its authors know, link, authors and venue, is left for them to fill in.
"""

from __future__ import annotations

import json

from cartl_core.catalog import facts_of
from cartl_core.render import numbers, phrases
from cartl_core.report import Interval, Report
from cartl_core.spec import JobSpec


def render(report: Report) -> str:
    """JSON with the fields of ``model_info``; accuracies are percentages in words, as there.

    ``reported`` is the worst case over all attacks of the job. ``autoattack_acc`` is null where the job did
    not run the four attacks of AutoAttack.

    Args:
        report: complete, of a transfer.
    """
    spec = report.spec
    assert isinstance(spec, JobSpec)
    figures = report.student.figures if report.student else None
    attack = figures.attacks[-1] if figures and figures.attacks else None
    info = {
        "link": "",
        "name": spec.name or f"{phrases.method(report.student.method if report.student else None)}",
        "authors": "",
        # The teacher's images, beside those of the data set.
        "additional_data": True,
        "number_forward_passes": 1,
        "dataset": spec.dataset.name,
        "venue": "Unpublished",
        "architecture": spec.model.name,
        "eps": numbers.radius(attack.eps) if attack else None,
        "clean_acc": _percent(figures.clean if figures else None),
        "reported": _percent(figures.worst_case if figures else None),
        "autoattack_acc": _percent(figures.autoattack if figures else None),
        "footnote": f"Measured on {figures.n if figures else 0} test images of {facts_of(spec.dataset).title}"
        f"{f', in {attack.norm}' if attack else ''}; the worst case is over: "
        f"{phrases.attacks(figures.attacks if figures else ())}.",
        "unreliable": False,
    }
    return json.dumps(info, indent=2, ensure_ascii=False) + "\n"


def _percent(figure: Interval | None) -> str | None:
    return f"{100 * figure.value:.2f}" if figure else None

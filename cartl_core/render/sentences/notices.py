"""What each notice of a report says."""

from __future__ import annotations

from cartl_core.render import numbers, phrases
from cartl_core.report.notices import (
    AboutNetwork,
    AttackBeyondTeacher,
    CandidatesLeftOut,
    DefaultRadius,
    FewTestImages,
    FilesSkipped,
    ImagesLeftOut,
    NetworkName,
    NoBetterThanOneClass,
    Notice,
    OneAnswer,
    OtherNotice,
    OutputsNotFinite,
    PartialData,
    Resized,
    RuntimeChanged,
    SourceStandsIn,
    SplitBatches,
    TeacherNotRobust,
    TeacherRadiusUnknown,
    TeacherUnverified,
    TeacherWithoutAttack,
    TeacherWithoutDistance,
    UnsureEpoch,
    WeakTeacher,
)
from cartl_core.statistics.proportions import wilson


def notice(found: Notice) -> str:
    """A notice in words."""
    match found:
        case OutputsNotFinite() | OneAnswer() | NoBetterThanOneClass():
            return about_network(found)
        case TeacherWithoutAttack():
            return (
                f"The {found.objective} teacher was trained without an attack (eps 0), so it has no "
                f"robustness to keep. {_way_out(found.epsilon_schedule)}"
            )
        case TeacherNotRobust():
            return (
                f"The {found.objective} teacher is not robust: {numbers.interval(found.robust)} robust "
                f"accuracy at eps {numbers.radius(found.eps)}, at {numbers.percent(found.clean.value)} clean "
                f"accuracy, on {numbers.count(found.robust.n)} validation images of its own source. There is "
                f"nothing to keep. {_way_out(found.epsilon_schedule)}"
            )
        case WeakTeacher():
            return (
                f"The {found.objective} teacher is weak: {numbers.percent(found.robust.value)} robust "
                "accuracy on its own source. There is little robustness to keep, and comparisons say little."
            )
        case AttackBeyondTeacher():
            return (
                f"Attack {found.attack} has eps {numbers.radius(found.eps)}, more than the "
                f"{numbers.radius(found.train_eps)} that the teacher was trained at: beyond its teacher's "
                "radius a student can be less robust than plain transfer."
            )
        case SourceStandsIn():
            return (
                f"The teacher learned from {found.source}, which stands in for images like those of "
                f"{found.target}. A robust teacher that somebody has published, trained on more and larger "
                "images, serves better: it is given as `teacher` and needs no source."
            )
        case DefaultRadius():
            return (
                f"Eps {numbers.radius(found.eps)} is the default for images of the kind and size of "
                f"{found.target}: nobody has studied which changes of these images are too small to matter. "
                "Give the attacks a radius of your own where you know it."
            )
        case TeacherRadiusUnknown():
            return (
                f"No linf radius is known that the teacher {found.teacher} was trained within, so by "
                f"default it is the evaluation's eps {numbers.radius(found.eps)}. Where it was "
                "trained within a smaller one, the student cannot be expected to hold so far."
            )
        case TeacherUnverified():
            return (
                f"The teacher {found.teacher} was not verified: nobody has measured whether it is robust, or "
                "whether its file was read as its publisher meant it. Verify it on a data set whose "
                "classes are its outputs."
            )
        case TeacherWithoutDistance():
            methods = numbers.listed([phrases.method(name) for name in found.methods])
            return (
                f"{numbers.capital(methods)} started from the teacher {found.teacher} as it is. The method's "
                "own teacher is trained with a feature distance at the freeze depth, which is not known of "
                "this one; `fdm_epochs` of the teacher adds that training, on a source."
            )
        case CandidatesLeftOut():
            return _candidates_left_out(found)
        case PartialData():
            return (
                f"{numbers.count(found.used)} of {'about ' if found.approximate else ''}"
                f"{numbers.count(found.available)} training images of the {found.role} were used "
                "(train_limit), validation images included."
            )
        case Resized():
            return _resized(found)
        case UnsureEpoch():
            return (
                f"The epoch of {phrases.named(found.method, found.settings)} was chosen by "
                f"{numbers.count(found.n)} validation images: the standard error of what it was chosen by is "
                f"{100 * found.standard_error:.1f} points, and epochs that differ by less may be told apart "
                "by chance. Give the target more images, a larger validation_fraction or validate_images, or "
                "settle on `select: last` beforehand."
            )
        case SplitBatches():
            return (
                f"While {found.stage} was trained a whole batch did not fit into memory, so from then on "
                f"gradients were added up over {found.parts} parts of each batch. Batch norm that goes by "
                "the batch took its statistics from the parts, so a larger device gives other numbers for "
                "this specification."
            )
        case ImagesLeftOut():
            return _left_out(found)
        case FilesSkipped():
            return _skipped(found)
        case FewTestImages():
            return _few(found)
        case RuntimeChanged():
            return (
                "An earlier attempt ran on another machine or other versions "
                f"({', '.join(found.changed)} differ), so its unfinished stages are computed anew."
            )
        case OtherNotice():
            return found.text


_LEFT_OUT_FOR = {
    "another_teacher": "they need a teacher that is trained otherwise than the one that was given",
    "refused": "the given teacher's network does not allow them",
}


def _candidates_left_out(found: CandidatesLeftOut) -> str:
    reasons = []
    for why, words in _LEFT_OUT_FOR.items():
        methods = dict.fromkeys(phrases.method(row.method) for row in found.left_out if row.why == why)
        count = sum(row.why == why for row in found.left_out)
        if count:
            reasons.append(f"{count} with {numbers.listed(list(methods))}, because {words}")
    return f"Candidates of the catalog were not tried: {'; '.join(reasons)}."


def about_network(found: AboutNetwork) -> str:
    """What is said of a network before all else."""
    name = numbers.capital(_network(found.network))
    match found:
        case OutputsNotFinite():
            return (
                f"{name} gives outputs that are infinite or not a number on "
                f"{numbers.count(found.not_finite)} of {numbers.count(found.n)} test images: none of its "
                "figures is a measurement of robustness."
            )
        case OneAnswer():
            return (
                f"{name} answers {found.answer} to {numbers.percent(found.share.value)} of "
                f"{numbers.count(found.share.n)} test images: it has not learned the task. One answer to "
                "everything is robust at every radius, so its robust accuracy means nothing."
            )
        case NoBetterThanOneClass():
            return (
                f"{name} is no better than always answering {found.commonest}, as far as "
                f"{numbers.count(found.clean.n)} test images can tell: {numbers.interval(found.clean)} clean "
                f"accuracy, and {numbers.percent(found.share)} of the images are of that class. One answer "
                "to everything would be as accurate, and robust at every radius."
            )


def _network(name: NetworkName) -> str:
    if name.role == "teacher":
        depth = "" if name.freeze_depth is None else f", depth {name.freeze_depth}"
        return f"the {name.objective} teacher{depth}"
    title = phrases.named(name.method, name.settings)
    return f"the baseline {title}" if name.role == "baseline" else title


def _way_out(epsilon_schedule: bool) -> str:
    """What can be done with a teacher that has no robustness to keep."""
    if epsilon_schedule:
        return "Of what this job runs only `adversarial` with `schedule: epsilon` is made for such teachers."
    return (
        "What works from such a teacher is `method: adversarial` with `transfer.schedule: epsilon`, which "
        "makes the student robust on the target itself, at the cost of adversarial training there."
    )


def _resized(found: Resized) -> str:
    changes = []
    if found.data_size != found.input_size:
        changes.append(f"resized from {found.data_size} to {found.input_size} pixels")
    if found.data_channels != found.input_channels:
        changes.append(f"given {found.input_channels} channels instead of {found.data_channels}")
    return (
        f"The {found.role}'s images are {' and '.join(changes)}; the adversary perturbs the network's input "
        "after that, all channels independently."
    )


_SKIPPED_FOR = {
    "hidden": "hidden",
    "system_file": "made by a file system",
    "folder": "folders",
    "no_image_suffix": "without the suffix of an image",
}


def _skipped(found: FilesSkipped) -> str:
    reasons = ", ".join(f"{numbers.count(row.count)} {_SKIPPED_FOR[row.reason]}" for row in found.skipped)
    return (
        f"Of the {found.role} {found.data} {numbers.count(found.taken)} files were taken as images, "
        f"and others beside them were not: {reasons}."
    )


def _few(found: FewTestImages) -> str:
    small = found.smallest[0]
    named = numbers.listed([f"{row.name} {row.n}" for row in found.smallest])
    more = "" if found.few == len(found.smallest) else ", among others"
    right = small.n // 2
    width = wilson(right, small.n)
    told = (
        f"With {right} of its {small.n} right, the 95 % interval of {small.name} alone is "
        f"{100 * width.low:.0f} to {100 * width.high:.0f} %"
        if small.n
        else f"Nothing is measured of {small.name}"
    )
    return (
        f"{found.few} of {found.classes} classes of the {found.role} have fewer than ten test images "
        f"({named}{more}). {told}. The intervals of balanced accuracy and of the lowest class are as wide as "
        "these classes make them, and the accuracy over all images hardly shows them."
    )


def _left_out(found: ImagesLeftOut) -> str:
    nouns = ("image", "is", "was") if found.count == 1 else ("images", "are", "were")
    image, is_, was = nouns
    return (
        f"{found.count} {image} of the source {found.source} {is_} also in the target {found.target}, pixel "
        f"by pixel, and {was} left out of the source."
    )

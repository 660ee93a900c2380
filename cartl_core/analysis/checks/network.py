"""What the network itself may hide: its gradients, its logits, chance, and parts of its input's range."""

from __future__ import annotations

from collections.abc import Sequence

from cartl_core.analysis.checks.status import found
from cartl_core.report.checks import Check, Inference, InferenceFinding, InputRangeFinding

BLIND_SHARE = 0.01
"""A point of robust accuracy: what may rest on images that an attack could not see."""
PROBABLE_SHARE = 0.5
DEAF_SHARE = 0.5
JUMPING_SHARE = 0.5
"""Of the right images."""
MOST_RUNS = 4
"""Of one layer for one answer: the mean over an image and its mirror image takes two."""
NEIGHBOUR_SHARE = 0.01
LEAST_SPREAD = 0.5
"""Of [0, 1] that the images use together."""
ROUNDING = 1e-6


def finite_outputs(*, images: int, clean: int, attacked: int) -> Check:
    """Are the outputs numbers?

    Args:
        clean: images with an output that is infinite or not a number, without an attack.
        attacked: likewise, without an attack or under one.
    """
    evidence = {
        "images": images,
        "not_finite": attacked / images,
        "not_finite_without_attack": clean / images,
    }
    details = {"not_finite_images": attacked, "clean_images": clean}
    return found("finite_outputs", "not_finite" if attacked else "finite", evidence, details)


def gradients(*, right: int, vanished: int, flat: int) -> Check:
    """Do gradients reach the input?

    Args:
        right: images that are right without an attack.
        vanished: of them, those where the gradient of the cross-entropy is 0, lost to rounding or not finite.
        flat: of them, those where that of the margin, which no scale of the logits touches, is 0 as well.
    """
    if right == 0:
        return found("gradients", "no_image_right")
    evidence = {"images": right, "vanished": vanished / right, "flat": flat / right, "allowed": BLIND_SHARE}
    if flat / right > BLIND_SHARE:
        return found("gradients", "no_gradient", evidence)
    if vanished / right > BLIND_SHARE:
        return found("gradients", "cross_entropy_vanishes", evidence)
    return found("gradients", "gradient_reaches_input", evidence)


def logits(*, images: int, probable: int, lowest: float, highest: float) -> Check:
    """Are the outputs logits, or probabilities?

    Args:
        probable: images whose outputs all lie in [0, 1] and sum to 1.
        lowest: of all outputs; ``highest`` likewise.
    """
    evidence = {
        "images": images,
        "rows_like_probabilities": probable / images,
        "lowest": lowest,
        "highest": highest,
    }
    return found("logits", "probabilities" if probable / images > PROBABLE_SHARE else "logits", evidence)


def randomness(*, images: int, differing: int, redecided: int, largest: float) -> Check:
    """Do two passes of one batch agree?

    Args:
        differing: images whose outputs differ by more than rounding.
        redecided: images whose class differs.
        largest: difference of two outputs, as a share of the largest output of the image.
    """
    evidence = {
        "images": images,
        "differing": differing / images,
        "other_class": redecided / images,
        "largest_relative_difference": largest,
    }
    return found("randomness", "outputs_differ" if differing else "same_outputs", evidence)


def input_range(
    *,
    images: int,
    lowest: float,
    highest: float,
    normalised: bool,
    bands: Sequence[tuple[float, float, int, int]],
) -> Check:
    """Do the images lie in [0, 1], and does the network react to changes everywhere in it?

    Args:
        lowest: of all pixels; ``highest`` likewise.
        normalised: the first layer of the network is its normalisation.
        bands: of the range: from, to, images squeezed into it, and of them those where the network's
            output is the same, to the last bit, after a tiny change of all pixels. Bands outside [0, 1]
            are reported, not judged.
    """
    asked = [band for band in bands if band[2]]
    inside = [band for band in asked if band[0] >= 0 and band[1] <= 1]
    outside = [band for band in asked if band not in inside]
    # Of no image nothing is known; the range of the pixels is judged all the same.
    worst = max(inside, key=lambda band: band[3] / band[2], default=(0.0, 1.0, 1, 0))
    evidence: dict[str, float | int | str] = {
        "images": images,
        "lowest_pixel": lowest,
        "highest_pixel": highest,
        "first_layer_normalises": "yes" if normalised else "no",
        "deaf": worst[3] / worst[2],
        "deaf_from": worst[0],
        "deaf_to": worst[1],
    }
    if outside:
        evidence["deaf_outside"] = sum(band[3] for band in outside) / sum(band[2] for band in outside)
    finding = _of_the_range(lowest, highest, worst[3] / worst[2])
    if finding == "whole_range" and not inside:
        return found("input_range", "no_image_in_range")
    details = {"deaf_images": worst[2]} if finding == "insensitive" else {}
    return found("input_range", finding, evidence, details)


def _of_the_range(lowest: float, highest: float, insensitive: float) -> InputRangeFinding:
    if lowest < -ROUNDING or highest > 1 + ROUNDING:
        return "outside_unit_range"
    if highest - lowest < LEAST_SPREAD:
        return "narrow_range"
    return "insensitive" if insensitive > DEAF_SHARE else "whole_range"


def jumps(*, right: int, jumping: int, unexplained: float) -> Check:
    """Does the margin change where no gradient tells of it?

    Args:
        right: images that are right without an attack.
        jumping: of them, those on whose way much of the change is told by no gradient.
        unexplained: the share that no gradient tells of, the median over these images.
    """
    evidence = {"images": right, "jumping": jumping / right, "unexplained": unexplained}
    return found("jumps", "jumps" if jumping / right > JUMPING_SHARE else "gradients_tell", evidence)


def inference(*, images: int, seen: Inference, random: bool) -> Check:
    """Is each answer one pass of the network on one image?

    Args:
        seen: what the network did while it answered.
        random: it answers the same batch in two ways, so that neighbours cannot be blamed.
    """
    evidence: dict[str, float | int | str] = {
        "images": images,
        "layer_runs": seen.layer_runs,
        "other_beside_others": seen.neighbours / images,
    }
    return found("inference", _of_answers(seen, seen.neighbours / images, random), evidence)


def _of_answers(seen: Inference, neighbours: float, random: bool) -> InferenceFinding:
    if seen.takes_gradients:
        return "takes_gradients"
    if seen.changes_itself:
        return "changes_itself"
    if seen.layer_runs > MOST_RUNS:
        return "runs_layers_again"
    return "neighbours_matter" if neighbours > NEIGHBOUR_SHARE and not random else "one_pass"

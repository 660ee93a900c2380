"""What the network itself may hide: its gradients, its logits, chance, and parts of its input's range."""

from __future__ import annotations

from collections.abc import Sequence

from cartl_core.analysis.checks.status import failed, not_run, passed
from cartl_core.render import numbers
from cartl_core.report.checks import Check

BLIND_SHARE = 0.01
"""A point of robust accuracy: what may rest on images that an attack could not see."""
PROBABLE_SHARE = 0.5
DEAF_SHARE = 0.5
LEAST_SPREAD = 0.5
"""Of [0, 1] that the images use together."""
ROUNDING = 1e-6


def gradients(*, right: int, vanished: int, flat: int) -> Check:
    """Do gradients reach the input?

    Args:
        right: images that are right without an attack.
        vanished: of them, those where the gradient of the cross-entropy is 0, lost to rounding or not finite.
        flat: of them, those where that of the margin, which no scale of the logits touches, is 0 as well.
    """
    if right == 0:
        return not_run("gradients", "No image is classified right, so there was no gradient to look at.")
    evidence = {"images": right, "vanished": vanished / right, "flat": flat / right, "allowed": BLIND_SHARE}
    if flat / right > BLIND_SHARE:
        return failed(
            "gradients",
            evidence,
            f"On {numbers.percent(flat / right)} of {numbers.count(right)} images no loss has a gradient "
            "with "
            "respect to the input. Attacks that follow gradients cannot move there: their robust accuracy "
            "means nothing.",
            "Believe black-box attacks only: add an attack named square with 5,000 steps. Look for rounding, "
            "thresholds or detached tensors in the network.",
        )
    if vanished / right > BLIND_SHARE:
        return failed(
            "gradients",
            evidence,
            f"On {numbers.percent(vanished / right)} of {numbers.count(right)} images the gradient of the "
            "cross-entropy is zero or lost to rounding, while that of the margin is not: the logits are so "
            "far apart that attacks on the cross-entropy are blind there.",
            "Add attacks with loss dlr or margin: they do not depend on the scale of the logits.",
        )
    return passed(
        "gradients",
        evidence,
        f"The cross-entropy has a usable gradient on {numbers.percent(1 - vanished / right)} of "
        f"{numbers.count(right)} images, the margin on {numbers.percent(1 - flat / right)}.",
    )


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
    if probable / images > PROBABLE_SHARE:
        return failed(
            "logits",
            evidence,
            f"The outputs of {numbers.percent(probable / images)} of {numbers.count(images)} images lie in "
            "[0, 1] and sum to 1: they are probabilities, not logits. A cross-entropy of them is squashed "
            "twice, and its attacks are too weak.",
            "Remove the softmax at the end of the network and measure again.",
        )
    return passed("logits", evidence, f"Outputs range from {lowest:.3g} to {highest:.3g}: no probabilities.")


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
    if differing:
        return failed(
            "randomness",
            evidence,
            f"Two passes of the same images differ on {numbers.percent(differing / images)} of "
            f"{numbers.count(images)} images, {numbers.percent(redecided / images)} get another class: the "
            "network draws random numbers when it is used. Attacks then climb noise, and their robust "
            "accuracy is too high.",
            "Switch the noise off, or attack the mean of many passes (expectation over transformation, "
            "Athalye et al. 2018).",
        )
    return passed("randomness", evidence, f"Two passes of {numbers.count(images)} images are the same.")


def input_range(
    *,
    images: int,
    lowest: float,
    highest: float,
    normalised: bool,
    deaf: Sequence[tuple[float, float, int, int]],
) -> Check:
    """Do the images lie in [0, 1], and does the network hear changes everywhere in it?

    Args:
        lowest: of all pixels; ``highest`` likewise.
        normalised: the first layer of the network is its normalisation.
        deaf: bands of the range: from, to, images squeezed into it, and of them those where the network's
            output is the same, to the last bit, after a tiny change of all pixels. Bands outside [0, 1]
            are told, not judged.
    """
    asked = [band for band in deaf if band[2]]
    inside = [band for band in asked if band[0] >= 0 and band[1] <= 1]
    outside = [band for band in asked if band not in inside]
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
    if lowest < -ROUNDING or highest > 1 + ROUNDING:
        return failed(
            "input_range",
            evidence,
            f"Pixels range from {lowest:.4g} to {highest:.4g}, not within [0, 1]: a radius does not mean "
            "what it says, and attacks clip the images themselves.",
            "Give images in [0, 1] and leave the normalisation to the network's first layer.",
        )
    if highest - lowest < LEAST_SPREAD:
        return failed(
            "input_range",
            evidence,
            f"Pixels range from {lowest:.4g} to {highest:.4g} only: the images were scaled twice, or every "
            "radius is larger than it looks.",
            "Give images in [0, 1] that use the range, and choose radii for them.",
        )
    if worst[3] / worst[2] > DEAF_SHARE:
        return failed(
            "input_range",
            evidence,
            f"With pixels between {worst[0]:.1f} and {worst[1]:.1f} the network does not notice tiny changes "
            f"of its input at all ({numbers.percent(worst[3] / worst[2])} of {worst[2]} images): it rounds, "
            "clips or saturates its input. Gradients through that are zero or invented.",
            "Remove the rounding, or attack through it with a smooth stand-in (backward pass differentiable "
            "approximation, Athalye et al. 2018) and with a black box.",
        )
    first = "the first layer normalises" if normalised else "no normalisation comes first"
    return passed(
        "input_range",
        evidence,
        f"Pixels range from {lowest:.4g} to {highest:.4g}, {first}, and the network hears tiny changes "
        "everywhere between 0 and 1.",
    )

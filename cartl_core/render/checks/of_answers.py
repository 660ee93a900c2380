"""What outcomes of the checks of a network's answers and gradients mean.

Places such as ``{others}`` and ``{stronger}`` are spelled out by ``checks.sentences``.
"""

from __future__ import annotations

from cartl_core.render.checks.sentence import NO_IMAGE, NOT_ASKED, Sentence
from cartl_core.report.checks import CheckName, Finding

OF_ANSWERS: dict[CheckName, dict[Finding, Sentence]] = {
    "finite_outputs": {
        "finite": Sentence(
            ("All outputs on {images:count} images are finite, without an attack and under every one.",)
        ),
        "not_finite": Sentence(
            (
                "On {not_finite_images:count} of {images:count} images an output of the network is infinite "
                "or not a number, on {clean_images:count} of them without an attack. They count as "
                "misclassified, but no figure of this network is a measurement of its robustness.",
            ),
            "Look for weights that are too large, divisions by zero and logarithms of zero in the network.",
        ),
        "not_recorded": Sentence(("No outputs were measured.",)),
    },
    "gradients": {
        "gradient_reaches_input": Sentence(
            (
                "The cross-entropy has a usable gradient on {vanished:rest} of {images:count} images, the "
                "margin on {flat:rest}.",
            )
        ),
        "cross_entropy_vanishes": Sentence(
            (
                "On {vanished:percent} of {images:count} images the gradient of the cross-entropy is zero or "
                "lost to rounding, while that of the margin is not: the logits are so far apart that attacks "
                "on the cross-entropy are blind there.",
            ),
            "Add attacks with loss dlr or margin: they do not depend on the scale of the logits.",
        ),
        "no_gradient": Sentence(
            (
                "On {flat:percent} of {images:count} images no loss has a gradient with respect to the "
                "input. Attacks that follow gradients cannot move there: their robust accuracy means "
                "nothing.",
            ),
            "Believe black-box attacks only: add an attack named square with 5,000 steps. Look for rounding, "
            "thresholds or detached tensors in the network.",
        ),
        "no_image_right": Sentence((f"{NO_IMAGE}no gradient to look at.",)),
        "not_asked": NOT_ASKED,
    },
    "logits": {
        "logits": Sentence(("Outputs range from {lowest:three} to {highest:three}: no probabilities.",)),
        "probabilities": Sentence(
            (
                "The outputs of {rows_like_probabilities:percent} of {images:count} images lie in [0, 1] and "
                "sum to 1: they are probabilities, not logits. A cross-entropy of them is squashed twice, "
                "and its attacks are too weak.",
            ),
            "Remove the softmax at the end of the network and measure again.",
        ),
        "not_asked": NOT_ASKED,
    },
    "randomness": {
        "same_outputs": Sentence(("Two passes of {images:count} images are the same.",)),
        "outputs_differ": Sentence(
            (
                "Two passes of the same images differ on {differing:percent} of {images:count} images, "
                "{other_class:percent} get another class: the network draws random numbers when it is used. "
                "Attacks then climb noise, and their robust accuracy is too high.",
            ),
            "Switch the noise off. Or attack the mean of several passes: write `samples` 20, as AutoAttack's "
            "version for such networks has it, into each attack of `evaluate.attacks` that is named pgd or "
            "apgd (expectation over transformation, Athalye et al. 2018).",
        ),
        "not_asked": NOT_ASKED,
    },
    "input_range": {
        "whole_range": Sentence(
            (
                "Pixels range from {lowest_pixel:four} to {highest_pixel:four}, "
                "{normalisation}, and the network hears tiny changes everywhere between "
                "0 and 1.",
            )
        ),
        "outside_unit_range": Sentence(
            (
                "Pixels range from {lowest_pixel:four} to {highest_pixel:four}, not within [0, 1]: a radius "
                "does not mean what it says, and attacks clip the images themselves.",
            ),
            "Give images in [0, 1] and leave the normalisation to the network's first layer.",
        ),
        "narrow_range": Sentence(
            (
                "Pixels range from {lowest_pixel:four} to {highest_pixel:four} only: the images were scaled "
                "twice, or every radius is larger than it looks.",
            ),
            "Give images in [0, 1] that use the range, and choose radii for them.",
        ),
        "insensitive": Sentence(
            (
                "With pixels between {deaf_from:digit} and {deaf_to:digit} the network does not notice tiny "
                "changes of its input at all ({deaf:percent} of {deaf_images:plain} images): it rounds, "
                "clips or saturates its input. Gradients through that are zero or invented.",
            ),
            "Remove the rounding, or attack through it with a smooth stand-in (backward pass differentiable "
            "approximation, Athalye et al. 2018) and with a black box.",
        ),
        "no_image_in_range": Sentence(("Too few images: none was moved to a part of the range.",)),
        "not_asked": NOT_ASKED,
    },
    "jumps": {
        "gradients_tell": Sentence(
            (
                "On the way from an image to a point of the ball gradients tell of the margin's changes: "
                "{unexplained:percent} are left over in the median.",
            )
        ),
        "jumps": Sentence(
            (
                "On {jumping:percent} of {images:count} images much of the margin's change is told by no "
                "gradient ({unexplained:percent} in the median): the network is constant in pieces, by "
                "rounding, a threshold or an activation that drops what is small. Attacks that follow "
                "gradients are misled there, and their robust accuracy is too high.",
            ),
            "Believe attacks that need no gradient, such as square with 5,000 steps, and attacks that go "
            "straight through such layers, as those of these checks do.",
        ),
        "not_asked": NOT_ASKED,
    },
    "inference": {
        "one_pass": Sentence(
            (
                "No layer runs more than {layer_runs:plain} times for an answer, and none takes gradients, "
                "changes the network or looks at other images of the batch.",
            )
        ),
        "takes_gradients": Sentence(
            (
                "The network computes with gradients while it answers: it optimises something at inference. "
                "The gradient of its answer is then not that of one pass.",
            ),
            "Attack through the whole optimisation, or the network below it by itself, and believe the lower "
            "figure.",
        ),
        "changes_itself": Sentence(
            (
                "The network's weights or statistics are others after an answer: it adapts to what it is "
                "shown, attacks included.",
            ),
            "Switch the adaptation off for the measurement, and say that it was off.",
        ),
        "runs_layers_again": Sentence(
            (
                "A layer with weights runs {layer_runs:plain} times for one answer: the network goes round "
                "in a loop. Gradients through long loops vanish or explode, and attacks that follow them get "
                "weak.",
            ),
            "Attack a version with fewer rounds as well, transfer what breaks it, and add square with 5,000 "
            "steps.",
        ),
        "neighbours_matter": Sentence(
            (
                "{other_beside_others:percent} of {images:count} images get another output beside other "
                "images: the answer depends on the batch, so that figures depend on how images are batched.",
            ),
            "Use the statistics of training, not of the batch, when the network answers.",
        ),
        "not_asked": NOT_ASKED,
    },
}
"""By check and outcome."""

"""What each check is called, what each of its outcomes means, and what to do about it.

``{others}``, ``{stronger}`` and ``{normalisation}`` are spelled out by ``check_sentences``.
"""

from __future__ import annotations

from dataclasses import dataclass

from cartl_core.report.checks import CheckName, Finding

TITLES: dict[CheckName, str] = {
    "finite_outputs": "Outputs are finite",
    "gradients": "Gradients reach the input",
    "logits": "Outputs are logits",
    "randomness": "The same input gives the same output",
    "input_range": "Inputs in [0, 1], all of it heard",
    "jumps": "Gradients tell of every change",
    "inference": "Each answer is one pass on one image",
    "convergence": "More steps break no more images",
    "rising_eps": "Accuracy does not rise with the radius",
    "eps_one": "Nothing stands at eps = 1",
    "black_box": "No black box beats the white box",
    "masking": "Robustness is no masking of gradients",
}


@dataclass(frozen=True)
class Sentence:
    """What is said of an outcome, as templates with places for the check's numbers.

    Attributes:
        words: what it means; of several, the first whose numbers are all there.
        advice: what to do.
    """

    words: tuple[str, ...]
    advice: str | None = None


_NOT_ASKED = Sentence(("No checks of the network were asked for, or they are not finished.",))
_NO_IMAGE = "No image is classified right, so there was "
_NOTHING_RIGHT = Sentence((f"{_NO_IMAGE}nothing to judge.",))
_NOT_FINITE = Sentence(
    ("Outputs of the network are not finite, so there was nothing to judge.",),
    "See the check that outputs are finite.",
)
_TOO_FEW = (
    "It needs {needed_images:plain} images and two radii, and had {had_images:count} images and "
    "{had_radii:plain} radii."
)
_ONLY_BLACK_BOX = (
    "breaks {black_box_only_images:count} of {images:count} images that no white-box attack of the same norm "
    "and radius breaks"
)
_BLACK_BOXES = (
    f"{{attack}} with {{queries:plain}} queries {_ONLY_BLACK_BOX}",
    f"{{attack}} {_ONLY_BLACK_BOX}",
)
"""One that the checks made, and one of the job's own."""
_STRONGER = "Attacks of another kind break more images than {reference} (points): {stronger}. "

_SENTENCES: dict[CheckName, dict[Finding, Sentence]] = {
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
        "no_image_right": Sentence((f"{_NO_IMAGE}no gradient to look at.",)),
        "not_asked": _NOT_ASKED,
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
        "not_asked": _NOT_ASKED,
    },
    "randomness": {
        "same_outputs": Sentence(("Two passes of {images:count} images are the same.",)),
        "outputs_differ": Sentence(
            (
                "Two passes of the same images differ on {differing:percent} of {images:count} images, "
                "{other_class:percent} get another class: the network draws random numbers when it is used. "
                "Attacks then climb noise, and their robust accuracy is too high.",
            ),
            "Switch the noise off, or attack the mean of many passes (expectation over transformation, "
            "Athalye et al. 2018).",
        ),
        "not_asked": _NOT_ASKED,
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
        "not_asked": _NOT_ASKED,
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
        "not_asked": _NOT_ASKED,
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
        "not_asked": _NOT_ASKED,
    },
    "convergence": {
        "converged": Sentence(
            (
                "{longer_attack} breaks {more_broken:share} points more of the same {images:count} images "
                "than {shorter_attack}, at most {allowed:share} is allowed.",
            )
        ),
        "not_converged": Sentence(
            (
                "{longer_attack} breaks {more_broken:share} points more of the same {images:count} images "
                "than {shorter_attack}: the attack has not converged, and still more steps may break still "
                "more images. Read the robust accuracy as an upper bound.",
            ),
            "Add an attack with {more_steps:fourfold} steps and 5 restarts, or apgd, which sizes its steps "
            "itself.",
        ),
        "no_pair": Sentence(
            ("No attack was run twice with different numbers of steps and everything else the same.",),
            "Add such a pair, e.g. pgd with 20 and with 100 steps.",
        ),
    },
    "rising_eps": {
        "no_rise": Sentence(
            (
                "Independent attacks at {radii:plain} radii from {from_eps:radius} to {to_eps:radius} on "
                "{images:count} images: robust accuracy never rises by more than chance allows.",
            )
        ),
        "accuracy_rises": Sentence(
            (
                "From eps {from_eps:radius} to {to_eps:radius} robust accuracy rises by {rise:points} points "
                "on the same {images:count} images (one-sided McNemar p {smallest_adjusted_p:two} over "
                "{tests:plain} tests), though what breaks an image within the smaller radius lies within the "
                "larger one too: the attacks do not find what is there.",
            ),
            "Add attacks that search otherwise: square, apgd with loss dlr, more restarts.",
        ),
        "too_few_images": Sentence((_TOO_FEW,), "Raise test_limit."),
        "too_few_radii": Sentence((_TOO_FEW,)),
        "not_asked": _NOT_ASKED,
    },
    "eps_one": {
        "all_misclassified": Sentence(("All {images:count} images fall at eps 1 in linf.",)),
        "images_withstand": Sentence(
            (
                "{standing_images:count} of {images:count} images stand although the attack may paint any "
                "image it likes (eps 1 in linf): what stops it there is no robustness, and may stop it at "
                "small radii too.",
            ),
            "Look for gradients that vanish or mislead; believe black-box attacks only.",
        ),
        "no_image_right": Sentence((f"{_NO_IMAGE}nothing to break.",)),
        "not_asked": _NOT_ASKED,
    },
    "black_box": {
        "black_box_no_stronger": Sentence(
            tuple(
                f"{box}; the white box alone breaks {{white_box_only_images:count}}." for box in _BLACK_BOXES
            )
        ),
        "black_box_stronger": Sentence(
            tuple(
                f"{box}, though it asks for no gradient: gradients of this network mislead. The worst case "
                "counts those images."
                for box in _BLACK_BOXES
            ),
            "Read the worst case, not a white-box figure; run square with 5,000 steps on all images.",
        ),
        "no_black_box": Sentence(
            ("No black box was run at the norm and radius of an attack on the cross-entropy.",),
            "Add an attack named square.",
        ),
    },
    "masking": {
        "no_sign": Sentence(
            (
                "Beside {reference} on the same images, other attacks break (points): {others}. None breaks "
                "over {allowed:share} more beyond chance: no sign of masking.",
            )
        ),
        "gradients_masked": Sentence(
            (
                f"{_STRONGER}Some need no gradient of this network and find what its gradients do not: "
                "masking is likely, and the figure of {reference} is too high. The worst case counts "
                "those images.",
            ),
            "Read the worst case; run square with 5,000 steps on all images, and an attack through whatever "
            "hides the gradient (backward pass differentiable approximation, Athalye et al. 2018).",
        ),
        "cross_entropy_masked": Sentence(
            (
                f"{_STRONGER}They follow gradients too, but of losses that do not hang on the size of the "
                "logits: the logits mask weakness from the cross-entropy, and the figure of {reference} is "
                "too high. The worst case counts those images.",
            ),
            "Read the worst case; add apgd with loss dlr or targeted_dlr on all images.",
        ),
        "no_other_attack": Sentence(
            ("No attack of another kind was run at the norm and radius of an attack on the cross-entropy.",),
            "Leave the checks on, with an attack on the cross-entropy among the job's attacks.",
        ),
    },
}
SENTENCES: dict[CheckName, dict[Finding, Sentence]] = {
    name: outcomes
    if name == "finite_outputs"
    else {"no_image_right": _NOTHING_RIGHT, **outcomes, "outputs_not_finite": _NOT_FINITE}
    for name, outcomes in _SENTENCES.items()
}
"""By check and outcome."""

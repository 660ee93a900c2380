"""What outcomes of the checks of attacks mean.

Places such as ``{others}`` and ``{stronger}`` are spelled out by ``checks.sentences``.
"""

from __future__ import annotations

from cartl_core.render.checks.sentence import NO_IMAGE, NOT_ASKED, Sentence
from cartl_core.report.checks import CheckName, Finding

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

OF_ATTACKS: dict[CheckName, dict[Finding, Sentence]] = {
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
        "not_asked": NOT_ASKED,
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
        "no_image_right": Sentence((f"{NO_IMAGE}nothing to break.",)),
        "not_asked": NOT_ASKED,
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
"""By check and outcome."""

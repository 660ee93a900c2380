"""What each check is called."""

from __future__ import annotations

from cartl_core.report.checks import CheckName

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

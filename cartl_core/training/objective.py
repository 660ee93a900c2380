"""What a student's tail minimises: cross-entropy, perturbed features, and regularisation to the teacher.

Learning without forgetting is Shafahi et al. 2020's distance to what the teacher's tail makes of the same
features. Shapes: images (N, C, H, W) in [0, 1]; features (N, ...); labels (N,).
"""

from __future__ import annotations

import torch
from torch import Tensor

from cartl_core.data import Split
from cartl_core.execution.to_device import to_device
from cartl_core.nn.losses import cross_entropy, divergence
from cartl_core.spec import DisplacementSpec
from cartl_core.training.feature_perturbation import perturbed_features, perturbed_inputs
from cartl_core.training.gradient import Loss, Noise, StepContext, TrainingInputs
from cartl_core.training.pretrain import attack_batch, noise_of
from cartl_core.training.schedule import attack_strength
from cartl_core.training.student import Student
from cartl_core.training.terms import TermInputs, active_terms
from cartl_core.training.trunk_features import cached_features, view_features
from cartl_core.training.trunk_identity import TrunkIdentity, trunk_identity
from cartl_core.training.views import AlteredImages, Views

DTYPES = {"fp32": torch.float32, "fp16": torch.float16}
"""In which features are kept; the tail computes in the precision of training, whichever it is."""

GAUSSIAN = Noise("normal", "noise")
"""Of ``transfer.noise_sigma``."""


class TransferObjective:
    """The loss of a student, and the inputs that it is computed on.

    Args:
        weights: (K,) of the classes in every cross-entropy; None is 1 for all.
        fingerprint: of the target; None: the images are known to nobody else.
    """

    def __init__(
        self, student: Student, weights: Tensor | None = None, fingerprint: str | None = None
    ) -> None:
        self.weights, self.fingerprint = weights, fingerprint
        self.student, self.spec, self.place = student, student.spec, student.place
        self.terms = active_terms(student)
        self._features_cached = False

    @property
    def undecayed(self) -> frozenset[str]:
        """Names of tuned weights that do not decay towards zero, since a term takes the decay's place."""
        replaced = any(active.term.replaces_decay for active in self.terms)
        return self.student.inherited if replaced else frozenset()

    @property
    def noise(self) -> tuple[Noise, ...]:
        """What is drawn for a batch of images."""
        return noise_of(self.spec.attack) + ((GAUSSIAN,) if self.spec.noise_sigma is not None else ())

    def inputs(self, train: Split) -> TrainingInputs | Views:
        """Images (N, C, H, W), or features (N, ...) where they are fixed and within the limit of scratch.

        Where features are perturbed both have one more dimension: the clean first, then each copy. Of altered
        views both are those that a step draws.
        """
        student, spec = self.student, self.spec
        if spec.cached_views is None and (student.arm.freeze_depth == 0 or not spec.fixed_features):
            return train.images
        student.lower.eval()
        depth, dtype = student.arm.freeze_depth, DTYPES[spec.feature_precision]
        known = trunk_identity(student.network, depth, self.fingerprint, self.place)
        if spec.cached_views is not None:
            return self._views(train, spec.cached_views, known, dtype)
        if spec.displacement is not None:
            found = perturbed_inputs(
                student.lower,
                train,
                spec.displacement,
                seed=student.seed,
                ctx=self.place,
                known=known,
                dtype=dtype,
            )
            self._features_cached = found.cached
            return found.inputs
        features = cached_features(student.lower, train.images, self.place, known, dtype)
        self._features_cached = features is not None
        return train.images if features is None else features

    def _views(self, train: Split, count: int, known: TrunkIdentity, dtype: torch.dtype) -> Views:
        """Features of the views where these are within the limit of scratch, else the views as images."""
        student = self.student
        images = AlteredImages.of(train.images, self.spec.augmentation, count, student.seed)
        if student.arm.freeze_depth == 0:
            return Views(images, len(train), count)
        features = view_features(student.lower, images, self.place, known, dtype)
        if features is None:
            return Views(images, len(train), count)
        self._features_cached = True
        return Views(lambda positions, views: features[positions, views], len(train), count)

    def __call__(self, inputs: Tensor, labels: Tensor, step: StepContext) -> Loss:
        """Cross-entropy of the tail, and what was asked for beside it.

        Perturbed features go through the tail in one batch with the clean ones, so that its batch norm
        sees them mixed.
        """
        count, perturbation = len(labels), self.spec.displacement
        features = self._features(self._batch(inputs, labels, step))
        if perturbation is not None:
            features = self._with_perturbed(features, labels, perturbation)
        inner = self.student.body(features)
        logits = self.student.network.head(inner)
        total, shown = cross_entropy(logits[:count], labels, self.weights).mean(), dict[str, Tensor]()
        if perturbation is not None:
            pair = (logits[:count], logits[count:])
            total, shown = _perturbation_loss(perturbation, pair, labels, self.weights)
        seen = TermInputs(features[:count], inner[:count], logits[:count], labels)
        for active in self.terms:
            value = active.value(seen)
            total = total + active.weight * value
            shown[active.term.metric] = value.detach()
        return Loss(total, shown)

    def _batch(self, inputs: Tensor, labels: Tensor, step: StepContext) -> Tensor:
        """What the network is shown: (N, ...), or (2N, ...) with the perturbed after the clean."""
        if (perturbation := self.spec.displacement) is not None:
            copy = 1 + step.epoch % perturbation.copies
            return self.place.put(torch.cat([inputs[:, 0], inputs[:, copy]]))
        if self.spec.attack is not None:
            strength = attack_strength(self.spec.schedule, step.done(self.spec.epochs))
            inputs = attack_batch(self.student.network, inputs, labels, self.spec.attack, step, strength)
        return self._noised(inputs, step)

    def _noised(self, images: Tensor, step: StepContext) -> Tensor:
        """(N, C, H, W) with Gaussian noise, not clipped: what smoothing will show the network."""
        if self.spec.noise_sigma is None:
            return images
        drawn = to_device(step.normal(GAUSSIAN.purpose, images), images.device).to(images)
        return images + self.spec.noise_sigma * drawn

    def _features(self, images: Tensor) -> Tensor:
        """What the frozen trunk makes of a batch, in fp32; features that were computed once are not again."""
        if self._features_cached:
            return images.float()
        with torch.no_grad():
            features: Tensor = self.student.lower(images)
        return features

    def _with_perturbed(self, features: Tensor, labels: Tensor, spec: DisplacementSpec) -> Tensor:
        """Clean features (N, ...) above those that the tail also learns from."""
        clean, perturbed = features[: len(labels)], features[len(labels) :]
        return torch.cat([clean, perturbed_features(self.student.upper, clean, perturbed, labels, spec)])


def _perturbation_loss(
    spec: DisplacementSpec, pair: tuple[Tensor, Tensor], labels: Tensor, weights: Tensor | None
) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss of logits (N, C) on clean and on perturbed features, a ``pair``, and what of it is shown.

    Cross-entropies count 1 to ``weight`` in a mean; a divergence is added to that of the clean ones.
    """
    own, other = (cross_entropy(logits, labels, weights).mean() for logits in pair)
    shown = {"clean_cross_entropy": own.detach(), "displaced_cross_entropy": other.detach()}
    if spec.loss == "cross_entropy":
        return (own + spec.weight * other) / (1 + spec.weight), shown
    clean, perturbed = pair
    apart = divergence(perturbed, clean).mean()
    return own + spec.weight * apart, shown | {"divergence": apart.detach()}

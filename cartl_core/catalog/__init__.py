"""Facts of the data sets, networks, methods and presets: every default of a job comes from here.

Nothing here looks at the machine: the same request resolves to the same spec everywhere. Means and
deviations are of the training images, per channel, on [0, 1]; radii and steps are in pixel units.
Sources: the data sets' own papers for sizes and classes; Chen et al. (ICML 2021) and its published
code for the schedules, normalisation and radii, except where a comment says otherwise.
"""

from cartl_core.catalog.data_facts import facts_of, share_of_classes
from cartl_core.catalog.evaluations import EVALUATIONS, EvaluationFacts
from cartl_core.catalog.methods import (
    DISPLACEMENT_STEP,
    DISPLACEMENT_STEPS,
    DISTANCE_WEIGHTS,
    ON_FIXED_FEATURES,
    OPERATOR_BETA,
    consistent,
)
from cartl_core.catalog.networks import (
    KNOWN_MODELS,
    OTHER_MODELS,
    PAPER_MODELS,
    PUBLISHED_MODELS,
    ModelFacts,
    model_facts,
)
from cartl_core.catalog.presets import PRESETS, PresetFacts
from cartl_core.spec.datasets import COLOUR_EPS, COLOUR_STEP, DATASETS, DatasetFacts
from cartl_core.spec.methods import METHODS, MethodFacts

__all__ = [
    "COLOUR_EPS",
    "COLOUR_STEP",
    "DATASETS",
    "DISPLACEMENT_STEP",
    "DISPLACEMENT_STEPS",
    "DISTANCE_WEIGHTS",
    "EVALUATIONS",
    "KNOWN_MODELS",
    "METHODS",
    "ON_FIXED_FEATURES",
    "OPERATOR_BETA",
    "OTHER_MODELS",
    "PAPER_MODELS",
    "PRESETS",
    "PUBLISHED_MODELS",
    "DatasetFacts",
    "EvaluationFacts",
    "MethodFacts",
    "ModelFacts",
    "PresetFacts",
    "consistent",
    "facts_of",
    "model_facts",
    "share_of_classes",
]

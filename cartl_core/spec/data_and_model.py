"""Which images and which network: values of requests and specs."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from cartl_core.spec.arm import Arm as Arm
from cartl_core.spec.arm import AutoSpec as AutoSpec
from cartl_core.spec.arm import Method as Method
from cartl_core.spec.arm import MethodOrAuto as MethodOrAuto
from cartl_core.spec.base import ARRAY as ARRAY
from cartl_core.spec.base import SpecModel as SpecModel
from cartl_core.spec.base import refusal
from cartl_core.spec.datasets import DATASETS
from cartl_core.spec.datasets import DatasetName as DatasetName
from cartl_core.spec.measures.attack import LARGEST_SIDE, SMALLEST_SIDE
from cartl_core.spec.measures.attack import AttackSpec as AttackSpec
from cartl_core.spec.measures.certificates import AuditSpec as AuditSpec
from cartl_core.spec.measures.certificates import SmoothingSpec as SmoothingSpec
from cartl_core.spec.measures.corruptions import CorruptionsSpec as CorruptionsSpec
from cartl_core.spec.measures.curve import CurveSpec as CurveSpec
from cartl_core.spec.measures.diagnostics import ChecksSpec as ChecksSpec
from cartl_core.spec.measures.diagnostics import GallerySpec as GallerySpec
from cartl_core.spec.resources.dataset import DataFacts
from cartl_core.spec.training import Augmentation as Augmentation
from cartl_core.spec.training import DisplacementSpec as DisplacementSpec
from cartl_core.spec.training import FeatureDistance as FeatureDistance
from cartl_core.spec.training import FeatureLayers as FeatureLayers
from cartl_core.spec.training import Objective as Objective
from cartl_core.spec.training import PretrainSpec as PretrainSpec
from cartl_core.spec.training import Selection as Selection
from cartl_core.spec.training import TrainingSpec as TrainingSpec
from cartl_core.spec.training import TransferSpec as TransferSpec
from cartl_core.spec.visible_text import VISIBLE

Label = Annotated[int, Field(ge=0, le=999)]


NAME = r"^[^\x00-\x1f\x7f]+$"
TAG = r"^[A-Za-z0-9][A-Za-z0-9._:=-]*$"
"""What a name and a tag are made of; ``cartl_core.spec.allowed`` says it in words."""

Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=NAME)]


NewName = Annotated[Name, VISIBLE]
"""The name that a request gives."""


Tag = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=TAG)]


DATA_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
"""Names of the catalog, of data sets and teachers that people bring, and their ids."""
DataName = Annotated[str, StringConstraints(pattern=DATA_NAME)]
SHA256 = r"^[0-9a-f]{64}$"
Sha256 = Annotated[str, StringConstraints(pattern=SHA256)]
COMMIT = r"^[0-9a-f]{40}([0-9a-f]{24})?$"
Commit = Annotated[str, StringConstraints(pattern=COMMIT)]
"""Of a git repository, in whole."""

Resize = Literal["fit_crop", "squash"]
"""How an image that is not square becomes square: scaled until its shorter side fits and cropped about its
centre, or each side scaled for itself."""


class DataRequest(SpecModel):
    """Which images of which data set. A bare string stands for the whole data set of that name."""

    name: DataName | None = Field(
        default=None, description=f"{', '.join(DATASETS)}, or the name of a data set of your own."
    )
    id: DataName | None = Field(
        default=None, description="Of a data set of your own, or of one that is shared with you."
    )
    classes: Annotated[tuple[Label, ...], ARRAY, Field(min_length=2, max_length=1000)] | None = Field(
        default=None,
        description="Labels kept, distinct; class i of the task is classes[i]. Null keeps all.",
    )
    train_limit: int | None = Field(
        default=None,
        ge=10,
        le=10_000_000,
        description="Images kept of the training split (stratified, drawn with the job's seed), "
        "before the validation part is taken out. Null keeps all.",
    )
    validation_fraction: float = Field(
        default=0.1, ge=0.01, le=0.5, description="Part of the training images kept for selection."
    )
    resize: Resize = Field(
        default="squash",
        description="How images that are not square meet the network's input: `fit_crop` keeps their "
        "proportions and crops the centre, as is done with a data set of your own unless it is asked "
        "otherwise; `squash` keeps all of them and not their proportions.",
    )
    fingerprint: Sha256 | None = Field(
        default=None,
        description="Of a data set of your own; where it is given, the data set must have it.",
    )
    facts: DataFacts | None = Field(
        default=None,
        description="Of a data set of your own, as a specification keeps them; looked up anew at each "
        "request.",
    )

    @model_validator(mode="after")
    def _names_one(self) -> DataRequest:
        if self.name is None and self.id is None:
            raise refusal("it names no data set", "a `name`, or the `id` of a data set of your own")
        return self


class DataSpec(DataRequest):
    """Which images of which data set, looked up: ``fingerprint`` and ``facts`` are null of the catalog's."""

    name: DataName


def _named(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


DataRequestOrName = Annotated[
    DataRequest, BeforeValidator(_named, json_schema_input_type=DataName | DataRequest)
]
DataSpecOrName = Annotated[DataSpec, BeforeValidator(_named, json_schema_input_type=DataName | DataSpec)]


class ModelSpec(SpecModel):
    """A network: its family and size, and the shape of its input."""

    name: Name = Field(
        description="A network of the catalog, e.g. wrn-28-4 or resnet18; `GET /models` lists them."
    )
    stem_stride: Literal[1, 2, 4] = Field(
        default=1, description="Stride of the first convolution; 2 or 4 for small machines."
    )
    image_size: int = Field(
        default=32, ge=SMALLEST_SIDE, le=LARGEST_SIDE, description="Height and width of the input, pixels."
    )
    channels: Literal[1, 3] = 3


ModelSpecOrName = Annotated[ModelSpec, BeforeValidator(_named, json_schema_input_type=str | ModelSpec)]

"""The data sets, a row each: facts, where their files lie, who reads and who fetches them; torch-free.

Means and deviations are of the training images, per channel, on [0, 1]; radii and steps are in pixel
units. Sources: the data sets' own papers for sizes and classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from cartl_core.compat import debian
from cartl_core.spec.training import Augmentation

COLOUR_EPS = 8 / 255
COLOUR_STEP = 2 / 255


@dataclass(frozen=True)
class TorchvisionSet:
    """A class of ``torchvision.datasets`` that can download."""

    name: str
    host: str
    """That it downloads from first."""
    size: int
    """Bytes of all that it downloads, as the publishers' server says."""
    splits: tuple[str, ...] = ()
    """Of its ``split``, each fetched by itself; none: one call fetches all."""
    folder: str = ""
    """Below the data root."""


@dataclass(frozen=True)
class DatasetFacts:
    """What is fixed about a data set."""

    name: str
    title: str
    classes: tuple[str, ...]
    image_size: int
    channels: int
    train_images: int
    test_images: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    train_eps: float
    eval_eps: float
    eval_step: float
    augmentation: Augmentation
    default_source: str
    fetch: str
    """How a person gets the files: shown when they are missing."""
    readers: tuple[str, ...]
    """``module:function`` of ``cartl_core.data.sources.Finder``: the first that finds files reads them."""
    expected: tuple[str, ...] = ()
    """Files that make it present, relative to the data root; any one of the lines is enough."""
    folders: tuple[str, ...] = ()
    """Where its files may lie below the data root, for readers that look in several places."""
    installed: str = ""
    """Folder of the system's own package of it, looked at last (``compat.debian.installed``)."""
    torchvision: TorchvisionSet | None = None
    """What fetches it, where torchvision can."""
    debian_package: str | None = None
    """Debian's package of it, tried where its publishers do not answer."""
    consistency_weight: float = 1.0
    """Of a `consistent` student's equal answers on this data.

    With 6 of 8 blocks tuned 1 cost at most 0.3 points of clean accuracy on the five pairs of docs/study/ but
    one of Fashion-MNIST (1.2). It stands where nothing was studied, and cost 0.8 to 3.2 on three such
    pairs."""


_SOURCES = "cartl_core.data.sources"
_IDX = (f"{_SOURCES}.idx:find",)
_FOLDERS_OR_CIFAR = (f"{_SOURCES}.folders:find", f"{_SOURCES}.published:find_cifar")
_MNIST = ("mnist", "MNIST/raw")
_FASHION_MNIST = (
    "fashion-mnist",
    "fashion_mnist",
    "FashionMNIST/raw",
    debian.FASHION_MNIST,
)
_TORCHVISION = "python -m cartl_core fetch {name} --data-root DIR"


def _idx_files(folders: tuple[str, ...]) -> tuple[str, ...]:
    """The four files of MNIST's format in each of them."""
    return tuple(f"{folder}/{{train,t10k}}-{{images-idx3,labels-idx1}}-ubyte[.gz]" for folder in folders)


def _numbered(count: int) -> tuple[str, ...]:
    return tuple(str(index) for index in range(count))


PHOTOGRAPHS_WEIGHT = 4.0
"""On three pairs of CIFAR, 9 seeds, 4 kept 6.0 to 14.0 points more than plain transfer at 0.6 to 0.7 less
clean with 6 of 8 blocks tuned, and 1 only 2.3 to 7.7; on Fashion-MNIST 4 costs up to 2.9 (docs/study/)."""

_CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

# Alphabetical, as in the data set's own label order.
_CIFAR100 = tuple(
    (
        "apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus "
        "butterfly camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab "
        "crocodile cup dinosaur dolphin elephant flatfish forest fox girl hamster house kangaroo "
        "keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree motorcycle mountain mouse "
        "mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy "
        "porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper "
        "snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone television "
        "tiger tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm"
    ).split()
)

_FASHION = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)

DATASETS: dict[str, DatasetFacts] = {
    facts.name: facts
    for facts in (
        DatasetFacts(
            name="digits",
            title="Optical recognition of handwritten digits (scikit-learn, 8x8)",
            classes=_numbered(10),
            image_size=8,
            channels=1,
            train_images=1437,
            test_images=360,
            mean=(0.305,),
            std=(0.376,),
            train_eps=0.15,
            eval_eps=0.15,
            eval_step=0.02,
            augmentation="none",
            default_source="mnist",
            fetch="pip install scikit-learn",
            readers=(f"{_SOURCES}.digits:find",),
        ),
        DatasetFacts(
            name="fashion_mnist",
            title="Fashion-MNIST",
            classes=_FASHION,
            image_size=28,
            channels=1,
            train_images=60_000,
            test_images=10_000,
            mean=(0.2860,),
            std=(0.3530,),
            train_eps=0.1,
            eval_eps=0.1,
            eval_step=0.01,
            augmentation="none",
            default_source="mnist",
            fetch=_TORCHVISION,
            readers=_IDX,
            expected=_idx_files((*_FASHION_MNIST, f"/{debian.FASHION_MNIST}")),
            folders=_FASHION_MNIST,
            installed="fashion-mnist",
            torchvision=TorchvisionSet(
                "FashionMNIST", "fashion-mnist.s3-website.eu-central-1.amazonaws.com", 30_878_645
            ),
            debian_package="dataset-fashion-mnist",
        ),
        DatasetFacts(
            name="mnist",
            title="MNIST",
            classes=_numbered(10),
            image_size=28,
            channels=1,
            train_images=60_000,
            test_images=10_000,
            mean=(0.1307,),
            std=(0.3081,),
            train_eps=0.15,
            eval_eps=0.15,
            eval_step=0.01,
            augmentation="none",
            default_source="svhn",
            fetch=_TORCHVISION,
            readers=_IDX,
            expected=_idx_files(_MNIST),
            folders=_MNIST,
            torchvision=TorchvisionSet("MNIST", "ossci-datasets.s3.amazonaws.com", 11_594_722),
        ),
        DatasetFacts(
            name="cifar10",
            title="CIFAR-10",
            classes=_CIFAR10,
            image_size=32,
            channels=3,
            train_images=50_000,
            test_images=10_000,
            mean=(0.4914, 0.4822, 0.4465),
            std=(0.2470, 0.2435, 0.2616),
            train_eps=COLOUR_EPS,
            eval_eps=COLOUR_EPS,
            eval_step=COLOUR_STEP,
            augmentation="crop_flip_rotate",
            default_source="cifar100",
            fetch=_TORCHVISION,
            readers=_FOLDERS_OR_CIFAR,
            expected=("cifar10/{train,test}/CLASS/*.png", "cifar-10-batches-py/*_batch*"),
            folders=("cifar-10-batches-py",),
            torchvision=TorchvisionSet("CIFAR10", "www.cs.toronto.edu", 170_498_071),
            consistency_weight=PHOTOGRAPHS_WEIGHT,
        ),
        DatasetFacts(
            name="cifar100",
            title="CIFAR-100",
            classes=_CIFAR100,
            image_size=32,
            channels=3,
            train_images=50_000,
            test_images=10_000,
            mean=(0.5071, 0.4865, 0.4409),
            std=(0.2673, 0.2564, 0.2762),
            train_eps=COLOUR_EPS,
            eval_eps=COLOUR_EPS,
            eval_step=COLOUR_STEP,
            augmentation="crop_flip_rotate",
            default_source="cifar10",
            fetch=_TORCHVISION,
            readers=_FOLDERS_OR_CIFAR,
            expected=("cifar100/{train,test}/CLASS/*.png", "cifar-100-python/{train,test,meta}"),
            folders=("cifar-100-python",),
            torchvision=TorchvisionSet("CIFAR100", "www.cs.toronto.edu", 169_001_437),
            consistency_weight=PHOTOGRAPHS_WEIGHT,
        ),
        DatasetFacts(
            name="svhn",
            title="Street View House Numbers (cropped digits)",
            classes=_numbered(10),
            image_size=32,
            channels=3,
            train_images=73_257,
            test_images=26_032,
            mean=(0.4377, 0.4438, 0.4728),
            std=(0.1980, 0.2010, 0.1970),
            train_eps=COLOUR_EPS,
            eval_eps=COLOUR_EPS,
            eval_step=COLOUR_STEP,
            augmentation="none",
            default_source="cifar100",
            fetch=_TORCHVISION,
            readers=(f"{_SOURCES}.published:find_svhn",),
            expected=("svhn/{train,test}_32x32.mat",),
            torchvision=TorchvisionSet("SVHN", "ufldl.stanford.edu", 246_316_178, ("train", "test"), "svhn"),
        ),
        DatasetFacts(
            name="gtsrb",
            title="German Traffic Sign Recognition Benchmark",
            classes=_numbered(43),
            image_size=32,
            channels=3,
            train_images=26_640,
            test_images=12_630,
            mean=(0.3403, 0.3121, 0.3214),
            std=(0.2724, 0.2608, 0.2669),
            train_eps=COLOUR_EPS,
            eval_eps=COLOUR_EPS,
            eval_step=COLOUR_STEP,
            augmentation="none",
            default_source="cifar100",
            fetch=_TORCHVISION,
            readers=(f"{_SOURCES}.published:find_gtsrb",),
            expected=("gtsrb/GTSRB/Training with gtsrb/GTSRB/Final_Test/Images and gtsrb/GT-final_test.csv",),
            torchvision=TorchvisionSet("GTSRB", "sid.erda.dk", 276_568_468, ("train", "test")),
        ),
    )
}

if TYPE_CHECKING:
    DatasetName = str
else:
    DatasetName = Literal[tuple(DATASETS)]
"""A name of ``DATASETS``: requests are checked against them, and the schema lists them."""

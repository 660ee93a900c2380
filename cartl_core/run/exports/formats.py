"""One function a format: write the network's file, and load that file back as others would."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from cartl_core.catalog.layouts import LAYOUTS
from cartl_core.nn.build import uninitialised
from cartl_core.nn.files import load_network
from cartl_core.nn.fold_averages import FoldRefused, fold_averages
from cartl_core.nn.network import Network
from cartl_core.run.exports.measure import ExportRefused, Forward
from cartl_core.run.exports.order import Task
from cartl_core.spec.exports import ExportFormat

INPUT, OUTPUT = "images", "logits"
MOST_BYTES = 1_900_000_000
"""Of weights in one ONNX file: a protocol buffer has at most 2 GiB."""


def write_safetensors(network: Network, task: Task, path: Path, classes: Sequence[str]) -> Forward:
    """Our own file is there already: it is only read back."""
    return load_network(path)


def write_layout(network: Network, task: Task, path: Path, classes: Sequence[str]) -> Forward:
    """The state dict of another library's class, as safetensors; averages become sums.

    What the class does not hold, the normalisation and the names of the classes, is in the header.

    Raises:
        ExportRefused: an average cannot be folded.
    """
    assert task.layout is not None
    row = LAYOUTS[task.layout]
    try:
        folded = fold_averages(network)
    except FoldRefused as error:
        raise ExportRefused("not_foldable", str(error)) from error
    ours = folded.state_dict()
    theirs = row.to_theirs(ours)
    header = {
        "format": "pt",
        "layout": row.name,
        "mean": json.dumps(network.arch.mean),
        "std": json.dumps(network.arch.std),
        "classes": json.dumps(list(classes)),
    }
    tensors = {name: ours[own].contiguous() for own, name in theirs.items()}
    tensors |= {copy: tensors[name].clone() for copy, name in row.copies(tensors).items()}
    path.write_bytes(safetensors.torch.save(tensors, metadata=header))
    return _read_layout(path, folded, {name: own for own, name in theirs.items()})


def _read_layout(path: Path, folded: Network, names: dict[str, str]) -> Forward:
    """The file in a network of its own, which has nothing but the normalisation from ours."""
    read = uninitialised(folded.arch)
    tensors = safetensors.torch.load_file(path)
    stored = {own: tensors[name] for name, own in names.items()}
    own = {name: tensor for name, tensor in folded.state_dict().items() if name.startswith("normalize.")}
    read.load_state_dict({**own, **stored})
    return read.eval()


def write_pt2(network: Network, task: Task, path: Path, classes: Sequence[str]) -> Forward:
    """A program of ``torch.export`` for batches of any size, the classes in its file ``classes.json``."""
    torch.export.save(_program(network), path, extra_files={"classes.json": json.dumps(list(classes))})
    loaded: Forward = torch.export.load(path).module()
    return loaded


def write_onnx(network: Network, task: Task, path: Path, classes: Sequence[str]) -> Forward:
    """An ONNX graph from ``images`` to ``logits`` for batches of any size, the classes in its metadata.

    Raises:
        ExportRefused: its weights do not fit into one file.
    """
    # Slow imports, and of this format alone.
    import onnx
    import onnxruntime

    size = sum(tensor.nbytes for tensor in network.state_dict().values())
    if size > MOST_BYTES:
        raise ExportRefused(
            "too_large", f"its weights are {size:,} bytes; allowed in one file: {MOST_BYTES:,}"
        )
    program = torch.onnx.export(
        _program(network), dynamo=True, input_names=[INPUT], output_names=[OUTPUT], verbose=False
    )
    assert program is not None
    model = program.model_proto
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    properties = {
        "classes": json.dumps(list(classes)),
        "input": "float32 in [0, 1], (N, C, H, W); the normalisation is inside",
    }
    onnx.helper.set_model_props(model, properties)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(path, sess_options=options, providers=["CPUExecutionProvider"])

    def forward(images: Tensor) -> Tensor:
        (logits,) = session.run([OUTPUT], {INPUT: images.numpy()})
        return torch.from_numpy(logits)

    return forward


def _program(network: Network) -> torch.export.ExportedProgram:
    """The network as a graph. Its example has two images: of one, the batch would be taken for fixed."""
    example = torch.zeros(2, *network.image_shape)
    batch = torch.export.Dim("batch", min=1)
    return torch.export.export(network, (example,), dynamic_shapes=({0: batch},), strict=False)


Writer = Callable[[Network, Task, Path, Sequence[str]], Forward]
WRITERS: dict[ExportFormat, Writer] = {
    "safetensors": write_safetensors,
    "layout": write_layout,
    "pt2": write_pt2,
    "onnx": write_onnx,
}
"""Formats that hold the network, in the order in which they are made: what may take longest comes last."""

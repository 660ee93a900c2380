"""Why a job ended as it did: every value of its ``reason``, stable, for programs to match on."""

from __future__ import annotations

REASONS: dict[str, str] = {
    "spec_invalid": "the specification cannot be run on this machine or by this version; post it again",
    "dataset_missing": "the data set is not here and could not be downloaded; the message has the command",
    "dataset_invalid": "the data set's files are there but cannot be used; fetch them again",
    "data_overlap": "source and target share more than a few images; choose other classes",
    "network_invalid": "the network to measure is gone, changed or cannot be loaded; upload it again",
    "loss_not_finite": "the loss became infinite or not a number, the message says when; lower `lr`",
    "out_of_memory": "the device ran out of memory, on CUDA with half batches too; lower `batch_size`",
    "disk_full": "no space for checkpoints or artifacts; `python -m jobs prune`, then retry",
    "resume_mismatch": "a stored stage is not what this run expects; retry after `python -m jobs prune`",
    "timeout": "the run took longer than `CARTL_TIMEOUT_SECONDS`; a retry goes on from its checkpoint",
    "worker_lost": "its worker or its process died in every attempt; look at the log, then retry",
    "internal_error": "a mistake of the program; the log has the trace",
    "cancelled": "its owner asked",
}

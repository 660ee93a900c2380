"""The story of a job, one sentence a function: submit, run, stages, sweep, observe.

Every function takes ``session`` first, states its precondition in the WHERE of a guarded update,
writes its event in the same transaction, and never commits: the caller does, at the boundary
(``with jobs.database.engine.transaction(factory) as session``).
"""

from jobs.store.aggregate_metrics import Tally, tally
from jobs.store.claim import Claim, claim, claimable_count
from jobs.store.deletion import delete_job
from jobs.store.machines.rates import Pace, measured_rates, newest_rate, pace_of, paces_of
from jobs.store.maintenance import (
    ReapResult,
    free_orphans,
    free_unheld,
    has_slept,
    hold_lock,
    keep_claims,
    reap_expired,
    release_lock,
    slept,
    stop_dead_workers,
    worker_beat,
    worker_started,
    worker_stopped,
    workers,
)
from jobs.store.observe import (
    MetricSeries,
    artifact,
    artifacts_of,
    events_after,
    list_jobs,
    metrics_of,
    overview,
    state_counts,
)
from jobs.store.queue_order import queue_position, set_priority
from jobs.store.record import record
from jobs.store.rights.sharing import readers, share, unshare
from jobs.store.run import (
    LOSSES,
    RenewResult,
    acknowledge_cancel,
    complete,
    fail,
    release,
    renew,
    requeue_after_crash,
)
from jobs.store.stages import (
    StageVerdict,
    acquire_stage,
    record_artifact,
    record_checkpoint,
    record_stage_stored,
    stages_of,
)
from jobs.store.submit import (
    enqueue,
    find,
    remaining_quota,
    remember,
    replayed,
    request_cancel,
    retry,
    submit,
)

__all__ = [
    "LOSSES",
    "Claim",
    "MetricSeries",
    "Pace",
    "ReapResult",
    "RenewResult",
    "StageVerdict",
    "Tally",
    "acknowledge_cancel",
    "acquire_stage",
    "artifact",
    "artifacts_of",
    "claim",
    "claimable_count",
    "complete",
    "delete_job",
    "enqueue",
    "events_after",
    "fail",
    "find",
    "free_orphans",
    "free_unheld",
    "has_slept",
    "hold_lock",
    "keep_claims",
    "list_jobs",
    "measured_rates",
    "metrics_of",
    "newest_rate",
    "overview",
    "pace_of",
    "paces_of",
    "queue_position",
    "readers",
    "reap_expired",
    "record",
    "record_artifact",
    "record_checkpoint",
    "record_stage_stored",
    "release",
    "release_lock",
    "remaining_quota",
    "remember",
    "renew",
    "replayed",
    "request_cancel",
    "requeue_after_crash",
    "retry",
    "set_priority",
    "share",
    "slept",
    "stages_of",
    "state_counts",
    "stop_dead_workers",
    "submit",
    "tally",
    "unshare",
    "worker_beat",
    "worker_started",
    "worker_stopped",
    "workers",
]

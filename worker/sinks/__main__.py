"""``python -m worker.sinks NAME``: one sink of the worker that starts it, which is its parent.

A process of its own: what hangs or crashes in the code of others takes nothing else with it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence

from jobs import logs
from jobs.database.engine import make_engine, session_factory
from jobs.entry import ending_in_words
from jobs.files.private import keep_private
from jobs.settings import Settings
from worker.host.companion import attach_to_worker
from worker.sinks.mlflow_tracker import MlflowTracker
from worker.sinks.switched_on import WEBHOOKS
from worker.sinks.tensorboard_tracker import TensorBoardTracker
from worker.sinks.tracking import SinkContext, track
from worker.sinks.values import Tracker
from worker.sinks.wandb_tracker import WandbTracker
from worker.sinks.watchdog import Watchdog
from worker.sinks.webhook_sender import WebhookSender

NICENESS = 10
"""Of 19: runs come first."""

TRACKERS: dict[str, Callable[[Settings, Watchdog], Tracker]] = {
    "mlflow": lambda settings, watchdog: MlflowTracker(settings, watchdog.renew),
    "tensorboard": lambda settings, _: TensorBoardTracker(settings.tensorboard_dir or settings.data_dir),
    "wandb": lambda settings, _: WandbTracker(settings),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Work until SIGTERM, which comes from the worker, or from the system when that has ended."""
    (name,) = sys.argv[1:] if arguments is None else arguments
    worker_id, shutting_down = attach_to_worker()
    os.nice(NICENESS)
    settings = Settings.from_env()
    logs.configure(settings)
    keep_private(settings)
    engine = make_engine(settings)
    context = SinkContext(settings, session_factory(engine), worker_id, shutting_down)
    if name == WEBHOOKS:
        WebhookSender(context).run()
        # A call that is under way is not waited for: threads of the pool would hold this process up.
        sys.stderr.flush()
        os._exit(0)
    watchdog = Watchdog(settings.tracker_seconds)
    with watchdog.watching(f"starting {name}"):
        tracker = TRACKERS[name](settings, watchdog)
    track(context, name, tracker, watchdog)
    engine.dispose()
    return 0


if __name__ == "__main__":
    sys.exit(ending_in_words(main))

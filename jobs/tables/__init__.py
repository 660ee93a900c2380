"""The SQL tables, by aggregate."""

from jobs.tables.access import ApiKey, IdempotencyKey, JobShare, Upload, UploadReservation, WebSession
from jobs.tables.audit import AuditEntry
from jobs.tables.base import ID, NAMES, ONLY_ON, Base
from jobs.tables.job import COUNTED_EVENTS, OF_ANYBODY, STATES, DeletedJob, Job, JobEvent, Metric, Sweep
from jobs.tables.quota import DeviceUse, OwnerQuota
from jobs.tables.rate import JobPace, StageRate
from jobs.tables.resource import Dataset, DatasetShare, Resource, Teacher, TeacherShare
from jobs.tables.schema import SchemaCompatibility
from jobs.tables.sink import TrackedJob, Webhook, WebhookDelivery
from jobs.tables.stage import Artifact, Checkpoint, Stage
from jobs.tables.task import TASK_STATES, Task
from jobs.tables.worker import Directory, Lock, Worker, WorkerSlot

__all__ = [
    "COUNTED_EVENTS",
    "ID",
    "NAMES",
    "OF_ANYBODY",
    "ONLY_ON",
    "STATES",
    "TASK_STATES",
    "ApiKey",
    "Artifact",
    "AuditEntry",
    "Base",
    "Checkpoint",
    "Dataset",
    "DatasetShare",
    "DeletedJob",
    "DeviceUse",
    "Directory",
    "IdempotencyKey",
    "Job",
    "JobEvent",
    "JobPace",
    "JobShare",
    "Lock",
    "Metric",
    "OwnerQuota",
    "Resource",
    "SchemaCompatibility",
    "Stage",
    "StageRate",
    "Sweep",
    "Task",
    "Teacher",
    "TeacherShare",
    "TrackedJob",
    "Upload",
    "UploadReservation",
    "WebSession",
    "Webhook",
    "WebhookDelivery",
    "Worker",
    "WorkerSlot",
]

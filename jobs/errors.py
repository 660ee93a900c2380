"""Errors of the record. A class's docstring is its message; values are attached by the raiser.

RecordError
|-- JobNotFound            no such job, or it belongs to somebody else: the two look the same
|-- ArtifactNotFound       the job has no such file
|-- ArtifactDamaged        the file is not as it was written
|-- ArtifactNameRefused    its name could leave its directory
|-- NotAllowed             the state table has no such arrow
|-- JobNotEnded            it is queued or running, and was to be deleted
|-- JobEnded               it has ended, and was to be moved in the queue
|-- JobInUse               a job that is to measure its network has not ended
|-- LostClaim              a late worker: the job is no longer its to write
|-- BadCursor              a page cursor that this service did not make
|-- TooManyJobs            the owner's limit on queued jobs
|-- TooManyShares          the limit on those whom a job is shown to
|-- KeyNotFound            no such key, or it counts no more, or it is another owner's
|-- QuotaExceeded          the owner's device seconds or stored bytes are used up
|-- SweepNotFound          no such sweep, or it belongs to somebody else
|-- UploadNotFound         no such upload, or it belongs to somebody else
|-- UploadInUse            a job that measures it has not ended
|-- TooManyUploads         the owner's limit on uploads
|-- WebhookNotFound        no such webhook, or it belongs to somebody else
|-- WebhookRefused         a URL that is not called
|-- TooManyWebhooks        the owner's limit on webhooks
|-- StorageFull            too little room on a disk
|   `-- NoSpace            for the content of a data set or a teacher
|-- ResourceNotFound       no such data set or teacher, or it is neither the owner's nor shared with them
|-- NameTaken              a data set or teacher of this owner has the name
|-- NotReceiving           its bytes are here already, or another request sends them
|-- ResourceInUse          a job or a check that names it has not ended
|-- DatasetNotReady        it was not checked, or cannot be used
|-- TeacherNotReady        the same of a teacher
|-- IdempotencyConflict    the same key with another body
|-- IdempotencyInFlight    the first request with this key is not finished
|-- SettingsInvalid        a variable of the environment has no value that it may have
|-- DirectoryMismatch      this host's files are not those of the database
`-- DatabaseMismatch       the database is at a migration that this version cannot use
    |-- DatabaseBehind     it lacks migrations
    `-- DatabaseAhead      a newer version has migrated it, and does not let this one go on
"""

from __future__ import annotations

from cartl_core.errors import CartlError
from jobs.state import JobState, Move


class RecordError(CartlError):
    """The record of jobs refused."""


class SettingsInvalid(RecordError):
    """A setting of the environment is not valid."""


class JobNotFound(RecordError):
    """There is no such job."""


class ArtifactNotFound(RecordError):
    """The job has no such artifact."""


class ArtifactDamaged(RecordError):
    """The artifact is not as it was written."""


class KeyNotFound(RecordError):
    """There is no such key."""


class QuotaExceeded(RecordError):
    """A quota of the owner is used up."""


class NotAllowed(RecordError):
    """The job's state does not allow this."""

    def __init__(self, state: JobState, move: Move, allowed: tuple[JobState, ...]) -> None:
        self.state = state
        self.move = move
        self.allowed = allowed
        words = ", ".join(allowed)
        super().__init__(f"a job that is {state} cannot {move}; allowed for: {words}", state=state, move=move)


class JobNotEnded(RecordError):
    """The job has not ended."""


class JobEnded(RecordError):
    """The job has ended."""


class JobInUse(RecordError):
    """A job that is to measure the network of this one has not ended."""


class LostClaim(RecordError):
    """The claim is lost: the job has ended, or somebody else runs it."""


class BadCursor(RecordError):
    """The cursor is not one that this service gave."""


class TooManyJobs(RecordError):
    """The owner has as many unfinished jobs as allowed."""


class TooManyShares(RecordError):
    """The job is shared with as many owners as allowed."""


class SweepNotFound(RecordError):
    """There is no such sweep."""


class UploadNotFound(RecordError):
    """There is no such upload."""


class UploadInUse(RecordError):
    """A job that measures this upload has not ended."""


class TooManyUploads(RecordError):
    """The owner has as many uploads as allowed."""


class WebhookNotFound(RecordError):
    """There is no such webhook."""


class WebhookRefused(RecordError):
    """This URL is not called."""


class TooManyWebhooks(RecordError):
    """The owner has as many webhooks as allowed."""


class StorageFull(RecordError):
    """There is too little room on the disk."""


class NoSpace(StorageFull):
    """There is too little room on the disk for this content."""


class ResourceNotFound(RecordError):
    """There is no such data set or teacher."""


class NameTaken(RecordError):
    """The name is taken."""


class NotReceiving(RecordError):
    """It takes no content now."""


class ResourceInUse(RecordError):
    """A job that names it has not ended."""


class DatasetNotReady(RecordError):
    """The data set cannot be used in its state."""


class TeacherNotReady(RecordError):
    """The teacher cannot be used in its state."""


class IdempotencyConflict(RecordError):
    """This Idempotency-Key was used with another body."""


class IdempotencyInFlight(RecordError):
    """The first request with this Idempotency-Key is still being handled."""


class DirectoryMismatch(RecordError):
    """This host's directories are not those of the database."""


class DatabaseMismatch(RecordError):
    """The database is at a migration that this version cannot use."""


class DatabaseAhead(DatabaseMismatch):
    """A newer version has migrated the database, and does not let this one go on."""


class DatabaseBehind(DatabaseMismatch):
    """The database lacks migrations; run `python -m jobs migrate`."""


class ArtifactNameRefused(RecordError):
    """An artifact's name is letters, digits, `.`, `_` and `-`, and starts with a letter or digit."""

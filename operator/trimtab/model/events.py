"""The closed list of events: what can happen to a deployment, in the past tense. CamelCase, as Kubernetes has it."""

from collections.abc import Mapping
from typing import Literal, NamedTuple, TypeAlias

EventType: TypeAlias = Literal["Normal", "Warning"]


class Kind(NamedTuple):
    """type: "Warning" for what a person should look at."""

    type: EventType
    text: str


EVENTS: Mapping[str, Kind] = {
    "Adopted": Kind("Normal", "Something that was there already carries our owner tag now: it belongs to the deployment."),
    "Converged": Kind("Normal", "Everything is as declared, and proven."),
    "Created": Kind("Normal", "Something was made, and was seen to be there."),
    "Declared": Kind("Normal", "A document was applied that says something new: the message names its fields."),
    "Delayed": Kind("Normal", "A call was turned down for now, and is made again."),
    "Deleted": Kind("Normal", "Something that is no longer wanted was deleted, and was seen to be gone."),
    "DeletionStarted": Kind("Normal", "The deployment is being deleted."),
    "Drifted": Kind("Warning", "Something was changed outside, and the drift policy leaves it so."),
    "EvaluationCompleted": Kind("Normal", "The job that evaluates a model has ended well."),
    "EvaluationFailed": Kind("Warning", "The job that evaluates a model has failed."),
    "EvaluationStarted": Kind("Normal", "A job that evaluates a model runs."),
    "Failed": Kind("Warning", "A call was refused, and another try does not help by itself."),
    "FightLifted": Kind("Normal", "A person, or a changed document, ended a fight: drift is repaired again."),
    "Fighting": Kind("Warning", "What is changed outside again after each repair is left alone until a person acts."),
    "GateNotMet": Kind("Warning", "The model misses a threshold, or the champion. What serves is untouched."),
    "GatePassed": Kind("Normal", "The model meets every gate."),
    "HeldAt": Kind("Normal", "A person rolled back: that revision serves until `trimtab release` or a changed document."),
    "HoldEnded": Kind("Normal", "A rollback ended: what the document declares serves again."),
    "RefreshRequested": Kind("Normal", "A person asked for base images or launcher to be resolved anew."),
    "Released": Kind("Normal", "A revision serves."),
    "Repaired": Kind("Normal", "What was changed outside is as declared again: what, from what, to what."),
    "Replaced": Kind("Normal", "Something that cannot be changed in place was made anew."),
    "Resumed": Kind("Normal", "A person ended a suspension: it is looked after again."),
    "Retained": Kind("Normal", "The deployment was deleted, and what exists was let go of."),
    "RetrainRequested": Kind("Normal", "A person asked for another training from the same inputs."),
    "Retried": Kind("Normal", "A person lifted the quarantine of a release."),
    "RolledBack": Kind("Warning", "A release was given up: it is in quarantine, and the one before serves."),
    "Stalled": Kind("Warning", "Nothing goes on until a person acts: the message says on what."),
    "Suspended": Kind("Normal", "A person has it left alone: nothing is made, repaired or deleted until `trimtab resume`."),
    "TakenUp": Kind("Normal", "What was let go of belongs to its deployment again."),
    "TrainingCompleted": Kind("Normal", "The training job has ended well."),
    "TrainingFailed": Kind("Warning", "The training job has failed: the message has its last words."),
    "TrainingStarted": Kind("Normal", "A training job runs."),
    "Unattributed": Kind("Warning", "CloudTrail may not be asked who changed what; drift is repaired all the same."),
    "Updated": Kind("Normal", "A setting was changed in place: what, from what, to what."),
}

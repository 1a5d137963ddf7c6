"""Errors whose class says what comes next (DESIGN, section "Errors" of the house style)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a document. Lines and columns count from 1."""

    file: str
    line: int = 1
    column: int = 1
    field: str = ""  # "spec.training.instances.count"; empty for the whole file

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class TrimtabError(Exception):
    """What a person can act on. `str()` of it is the sentence to show."""

    exit_code = 1


class UserError(TrimtabError):
    """The document, a file it names, or the command is wrong.

    code: stable, "TT1012"; reason: from the closed list of reasons; fix: one line that says what to do.
    """

    def __init__(
        self, message: str, *, position: Position | None = None, code: str, reason: str = "InvalidSpec", fix: str = ""
    ) -> None:
        super().__init__(message)
        self.message = message
        self.position = position
        self.code = code
        self.reason = reason
        self.fix = fix

    def __str__(self) -> str:
        where = f"{self.position}: " if self.position else ""
        field = f"{self.position.field}: " if self.position and self.position.field else ""
        return f"{where}{field}{self.message} [{self.code} {self.reason}]"


class Denied(TrimtabError):
    """The account refuses us: action, principal and resource are in the message."""


class NotOurs(TrimtabError):
    """The name is taken by something without our tag; both are named."""


class Conflict(TrimtabError):
    """It changed after we looked. Look again at once."""


class Superseded(Conflict):
    """A later document was applied meanwhile: this one is no longer what is declared."""


class Throttled(TrimtabError):
    """The service asks us to slow down."""

    exit_code = 3


class Transient(TrimtabError):
    """5xx, network, or not yet visible: the same call may work later."""

    exit_code = 3


class Bug(TrimtabError):
    """We are wrong. Carries an id to quote."""

    exit_code = 70

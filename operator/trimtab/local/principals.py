"""Who may sign, and who that is: the installation's own user, users of IAM with access keys, and assumed roles.

IAM and STS are moto's, so their keys are made again, the same, by every start. What a principal may do is not enforced.
Source: IAM User Guide, "How IAM users sign"; AWS CloudTrail User Guide, "CloudTrail userIdentity element".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree

from trimtab.local.neighbours import Neighbours
from trimtab.local.overlay import ServiceError
from trimtab.local.security import Key

OWN_USER = "trimtab"  # whom the installation's key belongs to
_OWN_ID = "AIDALOCALTRIMTAB00000"


@dataclass(frozen=True, slots=True)
class Issuer:
    """The role that a session was made of."""

    arn: str
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Principal:
    """Who makes a request."""

    arn: str
    id: str  # "AIDA..." of a user, "AROA...:<session>" of a session
    name: str  # of the user, or of the session
    key: str  # access key id
    role: Issuer | None = None
    since: datetime | None = None  # when a session began

    def identity(self, account: str) -> dict[str, Any]:
        """CloudTrail's userIdentity."""
        common = {"principalId": self.id, "arn": self.arn, "accountId": account, "accessKeyId": self.key}
        if self.role is None:
            return {"type": "IAMUser", **common, "userName": self.name}
        began = (self.since or datetime.min.replace(tzinfo=UTC)).strftime("%Y-%m-%dT%H:%M:%SZ")
        issuer = {"type": "Role", "principalId": self.role.id, "arn": self.role.arn, "accountId": account}
        context = {
            "sessionIssuer": issuer | {"userName": self.role.name},
            "attributes": {"creationDate": began, "mfaAuthenticated": "false"},
        }
        return {"type": "AssumedRole", **common, "sessionContext": context}


class Principals:
    """All who have a key."""

    def __init__(self, key: Key, account: str, neighbours: Neighbours) -> None:
        self._key, self._account, self._neighbours = key, account, neighbours
        self._own = Principal(f"arn:aws:iam::{account}:user/{OWN_USER}", _OWN_ID, OWN_USER, key.id)

    def find(self, key_id: str) -> tuple[str, Principal] | None:
        """(secret, whose it is) of an access key; None for one that nobody has, or that is inactive."""
        if key_id == self._key.id:
            return self._key.secret, self._own
        with self._neighbours.lock:
            return self._session(key_id) if key_id.startswith("ASIA") else self._user(key_id)

    def issue(self, name: str) -> dict[str, str]:
        """A user of this name, made if there is none, and its first active key. Raises ServiceError."""
        found = self._first_key(name)
        if found is None:
            self._iam("CreateUser", {"UserName": name}, accepted="EntityAlreadyExists")
            self._iam("CreateAccessKey", {"UserName": name})
            found = self._first_key(name)
        assert found is not None  # just made
        return found

    # --- inside ---

    def _first_key(self, name: str) -> dict[str, str] | None:
        with self._neighbours.lock:
            user = self._users().get(name)
            active = [key for key in user.access_keys if key.status == "Active"] if user else []
            key = active[0] if active else None
            return {"id": key.access_key_id, "secret": key.secret_access_key} if key else None

    def _user(self, key_id: str) -> tuple[str, Principal] | None:
        for user in self._users().values():
            for key in user.access_keys:
                if key.access_key_id == key_id and key.status == "Active":
                    return key.secret_access_key, Principal(user.arn, user.id, user.name, key_id)
        return None

    def _session(self, key_id: str) -> tuple[str, Principal] | None:
        from moto.sts.models import sts_backends

        backend: Any = sts_backends[self._account]["aws"]
        session = backend.get_assumed_role_from_access_key(key_id)
        if session is None:
            return None
        id, _, name = str(session.user_id).partition(":")
        role = Issuer(session.role_arn, id, str(session.role_arn).rpartition("/")[2])
        began = session.access_key.create_date
        return session.secret_access_key, Principal(session.arn, f"{id}:{name}", name, key_id, role, began)

    def _users(self) -> Mapping[str, Any]:
        from moto.iam.models import iam_backends

        backend: Any = iam_backends[self._account]["aws"]
        return backend.users

    def _iam(self, action: str, fields: Mapping[str, str], accepted: str = "") -> None:
        """Ask IAM as a client would. accepted: the code of a refusal that is none."""
        body = urlencode({"Action": action, "Version": "2010-05-08", **fields}).encode()
        response = self._neighbours.ask("iam", "POST", "/", body, reading=False)
        if response.status < 400:
            return
        tree = ElementTree.fromstring(response.body)  # noqa: S314 - moto's own answer
        texts = {each.tag.rpartition("}")[2]: each.text or "" for each in tree.iter()}
        if texts.get("Code") != accepted:
            raise ServiceError(texts.get("Code", "InternalFailure"), texts.get("Message", ""), response.status)

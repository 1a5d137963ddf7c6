"""Names of outside resources: derived, within each service's limits, and never two alike.

A name with a generation key ends in twelve digits that hash (uid, key). One without ends in six digits of the uid; where
the readable part must be cut, in twelve that hash namespace, name and uid.
"""

from dataclasses import dataclass

from trimtab.core.canonical import h12


@dataclass(frozen=True, slots=True)
class Names:
    """Names of one deployment in one environment."""

    environment: str
    environment_uid: str
    namespace: str
    name: str
    uid: str

    @property
    def path(self) -> str:
        """ "<environment>/<namespace>/<name>": unambiguous, for services whose names may hold slashes."""
        return f"{self.environment}/{self.namespace}/{self.name}"

    @property
    def log_group(self) -> str:
        return log_group_name(self.environment, self.namespace, self.name)

    def keyed(self, key: str, limit: int) -> str:
        """ "<namespace>-<name>-<h12>" for what a generation key names."""
        digits = h12(self.uid, key)
        return f"{_cut(f'{self.namespace}-{self.name}', limit - 13)}-{digits}"

    def plain(self, limit: int, role: str = "") -> str:
        """ "<namespace>-<name>-<uid6>[-<role>]" for what lives through generations."""
        tail = f"-{role}" if role else ""
        readable = f"{self.namespace}-{self.name}"
        room = limit - 7 - len(tail)
        if len(readable) <= room:
            return f"{readable}-{self.uid[:6]}{tail}"
        return f"{_cut(readable, room - 6)}-{h12(self.namespace, self.name, self.uid)}{tail}"

    def shared(self, limit: int) -> str:
        """ "trimtab-<environment>-<uid6>" for what the environment's deployments share."""
        return f"{_cut(f'trimtab-{self.environment}', limit - 7)}-{self.environment_uid[:6]}"

    def bucket_folder(self, *parts: str) -> str:
        """A prefix below the deployment's own, with its last slash: "deployments/<uid>/datasets/<digest>/"."""
        return "/".join(("deployments", self.uid, *parts)) + "/"


def log_group_name(environment: str, namespace: str, name: str) -> str:
    """Without a uid in it: who has lost the uid finds it there."""
    return f"/trimtab/{environment}/{namespace}/{name}"


def _cut(text: str, limit: int) -> str:
    """At most `limit` characters, not ending in a hyphen (SageMaker and ELB refuse two in a row or one at the end)."""
    return text[:limit].rstrip("-")

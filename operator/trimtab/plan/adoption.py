"""Which live things without our owner tag may become ours, and why the others may not. Pure.

What carries another owner's tag is nobody's to adopt, under any policy. What is adopted is never replaced for it: it is
somebody's work, and may hold what is nowhere else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from trimtab.core.kind import DEPLOYMENT, ENVIRONMENT, UID, Difference

Mode: TypeAlias = Literal["never", "ifIdentical", "takeOver"]

# Kinds of which "as declared" would say too little, though what is there has tags. Those without tags are found by their
# parent, or by an address with our uid in it; those whose names may repeat are made beside what is there.
UNFIT: Mapping[str, str] = {
    "iam.Role": "what other policies it has is not compared",
    "sagemaker.ProcessingJob": "what it ran with is not compared",
    "sagemaker.TrainingJob": "what it ran with is not compared",
}
_PREFIX = "trimtab.dev/"  # of ownership tags


@dataclass(frozen=True, slots=True)
class Adoption:
    """`spec.policy.adoption` of a deployment, and `spec.takeOver` of its environment."""

    mode: Mode = "never"
    namespace: str = ""  # of the deployment
    environment: str = ""
    prefixes: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()

    def bar(self, kind: str, identity: str, differing: Sequence[Difference]) -> str:
        """Why such a thing may not be adopted; "" where it may. differing: what of it is not as declared."""
        if kind in UNFIT:
            return f"{kind} is never adopted: {UNFIT[kind]}"
        if self.mode == "ifIdentical":
            paths = ", ".join(each.path for each in differing)
            return f"adoption: ifIdentical leaves it, since it differs in {paths}" if differing else ""
        if lacking := self._lacking(identity.rpartition("|")[2]):
            return f"adoption: takeOver needs {' and '.join(lacking)} of environment {self.environment}"
        fixed = ", ".join(each.path for each in differing if each.remedy != "update")
        return f"adoption: takeOver leaves it, since {fixed} cannot be changed in place" if fixed else ""

    def _lacking(self, name: str) -> list[str]:
        """What the environment does not name, for a thing of that name."""
        found = [] if self.namespace in self.namespaces else [f'"{self.namespace}" in spec.takeOver.namespaces']
        is_named = any(name.startswith(prefix) for prefix in self.prefixes)
        return found if is_named else [*found, f'"{name}", or what it begins with, in spec.takeOver.prefixes']


def holder_in(tags: Mapping[str, str], declared: Mapping[str, str]) -> str:
    """Who holds a thing, as far as its tags tell; "" for nobody of trimtab's.

    declared: our own tags. Where the uid is gone, the tags beside it may still name another deployment.
    """
    if UID in tags:
        return tags[UID]
    others = (tags[name] for name in (DEPLOYMENT, ENVIRONMENT) if name in tags and tags[name] != declared.get(name))
    return next(others, "")


def foreign_tags(tags: Mapping[str, str], declared: Mapping[str, str]) -> tuple[Difference, ...]:
    """Declared tags that are missing or other, but for those that say whose it is: one difference each."""
    return tuple(
        Difference(f"tags.{name}", tags.get(name), want)
        for name, want in sorted(declared.items())
        if not name.startswith(_PREFIX) and tags.get(name) != want
    )


def adopting(found: Sequence[Difference]) -> tuple[tuple[Difference, ...], ...]:
    """The writes of an adoption, in order: the tags, by which it is ours; then what is not as declared, if anything is."""
    fields = tuple(each for each in found if each.path != "tags")
    tags = tuple(each for each in found if each.path == "tags")
    return (tags, fields) if fields else (tags,)

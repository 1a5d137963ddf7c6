"""What a Dockerfile has said so far of its one stage."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from trimtab_container.dockerfile import Copy, Recipe, Refused, Requirement
from trimtab_container.dockerfile.lines import Place, Text
from trimtab_container.dockerfile.words import expanded


@dataclass
class Stage:
    """The one stage, as far as it has been read."""

    paths: Sequence[str]
    read: Callable[[str], bytes]
    given: Mapping[str, str]
    inherited: dict[str, str]  # the base's variables
    base: str = ""
    first: dict[str, str] = field(default_factory=dict[str, str])  # ARG before FROM
    args: dict[str, str] = field(default_factory=dict[str, str])
    env: dict[str, str] = field(default_factory=dict[str, str])
    copies: list[Copy] = field(default_factory=list[Copy])
    installed: list[Requirement] = field(default_factory=list[Requirement])
    labels: dict[str, str] = field(default_factory=dict[str, str])
    ports: list[str] = field(default_factory=list[str])
    user: str = ""
    folder: str = ""
    entrypoint: tuple[Place, list[str]] | None = None
    command: tuple[Place, list[str]] | None = None

    def end(self) -> Sequence[Refused]:
        """What the whole lacks."""
        found = list[Refused]()
        if not self.base:
            found.append(Refused((1, 1), "there is no FROM", "begin with FROM"))
        place, (program, *_) = self.entrypoint or ((1, 1), [""])
        if program.startswith("/"):
            of = [each for each in self.copies if program.lstrip("/") in each.files]
            if of and not (of[-1].mode or 0) & 0o111:
                found.append(Refused(place, f"{program} is not executable", "COPY --chmod=0755 it; modes are not copied"))
        return found

    def recipe(self) -> Recipe:
        return Recipe(
            base=self.base,
            copies=tuple(self.copies),
            requirements=tuple(self.installed),
            environment=self.env,
            labels=self.labels,
            ports=tuple(dict.fromkeys(self.ports)),
            user=self.user,
            folder=f"/{self.folder}" if self.folder else "",
            entrypoint=tuple(self.entrypoint[1]) if self.entrypoint else None,
            command=tuple(self.command[1]) if self.command else None,
        )

    @property
    def variables(self) -> dict[str, str]:
        return {**self.inherited, **self.args, **self.env}  # ENV goes before ARG

    def filled(self, word: Text) -> str:
        """A word that must come to something."""
        value = expanded(word, self.variables)
        if not value:
            raise Refused(
                word.place, f"{word.text} comes to nothing", "write it out, or set its variable before by ARG or ENV"
            )
        return value

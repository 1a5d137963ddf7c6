"""Read a Dockerfile into a recipe: one stage, no command but `pip install`."""

from collections.abc import Callable, Mapping, Sequence

from trimtab_container.dockerfile import FILE, Mistake, Reading, Refused
from trimtab_container.dockerfile.lines import instructions
from trimtab_container.dockerfile.patterns import ignoring
from trimtab_container.dockerfile.readers import take
from trimtab_container.dockerfile.stage import Stage


def read_dockerfile(
    text: str,
    paths: Sequence[str],
    read: Callable[[str], bytes],
    *,
    file: str = FILE,
    arguments: Mapping[str, str] | None = None,
    base_environment: Mapping[str, str] | None = None,
) -> Reading:
    """Say what image a Dockerfile describes, or everything that is wrong with it.

    paths: files of its folder. read: the bytes of one. arguments: build arguments that are given. base_environment: the
    variables of the base image, where they are known.
    """
    kept, ignore, wrong = ignoring(paths, file, read)
    stage = Stage(kept, read, arguments or {}, dict(base_environment or {}))
    mistakes = [Mistake(ignore, *each.place, each.text, each.fix) for each in wrong]
    for instruction in instructions(text):
        try:
            if isinstance(instruction, Refused):
                raise instruction
            mistakes += [Mistake(name or file, *each.place, each.text, each.fix) for name, each in take(stage, instruction)]
        except Refused as refused:
            mistakes.append(Mistake(file, *refused.place, refused.text, refused.fix))
    for refused in stage.end():
        mistakes.append(Mistake(file, *refused.place, refused.text, refused.fix))
    return Reading(None if mistakes else stage.recipe(), tuple(mistakes))

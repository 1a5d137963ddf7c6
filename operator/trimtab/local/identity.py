"""Who is asking: the one operation of STS that every first step makes. The rest of STS is moto's."""

from collections.abc import Sequence
from datetime import datetime

from trimtab.local.overlay import Arguments, Context, Reply, World


class Identity:
    service = "sts"
    whole = False

    def __init__(self, world: World) -> None:
        self._world = world

    def get_caller_identity(self, arguments: Arguments, context: Context) -> Reply:
        return {"UserId": context.principal_id, "Account": context.account, "Arn": context.principal}

    def tick(self, now: datetime) -> None:
        """Nothing moves here."""

    def recover(self) -> Sequence[str]:
        return ()

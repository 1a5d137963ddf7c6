"""A local cloud as a real process, for tests: free ports, a state folder of its own, nothing left afterwards."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from trimtab.local.commands import down, free_ports, up
from trimtab.local.paths import CloudInfo


@dataclass
class RunningCloud:
    folder: Path
    info: CloudInfo
    ports: tuple[int, int]

    def client(self, service: str, **config: Any) -> Any:
        session = boto3.Session(self.info.access_key_id, self.info.secret_access_key, region_name=self.info.region)
        settings = {"retries": {"total_max_attempts": 1}, **config}
        return session.client(service, endpoint_url=self.info.endpoint, config=Config(**settings))

    @property
    def variables(self) -> dict[str, str]:
        return {**os.environ, "TRIMTAB_LOCAL_STATE": str(self.folder)}


@contextmanager
def running_cloud(folder: Path) -> Iterator[RunningCloud]:
    """Bring one up, and take all of it down."""
    ports = free_ports(2)
    try:
        result = up(folder, *ports)
        yield RunningCloud(folder, result.info, (ports[0], ports[1]))
    finally:
        down(folder, purge=True)

"""A local cloud as a real process, for tests: free ports, a state folder of its own, nothing left afterwards."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from shaped import checked
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
        return checked(session.client(service, endpoint_url=self.info.endpoint, config=Config(**settings)))

    def journal(self, since: int = 0) -> list[dict[str, Any]]:
        """What was asked of its control plane after a number, oldest first."""
        url = f"{self.info.endpoint}/_trimtab/journal?since={since}"
        request = AWSRequest("GET", url)
        credentials = Credentials(self.info.access_key_id, self.info.secret_access_key)
        SigV4Auth(credentials, "trimtab", self.info.region).add_auth(request)
        return urllib3.request("GET", url, headers=dict(request.headers.items()), retries=False).json()["entries"]

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

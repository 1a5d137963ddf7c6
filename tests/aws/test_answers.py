"""How the local cloud's answers travel."""

import socket
from collections.abc import Iterator

import pytest

from clouds import RunningCloud, running_cloud

ASKED = b"POST / HTTP/1.1\r\nHost: cloud\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 44\r\n\r\n"
BODY = b"Action=GetRole&RoleName=none&Version=2010-05"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    with running_cloud(tmp_path_factory.mktemp("answers") / "state") as made:
        yield made


def test_an_answer_arrives_as_a_whole(cloud: RunningCloud):
    """Go's client may close a connection between the head and the body of an answer, and send a create once more."""
    wholes = list[bool]()
    with socket.create_connection(("127.0.0.1", cloud.ports[0]), timeout=30) as connection:
        for _ in range(100):
            connection.sendall(ASKED + BODY)
            head, _, body = connection.recv(65536).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 403 ")  # it is not signed
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            wholes.append(len(body) == length > 0)
            while len(body) < length:
                body += connection.recv(65536)
    assert all(wholes)

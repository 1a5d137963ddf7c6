"""`trimtab run --clock`: the local cloud that is served, on loopback, and none else."""

from pathlib import Path

import pytest

from trimtab.cli.operating.clock import clock_at
from trimtab.clients.clock import SystemClock
from trimtab.core.errors import UserError
from trimtab.local.paths import CloudInfo, write_info

HERE = "http://127.0.0.1:4566"


@pytest.fixture(autouse=True)
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIMTAB_LOCAL_STATE", str(tmp_path))
    write_info(tmp_path, CloudInfo(HERE, "http://127.0.0.1:4567", "AKIA", "secret", "us-east-1", "123456789012", 1, ""))


def test_without_a_url_it_is_this_machines():
    with clock_at(None, ["production"]) as clock:
        assert type(clock) is SystemClock


@pytest.mark.parametrize(
    ("url", "environments", "said"),
    [
        ("http://clock.example.com", ["local"], "loopback"),
        ("http://10.0.0.1:4566", ["local"], "loopback"),
        ("https://127.0.0.1:4566", ["local"], "loopback"),
        ("127.0.0.1:4566", ["local"], "loopback"),
        ("http://[", ["local"], "loopback"),
        ("http://127.0.0.1:9999", ["local"], f"is at {HERE}, not at http://127.0.0.1:9999"),
        (HERE, ["local", "production"], "the environment production is no local cloud"),
    ],
)
def test_any_other_is_refused(url: str, environments: list[str], said: str):
    with pytest.raises(UserError, match="TT6011") as error, clock_at(url, environments):
        pass
    assert said in str(error.value)


@pytest.mark.parametrize("url", [HERE, f"{HERE}/", "http://localhost:4566"])
def test_the_cloud_that_is_served_is_followed_also_while_it_is_silent(url: str):
    with clock_at(url, ["local"]) as clock:
        assert type(clock) is not SystemClock

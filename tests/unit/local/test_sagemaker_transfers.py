"""The platform's half of the training contract: where objects land, what is packed, which metrics are seen."""

import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from trimtab.local.sagemaker_transfers import TransferFailed, download, read_metrics, relative, upload


class Objects:
    """S3 in a dictionary."""

    def __init__(self, *buckets: str, **objects: bytes) -> None:
        self.content: dict[str, dict[str, bytes]] = {name: {} for name in buckets}
        self.fetched: list[str] = []

    def put(self, bucket: str, key: str, source: Path | bytes) -> None:
        self.content[bucket][key] = source if isinstance(source, bytes) else source.read_bytes()

    def get(self, bucket: str, key: str) -> bytes:
        return self.content[bucket][key]

    def fetch(self, bucket: str, key: str, target: Path) -> None:
        self.fetched.append(key)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(self.content[bucket][key])

    def keys(self, bucket: str, prefix: str) -> list[tuple[str, int]]:
        found = self.content.get(bucket, {})
        return sorted((key, len(data)) for key, data in found.items() if key.startswith(prefix))


def request(*uris: str, **more: Any) -> dict[str, Any]:
    channels = [
        {"ChannelName": f"c{index}", "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri}}}
        for index, uri in enumerate(uris)
    ]
    return {"InputDataConfig": channels, "ResourceConfig": {"InstanceType": "ml.m5.large"}, "RoleArn": "the-role", **more}


def never() -> bool:
    return False


@pytest.mark.parametrize(
    ("key", "prefix", "expected"),
    [
        ("data/train/x.csv", "data/train/", "x.csv"),
        ("data/train/x.csv", "data/train", "x.csv"),
        ("data/train/a/x.csv", "data/train", "a/x.csv"),
        ("data/training/x.csv", "data/train", "training/x.csv"),
        ("data/train.csv", "data/tra", "train.csv"),
        ("data/train.csv", "data/train.csv", "train.csv"),
        ("x.csv", "", "x.csv"),
        ("x.csv", "x", "x.csv"),
    ],
)
def test_where_an_object_lies_in_its_channel(key: str, prefix: str, expected: str):
    assert relative(key, prefix) == expected


def test_the_configuration_is_as_sagemaker_writes_it(tmp_path: Path):
    buckets = Objects("b")
    buckets.put("b", "d/x", b"1")
    given = request("s3://b/d/", HyperParameters={"epochs": "8"})
    given["InputDataConfig"][0]["ContentType"] = "text/csv"
    download(buckets, given, tmp_path, never)
    config = tmp_path / "input/config"
    assert json.loads((config / "hyperparameters.json").read_text()) == {"epochs": "8"}
    assert json.loads((config / "inputdataconfig.json").read_text()) == {
        "c0": {
            "TrainingInputMode": "File",
            "S3DistributionType": "FullyReplicated",
            "RecordWrapperType": "None",
            "ContentType": "text/csv",
        }
    }
    hosts = json.loads((config / "resourceconfig.json").read_text())
    assert (hosts["current_host"], hosts["hosts"], hosts["current_instance_type"]) == ("algo-1", ["algo-1"], "ml.m5.large")
    assert (tmp_path / "input/data/c0/x").read_bytes() == b"1"
    for name in ("model", "output/data", "checkpoints"):
        assert list((tmp_path / name).iterdir()) == []


def test_an_empty_channel_is_told_in_sagemakers_words(tmp_path: Path):
    buckets = Objects("b")
    buckets.put("b", "d/", b"")  # a folder marker is no data
    for uri in ("s3://b/d/", "s3://b/none", "s3://none/x"):
        with pytest.raises(TransferFailed, match=r"Data download failed:No S3 objects found under S3 URL .*the-role"):
            download(buckets, request(uri), tmp_path, never)


@pytest.mark.parametrize("key", ["d/../../out", "d/a/../../../out", "d//etc/x"])
def test_no_key_leads_out_of_its_channel(tmp_path: Path, key: str):
    buckets = Objects("b")
    buckets.put("b", key, b"x")
    with pytest.raises(TransferFailed, match="outside"):
        download(buckets, request("s3://b/d/"), tmp_path / "ml", never)
    assert not (tmp_path / "out").exists()


def test_a_key_that_is_a_file_and_a_folder_fails_in_words(tmp_path: Path):
    buckets = Objects("b")
    buckets.put("b", "d/x", b"1")
    buckets.put("b", "d/x/y", b"1")
    with pytest.raises(TransferFailed, match="Data download failed:d/x/y"):
        download(buckets, request("s3://b/d/"), tmp_path, never)


def test_a_second_download_fetches_only_what_is_missing(tmp_path: Path):
    buckets = Objects("b")
    for name in ("a", "b", "c"):
        buckets.put("b", f"d/{name}", b"12345")
    download(buckets, request("s3://b/d/"), tmp_path, never)
    folder = tmp_path / "input/data/c0"
    (folder / "b").unlink()
    (folder / "c").write_bytes(b"12")
    buckets.fetched.clear()
    download(buckets, request("s3://b/d/"), tmp_path, never)
    assert buckets.fetched == ["d/b", "d/c"]
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == dict.fromkeys("abc", b"12345")


def test_a_cancelled_download_stops_at_the_next_object(tmp_path: Path):
    buckets = Objects("b")
    for number in range(5):
        buckets.put("b", f"d/{number}", b"1")
    download(buckets, request("s3://b/d/"), tmp_path, lambda: len(buckets.fetched) == 2)
    assert len(buckets.fetched) == 2


def names_in(data: bytes, folder: Path) -> dict[str, bytes]:
    (folder / "packed").write_bytes(data)
    with tarfile.open(folder / "packed", "r:gz") as tar:
        return {each.name: file.read() for each in tar if (file := tar.extractfile(each))}


def test_what_is_packed_is_files_and_links_that_stay_inside(tmp_path: Path):
    buckets, model = Objects("b"), tmp_path / "model"
    (model / "deep").mkdir(parents=True)
    (tmp_path / "secret").write_text("secret")
    (model / "model.onnx").write_bytes(b"onnx")
    (model / "deep/card.json").write_bytes(b"{}")
    (model / "same").symlink_to("model.onnx")
    (model / "out").symlink_to(tmp_path / "secret")
    (model / "folder-out").symlink_to(tmp_path)
    (model / "broken").symlink_to("none")
    os.mkfifo(model / "pipe")
    upload(buckets, "s3://b/p/job/output", tmp_path, with_model=True)
    assert list(buckets.content["b"]) == ["p/job/output/model.tar.gz"]
    packed = names_in(buckets.content["b"]["p/job/output/model.tar.gz"], tmp_path)
    assert packed == {"model.onnx": b"onnx", "deep/card.json": b"{}", "same": b"onnx"}


def test_nothing_is_uploaded_of_empty_folders_and_no_model_of_a_failed_job(tmp_path: Path):
    buckets = Objects("b")
    for name in ("model", "output/data"):
        (tmp_path / name).mkdir(parents=True)
    upload(buckets, "s3://b/job/output", tmp_path, with_model=True)
    assert buckets.content["b"] == {}
    (tmp_path / "model/x").write_text("1")
    (tmp_path / "output/data/y").write_text("1")
    upload(buckets, "s3://b/job/output", tmp_path, with_model=False)
    assert list(buckets.content["b"]) == ["job/output/output.tar.gz"]
    assert not (tmp_path / "output.tar.gz").exists()


def test_a_missing_bucket_and_a_full_disk_are_told_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "model").mkdir()
    (tmp_path / "model/x").write_text("1")
    with pytest.raises(TransferFailed, match="Artifact upload failed: the bucket none"):
        upload(Objects(), "s3://none/job", tmp_path, with_model=True)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    buckets = Objects("b")
    monkeypatch.setattr(buckets, "put", full)
    with pytest.raises(TransferFailed, match="No space left"):
        upload(buckets, "s3://b/job", tmp_path, with_model=True)


METRICS = {"loss": r"loss=([^ ]+)", "accuracy": r"acc: ([0-9.]+)", "none": r"never (\d)", "groupless": r"loss"}


def test_the_last_value_of_each_metric_counts_and_is_kept_as_printed(tmp_path: Path):
    log = tmp_path / "log"
    log.write_text("loss=0.5 acc: 0.1\nloss=1e-3 acc: 0.9\nloss=broken\nloss=nan loss=0.250\nacc: . \n")
    read = read_metrics(log, 0, METRICS)
    assert (read.metrics, read.place) == ({"loss": "0.250", "accuracy": "0.9"}, log.stat().st_size)


def test_half_a_line_waits_for_its_end(tmp_path: Path):
    log = tmp_path / "log"
    log.write_text("loss=1\nloss=0.1")
    first = read_metrics(log, 0, METRICS)
    assert (first.metrics, first.place) == ({"loss": "1"}, 7)
    log.write_text("loss=1\nloss=0.12345\n")
    assert read_metrics(log, first.place, METRICS).metrics == {"loss": "0.12345"}
    log.write_text("loss=1\nloss=0.9")
    assert read_metrics(log, first.place, METRICS, last=True).metrics == {"loss": "0.9"}


def test_a_line_without_end_and_a_long_log_are_read_to_the_end(tmp_path: Path):
    log = tmp_path / "log"
    log.write_bytes(b"x" * (3 << 20) + b"\n" + b"y\n" * (1 << 20) + b"\xff\xfe\nloss=7\n")
    read = read_metrics(log, 0, METRICS, last=True)
    assert (read.metrics, read.place) == ({"loss": "7"}, log.stat().st_size)
    assert read_metrics(tmp_path / "none", 5, METRICS).place == 5

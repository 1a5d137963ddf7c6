"""Take a model that is there already: its plain files at a prefix, and a record of what they are, written last."""

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

from trimtab.core.kind import Call
from trimtab.engine.contents import Content
from trimtab.engine.transfers import Report
from trimtab.engine.workers import Bench
from trimtab.engine.workers.reuse import reusable
from trimtab.engine.workers.unpack import MAX_EVALUATION, read_evaluation
from trimtab.engine.workers.upload import content_of, opened, send_tree

EVALUATION = "evaluation.json"


class Take:
    """The worker "take": arguments as trimtab.Artifact yields them."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    def __call__(self, arguments: Mapping[str, Any], report: Report) -> None:
        content = content_of(self._bench, arguments["source"], arguments["digest"])
        aws, bucket, prefix = self._bench.aws, arguments["bucket"], arguments["prefix"]
        send_tree(aws, bucket, prefix, content, report, partial(reusable, aws, bucket, prefix))
        record: dict[str, Any] = {
            "digest": content.digest,
            "bytes": content.size_bytes,
            "files": [[entry.path, entry.size, entry.sha256] for entry in content.entries],
            "metrics": {},
            **(content.record or self._evaluated(content)),
        }
        put = {
            "Bucket": bucket,
            "Key": arguments["record_key"],
            "Body": json.dumps(record).encode(),
            "ContentType": "application/json",
        }
        aws.make(Call("s3", "PutObject", put, repeat="safe"))

    def _evaluated(self, content: Content) -> dict[str, Any]:
        """What the folder itself tells of how good its model is."""
        entry = next((each for each in content.entries if each.path == EVALUATION), None)
        if entry is None:
            return {"evaluation": None, "problem": f"the model's folder holds no {EVALUATION}"}
        if entry.size > MAX_EVALUATION:
            return {"evaluation": None, "problem": f"{EVALUATION} has more than {MAX_EVALUATION} bytes"}
        with opened(self._bench.aws, content, entry) as file:
            evaluation, problem = read_evaluation(file.read())
        return {"evaluation": evaluation, "problem": problem}

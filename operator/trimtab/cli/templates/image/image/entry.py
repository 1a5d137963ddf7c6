"""SageMaker's training contract, by hand: what an image of one's own must do when it is run with the word `train`.

It finds hyper-parameters in /opt/ml/input/config/hyperparameters.json (all values text), each channel in
/opt/ml/input/data/<channel> (the code folder of the document is the channel `code`), leaves the model in /opt/ml/model and
evaluation.json in /opt/ml/output/data, says why it failed in /opt/ml/output/failure, and ends with 0 or not.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

BASE = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
SCRIPT = "train.py"


def main() -> int:
    if sys.argv[1:] != ["train"]:
        print(f"this image answers `train`, not {sys.argv[1:]}", file=sys.stderr)
        return 2
    data, model, output = BASE / "input" / "data", BASE / "model", BASE / "output" / "data"
    for folder in (model, output):
        folder.mkdir(parents=True, exist_ok=True)
    parameters = BASE / "input" / "config" / "hyperparameters.json"
    given = json.loads(parameters.read_text()) if parameters.is_file() else {}
    words = [word for name, value in sorted(given.items()) for word in (f"--{name}", value)]
    channels = {f"SM_CHANNEL_{each.name.upper()}": str(each) for each in data.iterdir() if each.is_dir()}
    told = {"SM_MODEL_DIR": str(model), "SM_OUTPUT_DATA_DIR": str(output), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, str(data / "code" / SCRIPT), *words]
    process = subprocess.Popen(command, env={**os.environ, **channels, **told}, stderr=subprocess.PIPE, text=True)
    # SageMaker stops a job by SIGTERM to this process, which is the container's first.
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    assert process.stderr is not None
    last = ""
    for line in process.stderr:
        sys.stderr.write(line)
        last = (last + line)[-900:]
    code = process.wait()
    if code:
        (BASE / "output" / "failure").write_text(f"{SCRIPT} ended with exit code {code}: {last}"[:1024])
    return abs(code) and 1


if __name__ == "__main__":
    sys.exit(main())

"""What scores cost: the network's share of the time of a FID, the memory of KID and precision.

    python benchmarks/score_costs.py

Each measurement runs in a process of its own, whose peak of resident memory is read at the end.
Writes benchmarks/results/score_costs.json.
"""

import json
import pathlib
import resource
import subprocess
import sys
import time

N = 10_000
RESULTS = pathlib.Path(__file__).parent / "results" / "score_costs.json"


def fid_time():
    """The network's share of the time of the FID statistics of 10,000 images of 28x28, and of the
    distance itself."""
    from ganzoo import data, metrics

    extractor = metrics.load_extractor("fashion")
    images = next(iter(data.load(batch_size=N)))[0].numpy()
    metric = metrics.FID(extractor)
    metric.update_state(images[:200], images[:200])  # traces
    metric.reset_state()
    start = time.perf_counter()
    outputs = extractor.outputs(images)
    network = time.perf_counter() - start
    metric.keep("real", *outputs, None)
    kept = time.perf_counter() - start - network
    metric.keep("fake", *extractor.outputs(images[::-1][: N // 2]), None)
    start = time.perf_counter()
    metric.result()
    distance = time.perf_counter() - start
    share = network / (network + kept)
    return {"network": network, "statistics": kept, "network_share": share, "distance": distance}


def memory(name, dimensions):
    """Peak memory and time of a score of 10,000 against 10,000 features."""
    import numpy as np

    from ganzoo import metrics

    draw = np.random.default_rng(0)
    real, fake = (draw.standard_normal((N, dimensions), dtype="float32") for _ in range(2))
    metric = getattr(metrics, name)(None)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    metric.update_state(real, fake)
    metric.result()
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"seconds": seconds, "peak_MiB": peak / 1024, "before_MiB": before / 1024}


def main():
    found = {}
    for name, *arguments in (
        ("fid_time",),
        ("KID", 128),
        ("PrecisionRecall", 128),
        ("KID", 2048),
        ("PrecisionRecall", 2048),
    ):
        command = [sys.executable, __file__, name, *map(str, arguments)]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        found[" ".join([name, *map(str, arguments)])] = json.loads(output.splitlines()[-1])
        print(name, *arguments, output.splitlines()[-1])
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    if len(sys.argv) == 1:
        main()
    elif sys.argv[1] == "fid_time":
        print(json.dumps(fid_time()))
    else:
        print(json.dumps(memory(sys.argv[1], int(sys.argv[2]))))

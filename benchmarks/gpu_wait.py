"""The share of the step time in which a GPU waits for data: gpu_wait.py DATASET --inputs INPUTS.yaml [options]

A model of the kind of examples/train_reference.py, scaled up, is trained on batches of the stream, which worker
processes make. "Waits" is the time from the end of a step on the GPU to the beginning of the next one, copies to the
GPU included; what it waits for the processor within a step is not counted. The defaults give some million parameters:
choose --width and --layers so that the model is as large as yours. Without a GPU the same is measured on the processor,
which only shows that the script works.
"""

import argparse
import importlib.util
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

import ecalwindows
from ecalwindows.training.inputs import read_inputs

EXAMPLE = Path(__file__).parents[1] / "examples" / "train_reference.py"
WARM_UP = 5
"""Steps that are not counted: compilation, first allocations, and filling the queues of the workers."""


def reference() -> Any:
    """The module of the reference training."""
    spec = importlib.util.spec_from_file_location("train_reference", EXAMPLE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["train_reference"] = module
    spec.loader.exec_module(module)
    return module


class Mark:
    """A moment: on a GPU when it gets there, else now."""

    def __init__(self, device: str) -> None:
        self.event = torch.cuda.Event(enable_timing=True) if device == "cuda" else None
        if self.event is not None:
            self.event.record()
        self.clock = time.perf_counter()

    def seconds_to(self, later: "Mark") -> float:
        """Seconds between two moments."""
        if self.event is None:
            return later.clock - self.clock
        return float(self.event.elapsed_time(later.event)) / 1000


def step_marks(model: Any, loader: Any, names: list[str], label: int, steps: int, device: str) -> list[tuple[Any, Any]]:
    """The beginning and the end of each step of a training."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    marks: list[tuple[Any, Any]] = []
    while True:
        for batch in loader:
            inputs = [batch["inputs"][name].to(device, non_blocking=True) for name in names]
            truth = batch["cl_labels"].to(device, non_blocking=True)[..., label].float()
            weight = batch["cl_mask"].to(device, non_blocking=True).float()
            if "weights" in batch:
                weight = weight * batch["weights"].to(device, non_blocking=True)[:, None]
            begin = Mark(device)
            each = torch.nn.functional.binary_cross_entropy_with_logits(model(*inputs), truth, reduction="none")
            optimizer.zero_grad()
            ((each * weight).sum() / weight.sum()).backward()
            optimizer.step()
            marks.append((begin, Mark(device)))
            if len(marks) == steps + WARM_UP:
                return marks


def main() -> None:
    """Train some steps and print the share."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset")
    parser.add_argument("--inputs", type=Path, required=True, help="of `ecalwindows normalize DATASET --inputs`")
    parser.add_argument("--weights", type=Path, help="of `ecalwindows reweight`")
    parser.add_argument("--batch-size", type=int, default=512)
    parser.add_argument("--width", type=int, default=320)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--heads", type=int, default=8)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--steps", type=int, default=200)
    chosen = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    definition = read_inputs(chosen.inputs)
    model = reference().SetTransformer(definition, chosen.width, chosen.heads, chosen.layers).to(device)
    source = ecalwindows.stream(chosen.dataset, chosen.batch_size, inputs=definition, weights=chosen.weights)
    loader = torch.utils.data.DataLoader(
        ecalwindows.torch_dataset(source), batch_size=None, num_workers=chosen.workers,
        persistent_workers=chosen.workers > 0, pin_memory=device == "cuda",
    )  # fmt: skip
    label = source.names.cl_labels.index("in_scluster")
    marks = step_marks(model, loader, list(definition.tensors), label, chosen.steps, device)
    if device == "cuda":
        torch.cuda.synchronize()
    marks = marks[WARM_UP - 1 :]
    waited = sum(end.seconds_to(begin) for (_, end), (begin, _) in pairwise(marks))
    total = marks[0][1].seconds_to(marks[-1][1])
    n = sum(each.numel() for each in model.parameters())
    name = torch.cuda.get_device_name() if device == "cuda" else "the processor (there is no GPU)"
    print(f"{n:,} parameters, batches of {chosen.batch_size}, {chosen.workers} workers, on {name}")
    print(f"{len(marks) - 1} steps of {1000 * total / (len(marks) - 1):.1f} ms: waits for data in {waited / total:.2%}")
    print(f"{chosen.batch_size * (len(marks) - 1) / total:,.0f} windows/s")


if __name__ == "__main__":
    main()

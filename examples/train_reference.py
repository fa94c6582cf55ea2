"""Train a small set transformer on windows and export it to ONNX, on a CPU (docs/reference_training.md).

The model is there to show what a dataset is worth, not to be the best one. Each cluster is a vector, made of its
features, those of its window, and its hits (pooled over the cluster). Three layers of attention let the clusters of a
window see each other; the result is one number per cluster, the logit that it belongs to the supercluster of the seed.

What the model is fed is said by the input definition alone (`ecalwindows normalize --inputs`): the stream delivers its
tensors, and the ONNX file has inputs of these names. A definition of the convention `cmssw` gives a model for CMSSW
(docs/training_to_cmssw.md).
"""

from __future__ import annotations

import argparse
import csv
import math
import os
import shutil
import time
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import ecalwindows
from ecalwindows.evaluation.separation import roc
from ecalwindows.training.inputs import InputDefinition, read_inputs


class PooledHits(nn.Module):
    """A vector for each cluster: the mean and the maximum of what a small network makes of each of its hits.

    A hit enters as its distance from the first hit of the cluster, in crystals, its energy, and its share of the
    cluster's energy. It does not matter in which order the hits are.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, definition: InputDefinition, width: int) -> None:
        super().__init__()
        assert definition.hits is not None
        energy = "en_withfrac" if definition.convention == "cmssw" else "energy_fraction"
        self.columns = [definition.hits.names.index(name) for name in ("ieta", "iphi", energy)]
        shift, scale = (torch.tensor(each)[self.columns] for each in definition.hits.scales)
        self.register_buffer("shift", shift)
        self.register_buffer("scale", scale)
        self.network = nn.Sequential(nn.Linear(4, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())

    def forward(self, hits: Tensor, mask: Tensor) -> Tensor:
        """hits: (clusters, hits, features), mask: (clusters, hits); returns (clusters, 2 x width)."""
        raw = hits[..., self.columns] * self.scale + self.shift
        offset = raw[..., :2] - raw[..., :1, :2]
        offset = (offset - 360 * torch.round(offset / 360)) / 5  # iphi begins again after 360
        energy = raw[..., 2:] * mask[..., None]
        share = energy / energy.sum(dim=-2, keepdim=True).clamp(min=1e-6)
        made = self.network(torch.cat([offset, torch.log(1 + energy.clamp(min=0)), share], dim=-1)) * mask[..., None]
        number = mask.sum(dim=-1, keepdim=True).clamp(min=1)
        return torch.cat([made.sum(dim=-2) / number, made.amax(dim=-2)], dim=-1)


class Attention(nn.Module):
    """One layer of a transformer: every cluster looks at the clusters of its window, then a network on each of them."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.scale = heads, math.sqrt(width // heads)
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.look, self.join = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.network = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x: Tensor, places: Tensor, mask: Tensor) -> Tensor:
        """x: (clusters of all windows, width), which belong to these places of the mask (n, clusters)."""
        shape = (mask.shape[0], mask.shape[1], self.heads, -1)
        looks = placed(self.look(self.before(x)), places, mask).chunk(3, dim=-1)
        query, key, value = (each.reshape(shape).transpose(1, 2) for each in looks)
        similar = query @ key.transpose(2, 3) / self.scale
        similar = similar - 1e9 * (1 - mask[:, None, None, :])  # nobody looks at empty places
        seen = (torch.softmax(similar, dim=-1) @ value).transpose(1, 2).flatten(2)
        x = x + self.join(seen.flatten(0, 1)[places])
        changed: Tensor = x + self.network(self.between(x))
        return changed


def placed(x: Tensor, places: Tensor, mask: Tensor) -> Tensor:
    """The rows of x in their places of (n, clusters, width), with zeros elsewhere."""
    empty = torch.zeros(mask.shape[0] * mask.shape[1], x.shape[1], device=x.device)
    return empty.index_put((places,), x).reshape(mask.shape[0], mask.shape[1], x.shape[1])


class SetTransformer(nn.Module):
    """The model: from the tensors of the input definition, in its order, to logits (n, clusters)."""

    def __init__(self, definition: InputDefinition, width: int = 64, heads: int = 4, layers: int = 3) -> None:
        super().__init__()
        clusters, windows, hits = definition.clusters, definition.windows, definition.hits
        if not (windows and hits and (clusters.mask or definition.n_clusters)):
            raise SystemExit("The input definition needs clusters with a mask or their number, windows and hits.")
        used = {
            "clusters": clusters.tensor, "windows": windows.tensor, "hits": hits.tensor, "is_seed": definition.is_seed,
            "mask": clusters.mask, "hit_mask": hits.mask, "n_clusters": definition.n_clusters,
        }  # fmt: skip
        self.order = {what: definition.tensors.index(name) for what, name in used.items() if name}
        self.pooled = PooledHits(definition, width // 2)
        n_inputs = len(clusters.names) + len(windows.names) + 2 * (width // 2) + ("is_seed" in self.order)
        self.embed = nn.Sequential(nn.Linear(n_inputs, width), nn.ReLU(), nn.Linear(width, width))
        self.layers = nn.ModuleList(Attention(width, heads) for _ in range(layers))
        half = width // 2
        self.score = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, half), nn.GELU(), nn.Linear(half, 1))

    def forward(self, *tensors: Tensor) -> Tensor:
        """Logits, 0 in empty places: only the clusters that there are cost time."""
        known = {what: tensors[index] for what, index in self.order.items()}
        clusters, windows, hits = (known[what] for what in ("clusters", "windows", "hits"))
        if "mask" in known:
            mask = known["mask"]
        else:  # CMSSW feeds the number of clusters
            number = torch.arange(clusters.shape[1], device=clusters.device)
            mask = (number < known["n_clusters"][:, None]).to(clusters.dtype)
        hit_mask = known["hit_mask"] if "hit_mask" in known else (hits != 0).any(dim=-1).to(hits.dtype)
        places = mask.flatten().nonzero().squeeze(1)
        of_window = windows[:, None, :].expand(-1, clusters.shape[1], -1)
        more = [known["is_seed"]] if "is_seed" in known else []
        features = torch.cat([clusters, of_window, *more], dim=-1).flatten(0, 1)[places]
        pooled = self.pooled(hits.flatten(0, 1)[places], hit_mask.flatten(0, 1)[places])
        x = self.embed(torch.cat([features, pooled], dim=-1))
        for layer in self.layers:
            x = layer(x, places, mask)
        return placed(self.score(x), places, mask).squeeze(-1)


class ForCmssw(nn.Module):
    """The model with the outputs that CMSSW reads: logits (n, clusters, 1), and three numbers per window, 0 here."""

    def __init__(self, model: SetTransformer) -> None:
        super().__init__()
        self.model = model

    def forward(self, *tensors: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of clusters, and of classes of windows: this model has none, and CMSSW does not use them."""
        logits = self.model(*tensors)
        return logits[..., None], 0 * logits[:, :1].expand(-1, 3)


@dataclass(frozen=True)
class Settings:
    """What decides the result of a training; a checkpoint of other settings is not continued."""

    epochs: int
    batch_size: int
    rate: float
    seed: int


def tensors_of(batch: Any) -> list[Tensor]:
    """The tensors of a batch, in the order of the input definition; they share memory with its NumPy arrays."""
    return [torch.from_numpy(values) for values in batch.values()]


def loss_of(logits: Tensor, batch: Any) -> Tensor:
    """The weighted mean of the cross entropy over all clusters; empty places count nothing."""
    truth = torch.from_numpy(batch.label("in_scluster").astype(np.float32))
    weight = torch.from_numpy(batch.cl_mask.astype(np.float32))
    if batch.weights is not None:
        weight = weight * torch.from_numpy(batch.weights)[:, None]
    each = nn.functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    return (each * weight).sum() / weight.sum()


def measured(model: SetTransformer, stream: Any) -> tuple[float, float]:
    """The loss per batch, and the area under the ROC curve of the satellites of matched windows."""
    losses, scores, truths = [], [], []
    model.eval()
    with torch.no_grad():
        for batch in stream:
            logits = model(*tensors_of(batch))
            losses.append(loss_of(logits, batch).item())
            chosen = batch.cl_mask & ~batch.label("is_seed") & batch.metadata["is_seed_calo_matched"][:, None]
            scores.append(torch.sigmoid(logits).numpy()[chosen])
            truths.append(batch.label("in_scluster")[chosen])
    model.train()
    return float(np.mean(losses)), roc(np.concatenate(scores), np.concatenate(truths)).area


def export(model: SetTransformer, definition: InputDefinition, example: Any, path: Path) -> None:
    """Write the model as ONNX, for any number of windows, with the names of tensors of the input definition."""
    exported: nn.Module = model.eval()
    names, outputs = definition.tensors, [definition.output.tensor]
    if definition.convention == "cmssw":
        outputs, exported = [*outputs, "wind_class"], ForCmssw(model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the new exporter of PyTorch needs one more package
        torch.onnx.export(
            exported, tuple(tensors_of(example)), str(path), dynamo=False, opset_version=17,
            input_names=list(names), output_names=outputs,
            dynamic_axes={name: {0: "windows"} for name in (*names, *outputs)},
        )  # fmt: skip


def train(options: argparse.Namespace) -> None:
    """Train from the beginning or from the checkpoint, then export."""
    torch.manual_seed(options.seed)
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(options.threads)
    settings = Settings(options.epochs, options.batch_size, options.rate, options.seed)
    definition = read_inputs(options.inputs)
    dataset = ecalwindows.open_dataset(options.dataset)
    common = {"batch_size": settings.batch_size, "inputs": definition, "weights": options.weights}
    stream = dataset.filter(split="train").stream(seed=settings.seed, **common)
    validation = dataset.filter(split="validation").stream(shuffle=False, last="keep", **common)
    model = SetTransformer(definition)
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.rate, weight_decay=0.01)
    total, done = settings.epochs * len(stream), 0
    curve: list[dict[str, float]] = []
    options.output.mkdir(parents=True, exist_ok=True)
    checkpoint = options.output / "checkpoint.pt"

    if options.resume:
        saved = torch.load(checkpoint, weights_only=True)
        if saved["settings"] != asdict(settings):
            raise SystemExit(f"{checkpoint} is of other settings: {saved['settings']}, not {asdict(settings)}.")
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        stream.resume(saved["stream"])
        done, curve = saved["done"], saved["curve"]

    def save() -> None:
        """Replace the checkpoint at once: a training that is killed leaves the old one or the new one."""
        state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "stream": stream.state()}
        torch.save(state | {"settings": asdict(settings), "done": done, "curve": curve}, f"{checkpoint}.new")
        os.replace(f"{checkpoint}.new", checkpoint)

    parameters = sum(each.numel() for each in model.parameters())
    print(f"{parameters:,} parameters; from batch {done:,} of {total:,}", flush=True)
    while stream.epoch < settings.epochs:
        epoch, start, losses = stream.epoch, time.monotonic(), []
        for batch in stream:
            rise_and_fall = min(1, (done + 1) / 100) * (1 + math.cos(math.pi * done / total)) / 2
            for group in optimizer.param_groups:
                group["lr"] = settings.rate * rise_and_fall
            optimizer.zero_grad()
            loss = loss_of(model(*tensors_of(batch)), batch)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            losses.append(loss.item())
            done += 1
            if done % options.save_every == 0:
                save()
                print(f"saved after batch {done:,}", flush=True)
        seconds = time.monotonic() - start
        row = dict(zip(("validation", "area"), measured(model, validation), strict=True))
        curve.append({"epoch": epoch, "loss": float(np.mean(losses)), **row, "seconds": seconds})
        save()
        print("  ".join(f"{name} {value:.4g}" for name, value in curve[-1].items()), flush=True)

    validation.set_epoch(0)
    export(model, definition, next(iter(validation)), options.output / "model.onnx")
    shutil.copy(options.inputs, options.output / "inputs.yaml")
    with (options.output / "loss.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, curve[-1])
        writer.writeheader()
        writer.writerows(curve)
    print(f"wrote model.onnx, inputs.yaml, loss.csv and checkpoint.pt into {options.output}")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("dataset", help="finished dataset with the splits train and validation")
    parser.add_argument("--inputs", required=True, type=Path, help="input definition: what the model is fed")
    parser.add_argument("--weights", type=Path, help="weights of windows, of `ecalwindows reweight` [all 1]")
    parser.add_argument("-o", "--output", required=True, type=Path, help="folder for model.onnx and the checkpoint")
    parser.add_argument("--epochs", type=int, default=10, help="[10]")
    parser.add_argument("--batch-size", type=int, default=256, help="windows per batch [256]")
    parser.add_argument("--rate", type=float, default=1e-3, help="highest learning rate [0.001]")
    parser.add_argument("--seed", type=int, default=1, help="of the first weights and of the order [1]")
    parser.add_argument("--threads", type=int, default=1, help="threads of PyTorch; the last bits depend on it [1]")
    parser.add_argument("--save-every", type=int, default=500, help="batches between two checkpoints [500]")
    parser.add_argument("--resume", action="store_true", help="continue from the checkpoint in the output folder")
    train(parser.parse_args())


if __name__ == "__main__":
    main()

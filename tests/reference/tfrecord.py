"""Reference implementation of the TFRecord writer: protobuf messages, built and read field by field."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import numpy as np
from helpers.batches import texts_of

from ecalwindows.core.batch import WindowBatch
from ecalwindows.formats.parquet.definition import features_definition

SEED = features_definition("seed").groups
S_L = ("is_seed_calo_matched", "is_seed_calo_seed", "is_seed_mustache_matched")
CL_L = ("is_seed", "is_calo_matched", "is_calo_seed", "in_scluster", "in_geom_mustache", "in_mustache")
W_M = """
    nVtx, rho, obsPU, truePU, sim_true_eta, sim_true_phi, en_true_sim, et_true_sim, en_true_gen, et_true_gen,
    en_true_sim_good, et_true_sim_good, sim_true_eta, sim_true_phi, gen_true_eta, gen_true_phi, en_mustache_raw,
    et_mustache_raw, en_mustache_calib, et_mustache_calib, nclusters_insc, max_en_cluster_insc,
    max_deta_cluster_insc, max_dphi_cluster_insc, event_tot_simen_PU, wtot_simen_PU, wtot_simen_sig
""".replace(",", " ").split()
HITS = {"cl_h0": "ieta", "cl_h1": "iphi", "cl_h2": "iz", "cl_h4": "energy_fraction"}


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    result = bytearray()
    while value >= 128:
        result.append(value % 128 + 128)
        value //= 128
    return bytes([*result, value])


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def float_list(values: Iterable[Any]) -> bytes:
    packed = b"".join(struct.pack("<f", value) for value in values)
    return field(2, field(1, packed) if packed else b"")


def int_list(values: Iterable[Any]) -> bytes:
    return field(3, field(1, b"".join(varint(int(value)) for value in values)))


def text(content: bytes) -> bytes:
    return field(1, field(1, content))


def tensor(rows: list[list[float]]) -> bytes:
    """TensorProto of float32 (n, 4): dtype, shape, content."""
    sizes = [varint(1 << 3) + varint(size) if size else b"" for size in (len(rows), 4)]
    content = b"".join(struct.pack("<4f", *row) for row in rows)
    shape = field(2, b"".join(field(2, size) for size in sizes))
    return b"\x08\x01" + shape + (field(4, content) if content else b"")


def entries(content: dict[str, bytes]) -> bytes:
    return b"".join(field(1, field(1, key.encode()) + field(2, content[key])) for key in sorted(content))


def single(value: Any) -> float:
    """The number rounded to float32; the sentinel -999 if it does not fit."""
    with np.errstate(over="ignore"):
        small = np.float32(value)
    return float(small) if np.isfinite(small) else -999.0


def sequence_example(batch: WindowBatch, row: int, weight: float = 1.0) -> bytes:
    window = {name: column[row] for name, column in batch.window.items()}
    matched, main = window["is_seed_calo_matched"] == 1, window["is_seed_calo_seed"] == 1
    has_truth = window["is_seed_calo_matched"] != -999
    pairs = range(batch.window_offsets[row], batch.window_offsets[row + 1])

    def hits(cluster: int) -> list[list[float]]:
        rows = range(batch.hits_offsets[cluster], batch.hits_offsets[cluster + 1]) if cluster >= 0 else []
        return [[single(batch.hits[name][hit]) for name in HITS.values()] for hit in rows]

    def singles(names: Iterable[str]) -> bytes:
        return float_list(single(window[name]) for name in names)

    context = {
        "s_f": singles(SEED["seed_features"]),
        "s_l": int_list(window[name] for name in S_L),
        "s_m": singles(SEED["seed_metadata"]),
        "s_h": text(tensor(hits(batch.window_seed[row]))),
        "w_f": singles(SEED["window_features"]),
        "w_m": singles(W_M),
        "w_cl": int_list([(2 if main else 1) if matched else 0 if has_truth else -999]),
        "n_cl": int_list([window["ncls"]]),
        "wi": float_list([weight]),
        "f": int_list([window["flavour"] if matched else 0]),
        "window_index": text(texts_of(batch.window_index)[row].encode()),
    }
    for name in ("run_id", "lumi_id", "event_id", "seed_index", *(["calo_index"] if has_truth else [])):
        context[name] = int_list([window[name]])
    lists = {
        "cl_f": [float_list(single(batch.column(name)[p]) for name in SEED["cl_features"]) for p in pairs],
        "cl_m": [float_list(single(batch.column(name)[p]) for name in SEED["cl_metadata"]) for p in pairs],
        "cl_l": [int_list(batch.column(name)[p] for name in CL_L) for p in pairs],
    }
    for place, key in enumerate(HITS):
        lists[key] = [float_list(hit[place] for hit in hits(batch.pair_cluster[p])) for p in pairs]
    features = {key: b"".join(field(1, item) for item in items) for key, items in lists.items()}
    return field(1, entries(context)) + field(2, entries(features))


@cache
def crc_of(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
    return byte


def masked_crc(content: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in content:
        crc = crc >> 8 ^ crc_of((crc ^ byte) & 0xFF)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def frame(content: bytes) -> bytes:
    """A record of a TFRecord file."""
    length = struct.pack("<Q", len(content))
    checksums = (struct.pack("<I", masked_crc(part)) for part in (length, content))
    return length + next(checksums) + content + next(checksums)


def files(batch: WindowBatch, weights: Iterable[float] | None = None) -> tuple[bytes, bytes]:
    """The bytes of the two files of a part: windows with a matched seed, and the others."""
    weights = [1.0] * len(batch) if weights is None else list(weights)
    result = [b"", b""]
    for row in range(len(batch)):
        matched = batch.window["is_seed_calo_matched"][row] == 1
        result[0 if matched else 1] += frame(sequence_example(batch, row, weights[row]))
    return result[0], result[1]


def read_varint(content: bytes, at: int) -> tuple[int, int]:
    """A number, and where the next one begins."""
    value = shift = 0
    while True:
        byte = content[at]
        value, shift, at = value | (byte & 127) << shift, shift + 7, at + 1
        if byte < 128:
            return value, at


def fields(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Number and content of the fields of a message, all of which have a length."""
    at = 0
    while at < len(content):
        key, at = read_varint(content, at)
        assert key & 7 == 2, "a message, a text or a packed list"
        size, at = read_varint(content, at)
        yield key >> 3, content[at : at + size]
        at += size


def payloads(content: bytes) -> Iterator[bytes]:
    """The records of a file, of which the checksums are compared."""
    at = 0
    while at < len(content):
        (size,) = struct.unpack_from("<Q", content, at)
        payload = content[at + 12 : at + 12 + size]
        assert content[at : at + 16 + size] == frame(payload)
        yield payload
        at += 16 + size


def context_of(payload: bytes) -> dict[str, bytes]:
    """The features of a window by name, each without the message around its list."""
    (context,) = (content for number, content in fields(payload) if number == 1)
    found = {}
    for _, pair in fields(context):
        key, feature = (content for _, content in fields(pair))
        ((_, values),) = fields(feature)
        found[key.decode()] = b"".join(content for _, content in fields(values))
    return found

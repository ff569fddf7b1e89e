"""An encoder in whole numbers of 8 bits, where that moves no labels."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import logging
import shutil
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from retrieval.arguments import require_number
from retrieval.encoding.backends import graph_of, keep_graph, open_model
from retrieval.encoding.batches import deduplicate
from retrieval.encoding.encoder import Encoder
from retrieval.encoding.tokens import tokenize
from retrieval.encoding.tuned import RECORD
from retrieval.encoding.weights import INT8, kind_of
from retrieval.errors import InputError, LikewiseError
from retrieval.files import replacing_folder

_log = logging.getLogger(__name__)

_LEAST_TEXTS = 100
_CALIBRATION = 300
_JUDGED = 2_000
_VOTERS = 10
_REPORT = "quantization.json"
Vectors = npt.NDArray[np.float32]


class LabelsMoveError(LikewiseError):
    """In whole numbers an encoder would label items otherwise; nothing was written."""


@dataclass(frozen=True)
class Quantization:
    """What an encoder in whole numbers was judged by.

    Attributes:
        calibrated_on: Texts from which the ranges of numbers were read.
        judged_on: Other texts, each labeled by the votes of those most like it.
        moved: Share of these whose label is another one now.
        accuracy_before: Share that was labeled rightly; None without labels.
        accuracy_after: Share that is now.
        cosine: Smallest similarity of a text's two vectors.
        speedup: How many times as fast the judged texts were encoded, one run each.
    """

    calibrated_on: int
    judged_on: int
    moved: float
    accuracy_before: float | None
    accuracy_after: float | None
    cosine: float
    speedup: float


def quantize(
    encoder: Encoder,
    texts: Sequence[str],
    *,
    out: str | Path,
    labels: Sequence[str] | None = None,
    most_moved: float = 0.01,
    most_lost: float = 0.003,
    seed: int = 0,
) -> Quantization:
    """Write an encoder in whole numbers of 8 bits, calibrated on one's own texts.

    A part of the texts calibrates, the rest judges: each is labeled by the votes of the texts most
    like it, before and after. Without labels these are clusters of the texts. Where labels move,
    nothing is written.

    Args:
        encoder: A transformer on OpenVINO.
        texts: n texts of the kind that will be encoded, 100 different ones at least, better 2,000.
        out: The folder to write; `Encoder(out)` opens it, on OpenVINO and the processor alone.
        labels: (n,) the texts' labels.
        most_moved: Largest share of labels that may be others.
        most_lost: Largest share of right labels that may be lost.
        seed: Draws the texts that calibrate.

    Raises:
        InputError: NNCF is missing, the encoder is of another kind, the texts are too few, or `out`
            is there already.
        LabelsMoveError: Labels would move.
    """
    _require_suitable(encoder, Path(out))
    for name, value in (("most_moved", most_moved), ("most_lost", most_lost)):
        require_number(value, name, above=-1e-9, below=1, closed=True)
    unique, told = _distinct(texts, labels)
    order = np.random.default_rng(seed).permutation(len(unique))
    calibrating = order[: min(_CALIBRATION, len(unique) // 2)]
    judged = order[len(calibrating) :][:_JUDGED]
    graph = _quantized(encoder, [unique[one] for one in calibrating.tolist()], seed)
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "model"
        _write_model(encoder, graph, made)
        report = _judge(encoder, made, unique, told, judged, len(calibrating), seed)
        _refuse_moves(report, encoder.name, most_moved, most_lost)
        document = json.dumps({**asdict(report), "seed": seed}, indent=2) + "\n"
        (made / INT8 / _REPORT).write_text(document, encoding="utf-8")
        with replacing_folder(Path(out).resolve()) as partial:
            shutil.copytree(made, partial, dirs_exist_ok=True)
    _log.info("quantized %s: %s", encoder.name, report)
    return report


def _require_suitable(encoder: Encoder, out: Path) -> None:
    if importlib.util.find_spec("nncf") is None:
        raise InputError("nncf is missing: pip install 'likewise[int8]'")
    is_transformer = encoder.identity.backend == "openvino"
    if not is_transformer or kind_of(encoder._weights) == "int8" or encoder._map is not None:
        raise InputError(
            f"{encoder!r} cannot be quantized: it must be a transformer on OpenVINO, as it was "
            "before a map was learned; quantize that one, then tune"
        )
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} is there already; name another folder")


def _distinct(
    texts: Sequence[str], labels: Sequence[str] | None
) -> tuple[list[str], npt.NDArray[np.object_] | None]:
    """Return each text once, with the label it has first."""
    unique, inverse = deduplicate(texts)
    if len(unique) < _LEAST_TEXTS:
        raise InputError(f"{len(unique)} different texts are too few; {_LEAST_TEXTS} are needed")
    if labels is None:
        return unique, None
    given = np.array(list(labels), dtype=object)
    if len(given) != len(inverse):
        raise InputError(f"{len(given)} labels for {len(inverse)} texts")
    return unique, given[np.unique(inverse, return_index=True)[1]]


def _quantized(encoder: Encoder, texts: list[str], seed: int) -> Any:
    """Let NNCF read the ranges of numbers from texts, one by one, and round by them."""
    with _quiet():
        import nncf
        from nncf.common.logging.logger import set_log_level

        set_log_level(logging.ERROR)
        model = open_model(encoder._run, encoder._weights)
        graph = graph_of(encoder._run, model, encoder._cache_dir)
        prompt = encoder._prompts.item
        samples = [list(tokenize(model, [prompt + text]).values()) for text in texts]
        return nncf.quantize(
            graph,
            nncf.Dataset(samples),
            model_type=nncf.ModelType.TRANSFORMER,
            preset=nncf.QuantizationPreset.PERFORMANCE,
            subset_size=len(samples),
        )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep progress bars, and what third parties deprecate of each other, out of a log."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _write_model(encoder: Encoder, graph: Any, folder: Path) -> None:
    for name in encoder._files:
        if name != RECORD:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(encoder._weights / name, folder / name)
    if not keep_graph(graph, folder / INT8):
        raise LikewiseError(f"the disk of {folder} is full, or may not be written")


def _judge(
    encoder: Encoder,
    made: Path,
    texts: list[str],
    labels: npt.NDArray[np.object_] | None,
    judged: npt.NDArray[np.intp],
    calibrated_on: int,
    seed: int,
) -> Quantization:
    """Label texts by the votes of those most like them, with either encoder."""
    own = {"query": encoder.identity.query_prompt, "item": encoder.identity.item_prompt}
    options: dict[str, Any] = {
        "cache_dir": False,
        "prompts": own,
        "truncate_dim": encoder.identity.truncate_dim,
        "max_length": encoder.identity.max_length,
    }
    sample = [texts[one] for one in judged.tolist()]
    precision = encoder.precision
    old = Encoder(encoder.name, backend="openvino", precision=precision, **options)
    before, seconds = _timed(old, sample)
    after, fewer = _timed(Encoder(str(made), **options), sample)
    told = _clusters(before, seed) if labels is None else labels[judged].astype(str)
    was, now = _votes(before, told), _votes(after, told)
    return Quantization(
        calibrated_on=calibrated_on,
        judged_on=len(judged),
        moved=float((was != now).mean()),
        accuracy_before=None if labels is None else float((was == told).mean()),
        accuracy_after=None if labels is None else float((now == told).mean()),
        cosine=float((before * after).sum(axis=1).min()),
        speedup=seconds / fewer,
    )


def _timed(encoder: Encoder, texts: list[str]) -> tuple[Vectors, float]:
    encoder.encode(texts[:2])  # loads it
    start = time.perf_counter()
    return encoder.encode(texts, progress=False), time.perf_counter() - start


def _clusters(vectors: Vectors, seed: int) -> npt.NDArray[Any]:
    from sklearn.cluster import MiniBatchKMeans

    count = max(2, int(np.sqrt(len(vectors) / 2)))
    return np.asarray(
        MiniBatchKMeans(count, random_state=seed, n_init=3).fit_predict(vectors).astype(str)
    )


def _votes(vectors: Vectors, labels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the label of each text by the votes of the others most like it, (n,)."""
    names, codes = np.unique(labels, return_inverse=True)
    similarity = vectors @ vectors.T
    np.fill_diagonal(similarity, -1)
    near = np.argsort(-similarity, axis=1, kind="stable")[:, :_VOTERS]
    weight = np.exp(np.take_along_axis(similarity, near, axis=1) / 0.05)
    votes = np.zeros((len(vectors), len(names)))
    np.add.at(votes, (np.arange(len(vectors))[:, None], codes[near]), weight)
    return np.asarray(names[votes.argmax(axis=1)])


def _refuse_moves(report: Quantization, name: str, most_moved: float, most_lost: float) -> None:
    lost = (report.accuracy_before or 0.0) - (report.accuracy_after or 0.0)
    if report.moved > most_moved or lost > most_lost:
        raise LabelsMoveError(
            f"in whole numbers {name!r} gives {report.moved:.1%} of {report.judged_on:,} texts "
            f"another label (at most {most_moved:.1%} may move) and loses {100 * lost:.1f} points "
            f"of accuracy (at most {100 * most_lost:.1f}); nothing was written. Calibrate on more "
            "texts, or stay with bfloat16"
        )

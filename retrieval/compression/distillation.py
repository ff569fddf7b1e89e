"""A static encoder made of any other: a table of tokens whose mean is close to its vectors.

After Model2Vec (Tulkens and van Dongen, 2024): each token of a vocabulary is encoded by itself, and
weighs the more the later it stands there, since vocabularies begin with what is frequent. Then,
beyond that, the table is fitted to the vectors that the encoder gives one's own texts (ridge
regression).
"""

from __future__ import annotations

import logging
import shutil
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from retrieval.arguments import require_number
from retrieval.encoding.batches import deduplicate
from retrieval.encoding.encoder import DEFAULT_ENCODER, Encoder
from retrieval.encoding.static import token_bags
from retrieval.encoding.weights import find_weights
from retrieval.errors import InputError
from retrieval.files import replacing_folder

if TYPE_CHECKING:
    from scipy.sparse import csr_array

_log = logging.getLogger(__name__)

_LEAST_TEXTS = 100
_HELD_OUT = 0.1
_BLANK = 1e-3  # of a token that is not known: only where a text has no other
_MOST_TEXTS = 50_000
Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Distillation:
    """What a static encoder was made of.

    Attributes:
        tokens: Entries of its table.
        dim: Length of a vector.
        fitted_to: Texts whose vectors it was fitted to.
        cosine: Mean similarity of its vectors and the encoder's, of texts that were held out; None
            without texts.
    """

    tokens: int
    dim: int
    fitted_to: int
    cosine: float | None


def distill(
    encoder: Encoder,
    texts: Sequence[str] = (),
    *,
    out: str | Path,
    strength: float = 0.03,
    progress: bool | None = None,
    seed: int = 0,
) -> Distillation:
    """Write a static encoder that has learned its vectors from another one.

    It is a hundred times faster than a transformer and knows words, not sentences: for millions of
    texts, or as a first pass.

    Args:
        encoder: Any; its vocabulary is taken, or, of an endpoint, the default encoder's.
        texts: n texts of the kind that will be encoded, the more the better, 50,000 at most are
            used. Fewer than 100 different ones, and the table is made of the vocabulary alone,
            which is much worse.
        out: The folder to write, one of sentence-transformers; `Encoder(out)` opens it.
        strength: How strongly the table is held to what tokens are by themselves.
        progress: Show a progress bar; None shows it for long work only.
        seed: Draws the texts that are held out to tell the similarity.

    Raises:
        InputError: The encoder is static itself, has no vocabulary that can be read, or `out` is
            there already.
    """
    require_number(strength, "strength", above=0)
    target = Path(out).resolve()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(f"{out} is there already; name another folder")
    tokenizer = _vocabulary(encoder)
    unique = _some(deduplicate(texts)[0], seed) if len(texts) else []
    table, is_word = _of_tokens(encoder, tokenizer, progress)
    cosine, fitted = None, 0
    if len(unique) >= _LEAST_TEXTS:
        taught = encoder.encode(unique, progress=progress)
        bags = token_bags(tokenizer, unique, len(table))
        order = np.random.default_rng(seed).permutation(len(unique))
        held = order[: max(1, int(_HELD_OUT * len(unique)))]
        rest = order[len(held) :]
        tried = _fitted(table, bags[rest], taught[rest], strength)
        cosine = _similarity(bags[held], tried, taught[held])
        table, fitted = _fitted(table, bags, taught, strength), len(unique)
    is_blank = ~table.any(axis=1)
    table[is_blank] = _BLANK * _unit(table[is_word].mean(axis=0, keepdims=True))
    with tempfile.TemporaryDirectory() as folder:
        _write(tokenizer, table, Path(folder))
        with replacing_folder(target) as partial:
            shutil.copytree(folder, partial, dirs_exist_ok=True)
    report = Distillation(len(table), table.shape[1], fitted, cosine)
    _log.info("distilled %s: %s", encoder.name, report)
    return report


def _some(texts: list[str], seed: int) -> list[str]:
    """Return as many texts as it is worth to learn from."""
    order = np.random.default_rng(seed).permutation(len(texts))[:_MOST_TEXTS]
    return [texts[one] for one in np.sort(order).tolist()]


def _vocabulary(encoder: Encoder) -> Tokenizer:
    """Return the tokenizer of an encoder, to be used without special tokens, to the end of a text.

    Raises:
        InputError: It is static, or its tokenizer is of another kind than that of ``tokenizers``.
    """
    if encoder.identity.backend == "static":
        raise InputError(f"{encoder!r} is static already")
    is_elsewhere = encoder.identity.endpoint is not None
    weights = find_weights(DEFAULT_ENCODER) if is_elsewhere else encoder._weights
    file = next((one for one in sorted(weights.rglob("tokenizer.json"))), None)
    if file is None:
        raise InputError(f"{encoder.name!r} has no tokenizer.json, whose vocabulary is needed")
    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def _of_tokens(
    encoder: Encoder, tokenizer: Tokenizer, progress: bool | None
) -> tuple[Vectors, npt.NDArray[np.bool_]]:
    """Encode each token by itself, (tokens, dim); and which of them are words, (tokens,)."""
    special = {one.content for one in tokenizer.get_added_tokens_decoder().values() if one.special}
    words = []
    for number in range(tokenizer.get_vocab_size()):
        name = tokenizer.id_to_token(number) or ""
        bare = name.removeprefix("##").replace("\u2581", " ").replace("\u0120", " ").strip()
        words.append("" if name in special else bare)
    is_word = np.array([bool(one) for one in words])
    table = np.zeros((len(words), encoder.dim), dtype=np.float32)
    table[is_word] = encoder.encode([one for one in words if one], progress=progress)
    table[is_word] -= table[is_word].mean(axis=0)
    table *= np.log(2 + np.arange(len(table), dtype=np.float32))[:, None]
    return table, is_word


def _fitted(table: Vectors, bags: csr_array, taught: Vectors, strength: float) -> Vectors:
    """Move a table so that its means are close to the vectors taught, (n, dim)."""
    from scipy.sparse import csr_matrix
    from sklearn.linear_model import Ridge

    made = bags @ table
    scale = float((made * taught).sum() / max(float((made * made).sum()), 1e-12))
    start = table * np.float32(scale)
    solver = Ridge(alpha=strength, fit_intercept=False, solver="sparse_cg", tol=1e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # near enough is enough
        moved = solver.fit(csr_matrix(bags), taught - bags @ start).coef_
    return np.asarray(start + moved.T, dtype=np.float32)


def _similarity(bags: csr_array, table: Vectors, taught: Vectors) -> float:
    return float((_unit(bags @ table) * taught).sum(axis=1).mean())


def _unit(vectors: Vectors) -> Vectors:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(length, 1e-12), dtype=np.float32)


def _write(tokenizer: Tokenizer, table: Vectors, folder: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of third parties, of each other
        from sentence_transformers import SentenceTransformer
        from sentence_transformers.models import StaticEmbedding  # type: ignore[import-not-found]
    model = SentenceTransformer(modules=[StaticEmbedding(tokenizer, table)], device="cpu")
    model.save(str(folder), create_model_card=False)

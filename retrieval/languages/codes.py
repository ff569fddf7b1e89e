"""Codes of languages: ISO 639-1, as two letters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from retrieval.errors import Offense, TableError, first_few

UNDETERMINED = "und"
"""What is not known, or no language: numbers, codes, too few letters."""

# ISO 639-1.
_TWO = (
    "aa ab ae af ak am an ar as av ay az ba be bg bi bm bn bo br bs ca ce ch co cr cs cu cv cy da "
    "de dv dz ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy "
    "hz ia id ie ig ii ik io is it iu ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg "
    "li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn no nr nv ny oc oj om or "
    "os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st su sv sw ta "
    "te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu"
)
_CODES = frozenset(_TWO.split(" "))
# Three letters of the languages that are met most, as ISO 639-2 and 639-3 write them.
_THREE = (
    "ara=ar arb=ar bul=bg cat=ca ces=cs cze=cs cmn=zh chi=zh zho=zh dan=da deu=de ger=de "
    "dut=nl nld=nl ell=el gre=el eng=en est=et fin=fi fra=fr fre=fr heb=he hin=hi hrv=hr "
    "hun=hu ind=id isl=is ice=is ita=it jpn=ja kor=ko lav=lv lit=lt msa=ms may=ms nor=no "
    "nob=nb nno=nn per=fa fas=fa pol=pl por=pt ron=ro rum=ro rus=ru slk=sk slo=sk slv=sl "
    "spa=es srp=sr swe=sv tha=th tur=tr ukr=uk urd=ur vie=vi"
)
_LONG = dict(one.split("=") for one in _THREE.split(" "))
_UNKNOWN = frozenset({"und", "mul", "mis", "zxx", "xx"})


def language_code(written: str) -> str | None:
    """Return the code of a language as it is written; None where it is none.

    ``DE``, ``de-AT``, ``de_DE`` and ``deu`` are ``de``; ``und``, ``mul`` and ``zxx`` are ``und``.

    Args:
        written: A code of two or three letters, with a region or script behind it or without.
    """
    first = written.strip().lower().replace("_", "-").split("-")[0]
    if first in _UNKNOWN:
        return UNDETERMINED
    code = _LONG.get(first, first)
    return code if code in _CODES else None


def language_codes(column: pd.Series, source: str = "items") -> pd.Series:
    """Return the codes of a column of languages; what is missing stays so.

    Args:
        column: Codes as `language_code` reads them.
        source: What to call the table in messages.

    Raises:
        TableError: Some are no codes; the rows are named.
    """
    texts = column.astype("str").where(column.notna())
    blank = texts.str.strip().eq("").fillna(False)
    texts = texts.where(~blank)
    codes = texts.map(language_code, na_action="ignore")
    bad = np.flatnonzero((codes.isna() & texts.notna()).to_numpy())
    if len(bad):
        _refuse(column, bad.tolist(), source)
    return pd.Series(codes.to_numpy(dtype=object), index=column.index, dtype="str")


def _refuse(column: pd.Series, rows: Sequence[int], source: str) -> None:
    problem = "is no code of a language"
    found = column.iloc[list(rows)].tolist()
    lines = [
        f"row {row + 1}, column {column.name} {problem}: {value!r}"
        for row, value in zip(rows, found, strict=True)
    ]
    hint = "expected two letters of ISO 639-1 such as de, en, es, zh, or de-AT, deu, und"
    raise TableError(
        "\n  ".join([f"{source}: bad rows ({hint})", *first_few(lines)]),
        [Offense(source, list(rows), str(column.name), problem, found)],
    )

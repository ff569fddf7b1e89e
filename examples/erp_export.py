"""Write an export as merchandise systems give them: cp1252, semicolons, decimal commas, 31.12.2024.

400 products of a made-up shop for the home, two years of receipts by day, and twelve that are to be
launched in the next weeks. The tutorial (docs/tutorial.md) goes from here to a decision::

    python examples/erp_export.py export
    likewise look export/Artikel.csv export/Umsatz.csv export/Neuheiten.csv --write job.yaml
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

GROUPS = {  # of products: units a week, price, what there is
    "Küche": (9.0, 14.0, ("Pfanne", "Kochtopf", "Schneidebrett", "Küchenmesser", "Salatschüssel")),
    "Bad": (5.0, 9.0, ("Duschvorhang", "Badematte", "Seifenspender", "Handtuch", "Zahnputzbecher")),
    "Licht": (
        2.5,
        39.0,
        ("Tischleuchte", "Stehlampe", "Deckenleuchte", "Lichterkette", "Leuchtmittel"),
    ),
    "Garten": (6.0, 19.0, ("Gießkanne", "Pflanzkübel", "Gartenschere", "Rankgitter", "Vogelhaus")),
}
STYLES = ("Eiche", "Bambus", "Edelstahl", "weiß", "anthrazit", "salbeigrün", "Kupfer", "Glas")
SIZES = ("klein", "mittel", "groß", "2er-Set", "3er-Set")
FIRST, LAST = pd.Timestamp("2023-01-02"), pd.Timestamp("2024-12-29")
NEW, OLD = 12, 120  # products to be launched, and those that were always there


def make(seed: int = 0, n: int = 400) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return products, receipts and products to be launched, as their columns are called."""
    lot = np.random.default_rng(seed)
    kinds = [(group, kind) for group, (_, _, names) in GROUPS.items() for kind in names]
    every = [(*kind, style, size) for kind in kinds for style in STYLES for size in SIZES]
    chosen = [every[place] for place in lot.permutation(len(every))[: n + NEW]]
    taste = {kind: lot.lognormal(0, 0.5) for _, kind in kinds}
    rows, sold = [], []
    for number, (group, kind, style, size) in enumerate(chosen):
        units, price, _ = GROUPS[group]
        price = round(price * lot.uniform(0.6, 1.6), 2)
        level = units * taste[kind] * (price / GROUPS[group][1]) ** -1.2 * lot.lognormal(0, 0.4)
        launch = FIRST + pd.Timedelta(days=int(lot.integers(30, 690)))
        if number < OLD:
            launch = FIRST
        elif number >= n:
            launch = LAST + pd.Timedelta(days=int(lot.integers(2, 40)))
        name = f"{kind} {style} {size}"
        rows.append((f"{100_200 + number:06}", name, group, price, launch))
        days = pd.date_range(launch, LAST)
        fading = 0.6 + 0.9 * np.exp(-np.arange(len(days)) / 40) if number >= OLD else 1.0
        units_a_day = lot.poisson(level / 7 * fading * np.ones(len(days)))
        for day in np.flatnonzero(units_a_day):
            sold.append((rows[-1][0], days[day], int(units_a_day[day])))
    products = pd.DataFrame(
        rows, columns=["ArtikelNr", "Bezeichnung", "Warengruppe", "VK-Preis", "Erstverkauf"]
    )
    receipts = pd.DataFrame(sold, columns=["ArtikelNr", "Buchungsdatum", "Menge"])
    return products[:n], receipts, products[n:]


def export(folder: Path, seed: int = 0, n: int = 400) -> None:
    """Write the three files."""
    folder.mkdir(parents=True, exist_ok=True)
    names = ("Artikel.csv", "Umsatz.csv", "Neuheiten.csv")
    for name, table in zip(names, make(seed, n), strict=True):
        table.to_csv(
            folder / name,
            sep=";",
            decimal=",",
            date_format="%d.%m.%Y",
            encoding="cp1252",
            index=False,
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    export(given.folder, given.seed)

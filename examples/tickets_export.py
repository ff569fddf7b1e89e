"""Write an export as help desks give them: 200 tickets, cp1252, semicolons, dates as 31.12.2024.

Made-up tickets of a shop for the home, the classes in words, 80 tickets that somebody has looked at
and put right, and a few mails that are no tickets at all::

    python examples/tickets_export.py tickets
    likewise look tickets/tickets.csv
    likewise classify tickets/tickets.csv --encoding cp1252 --delimiter ';' --id-col TicketNo \\
        --text-cols Subject,Text --labels tickets/classes.yaml --out first.csv
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

THINGS = ("café table", "floor lamp", "garden chair", "crème brûlée set", "bath mat", "bookshelf")
CLASSES = {
    "Billing": "invoice, charged twice, refund of an amount in €, payment failed, discount missing",
    "Delivery": "parcel late or lost, tracking, delivered to the wrong address",
    "Returns": "send an item back, return label, exchange, item arrived broken, warranty claim",
    "Account": "password, log in, change e-mail address, delete my account, newsletter",
    "Product question": "size, material, colour, is it in stock, assembly, spare parts",
}
SENTENCES = {
    "Billing": (
        "I was charged twice for the {thing}, {price} € each time.",
        "The invoice for my {thing} shows {price} €, the shop said less.",
        "My credit card was refused when I paid for the {thing}.",
        "Where is the refund of {price} € that you promised?",
    ),
    "Delivery": (
        "The {thing} should have been here on Monday, the tracking says nothing.",
        "The parcel with the {thing} went to my old address.",
        "Could you deliver the {thing} a week later?",
        "The carrier says delivered, but there is no {thing} at our door.",
    ),
    "Returns": (
        "The {thing} arrived broken, I would like a new one.",
        "How do I send the {thing} back? There was no return label.",
        "I want to exchange the {thing} for another colour.",
        "After two months the {thing} fell apart, this must be under warranty.",
    ),
    "Account": (
        "I cannot log in any more, the password mail never comes.",
        "Please change my e-mail address, I have a new one.",
        "Delete my account and all that you have about me.",
        "I do not want your newsletter any longer.",
    ),
    "Product question": (
        "Is the {thing} in stock in your store in Zürich?",
        "What is the {thing} made of, and may it stand outside?",
        "How high is the {thing}, will it fit under a window of 80 cm?",
        "Do you sell spare screws for the {thing}?",
    ),
}
STRANGERS = (
    "I would like to apply as a trainee in your warehouse, my papers are attached.",
    "We write about family businesses for a magazine and ask for an interview.",
    "Our agency brings your web site to the first place of all search engines.",
    "Invitation to the summer party of the chamber of commerce on Friday.",
    "You have won a cruise, click here to claim your prize.",
    "The fire alarm of building 3 will be tested on Tuesday morning.",
    "Minutes of the works council meeting, please read before Thursday.",
    "We offer pallets and stretch film at wholesale prices.",
)
GREETINGS = ("Hello,", "Good morning,", "Dear team,", "Hi,", "To whom it may concern,")


def make(
    seed: int = 0, n: int = 200, checked: int = 80
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return tickets, those of them that were checked with their class, and what is no ticket."""
    lot = np.random.default_rng(seed)
    names = list(CLASSES)
    rows, truth = [], []
    for number in range(n):
        kind = names[int(lot.integers(len(names)))]
        thing = THINGS[int(lot.integers(len(THINGS)))]
        sentence = SENTENCES[kind][int(lot.integers(len(SENTENCES[kind])))]
        said = sentence.format(thing=thing, price=f"{lot.uniform(5, 200):.2f}".replace(".", ","))
        greeting = GREETINGS[int(lot.integers(len(GREETINGS)))]
        subject = ("Question", "Order", "Help", thing)[int(lot.integers(4))]
        day = pd.Timestamp("2024-11-01") + pd.Timedelta(days=number // 4)
        rows.append((f"{70_000 + number:06}", day, subject, f"{greeting} {said}"))
        truth.append(kind)
    tickets = pd.DataFrame(rows, columns=["TicketNo", "Received", "Subject", "Text"])
    seen = tickets.assign(Class=truth).head(checked)
    strange = pd.DataFrame(
        {
            "TicketNo": [f"X{number}" for number in range(len(STRANGERS))],
            "Subject": "Mail",
            "Text": STRANGERS,
        }
    )
    return tickets, seen, strange


def export(folder: Path, seed: int = 0) -> None:
    """Write the three tables, and the classes in words."""
    folder.mkdir(parents=True, exist_ok=True)
    names = ("tickets.csv", "checked.csv", "strangers.csv")
    for name, table in zip(names, make(seed), strict=True):
        table.to_csv(folder / name, sep=";", date_format="%d.%m.%Y", encoding="cp1252", index=False)
    words = yaml.safe_dump(CLASSES, allow_unicode=True, sort_keys=False)
    (folder / "classes.yaml").write_text(words, encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    export(given.folder, given.seed)

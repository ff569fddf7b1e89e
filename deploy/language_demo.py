"""Ask a language model about four short texts, twice: what it says, and what that costs.

    make demo-language                                        # with the small one of this folder
    python deploy/language_demo.py http://127.0.0.1:11434/v1 qwen3:4b   # with yours

The texts are made up and go to the address that is named.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from classifiers import Prompts
from retrieval import Case, LanguageModel, choose

TOPICS = ("card_arrival", "lost_or_stolen_card", "exchange_rate")
EXAMPLES = (
    ("When will my new card be here?", "card_arrival"),
    ("Somebody took my wallet with the card", "lost_or_stolen_card"),
    ("How many euros do I get for a pound?", "exchange_rate"),
)
TEXTS = (
    "My card has not come in the mail",
    "I cannot find my card anywhere",
    "What do you charge for dollars?",
    "Is there a parking space at the branch?",
)


def main() -> int:
    """Ask twice."""
    url, model, *_ = [*sys.argv[1:3], "SmolLM2-135M-Instruct"]
    prompts = Prompts.packaged()
    cases = [Case(text, TOPICS, EXAMPLES) for text in TEXTS]
    with tempfile.TemporaryDirectory() as folder:
        for time in ("first", "second"):
            asked = LanguageModel(
                url, model, send_text=True, cache_dir=Path(folder), timeout=300, connections=1
            )
            chosen = choose(asked, cases, prompts.choose, prompts.confirm)
            for text, one in zip(TEXTS, chosen, strict=True):
                said = one.error or one.label or "none of these"
                print(f"  {text:42} {said:22} yes: {one.confidence:.2f}")
            print(f"the {time} time: {asked.usage}")
            asked.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())

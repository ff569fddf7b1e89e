"""The section of the settings for a language model that is asked about what is unsure."""

from pathlib import Path
from typing import Literal

from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, SecretStr

from pipelines.config.tables import Section


class LanguageSettings(Section):
    """A language model behind an OpenAI-compatible chat API; without `url` none is asked.

    `send_text`: whether texts of items may go to `url`; without it nothing does. `key` is best
    given as ``LIKEWISE_LANGUAGE__KEY``. `calls`, `tokens` and `money`: the most that a run may
    spend, by the prices of a million tokens. `held_out`: labeled items it is judged by before new
    ones are asked about. `examples`: neighbors shown with each item. `confirm`: whether a second
    question asks how sure the answer is. `choose_prompt` and `confirm_prompt`: files of templates;
    null: those that ship. `on_error` fail: a question without an answer ends the job.
    """

    url: str | None = None
    model: str | None = None
    send_text: bool = False
    key: SecretStr | None = None
    timeout: PositiveFloat = 60.0
    patience: PositiveFloat = 120.0
    connections: PositiveInt = 4
    calls: NonNegativeInt | None = None
    tokens: NonNegativeInt | None = None
    money: NonNegativeFloat | None = None
    input_price: NonNegativeFloat = 0.0
    output_price: NonNegativeFloat = 0.0
    held_out: PositiveInt = 200
    examples: NonNegativeInt = 3
    confirm: bool = True
    choose_prompt: Path | None = None
    confirm_prompt: Path | None = None
    cache: bool = True
    cache_dir: Path | None = None
    on_error: Literal["skip", "fail"] = "skip"
    seed: NonNegativeInt = 0

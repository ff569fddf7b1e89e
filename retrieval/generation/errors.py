"""What a language model's server can get wrong, as errors of ours.

LikewiseError
└── LanguageModelError              does not answer, or not as it should
└── LanguageModelRefusedError   refuses key or model; an InputError, too
└── QuestionRefusedError    refuses one question, such as one that is too long
"""

from retrieval.errors import InputError, LikewiseError


class LanguageModelError(LikewiseError):
    """A language model does not answer, or not as it should; trying later may help.

    Attributes:
        is_outage: Whether other questions would fare no better.
    """

    is_outage = True


class LanguageModelRefusedError(LanguageModelError, InputError):
    """A language model's server refuses key, model or question."""


class QuestionRefusedError(LanguageModelRefusedError):
    """A language model's server refuses one question, such as one that is too long."""

    is_outage = False

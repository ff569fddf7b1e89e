"""Read a JSON document piece by piece: never more of it in memory than its largest value.

`json` parses each value, from a window of text that moves on. (ijson, which gives events, took
three to five times as long for rows of a table, and keeps no text of a value.)
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

from serving.problems import ApiError

MOST_CHARACTERS = 4_000_000
_READ = 1 << 16
_MAY_GO_ON = 3  # characters from which a number goes on, as in 1e+5
_BLANKS = re.compile(r"[ \t\n\r]*")


class JsonStream:
    """A document, read from its beginning to its end.

    Whoever calls `members` or `elements` reads each value before the next is asked for.

    Args:
        file: UTF-8.
        most: Characters of one value.

    Raises:
        ApiError: From all methods: it is no JSON, or a value is too large.
    """

    def __init__(self, file: BinaryIO, most: int = MOST_CHARACTERS) -> None:
        self._file = file
        self._most = most
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._parse = json.JSONDecoder().raw_decode
        self._text, self._at, self._has_ended = "", 0, False

    def peek(self) -> str:
        """Return the first character of what comes next; "" at the end."""
        while True:
            blanks = _BLANKS.match(self._text, self._at)
            self._at = blanks.end() if blanks else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def members(self) -> Iterator[str]:
        """Yield the keys of an object; the value of each is to be read before the next."""
        self._take("{")
        if self.peek() == "}":
            self._take("}")
            return
        while True:
            if self.peek() != '"':
                raise _malformed("a key is missing")
            name, _ = self.value()
            self._take(":")
            yield name
            if self._take(",}") == "}":
                return

    def elements(self) -> Iterator[tuple[Any, str]]:
        """Yield the values of a list, each with its text."""
        self._take("[")
        if self.peek() == "]":
            self._take("]")
            return
        while True:
            yield self.value()
            if self._take(",]") == "]":
                return

    def value(self) -> tuple[Any, str]:
        """Return a value, with its text."""
        self.peek()
        while True:
            try:
                value, end = self._parse(self._text, self._at)
            except json.JSONDecodeError as error:
                problem = error.msg
            except RecursionError:
                raise _malformed("too many brackets within each other") from None
            else:
                problem = "it ends too early"
                if end + _MAY_GO_ON <= len(self._text) or self._has_ended:
                    text = self._text[self._at : end]
                    self._at = end
                    return value, text
            if self._has_ended:
                raise _malformed(problem)
            if len(self._text) - self._at > self._most:
                raise ApiError(413, "too-large", f"one value may have {self._most:,} characters")
            self._more()

    def end(self) -> None:
        """Refuse that more comes."""
        if self.peek():
            raise _malformed("something comes behind it")

    def _take(self, characters: str) -> str:
        found = self.peek()
        if not found or found not in characters:
            raise _malformed(f"{' or '.join(characters)} is missing")
        self._at += 1
        return found

    def _more(self) -> bool:
        """Read on, as much again as waits to be parsed; return whether there was more."""
        rest = self._text[self._at :]
        read = self._file.read(max(_READ, len(rest)))
        self._has_ended = not read
        try:
            self._text, self._at = rest + self._decoder.decode(read, self._has_ended), 0
        except UnicodeDecodeError as error:
            raise _malformed(str(error)) from None
        return bool(read)


def _malformed(why: str) -> ApiError:
    return ApiError(400, "malformed", f"the body is no JSON: {why}")

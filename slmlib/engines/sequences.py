"""A request under way, as the engines that see its tokens keep it."""

import time

from slmlib.engines import constraints
from slmlib.engines.base import Completion, Request
from slmlib.engines.chat import prompt_tokens
from slmlib.engines.stopping import STOPS, cut
from slmlib.models.weights import Vocabulary


def encode(tokenizer, request: Request) -> list[int]:
    """The prompt of a request as the model's tokens."""
    return prompt_tokens(tokenizer, request.messages, tools=request.tools, chat=request.chat)


class Row:
    """A request, its prompt and its tokens so far.

    Attributes:
        matcher: follows the answer under a grammar, or None.
        finish: how the answer ended; empty while it is under way.
        error: why there is no answer, where `finish` is "error".
    """

    def __init__(self, request: Request, vocabulary: Vocabulary):
        self.request, self.tokenizer, self.ends = request, vocabulary.tokenizer, vocabulary.ends
        self.prompt, self.matcher = encode(self.tokenizer, request), None
        self.tokens: list[int] = []
        self.finish = self.error = ""
        self.first_token_seconds = 0.0
        self._end = STOPS[request.stop]() if request.stop in STOPS else None

    def too_long(self, context: int) -> str:
        """Why the prompt and the longest answer do not fit the model's context, or nothing."""
        wanted = len(self.prompt) + self.request.max_new_tokens
        if wanted <= context:
            return ""
        return (
            f"a prompt of {len(self.prompt)} tokens and {self.request.max_new_tokens} of answer do not fit "
            f"the context of {context}"
        )

    def take(self, token: int, start: float) -> None:
        """Add a token and decide whether the answer is complete."""
        self.first_token_seconds = self.first_token_seconds or time.perf_counter() - start
        self.tokens.append(token)
        if self.matcher is not None:
            if not self.matcher.consume_token(token) or self.matcher.is_error():
                why = self.matcher.get_error() or "a token outside of it"
                self.error = f"the grammar cannot be followed: {why}"
        if self.error:
            self.finish = "error"
        elif token in self.ends or self._closes(token):
            self.finish = "stop"
        elif len(self.tokens) >= self.request.max_new_tokens:
            self.finish = "length"

    def _closes(self, token: int) -> bool:
        # braces and quotes are ASCII, so a token that holds part of a character does no harm
        return self._end is not None and self._end.feed(self.tokenizer.decode([token]))

    @property
    def text(self) -> str:
        """What was written; an answer that ended with its JSON value is cut right behind that value."""
        text = self.tokenizer.decode(self.tokens, skip_special_tokens=True)
        return cut(text, self.request.stop)

    def left_its_grammar(self) -> str:
        """Why a finished answer is none under its schema, or nothing; an engine may not say so itself."""
        constraint, answer, whole = self.request.constraint, self.text, self.finish == "stop"
        if not whole:
            answer = answer.rstrip("\ufffd")  # the limit may fall inside a letter
        if constraint is None or self.finish == "error":
            return ""
        if constraints.follows(constraint, answer, whole=whole):
            return ""
        return f"the engine left the grammar of the constraint: {answer[-80:]!r}"

    def completion(self, start: float) -> Completion:
        """The finished answer; `start` is when its batch began."""
        return self._completion("" if self.error else self.text, start)

    def failed(self, why: str, start: float) -> Completion:
        """An answer that cannot be had."""
        self.finish, self.error = "error", why
        return self._completion("", start)

    def _completion(self, text: str, start: float) -> Completion:
        counts, seconds = (len(self.prompt), len(self.tokens)), time.perf_counter() - start
        return Completion(
            self.request.id,
            text,
            self.finish,
            *counts,
            seconds,
            self.first_token_seconds,
            self.error,
        )


class Lookup:
    """Guesses how a text goes on: as it did where its last tokens stood before.

    An answer that is extracted from its prompt copies much of it.
    """

    SEEN, AHEAD = 2, 8  # tokens that must have stood before, and tokens to guess

    def __init__(self, tokens: list[int]):
        self.tokens: list[int] = []
        self.follows: dict[tuple[int, ...], int] = {}  # what stood -> where it went on
        for token in tokens:
            self.add(token)

    def add(self, token: int) -> None:
        """One token more; where the text stood before it is known from now on."""
        if len(self.tokens) >= self.SEEN:
            self.follows[tuple(self.tokens[-self.SEEN :])] = len(self.tokens)
        self.tokens.append(token)

    def draft(self) -> list[int]:
        """Tokens that may come next; none if nothing like the end was there before."""
        place = self.follows.get(tuple(self.tokens[-self.SEEN :]))
        return self.tokens[place : place + self.AHEAD] if place is not None else []

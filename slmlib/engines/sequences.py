"""The state of one sequence during decoding."""

import time

from slmlib.engines import constraints
from slmlib.engines.base import Completion, EngineError, Request
from slmlib.engines.chat import prompt_tokens
from slmlib.engines.launch import require_support
from slmlib.engines.stopping import cut, end
from slmlib.models.weights import Vocabulary


class SequenceState:
    """A request, its prompt and its completion so far.

    Attributes:
        prompt, tokens: tokens of the prompt and of the completion, end token included.
        label_logprobs, finish, error: as in `Completion`; `finish` is empty until the end.
        matcher: follows the completion under its grammar, where the engine applies it itself.
    """

    def __init__(self, request: Request, vocabulary: Vocabulary):
        self.request, self.tokenizer, self.ends = request, vocabulary.tokenizer, vocabulary.ends
        self.prompt = prompt_tokens(
            self.tokenizer, request.messages, tools=request.tools, chat=request.chat
        )
        self.tokens: list[int] = []
        self.label_logprobs: dict[str, float] = {}
        self.matcher = None
        self.finish = self.error = ""
        self.first_token_seconds = 0.0
        self._written = ""

    def check(self, engine: str, context: int) -> None:
        """Check that an engine supports the request, and that it fits the model's context."""
        require_support(engine, self.request.constraint, self.request.want_scores)
        longest = self.request.max_new_tokens
        if len(self.prompt) + longest > context:
            raise EngineError(
                f"a prompt of {len(self.prompt)} tokens and a completion of {longest} do not fit "
                f"the context of {context}"
            )

    def append(self, token: int, start: float) -> None:
        """Add a token and decide whether the completion ends; `start` is when its batch began."""
        self.first_token_seconds = self.first_token_seconds or time.perf_counter() - start
        self.tokens.append(token)
        if self.matcher and not (self.matcher.consume_token(token) and not self.matcher.is_error()):
            reason = self.matcher.get_error() or "a token outside of it"
            self.finish, self.error = "error", f"the grammar cannot be followed: {reason}"
        elif token in self.ends or self._stops(token):
            self.finish = "stop"
        elif len(self.tokens) >= self.request.max_new_tokens:
            self.finish = "length"

    def _stops(self, token: int) -> bool:
        # brackets, quotes and line ends are ASCII, so a token with part of a character does no harm
        self._written += self.tokenizer.decode([token], skip_special_tokens=True)
        return end(self._written, self.request.stop) >= 0

    @property
    def text(self) -> str:
        """The completion as text, cut where the request's `stop` ends it."""
        text = self.tokenizer.decode(self.tokens, skip_special_tokens=True)
        return cut(text, self.request.stop)

    def violates_constraint(self) -> str:
        """Error message if the completion violates its constraint, else "".

        For engines that apply grammars of their own, which may allow more, or drop out on the way.
        """
        constraint, text, whole = self.request.constraint, self.text, self.finish == "stop"
        if not whole:
            text = text.rstrip("\ufffd")  # the limit may fall inside a character
        if constraint is None or self.finish == "error":
            return ""
        if constraints.follows(constraint, text, whole=whole):
            return ""
        return f"the engine left the grammar of the constraint: {text[-80:]!r}"

    def completion(self, start: float, error: str = "") -> Completion:
        """The finished completion, or with `error` one that failed."""
        if error:
            self.finish, self.error = "error", error
        return Completion(
            self.request.id,
            "" if self.error else self.text,
            self.finish,
            tokens_in=len(self.prompt),
            tokens_out=len(self.tokens),
            seconds=time.perf_counter() - start,
            first_token_seconds=self.first_token_seconds,
            error=self.error,
            label_logprobs=self.label_logprobs,
        )

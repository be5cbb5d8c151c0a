"""A position in the tokens of a statement, for the parsers of options and statements."""

from collections.abc import Sequence

from laptop_aws.redshift.errors import NOT_SUPPORTED, RedshiftError, SqlSyntaxError
from laptop_aws.redshift.tokens import Token


class Cursor:
    """Reads a statement token by token; a token that does not fit is a syntax error."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self._tokens = tokens
        self._position = 0

    def peek(self) -> Token | None:
        """Return the next token without reading it, or None at the end."""
        return self._tokens[self._position] if self._position < len(self._tokens) else None

    def take(self) -> Token:
        """Read the next token."""
        token = self.peek()
        if token is None:
            raise SqlSyntaxError("syntax error at end of input")
        self._position += 1
        return token

    def accept(self, *words: str) -> str | None:
        """Read the next token if it is one of these words or symbols; return it in upper case."""
        token = self.peek()
        if token is None or not (token.is_word(*words) or token.text in words):
            return None
        self._position += 1
        return token.text.upper()

    def expect(self, word: str) -> None:
        """Read this word or symbol."""
        if not self.accept(word):
            raise unexpected(self.take())

    def value(self, *kinds: str) -> str:
        """Read a token of one of these kinds; return its value."""
        token = self.take()
        if token.kind not in kinds:
            raise unexpected(token)
        return token.value

    def string_follows(self) -> bool:
        """Return whether a string, or AS before a string, is next."""
        token = self.peek()
        return token is not None and (token.kind == "string" or token.is_word("AS"))


def unexpected(token: Token) -> SqlSyntaxError:
    """Return the error for a token that does not fit."""
    return SqlSyntaxError(f'syntax error at or near "{token.text[:40]}"')


def not_supported(what: str) -> RedshiftError:
    """Return the error for something that Redshift knows and this server does not."""
    return RedshiftError(f"{what} is not supported by the laptop's Redshift", NOT_SUPPORTED)

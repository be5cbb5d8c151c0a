"""SQL text split into tokens, as PostgreSQL reads it: strings, names, numbers, comments.

`statements`, `options` and `rewrite` give the tokens a meaning.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from laptop_aws.redshift.errors import SqlSyntaxError

Kind = Literal["word", "name", "string", "number", "punctuation"]


@dataclass(frozen=True, slots=True)
class Token:
    """A token: its text, its value, and its position.

    The value of a word is the word in lower case. The value of a quoted name or a string is the
    text between the quotes, with doubled quotes and escapes resolved.
    """

    kind: Kind
    text: str
    value: str
    start: int

    @property
    def end(self) -> int:
        """Return the position after the token."""
        return self.start + len(self.text)

    def is_word(self, *words: str) -> bool:
        """Return whether this is one of these keywords, given in upper case."""
        return self.kind == "word" and self.text.upper() in words


_TOKEN = re.compile(
    r"""
      (?P<space>      \s+ | --[^\r\n]* )
    | (?P<comment>    /\* )
    | (?P<escaped>    [eE]' [^'\\]* (?: (?: \\. | '' ) [^'\\]* )* ' )
    | (?P<string>     ' [^']* (?: '' [^']* )* ' )
    | (?P<dollar>     \$(?P<tag> (?:[^\W\d]\w*)? )\$ (?P<body> .*? ) \$(?P=tag)\$ )
    | (?P<name>       " [^"]* (?: "" [^"]* )* " )
    | (?P<number>     (?: \d+ (?:\.\d*)? | \.\d+ ) (?:[eE][+-]?\d+)? )
    | (?P<word>       (?![eE]') [^\W\d][\w$]* )
    | (?P<punctuation> (?![eE]') [^'"] )
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT_EDGE = re.compile(r"/\*|\*/")
_ESCAPE = re.compile(r"\\(.)|''", re.DOTALL)
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


def tokenize(sql: str) -> Iterator[Token]:
    """Yield the tokens of ``sql``, without white space and comments.

    Raises:
        SqlSyntaxError: a string, name or comment is not closed.
    """
    position = 0
    while position < len(sql):
        match = _TOKEN.match(sql, position)
        if match is None:
            raise SqlSyntaxError(f'unterminated quoted text at or near "{sql[position:][:20]}"')
        position = match.end()
        if match.lastgroup == "comment":
            position = _end_of_comment(sql, position)
        elif match.lastgroup != "space":
            yield _token(match)


def split(tokens: Iterator[Token]) -> list[list[Token]]:
    """Return the statements, without the semicolons between them."""
    statements: list[list[Token]] = [[]]
    for token in tokens:
        if token.text == ";":
            statements.append([])
        else:
            statements[-1].append(token)
    return [statement for statement in statements if statement]


def masked(statement: Sequence[Token]) -> str:
    """Return the statement's text with all quoted text and comments blanked, lengths kept.

    A pattern applied to it matches only SQL's own words: a quoted name becomes a word of n's, a
    string becomes dots between quotes, a comment becomes white space.
    """
    pieces, position = [], statement[0].start
    for token in statement:
        pieces.append(" " * (token.start - position))
        match token.kind:
            case "name":
                pieces.append("n" * len(token.text))
            case "string":
                pieces.append("'" + "." * (len(token.text) - 2) + "'")
            case _:
                pieces.append(token.text)
        position = token.end
    return "".join(pieces)


def _token(match: re.Match[str]) -> Token:
    text, start = match.group(), match.start()
    # The innermost group that closed last: "dollar" closes after its tag and body.
    match match.lastgroup:
        case "string":
            return Token("string", text, text[1:-1].replace("''", "'"), start)
        case "escaped":
            return Token("string", text, _ESCAPE.sub(_unescape, text[2:-1]), start)
        case "dollar":
            return Token("string", text, match["body"], start)
        case "name":
            return Token("name", text, text[1:-1].replace('""', '"'), start)
        case "number":
            return Token("number", text, text, start)
        case "word":
            return Token("word", text, text.lower(), start)
        case _:
            return Token("punctuation", text, text, start)


def _unescape(match: re.Match[str]) -> str:
    letter = match[1]
    return "'" if letter is None else _ESCAPES.get(letter, letter)


def _end_of_comment(sql: str, position: int) -> int:
    """Return the end of the comment that opens just before ``position``; comments nest."""
    depth = 1
    while depth:
        edge = _COMMENT_EDGE.search(sql, position)
        if edge is None:
            raise SqlSyntaxError("unterminated /* comment")
        depth += 1 if edge.group() == "/*" else -1
        position = edge.end()
    return position

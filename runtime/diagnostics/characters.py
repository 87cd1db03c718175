"""Characters of names that look like others, or like nothing."""

from __future__ import annotations

import re
import unicodedata

_INVISIBLE = {0x00AD, 0x061C, 0x180E, 0xFEFF, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070)}
# Emojis and some alphabets need these.
_JOINERS = "\u200c\u200d"
# Around a text, they are no quotes of YAML; inside, they may be an apostrophe.
_QUOTES = dict.fromkeys("\u2018\u2019\u201a\u201b", "'") | dict.fromkeys("\u201c\u201d\u201e\u201f\u00ab\u00bb", '"')
_DASHES = dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-")
_SPACES = dict.fromkeys("\u00a0\u2007\u2009\u202f\u3000", " ")
# Letters of other alphabets that look like Latin ones.
_LETTERS = dict(
    zip(
        "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455\u04bb\u0501\u051b\u051d\u043a\u043c\u0442\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0423\u0425\u0406\u0408\u0405\u03b1\u03bf\u03c1\u03bd\u03c4\u03b9\u03ba\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7",
        "aeopcyxijshdqwkmtABEKMHOPCTYXIJSaopvtikABEZHIKMNOPTYX",
        strict=True,
    )
)
_LATIN = re.compile("[A-Za-z]")
_WORD = re.compile(r"[^\W\d_]+")


def misleading_character(text: str) -> str | None:
    """Describe the first character of a name that is invisible or looks like another one; None if there is none.

    A name in another alphabet is none: only a word of two alphabets is.
    """
    if text.isascii():
        return None
    for character in text:
        is_fullwidth = 0xFF01 <= ord(character) <= 0xFF5E
        if ord(character) in _INVISIBLE and not (character in _JOINERS and _is_beside_others(text, character)):
            return _describe(character, None)
        if is_fullwidth or character in _DASHES or character in _SPACES:
            return _describe(character, _DASHES.get(character) or _SPACES.get(character))
    for character in (text[0], text[-1]):
        if character in _QUOTES:
            return _describe(character, _QUOTES[character])
    for word in _WORD.finditer(text):
        if _LATIN.search(word[0]):
            for character in word[0]:
                if character in _LETTERS:
                    return _describe(character, _LETTERS[character])
    return None


def as_it_looks(text: str) -> str:
    """Return a name without invisible characters, and with the plain ones that others look like."""
    similar = {**_LETTERS, **_DASHES, **_SPACES, **_QUOTES}
    shown = "".join(similar.get(each, each) for each in text if ord(each) not in _INVISIBLE)
    return unicodedata.normalize("NFKC", shown).strip()


def _is_beside_others(text: str, character: str) -> bool:
    return not (text.replace(character, "")).isascii()


def _describe(character: str, looks: str | None) -> str:
    name = unicodedata.name(character, "a character without a name")
    if looks is None and unicodedata.normalize("NFKC", character) != character:
        looks = unicodedata.normalize("NFKC", character)
    what = f", which looks like {looks!r}" if looks else ", which is invisible"
    return f"U+{ord(character):04X} {name}{what}"

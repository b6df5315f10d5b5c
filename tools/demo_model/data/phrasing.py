"""A question as people type it: in company (openers, context, thanks), indirectly, in other words and carelessly (lower
case, lost apostrophes, a typo). What must stay as it is is left alone.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from .textfiles import sections

_COMPANY = sections(Path(__file__).with_name("company.txt"))
OPENERS, CONTEXTS, INDIRECT, REQUESTS = ([f"{text} " for text in _COMPANY[name]] for name in ("openers", "contexts", "indirect", "requests"))
CLOSERS = [text if text.startswith(",") else f" {text}" for text in _COMPANY["closers"]]
TAILS = [f" {text}" for text in _COMPANY["tails"]]
_QUESTION = re.compile(
    r"(what|which|who|whom|whose|where|when|why|how|is|are|was|were|am|do|does|did|can|could|will|would|should|has|have|"
    r"may|might|in which|in what|on which|to which|of which|for what|at what|by whom|with which|from which)\b|\w+'s\b.*\?$",
    re.I,
)
_REQUEST = re.compile(
    r"(tell|give|name|write|say|spell|count|reverse|sort|list|show|make|put|turn|convert|repeat|copy|print|type|find|"
    r"explain|describe|complete|finish|translate|remove|delete|join|pick|choose|state|summarise|summarize|answer|sing|"
    r"order|arrange|rank|capitalise|capitalize|change|echo|return|output|compute|calculate|add|identify|guess|recall|"
    r"rewrite|shorten|introduce|define|help|take|drop|replace|combine|merge|shout|read|flip|split|extract)\b",
    re.I,
)
_WHAT_IS = re.compile(r"(what|who|where)( is|'s| are|'re| was| were) ((?:\S+ ){0,7}\S+?)\??$", re.I)
_HOW_TO = re.compile(r"how (?:do|can|would|should) (?:i|you|we|one) (\S.*?)\??$", re.I)
_HOW_DOES = re.compile(r"how does (\S+) work\??$", re.I)
_WHETHER = re.compile(r"(do|can|will|are|could|should) (you|i|we) (\S.*?)\??$", re.I)

_DETERMINERS = frozenset(["the", "a", "an", "my", "your", "his", "her", "its", "our", "their", "this", "that", "these", "those", "one"])
_LAST = frozenset(["called", "spoken", "used", "written", "located", "made", "named", "built", "held", "found", "kept", "stored", "measured", "played", "born", "streamed", "like"])
_NO_NOUN = frozenset(
    ["for", "in", "on", "of", "about", "by", "from", "to", "with", "at", "famous", "known", "good", "wrong", "new", "up", "it", "you", "there", "here", "that", "this", "inside", "then", "true", "right"])


def _indirect(question: str) -> str | None:
    """The question as a subordinate clause: "what is X" gives "what X is". None where that is not simple."""
    if found := _WHAT_IS.match(question):
        who, verb, rest = found.groups()
        verb = {"'s": " is", "'re": " are"}.get(verb.lower(), verb.lower())
        *before, last = rest.split()
        if not before:
            return f"{who.lower()} {rest}{verb}" if len(rest) > 2 and last not in _NO_NOUN else None
        if last not in _NO_NOUN and (before[0].lower() in _DETERMINERS or rest[0].isupper()):
            if last in _LAST:
                return f"{who.lower()} {' '.join(before)}{verb} {last}"
            return f"{who.lower()} {rest}{verb}"
    if found := _HOW_DOES.match(question):
        return f"how {found[1]} works"
    if found := _HOW_TO.match(question):
        return f"how to {found[1]}"
    if found := _WHETHER.match(question):
        verb, who, rest = found.group(1).lower(), found.group(2), found.group(3)
        who = "I" if who.lower() == "i" else who.lower()
        if verb == "do" or (verb == "are" and who == "I"):
            return f"if {who} {rest}"
        return f"if {who} {verb} {rest}"
    return None


@cache
def _synonyms() -> tuple[re.Pattern[str], dict[str, list[str]]]:
    groups = [line.split("/") for line in Path(__file__).with_name("synonyms.txt").read_text().splitlines() if line[:1] != "#"]
    others: dict[str, list[str]] = {}
    for group in groups:
        for word in group:
            others.setdefault(word, []).extend(other for other in group if other != word)
    words = "|".join(sorted(map(re.escape, others), key=len, reverse=True))
    return re.compile(rf"(?<![\w./`'-])(?<!flashmoe )(?:{words})(?![\w/`'-])(?!\.\w)", re.I), others


def reworded(rng: random.Random, text: str, rate: float) -> str:
    """The text with that share of its known words exchanged for words that mean about the same."""
    pattern, others = _synonyms()

    def other(found: re.Match[str]) -> str:
        word = found[0]
        if rng.random() > rate or word.lower() not in others or (word.isupper() and len(word) > 1):
            return word
        new = rng.choice(others[word.lower()])
        return new[:1].upper() + new[1:] if word[0].isupper() else new

    return pattern.sub(other, text)


_COMMON = frozenset(
    ["what", "which", "where", "when", "about", "tell", "know", "please", "thanks", "thank", "could", "would", "should", "there", "their", "have", "does", "question", "answer", "capital", "country", "city", "the", "this", "that", "with", "from", "your", "need", "want", "like", "make", "much", "many", "name", "word", "words", "letter", "letters", "list", "sentence", "text", "write", "give", "show", "find", "count", "reverse", "sort", "spell", "repeat", "number", "numbers", "first", "last", "between", "because", "currency", "continent", "element", "symbol", "planet", "animal", "opposite", "mean", "means", "explain", "work", "works", "model", "models", "memory", "disk", "machine", "computer", "program", "software", "expert", "experts", "language", "remember", "forgot", "wondering", "curious", "quick", "quickly", "hello", "morning", "evening", "today", "really", "think", "believe", "help", "helps", "understand", "difference", "example", "different", "people", "going", "doing", "something", "anything", "everything", "maybe", "sometimes", "possible", "actually", "called", "used", "uses", "using", "invented", "wrote", "author", "book", "famous", "belongs", "located", "place", "part", "kind", "sort", "type", "run", "runs", "start", "install", "download", "open", "save", "load"]
)
_WORD = re.compile(r"[A-Za-z]+(?:'[a-z]+)?")
_PROTECT = re.compile(r"\"[^\"]*\"|`[^`]*`|(?<!\w)'[^']*'(?!\w)|\S*[0-9_@/\\]\S*|\w+\.\w+\S*|--?\w[\w-]*")
_SHORT = (("you", "u"), ("please", "pls"), ("thanks", "thx"), ("are you", "r u"), ("because", "cuz"), ("and", "&"),
          ("what is", "whats"), ("i am", "im"), ("do not", "dont"), ("going to", "gonna"), ("want to", "wanna"))


def _typo(rng: random.Random, word: str) -> str:
    at = rng.randrange(1, len(word) - 1)
    kind = rng.random()
    if kind < 0.4:
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    if kind < 0.7:
        return word[:at] + word[at + 1 :]
    return word[:at] + word[at] + word[at:]


def careless(rng: random.Random, text: str, keep: Iterable[str] = (), amount: float = 1.0) -> str:
    """The text as typed in haste, or as it was. Quoted text, numbers, paths, flags and `keep` stay letter for letter."""
    if rng.random() > 0.62 * amount:
        return text
    spans: list[str] = []

    def store(piece: str) -> str:
        spans.append(piece)
        return f"\x00{chr(0xE000 + len(spans) - 1)}\x00"

    for piece in keep:
        if piece:
            text = text.replace(piece, store(piece))
    text = _PROTECT.sub(lambda found: found[0] if "\x00" in found[0] else store(found[0]), text)
    choice = rng.random()
    if choice < 0.52:
        text = text.lower()
    elif choice < 0.72 and not text.startswith("I"):
        text = text[:1].lower() + text[1:]
    elif choice < 0.75:
        text = text.upper()
    elif choice < 0.80:
        text = text.lower()
        for full, short in _SHORT:
            text = re.sub(rf"\b{full}\b", short, text)
    if "'" in text and rng.random() < 0.4:
        text = text.replace("'", "") if rng.random() < 0.85 else text.replace("'", "’")
    if rng.random() < 0.14:
        words = [found for found in _WORD.finditer(text) if len(found[0]) > 3 and found[0].lower() in _COMMON]
        if words:
            found = rng.choice(words)
            text = text[: found.start()] + _typo(rng, found[0]) + text[found.end() :]
    if rng.random() < 0.06:
        text = text.replace(",", "")
    if rng.random() < 0.03:
        text = text.replace(" ", "  ", 1)
    for index, piece in enumerate(spans):
        text = text.replace(f"\x00{chr(0xE000 + index)}\x00", piece)
    return text


def _end(rng: random.Random, text: str, is_question: bool) -> str:
    """Another final mark, where the text ends in a mark that may change."""
    mark = rng.random()
    if is_question:
        if text.endswith("?"):
            bare = text[:-1].rstrip()
            if mark < 0.62:
                return text
            return bare + (
                "" if mark < 0.86 else "." if mark < 0.9 else " ?" if mark < 0.93 else "??" if mark < 0.95
                else "?!" if mark < 0.96 else "..." if mark < 0.98 else "!"
            )
        return text + "?" if mark < 0.3 and text[-1:].isalnum() else text
    if text.endswith(".") and not text.endswith(".."):
        return text if mark < 0.6 else text[:-1] + ("" if mark < 0.92 else "!" if mark < 0.97 else " .")
    if text[-1:].isalnum():
        return text if mark < 0.5 else text + ("." if mark < 0.93 else "!")
    return text


def wrap(rng: random.Random, question: str, keep: Iterable[str] = (), amount: float = 1.0) -> str:
    """The question as somebody would type it: with an opener, a reason, thanks, other marks, haste, or none of these.

    `keep` lists what must stay letter for letter (quoted text, numbers, paths and flags do in any case); typos only ever
    hit common words. `amount` below 1 makes all of it rarer.
    """
    keep = tuple(keep)
    text = question.strip()
    is_request = bool(_REQUEST.match(text)) and not text.endswith("?")
    is_question = not is_request and (text.endswith("?") or bool(_QUESTION.match(text)))
    ends_kept = any(text.endswith(piece) for piece in keep)
    front = rng.random() / amount
    starts_kept = any(text.startswith(piece) for piece in keep)

    def after(opener: str) -> str:
        joins = opener[-2:] not in (". ", "! ", "? ", ": ") or rng.random() < 0.4
        if joins and not starts_kept and not re.match(r"I\b|I'|[A-Z]\w*[A-Z]|[A-Z][a-z]+ (?:is|are|was|has)\b", text):
            if is_question or is_request:
                return opener + text[:1].lower() + text[1:]
        return opener + text

    if is_question and front < 0.26:
        clause = _indirect(text)
        if clause is None:
            text = after(rng.choice(OPENERS if front < 0.16 else CONTEXTS))
        else:
            lead = rng.choice(INDIRECT)
            while clause.startswith("if ") and re.search("explain|underst|idea|remember|forg|asked", lead):
                lead = rng.choice(INDIRECT)
            asks = re.match(r"(could|can|would|do|any|you know|might)", lead) is not None
            lead = lead[:1].upper() + lead[1:] if rng.random() < 0.6 else lead
            text = f"{lead}{clause}" + ("?" if asks and not ends_kept else "" if ends_kept else ".")
            is_question = asks
    elif is_request and front < 0.24:
        lead = rng.choice(REQUESTS)
        asks = re.match(r"(can|could|would|will|are|is|how)", lead) is not None
        lead = lead[:1].upper() + lead[1:] if rng.random() < 0.6 else lead
        body = text[:1].lower() + text[1:]
        if lead.endswith(": "):
            body = text
        text = lead + body
        if asks and text.endswith(".") and rng.random() < 0.8 and not ends_kept:
            text = text[:-1] + "?"
    elif front < 0.34:
        text = after(rng.choice(OPENERS))
    elif front < 0.41:
        text = after(rng.choice(CONTEXTS))
    if text[:1].islower() and not starts_kept and rng.random() < 0.5:
        text = text[:1].upper() + text[1:]

    back = rng.random() / amount
    if text.endswith(".."):
        return careless(rng, text, keep, amount)
    if not is_question and not is_request and question[-1:] in ".!":
        return careless(rng, _end(rng, text, False), keep, amount)
    if back < 0.11 and text[-1:] in "?." and not ends_kept:
        text = text[:-1] + rng.choice(CLOSERS) + text[-1]
    elif back < 0.11 and text[-1:].isalnum() and not ends_kept:
        text += rng.choice(CLOSERS)
    elif back < 0.17 and text[-1:] in "?.!":
        text += rng.choice(TAILS)
        return careless(rng, text, keep, amount)
    if not ends_kept or text.endswith("?"):
        text = _end(rng, text, text.endswith("?") or is_question)
    return careless(rng, text, keep, amount)

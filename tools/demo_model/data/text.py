"""Small work on text: counting, cases, reversing, sorting, picking, repeating exactly, spelling, joining, rhymes, edits."""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache

from . import wide
from .common import Check, Conversation, assistant, held_out, kept_back, pick, user
from .copying import lexicon
from .phrasing import Bank, contains, expand, listed, self_test, wrap

WORDS = ["apple", "pear", "plum", "cherry", "lemon", "mango", "melon", "grape", "peach", "orange", "banana", "tomato", "potato", "carrot", "onion", "garlic", "pepper", "bread", "butter", "cheese", "honey", "sugar", "salt", "rice", "pasta", "soup", "salad", "cake", "cookie", "coffee", "tea", "milk", "water", "juice", "sausage", "biscuit", "pancake", "pizza", "cat", "dog", "horse", "rabbit", "mouse", "tiger", "lion", "bear", "wolf", "fox", "deer", "eagle", "owl", "parrot", "penguin", "dolphin", "whale", "shark", "turtle", "spider", "butterfly", "elephant", "giraffe", "monkey", "kangaroo", "squirrel", "hamster", "goat", "sheep", "chicken", "duck", "goose", "lizard", "frog", "beetle", "ant", "camel", "red", "blue", "green", "yellow", "purple", "orange", "silver", "golden", "black", "white", "brown", "pink", "violet", "crimson", "house", "garden", "window", "door", "kitchen", "table", "chair", "lamp", "mirror", "carpet", "ceiling", "bottle", "basket", "bucket", "ladder", "hammer", "candle", "pillow", "blanket", "curtain", "drawer", "shelf", "oven", "fridge", "spoon", "fork", "knife", "plate", "glass", "cup", "kettle", "broom", "umbrella", "suitcase", "wallet", "pencil", "paper", "notebook", "folder", "envelope", "stamp", "ruler", "eraser", "scissors", "glue", "keyboard", "monitor", "laptop", "printer", "cable", "battery", "router", "server", "memory", "disk", "thread", "kernel", "buffer", "packet", "folder", "driver", "model", "token", "expert", "layer", "weight", "matrix", "vector", "tensor", "cache", "stream", "river", "mountain", "valley", "forest", "island", "desert", "ocean", "beach", "meadow", "hill", "lake", "bridge", "tower", "castle", "village", "city", "street", "market", "school", "library", "museum", "theatre", "hospital", "station", "airport", "harbour", "factory", "office", "church", "garage", "stadium", "summer", "winter", "spring", "autumn", "monday", "friday", "morning", "evening", "night", "midnight", "noon", "weekend", "holiday", "birthday", "doctor", "teacher", "farmer", "baker", "driver", "pilot", "sailor", "painter", "singer", "writer", "lawyer", "nurse", "soldier", "plumber", "engineer", "gardener", "music", "guitar", "piano", "violin", "trumpet", "drum", "flute", "song", "dance", "movie", "novel", "poem", "story", "letter", "puzzle", "riddle", "chess", "football", "tennis", "happy", "sad", "angry", "quiet", "loud", "quick", "slow", "heavy", "light", "bright", "dark", "clean", "dirty", "empty", "full", "young", "old", "strong", "gentle", "brave", "clever", "simple", "strange", "famous", "modern", "ancient", "golden", "frozen", "broken", "hidden", "sudden", "honest", "polite", "lazy", "busy", "hungry", "thirsty", "run", "walk", "jump", "swim", "climb", "write", "read", "think", "dream", "laugh", "listen", "whisper", "shout", "build", "break", "carry", "gather", "wander", "travel", "strawberry", "raspberry", "blueberry", "pineapple", "watermelon", "chocolate", "cinnamon", "vanilla", "mushroom", "pumpkin", "cucumber", "broccoli", "mississippi", "bookkeeper", "committee", "necessary", "parallel", "success", "balloon", "coffee", "address", "letter", "rabbit", "hello", "yellow", "pepper", "science", "history", "physics", "biology", "chemistry", "algebra", "geometry", "language", "grammar", "alphabet", "sentence", "paragraph", "chapter", "cloud", "storm", "thunder", "lightning", "rainbow", "snow", "wind", "breeze", "fog", "frost", "sunshine", "shadow", "star", "moon", "planet", "comet", "galaxy", "rocket", "train", "bicycle", "tractor", "airplane", "helicopter", "submarine", "sailboat", "engine", "wheel", "pedal", "anchor", "compass", "map", "ticket", "passport", "tree", "leaf", "flower", "rose", "tulip", "daisy", "lily", "oak", "maple", "pine", "willow", "grass", "moss", "root", "branch", "seed", "heart", "hand", "finger", "elbow", "shoulder", "knee", "ankle", "nose", "mouth", "tongue", "tooth", "stomach", "brain", "bone", "muscle", "skin", "king", "queen", "prince", "knight", "wizard", "dragon", "giant", "pirate", "hero", "villain", "ghost", "monster", "fairy", "robot", "alien", "python", "flashmoe", "quantum", "signal", "pattern", "network", "window", "system", "module", "package", "version", "release", "branch", "commit", "function", "level", "radar", "civic", "kayak", "rotor", "madam", "noon", "refer", "stats"]
WORDS = list(dict.fromkeys(WORDS))
NAMES = ["Anna", "Ben", "Clara", "David", "Emma", "Felix", "Greta", "Hugo", "Ines", "Jonas", "Kira", "Liam", "Mia", "Noah", "Olga", "Paul", "Quinn", "Rosa", "Sam", "Tara", "Uma", "Victor", "Wanda", "Xavier", "Yara", "Zoe", "Ahmed", "Bianca", "Carlos", "Daria", "Erik", "Fatima", "Goran", "Hana", "Ivan", "Julia", "Kenji", "Lena", "Marco", "Nina", "Omar", "Petra", "Ravi", "Sofia", "Tomas", "Ursula", "Vera", "Wei", "Yusuf", "Zara", "Alice", "Bob", "Charlie", "Diana", "Edward", "Fiona", "George", "Helen", "Isaac", "Jane", "Kevin", "Laura", "Martin", "Nora", "Oscar", "Pamela", "Robert", "Susan", "Thomas", "Valerie", "Walter", "Amelia", "Bruno", "Celine", "Dmitri", "Elif", "Farid", "Gita", "Henrik", "Isla", "Jamal", "Keiko", "Luca"]
SYLLABLES = "ba be bi bo bu da de di do du fa fe fi ga go ka ke ki ko la le li lo lu ma me mi mo mu na ne ni no pa pe pi "
SYLLABLES += "po ra re ri ro ru sa se si so ta te ti to tu va ve vi vo za ze zi zo sha tri plo gra bru kel mon tar lin sky "
PARTS = (SYLLABLES + "fen dor wix zan quo lum").split()
ORDINALS = ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"]
RHYMES = [group.split() for group in (
    "cat hat bat mat rat sat flat", "dog log fog frog hog jog", "house mouse blouse", "light night bright sight fight right",
    "moon soon spoon noon tune", "tree bee sea free key knee three", "day play say way stay grey", "rain train brain pain chain",
    "cake lake make snake bake", "star car far bar jar", "book look cook hook took", "ball tall wall fall call small",
    "king ring sing wing spring thing", "blue shoe new true two glue", "bed red head bread said", "sun fun run one done",
    "sky high fly pie my eye try", "gold cold old bold told hold", "snow go slow grow low show", "ship trip lip chip tip",
    "rose nose close those toes", "ten pen men hen then", "door floor more four store", "hand sand land band stand",
    "heart part start art cart", "bear chair hair pear air", "mine fine line nine wine pine shine", "boat coat goat note vote",
    "duck luck truck stuck", "pot hot not dot lot", "wheel feel steel meal", "time rhyme lime climb", "face place race space",
    "fish wish dish", "rock sock clock lock block", "dream cream stream team", "bell well tell shell smell", "big pig dig wig",
    "ground sound round found", "mind kind find behind", "write bite kite white", "best nest rest test west", "bun sun run fun",
    "dance chance France", "game name fame same", "hill fill will still", "ice nice mice rice price", "jump pump bump lump",
    "kick stick trick brick", "pink drink think sink", "power flower tower hour shower", "tooth truth youth", "page cage stage")]


@dataclass
class Exercise:
    """A question, its answers, what an answer must hold, and what of the question stays letter for letter."""

    question: str
    answer: str
    check: list[Sequence[str] | str] | float
    keep: list[str] = field(default_factory=list)


# --- material


@cache
def _lexicon_words() -> list[str]:
    return [word for word in lexicon() if len(word) <= 10]


def word(rng: random.Random, split: str) -> str:
    source = rng.random()
    if split == "train" and source < 0.6:  # the letters of any word, not of those in the lists
        return next(made for _ in iter(int, 1) if len(made := wide.word(rng)) <= 12)
    if source < 0.78:
        return pick(rng, _lexicon_words(), split)
    if rng.random() < 0.12:
        for _ in range(200):
            made = "".join(rng.choice(PARTS) for _ in range(rng.choice((2, 2, 3))))
            if kept_back(made) == held_out(split):
                return made
    return pick(rng, WORDS, split)


def name(rng: random.Random, split: str) -> str:
    if split == "train" and rng.random() < 0.5:
        return next(made for _ in iter(int, 1) if (made := wide.first(rng)).isascii() and made.isalpha())
    return pick(rng, NAMES, split)


def words(rng: random.Random, split: str, count: int) -> list[str]:
    """Different entries for a list; only a list with a kept-back entry is used for evaluation."""
    source = rng.random()
    chosen: list[str] = []
    for _ in range(100):
        if len(chosen) == count:
            break
        entry = name(rng, split) if source < 0.25 else word(rng, split) if len(chosen) < 2 or split == "train" else rng.choice(WORDS)
        if entry not in chosen and (held_out(split) or not kept_back(entry)):
            chosen.append(entry)
    rng.shuffle(chosen)
    return chosen


def numbers(rng: random.Random, count: int) -> list[int]:
    top = rng.choice((10, 20, 50, 100, 100, 1000))
    return rng.sample(range(1 if rng.random() < 0.85 else -9, max(top, count + 2)), count)


def random_string(rng: random.Random, split: str) -> str:
    """Something without sense that can only be copied."""
    any_word = (lambda: wide.word(rng)) if split == "train" else (lambda: rng.choice(WORDS))
    for _ in range(200):
        kind = rng.randrange(17)
        if kind == 0:
            made = "".join(rng.choices(string.ascii_lowercase + string.digits, k=rng.randint(4, 12)))
        elif kind == 1:
            made = "".join(rng.choices(string.ascii_uppercase + string.digits, k=rng.randint(4, 10)))
        elif kind == 2:
            made = "-".join("".join(rng.choices(string.ascii_uppercase + string.digits, k=rng.randint(2, 5)))
                            for _ in range(rng.randint(2, 4)))
        elif kind == 3:
            made = any_word() + rng.choice("._-") + any_word() + rng.choice(
                (".txt", ".py", ".md", ".json", ".csv", ".log", ".png", ".toml", ".c", ".h", ".pdf", ".yaml", ".sh", ".tar.gz"))
        elif kind == 4:
            made = rng.choice(("README.md", "LICENSE", "Makefile", "CMakeLists.txt", "pyproject.toml", "main.py", "setup.cfg",
                               "Dockerfile", "index.html", "config.json", "tokenizer.json", "model.safetensors", "notes.txt"))
            made = rng.choice(("", "docs/", "src/", "./", "~/", "/tmp/", "../", "/home/" + rng.choice(WORDS) + "/")) + made
        elif kind == 5:
            made = rng.choice(NAMES).lower() + rng.choice(("", ".", "_")) + any_word() + "@" + any_word() + rng.choice(
                (".com", ".org", ".net", ".de", ".io", ".co.uk"))
        elif kind == 6:
            made = str(rng.randrange(10 ** rng.randint(3, 12)))
        elif kind == 7:
            made = f"{rng.randrange(1000)}.{rng.randrange(1000)}"
        elif kind == 8:
            made = "https://" + rng.choice(("www.", "", "docs.")) + any_word() + rng.choice((".com", ".org", ".dev")) + rng.choice(
                ("", "/" + rng.choice(WORDS), f"/{rng.choice(WORDS)}?id={rng.randrange(1000)}"))
        elif kind == 9:
            made = "".join(rng.choice(PARTS) for _ in range(rng.randint(2, 5)))
        elif kind == 10:
            made = " ".join("".join(rng.choice(PARTS) for _ in range(rng.randint(1, 3))) for _ in range(rng.randint(2, 5)))
        elif kind == 11:
            made = sentence_of(rng, split)
        elif kind == 12:
            made = " ".join(any_word() for _ in range(rng.randint(2, 7)))
        elif kind == 13:
            made = f"+{rng.randint(1, 99)} {rng.randint(100, 999)} {rng.randint(1000, 9999)}{rng.randint(10, 999)}"
        elif kind == 14:
            made = f"{rng.randint(1990, 2030)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"
        elif kind == 15:
            made = rng.choice(NAMES) + " " + rng.choice(PARTS).title() + rng.choice(PARTS) + rng.choice(PARTS)
        else:
            made = "".join(rng.choices(string.ascii_letters + string.digits + "#$%&*+=?!_", k=rng.randint(4, 9)))
        if kept_back(made) == held_out(split) and made[-1] not in " .?!":
            return made
    return "xk7-" + str(rng.randrange(1000))


SENTENCES = (
    "{name} [bought|sold|found|lost|carried|painted|cleaned|hid] [a|the|one] {adjective} {noun} [yesterday|today|in {month}|at the {place}|last week|again]",
    "[the|a|every] {adjective} {noun} [is|was|stands|stood] [in|near|behind|under] the {place}",
    "{name} and {other} [walk|run|drive|went|travelled] to the {place} [together|at noon|every day|by bus]",
    "[please bring|do not forget|we need|I like] the {adjective} {noun}",
    "[my|our|her|his] {noun} is [very|quite|not|almost] {adjective}",
    "[when|while|because] {name} sleeps the {noun} [waits|rests|shines]",
    "the {noun} [and|or] the {thing} [are|were] in the {place}",
    "{name} [reads|writes|tells|knows] a story about a {noun} and a {thing}",
)
_ADJECTIVES = ["happy", "sad", "quiet", "loud", "quick", "slow", "heavy", "bright", "dark", "clean", "empty", "old", "strong", "gentle", "simple", "strange", "famous", "red", "blue"]
_NOUNS = ["apple", "lamp", "horse", "rabbit", "bottle", "ladder", "candle", "pencil", "notebook", "battery", "bridge", "guitar", "puzzle", "robot", "rocket", "basket", "umbrella"]
_PLACES = ["kitchen", "garden", "market", "library", "station", "harbour", "office", "forest", "museum", "school", "garage", "castle", "village"]


def sentence_of(rng: random.Random, split: str) -> str:
    def one(entries: Sequence[str]) -> str:
        return wide.word(rng) if split == "train" and rng.random() < 0.4 else rng.choice(entries)

    made = expand(rng, rng.choice(SENTENCES), name=name(rng, split), other=rng.choice(NAMES), adjective=one(_ADJECTIVES),
                  noun=one(_NOUNS), thing=one(_NOUNS), place=one(_PLACES), month=rng.choice(("May", "June", "autumn")))
    return made[:1].upper() + made[1:] if rng.random() < 0.7 else made


def shown(rng: random.Random, entries: Sequence[object]) -> str:
    """A list as people write it."""
    texts = [str(entry) for entry in entries]
    kind = rng.random()
    if kind < 0.55:
        return ", ".join(texts)
    if kind < 0.68:
        return listed(texts)
    if kind < 0.76:
        return " ".join(texts)
    if kind < 0.82:
        return "[" + ", ".join(texts) + "]"
    if kind < 0.87:
        return "; ".join(texts)
    if kind < 0.91:
        return ",".join(texts)
    if kind < 0.94:
        return "(" + ", ".join(texts) + ")"
    bullet = rng.choice(("- ", "", "* "))
    return "\n" + "\n".join(bullet + text for text in texts)


def quoted(rng: random.Random, text: str) -> str:
    kind = rng.random()
    return f'"{text}"' if kind < 0.4 else f"'{text}'" if kind < 0.55 else f"`{text}`" if kind < 0.6 else text


def spelled(text: str, joint: str = "-") -> str:
    return joint.join(text)


COUNT_WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen"]


def both(count: int) -> list[str]:
    """A number in digits and in words."""
    return [str(count), COUNT_WORDS[count]] if count < len(COUNT_WORDS) else [str(count)]


# --- the exercises

COUNT_LETTER = Bank("count_letter", (
    "How many {l}'s are [there |]in {w}?", "How many times does [the letter |]{l} [occur|appear|come up|show up] in {w}?",
    "Count the [letter |]{l}'s in [the word |]{w}.", "[What is|Give me|Tell me] the number of {l}'s in {w}[?|.]",
    "How often [is|do you find|do you see|does one find] [the letter |]{l} in [the word |]{w}?", "number of {l} in {w}", "{l} in {w}: how many?",
    "In [the word |]{w}, how many {l}'s [are there|do you count|do you see]?", "How many of the letters in {w} are {l}?",
    "[The word |]{w} has how many {l}'s?", "How many letters {l} does {w} have?", "Count how [many times|often] {l} [appears|occurs] in {w}.",
    "[Find|Count] all [the |]{l}'s in {w}[ and tell me how many| - how many]?", "{w} contains the letter {l} how many times?",
    "How many {l} does {w} contain?", "count {l} in {w}"))
COUNT_LETTERS = Bank("count_letters", (
    "How many letters [are|are there] in {w}?", "How many letters does [the word |]{w} have?", "Count the letters in {w}.",
    "How long is the word {w}?", "[What is|Give me|Tell me] the length of [the word |]{w}[?|.]", "length of {w}", "{w}: how many letters?",
    "How many characters [are in|does] {w}[| have]?", "[The word |]{w} has how many letters?", "Number of letters in {w}?",
    "How many letters do I need to write {w}?", "Of how many letters [is|does] [the word |]{w} [made|consist]?",
    "letters in {w}?", "Count how many letters [the word |]{w} has.", "How many letters long is {w}?", "If I spell {w}, how many letters is that?"))
COUNT_WORDS_IN = Bank("count_words", (
    "How many words are [there |]in [this sentence|this text|the sentence|this|the following]: {s}", "Count the words: {s}",
    "Count the words in {s}", "How many words does [this|the sentence|this line] have: {s}", "Number of words in: {s}", "word count: {s}",
    "[Please give me|Tell me|What is] the word count of {s}", "{s} - how many words is that?", "how many words: {s}",
    "I wrote: {s}\nHow many words is that?", "{s}\n\nHow many words are in the text above?", "How long is this sentence in words? {s}"))
COUNT_ITEMS = Bank("count_items", (
    "How many items are in this list: {s}", "Count the items: {s}", "How many things do I list here? {s}", "How many entries does this list have: {s}",
    "{s} - how many are these?", "how many elements: {s}", "Count these: {s}", "My list: {s}\nHow many items are on it?",
    "Number of entries in {s}", "Tell me how many items there are: {s}"))
COUNT_VOWELS = Bank("count_vowels", (
    "How many vowels are in {w}?", "Count the vowels in {w}.", "How many vowels does {w} have?", "number of vowels in {w}", "{w}: how many vowels?",
    "How many of the letters in {w} are vowels?", "vowels in {w}?", "Tell me how many vowels {w} contains."))
UPPER = Bank("upper", (
    "[Write|Put|Print|Give me|Show me|Type] {w} in [upper case|uppercase|capital letters|capitals|all caps|block letters|big letters].",
    "[Make|Turn|Convert|Change] {w} [to|into] [upper case|uppercase|capitals|capital letters|all caps].", "[Uppercase|Capitalise every letter of] {w}.",
    "{w} in [upper case|uppercase|capitals|capital letters|caps][|, please|?]", "uppercase: {w}", "upper({w})", "What is {w} in [capitals|uppercase|upper case|capital letters]?",
    "How [do you write|would you write|does one write] {w} in [capital letters|upper case|caps]?", "Shout {w}.", "{w} -> uppercase",
    "Rewrite {w} with capital letters only.", "I need {w} in [caps|uppercase|all capital letters].", "All caps: {w}", "Turn every letter of {w} into a capital."))
LOWER = Bank("lower", (
    "[Write|Put|Print|Give me|Show me|Type] {w} in [lower case|lowercase|small letters].", "[Make|Turn|Convert|Change] {w} [to|into] [lower case|lowercase|small letters].",
    "Lowercase {w}.", "{w} in [lower case|lowercase|small letters][|, please|?]", "lowercase: {w}", "lower({w})", "What is {w} in [lower case|lowercase|small letters]?",
    "How [do you write|would you write] {w} in small letters?", "{w} -> lowercase", "Rewrite {w} without capital letters.", "I need {w} in lowercase.", "Remove the capitals from {w}."))
TITLE = Bank("title", (
    "Capitalise the first letter of {w}.", "Capitalize {w}.", "Write {w} with a capital first letter.", "Make the first letter of {w} a capital.",
    "{w} with a capital letter at the start", "How does {w} look at the start of a sentence?", "capitalize: {w}", "Start {w} with a capital."))
REVERSE = Bank("reverse", (
    "[Reverse|Flip|Turn around|Mirror] [the word |]{w}.", "[Write|Spell|Say|Print|Type|Put|Read] [the word |]{w} [backwards|backward|in reverse|the other way round|from back to front|from right to left].",
    "What is {w} [backwards|backward|spelled backwards|in reverse|reversed]?", "{w} [backwards|reversed|in reverse|backward][|?]", "reverse: {w}", "reverse({w})",
    "How [do you spell|is|would you write] {w} backwards?", "What do you get when you [reverse|turn round|flip] {w}?", "Give me the [reverse|letters in reverse order] of {w}.",
    "Reverse the [letters|order of the letters] [in|of] {w}.", "If I read {w} from the end, what do I get?", "{w} -> reversed", "Start from the last letter and write {w}.",
    "I want {w} in reverse order."))
REVERSE_LIST = Bank("reverse_list", (
    "[Reverse|Flip|Turn round|Invert] [this list|the list|the order of this list|this|the following]: {s}", "[Write|Give me|Put|Show me] [this list|these] in [reverse|reversed|the opposite] order: {s}",
    "{s} - [in reverse order|backwards|the other way round][, please|]", "[List|Say] these from last to first: {s}", "reverse order: {s}", "reverse the list {s}",
    "What is the reverse of {s}", "Here is a list: {s}\nReverse it.", "Reverse the order: {s}", "Start with the last and end with the first: {s}", "backwards please: {s}"))
SORT_UP = Bank("sort_up", (
    "[Sort|Order|Arrange|Rank] [these numbers|the numbers|these|this list|the following numbers|]: {s}", "Sort [these numbers|these|the list] [from small to large|from smallest to largest|in ascending order|ascending|from low to high|in increasing order]: {s}",
    "[Put|Bring] [these numbers|these|them|the numbers] in [order|ascending order|the right order|increasing order]: {s}", "{s} - [sort them|sorted, please|in order, please|put these in order]", "sort {s}", "sorted: {s}",
    "What is the sorted order of {s}", "Which order do these numbers come in, smallest first? {s}", "smallest first: {s}", "Here are some numbers: {s}\nSort them.", "ascending order: {s}",
    "Give me these numbers [from the smallest to the biggest|smallest first|in order]: {s}", "I have the numbers {s}. [Sort them.|Please sort them.|Put them in order.]", "arrange from least to greatest: {s}"))
SORT_DOWN = Bank("sort_down", (
    "[Sort|Order|Arrange|Rank] [these numbers|these|this list|the numbers] [from large to small|from largest to smallest|in descending order|descending|from high to low|from biggest to smallest|in decreasing order]: {s}",
    "[Put|Bring] [these numbers|them|these] in [descending|decreasing] order: {s}", "largest first: {s}", "{s} - [descending, please|largest first|from big to small]", "sort descending {s}",
    "Sort these with the biggest first: {s}", "Here are some numbers: {s}\nSort them from the largest down.", "Give me these numbers biggest first: {s}", "reverse sort: {s}", "arrange from greatest to least: {s}"))
SORT_WORDS = Bank("sort_words", (
    "[Sort|Order|Arrange] [these words|the words|these|this list|these names|the following] [alphabetically|in alphabetical order|by the alphabet|from A to Z]: {s}", "[Put|Bring] [these words|them|these|this list] in [alphabetical order|order of the alphabet|alphabetic order]: {s}",
    "alphabetical order: {s}", "{s} - [sort them alphabetically|in alphabetical order, please|sort A to Z]", "sort a-z: {s}", "Alphabetise: {s}", "Alphabetize {s}",
    "Which order would these have in a dictionary? {s}", "As in a dictionary: {s}", "Sort this list: {s}", "Here are some words: {s}\nSort them by the alphabet.", "I have {s}. Put them in alphabetical order.", "What is the alphabetical order of {s}"))
NTH = Bank("nth", (
    "[What is|Which is|What's] the {n} [item|word|entry|element|one] [in|of] [this list|the list|this]: {s}", "[Give me|Tell me|Name|Show me|Pick|Say] the {n} [item|word|entry|one|element] [of|in] [this list|the list|]: {s}",
    "{s} - [what is the {n}|the {n}, please|which one is {n}|give me the {n} one]", "{n} of {s}", "the {n} item: {s}", "Which [entry|item|one] comes {n}: {s}", "From the list {s}, take the {n}.",
    "Here is a list: {s}\nWhat is the {n} item?", "My list is {s}. Which is {n}?", "In {s}, which is the {n}?", "Pick out the {n} element from {s}", "{n} item in: {s}"))
NTH_WORD = Bank("nth_word", (
    "[What is|What's|Which is] the {n} word [in|of] [this sentence|the sentence|this text|this|]: {s}", "[Give me|Tell me|Write|Show me|Name] the {n} word of {s}", "{n} word: {s}", "{n} word of {s}", "{s} - [what is the {n} word|the {n} word, please]?",
    "Which word comes {n} in {s}", "Take the sentence {s}. What is its {n} word?", "In the sentence {s}, which word is {n}?", "{s}\nWhat is the {n} word above?", "Pick the {n} word from {s}"))
NTH_LETTER = Bank("nth_letter", (
    "[What is|What's|Which is] the {n} letter [of|in] [the word |]{w}?", "[Give me|Tell me|Name] the {n} letter of {w}.", "{n} letter of {w}", "{n} letter in {w}?", "Which letter [is|comes] {n} in {w}?", "{w}: what is the {n} letter?",
    "In [the word |]{w}, which letter is {n}?", "Pick the {n} letter of {w}.", "{w} [- the {n} letter?|has which {n} letter?]"))
LONGEST = Bank("longest", (
    "[Which|What] is the {k} word [in|of] [this list|the list|this|]: {s}", "[Which|What] word is the {k}: {s}", "[Which|What] of these [words |]is the {k}: {s}", "[Find|Give me|Tell me|Name|Pick] the {k} word [in|of|from] {s}", "{k} word: {s}", "{k} of {s}", "{s} - which is the {k}?", "Which word has the {m} letters: {s}",
    "Here are some words: {s}\nWhich one is the {k}?", "Of {s}, which is {k}?", "Tell me which word is {k}: {s}"))
EXTREME = Bank("extreme", (
    "[Which|What] is the {k} [number |][in|of] [this list|these|these numbers|]: {s}", "[Which|What] number is the {k}: {s}", "[Find|Give me|Tell me|Pick] the {k} [number |][in|of|from] {s}", "{k} number: {s}", "{k} of {s}", "{s} - which is the {k}?", "Of the numbers {s}, which is the {k}?",
    "Here are some numbers: {s}\nWhat is the {k}?", "I have {s}. Which is the {k}?", "Among {s}, what is the {k}?", "{f}({s})"))
REPEAT = Bank("repeat", (
    "[Repeat|Echo|Copy|Say|Write|Type|Print|Return|Output|Reproduce] [this|the following|this text|this string|exactly this|the text|this line]: {s}", "[Repeat|Echo|Copy|Say|Write|Type|Print|Output] {s}", "[Repeat|Say|Write] after me: {s}",
    "[Repeat|Copy|Write|Say|Print] {s} exactly.", "[Repeat|Copy|Write|Say] {s} [word for word|letter for letter|as it is|without changes|back to me|verbatim|unchanged].", "Say only {s} and nothing else.", "[Answer|Reply|Respond] [with|only with|with just|with nothing but] {s}",
    "[Please write|Write] back [exactly |]what I write[ here|]: {s}", "Copy this exactly, without any change: {s}", "echo {s}", "repeat: {s}", "say: {s}", "{s}\n[Repeat the line above.|Repeat that exactly.|Copy the line above.|Write this again.]", "Can you say {s}?", "Can you repeat {s}?",
    "Your [whole |]answer [must|should] be: {s}", "[The code|The password|The text|My string|The name|The file] is {s}. [Repeat it.|Say it back.|What is it?|Write it again.|Please repeat it.]", "I say {s}, you say the same.", "Reply {s}", "What did I just write? {s}",
    "Write the following string again: {s}", "Give me back {s}", "Output this and nothing more: {s}", "Repeat the text between the quotes: \"{s}\"", "Copy the text in quotes: '{s}'", "Write {s} once more."))
SPELL = Bank("spell", (
    "[Spell|Spell out] [the word |]{w}.", "Spell {w} [letter by letter|for me|out loud].", "How [do you spell|is|would you spell] {w}[| spelled]?", "How do I spell {w}?", "What are the letters of {w}?", "[List|Give me|Write|Tell me] the letters of {w}[, one by one|].", "spell: {w}", "spelling of {w}", "{w}, letter by letter",
    "Break {w} into letters.", "[Write|Say] {w} with a dash between the letters.", "Can you spell {w}?", "Separate the letters of {w}."))
JOIN = Bank("join", (
    "Join [these|these words|the words|the items] with [{j}|a {jn}]: {s}", "[Put|Write] [a {jn}|{j}] between [these|these words|the words]: {s}", "[Connect|Combine|Glue together|Merge] {s} with [a {jn}|{j}].", "Join {s} using a {jn}.", "{s} joined by a {jn}", "join with {j}: {s}",
    "Make one string of {s}, separated by a {jn}.", "Write {s} in one line with a {jn} between them.", "Concatenate with {jn}: {s}"))
REMOVE = Bank("remove", (
    "Remove {x} from [this list|the list|]: {s}", "[Take|Leave|Drop] {x} [out|] [of|from] [the list |]{s}", "[Delete|Cross out|Strike] {x}: {s}", "Here is [a|my] list: {s}\n[Remove {x}.|Take {x} off.|Delete {x}.|I don't need {x} any more.]", "{s} without {x}", "[My list is|I have|The list:] {s}. [Remove {x}.|Take out {x}.|Drop {x}, please.|What is left without {x}?]",
    "What remains if I remove {x} from {s}", "Write the list without {x}: {s}", "everything but {x}: {s}"))
ADD = Bank("add", (
    "Add {x} to [this list|the list|the end of the list|]: {s}", "Append {x} to {s}", "Here is [a|my] list: {s}\n[Add {x}.|Put {x} at the end.|Append {x}.]", "[My list is|I have|The list:] {s}. [Add {x}.|Put {x} at the end.|I also need {x}.]", "{s} plus {x}", "Put {x} at the end of {s}"))
REPLACE = Bank("replace", (
    "[Replace|Change|Swap|Exchange] {a} [with|by|for] {b} in [this sentence|the text|]: {s}", "[Replace|Change] {a} [to|with] {b}: {s}", "Write {b} instead of {a}: {s}", "Put {b} where it says {a}: {s}", "{s}\n[Replace {a} with {b}.|Change {a} to {b}.|Use {b} instead of {a}.]", "In {s}, replace {a} by {b}.", "Substitute {b} for {a} in {s}", "s/{a}/{b}/: {s}",
    "Rewrite this with {b} instead of {a}: {s}"))
RHYME = Bank("rhyme", (
    "What rhymes with {w}?", "[Give me|Tell me|Find|Name|Say] a [word that rhymes|rhyme] [with|for] {w}.", "rhyme with {w}", "a rhyme for {w}?", "Which word rhymes with {w}?", "[Do you know|Can you find|Is there|Have you got] a [rhyme for|word that rhymes with] {w}?", "I need [a rhyme for|something that rhymes with|a word rhyming with] {w}.", "{w} rhymes with ...", "{w} rhymes with what?",
    "I'm writing a poem. What rhymes with {w}?", "Rhyme {w}.", "What is a good rhyme for {w}?", "Complete the rhyme: {w} and ...", "words rhyming with {w}"))
RHYME_CHECK = Bank("rhyme_check", ("[Do|Would] {w} and {v} rhyme?", "Does {w} rhyme with {v}?", "Is {v} a rhyme for {w}?", "{w} and {v}: do they rhyme?", "Can I rhyme {w} with {v}?", "rhyme or not: {w}, {v}", "Are {w} and {v} rhymes?"))
STARTS = Bank("starts", (
    "[Give me|Tell me|Name|Say|Write|Find] a word that [starts|begins] with [the letter |]{l}.", "[What is|Which is|Do you know] a word [starting|beginning] with {l}?", "a word with {l}", "word starting with {l}", "[Give me|Name|Tell me] a word beginning with {l}.", "Which word starts with {l}?", "I need a word that starts with {l}.", "Any word with {l} at the beginning?",
    "Think of a word that begins with {l}.", "{l} as in ...", "Name something that starts with {l}."))
STARTS_CHECK = Bank("starts_check", ("Does {w} [start|begin] with [the letter |an |]{l}?", "Is {l} the first letter of {w}?", "{w}: does it start with {l}?", "Is the first letter of {w} {l}?"))
HAS_LETTER = Bank("has_letter", ("Does {w} [contain|have|include] [the letter |an |]{l}?", "Is there [the letter |an |]{l} in {w}?", "Is the letter {l} in {w}?", "{l} in {w}, yes or no?", "Can you find {l} in {w}?", "Do I need [the letter |]{l} to [write|spell] {w}?", "Is {l} one of the letters of {w}?", "{w}: is there {l} in it?"))
IN_LIST = Bank("in_list", ("Is {x} in [this list|the list|]: {s}", "Does [this list|the list] contain {x}: {s}", "Is {x} among {s}", "My list: {s}\nIs {x} on it?", "Do I have {x} on my list? {s}", "{s} - is {x} there?", "Can you find {x} here: {s}"))
PALINDROME = Bank("palindrome", ("Is {w} a palindrome?", "Does {w} read the same backwards?", "Is {w} the same backwards and forwards?", "{w}: palindrome or not?", "palindrome? {w}", "Check whether {w} is a palindrome.", "If I reverse {w}, is it the same word?"))
LONGER = Bank("longer", ("Which word is {k}, {a} or {b}?", "{a} or {b}, which is {k}?", "Which is {k}: {a} or {b}?", "Which has {m} letters, {a} or {b}?", "Is {a} or {b} the {k} word?", "{a} vs {b}: which one is {k}?", "Compare {a} and {b}: which word is {k}?", "Of {a} and {b}, which is {k}?"))
ALPHA_FIRST = Bank("alpha_first", ("Which comes first [in the alphabet|alphabetically|in a dictionary], {a} or {b}?", "{a} or {b}, which comes first alphabetically?", "In alphabetical order, does {a} or {b} come first?", "Alphabetically, which is first: {a} or {b}?", "Would I find {a} or {b} first in a dictionary?", "first by alphabet: {a} or {b}"))
NEXT_LETTER = Bank("next_letter", ("[Which|What] letter comes {k} {l} in the alphabet?", "[Which|What] letter is {k} {l}?", "{k} {l} comes which letter?", "alphabet: letter {k} {l}", "What comes {k} {l} in the alphabet?", "Name the letter {k} {l}.", "In the alphabet, what is {k} {l}?", "the letter {k} {l}", "What's {k} {l} in the ABC?", "Tell me the letter that comes {k} {l}."))
ACRONYM = Bank("acronym", ("What is the acronym of {s}?", "Make an acronym of {s}.", "Write the initials of {s}.", "What are the first letters of {s}?", "initials of {s}", "Take the first letter of each word: {s}", "Abbreviate {s} by its first letters.", "{s} as an acronym"))
UNIQUE = Bank("unique", ("Remove the duplicates: {s}", "Remove duplicates from {s}", "[Write|Give me] [each item|every entry] only once: {s}", "unique items: {s}", "{s} - without repeats", "Delete what occurs twice: {s}", "dedupe {s}", "Which different items are there? {s}", "Here is a list: {s}\nRemove repeated items."))
DOUBLED = Bank("doubled", ("Which item occurs twice: {s}", "Which one is repeated? {s}", "Find the duplicate: {s}", "What appears twice in {s}", "duplicate in {s}", "One of these is there twice. Which? {s}", "Here is a list: {s}\nWhat is in it twice?"))
GAPLESS = Bank("gapless", ("Remove the spaces from {s}", "[Write|Give me] this without spaces: {s}", "{s} without spaces", "Delete all spaces: {s}", "Put this together into one word: {s}", "no spaces: {s}"))
QUOTE = Bank("quote", ("Put {s} in [quotes|quotation marks|double quotes].", "Write {s} in [quotation marks|double quotes|quotes].", "Quote {s}", "Add quotation marks around {s}", "{s} in quotes"))


def count_letter(rng: random.Random, split: str) -> Exercise:
    w = word(rng, split)
    letter = rng.choice(w) if rng.random() < 0.85 else rng.choice("aeinorst")
    count = w.count(letter)
    forms = [f"{spelled(w)}: the letter {letter} occurs {plural(count, 'time')}.", f"{spelled(w)} has {plural(count, letter, joint=chr(39))}."]
    return Exercise(COUNT_LETTER.ask(rng, split, l=letter if rng.random() < 0.8 else quoted(rng, letter), w=quoted(rng, w)), rng.choice(forms), [both(count)], [w])


def plural(count: int, thing: str, joint: str = "") -> str:
    return f"{count} {thing}" + ("" if count == 1 else joint + "s")


def count_letters(rng: random.Random, split: str) -> Exercise:
    w = word(rng, split)
    return Exercise(COUNT_LETTERS.ask(rng, split, w=quoted(rng, w)), rng.choice((f"{spelled(w)} has {len(w)} letters.", f"{spelled(w)}: {len(w)} letters.")), [both(len(w))], [w])


def count_vowels(rng: random.Random, split: str) -> Exercise:
    w = word(rng, split)
    vowels = [letter for letter in w if letter in "aeiou"]
    return Exercise(COUNT_VOWELS.ask(rng, split, w=quoted(rng, w)), f"The vowels in {w} are {listed(vowels)}: {len(vowels)}." if len(vowels) > 1 else f"{len(vowels)}.", [both(len(vowels))], [w])


def count_words(rng: random.Random, split: str) -> Exercise:
    s = sentence_of(rng, split) if rng.random() < 0.7 else " ".join(words(rng, split, rng.randint(2, 9)))
    count = len(s.split())
    return Exercise(COUNT_WORDS_IN.ask(rng, split, s=quoted(rng, s)), rng.choice((f"{count} words.", f"It has {count} words.", f"{count}.", f"There are {count} words.")), [both(count)], [s])


def count_items(rng: random.Random, split: str) -> Exercise:
    entries: Sequence[object] = words(rng, split, rng.randint(2, 9)) if rng.random() < 0.7 else numbers(rng, rng.randint(2, 9))
    s = shown(rng, entries)
    count = len(entries)
    return Exercise(COUNT_ITEMS.ask(rng, split, s=s), rng.choice((f"{count} items.", f"There are {count}.", f"{count}.")), [both(count)], [s])


def mixed_case(rng: random.Random, split: str) -> str:
    w = word(rng, split) if rng.random() < 0.6 else " ".join(words(rng, split, rng.randint(2, 4)))
    kind = rng.random()
    return w.upper() if kind < 0.4 else w.title() if kind < 0.8 else "".join(rng.choice((letter, letter.upper())) for letter in w)


def upper(rng: random.Random, split: str) -> Exercise:
    kind = rng.random()
    w = word(rng, split) if kind < 0.6 else name(rng, split) if kind < 0.7 else " ".join(words(rng, split, rng.randint(2, 4)))
    return Exercise(UPPER.ask(rng, split, w=quoted(rng, w)), w.upper(), [w.upper()], [w])


def lower(rng: random.Random, split: str) -> Exercise:
    w = mixed_case(rng, split)
    return Exercise(LOWER.ask(rng, split, w=quoted(rng, w)), w.lower(), [w.lower()], [w])


def title(rng: random.Random, split: str) -> Exercise:
    w = word(rng, split)
    return Exercise(TITLE.ask(rng, split, w=quoted(rng, w)), w.capitalize(), [w], [w])


def reverse(rng: random.Random, split: str) -> Exercise:
    w = word(rng, split)
    while len(w) > 7:
        w = word(rng, split)
    if rng.random() < 0.1:
        w = str(rng.randrange(10, 100000))
    back = w[::-1]
    return Exercise(REVERSE.ask(rng, split, w=quoted(rng, w)), rng.choice((f"{back}", f"{spelled(back)}: {back}", f"{w} backwards is {back}.")), [back], [w])


def reverse_list(rng: random.Random, split: str) -> Exercise:
    entries = [str(entry) for entry in (words(rng, split, rng.randint(3, 6)) if rng.random() < 0.6 else numbers(rng, rng.randint(3, 7)))]
    s = shown(rng, entries)
    back = ", ".join(entries[::-1])
    return Exercise(REVERSE_LIST.ask(rng, split, s=s), back, [[back]], [s])


def sort_numbers(rng: random.Random, split: str) -> Exercise:
    down = rng.random() < 0.35
    entries = numbers(rng, rng.randint(3, 7))
    s = shown(rng, entries)
    done = ", ".join(map(str, sorted(entries, reverse=down)))
    return Exercise((SORT_DOWN if down else SORT_UP).ask(rng, split, s=s), done, [[done]], [s])


def sort_words(rng: random.Random, split: str) -> Exercise:
    entries = words(rng, split, rng.randint(3, 6))
    s = shown(rng, entries)
    done = ", ".join(sorted(entries, key=str.lower))
    return Exercise(SORT_WORDS.ask(rng, split, s=s), done, [[done]], [s])


def place_in(rng: random.Random, length: int) -> tuple[str, int]:
    kind = rng.random()
    if kind < 0.28:
        return "last", length - 1
    if kind < 0.36 and length > 2:
        return rng.choice(("second to last", "next to last", "last but one")), length - 2
    at = rng.randrange(min(length, 7))
    if kind < 0.5:
        at = 0
    return (ORDINALS[at] if rng.random() < 0.85 else f"{at + 1}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(at + 1, 'th') }"), at


def nth(rng: random.Random, split: str) -> Exercise:
    entries = [str(entry) for entry in (words(rng, split, rng.randint(3, 8)) if rng.random() < 0.7 else numbers(rng, rng.randint(3, 8)))]
    s = shown(rng, entries)
    n, at = place_in(rng, len(entries))
    return Exercise(NTH.ask(rng, split, s=s, n=n), rng.choice((entries[at], entries[at], f"The {n} is {entries[at]}.")), [entries[at]], [s])


def nth_word(rng: random.Random, split: str) -> Exercise:
    s = sentence_of(rng, split)
    entries = s.split()
    n, at = place_in(rng, len(entries))
    return Exercise(NTH_WORD.ask(rng, split, s=quoted(rng, s), n=n), rng.choice((entries[at], entries[at], f"The {n} word is \"{entries[at]}\".")), [entries[at]], [s])


def nth_letter(rng: random.Random, split: str) -> Exercise:
    w = word(rng, split)
    n, at = place_in(rng, len(w))
    return Exercise(NTH_LETTER.ask(rng, split, w=quoted(rng, w), n=n), rng.choice((f"{w[at]}", f"{spelled(w)}: the {n} letter is {w[at]}.", f"The {n} letter of {w} is {w[at]}.")), [w[at]], [w])


def longest(rng: random.Random, split: str) -> Exercise:
    for _ in range(50):
        entries = words(rng, split, rng.randint(3, 5))
        k = rng.choice(("longest", "longest", "shortest"))
        sizes = sorted((len(entry) for entry in entries), reverse=k == "longest")
        if sizes[0] != sizes[1]:
            break
    best = next(entry for entry in entries if len(entry) == sizes[0])
    s = shown(rng, entries)
    return Exercise(LONGEST.ask(rng, split, s=s, k=k, m="most" if k == "longest" else "fewest"), rng.choice((best, f"{best}, with {len(best)} letters.", f"The {k} word is {best}.")), [best], [s])


def extreme(rng: random.Random, split: str) -> Exercise:
    entries = numbers(rng, rng.randint(3, 7))
    big = rng.random() < 0.5
    k = rng.choice(("largest", "biggest", "highest", "greatest", "maximum") if big else ("smallest", "lowest", "least", "minimum"))
    best = max(entries) if big else min(entries)
    s = shown(rng, entries)
    return Exercise(EXTREME.ask(rng, split, s=s, k=k, f="max" if big else "min"), rng.choice((f"{best}", f"The {k} is {best}.", f"{best}.")), float(best), [s])


def repeat(rng: random.Random, split: str) -> Exercise:
    s = random_string(rng, split)
    return Exercise(REPEAT.ask(rng, split, s=s if rng.random() < 0.7 else f'"{s}"'), s, [s], [s])


def spell(rng: random.Random, split: str) -> Exercise:
    w = word(rng, split) if rng.random() < 0.75 else name(rng, split)
    return Exercise(SPELL.ask(rng, split, w=quoted(rng, w)), spelled(w), [[spelled(w), spelled(w, " "), spelled(w, ", "), spelled(w.upper())]], [w])


def join(rng: random.Random, split: str) -> Exercise:
    entries = words(rng, split, rng.randint(2, 5))
    j, jn = rng.choice((("-", "hyphen"), ("-", "dash"), ("_", "underscore"), ("/", "slash"), ("+", "plus"), ("+", "plus sign"), (":", "colon"), (".", "dot"), ("|", "vertical bar")))
    s = listed(entries) if rng.random() < 0.4 else ", ".join(entries)
    done = j.join(entries)
    return Exercise(JOIN.ask(rng, split, s=s, j=quoted(rng, j) if rng.random() < 0.5 else j, jn=jn), done, [done], [s, jn])


def remove(rng: random.Random, split: str) -> Exercise:
    entries = [str(entry) for entry in (words(rng, split, rng.randint(3, 6)) if rng.random() < 0.75 else numbers(rng, rng.randint(3, 6)))]
    x = rng.choice(entries)
    s = shown(rng, entries)
    done = ", ".join(entry for entry in entries if entry != x)
    return Exercise(REMOVE.ask(rng, split, s=s, x=x), done, [done], [s, x])


def add(rng: random.Random, split: str) -> Exercise:
    *entries, x = words(rng, split, rng.randint(3, 6))
    s = ", ".join(entries)
    done = ", ".join([*entries, x])
    return Exercise(ADD.ask(rng, split, s=s, x=x), done, [done], [s, x])


def replace(rng: random.Random, split: str) -> Exercise:
    s = sentence_of(rng, split)
    a = rng.choice([entry for entry in s.split() if len(entry) > 2])
    b = word(rng, split) if not a[0].isupper() or a == s.split()[0] else name(rng, split)
    done = " ".join(b if entry == a else entry for entry in s.split())
    done = done[:1].upper() + done[1:] if s[0].isupper() else done
    return Exercise(REPLACE.ask(rng, split, s=s, a=a, b=b), done, [done], [s, a, b])


def rhyme(rng: random.Random, split: str) -> Exercise:
    if rng.random() < 0.15:
        first, second = rng.sample(RHYMES, 2)
        w, yes = rng.choice(first), rng.random() < 0.5
        v = rng.choice([other for other in (first if yes else second) if other != w])
        yes = any(w in group and v in group for group in RHYMES)
        return Exercise(RHYME_CHECK.ask(rng, split, w=w, v=v), f"Yes, {w} and {v} rhyme." if yes else f"No, {w} and {v} do not rhyme.", [["yes"] if yes else ["no", "not"]], [w, v])
    group = rng.choice(RHYMES)
    w = rng.choice(group)
    good = [other for each in RHYMES if w in each for other in each if other != w]
    v = rng.choice(good)
    return Exercise(RHYME.ask(rng, split, w=quoted(rng, w)), rng.choice((f"{v.capitalize()} rhymes with {w}.", f"{v.capitalize()}.", f"{w.capitalize()} rhymes with {v}.")), [good], [w])


def starts(rng: random.Random, split: str) -> Exercise:
    if rng.random() < 0.25:
        w = word(rng, split)
        yes = rng.random() < 0.5
        letter = w[0] if yes else rng.choice([c for c in "abcdefghilmnoprstw" if c != w[0]])
        return Exercise(STARTS_CHECK.ask(rng, split, w=w, l=letter), f"Yes, {w} starts with {letter}." if yes else f"No, {w} starts with {w[0]}.", [["yes"] if yes else ["no"]], [w])
    letter = rng.choice("abcdefghijklmnopqrstvwy")
    good = [entry for entry in WORDS if entry[0] == letter]
    return Exercise(STARTS.ask(rng, split, l=letter.upper() if rng.random() < 0.4 else letter), rng.choice(good).capitalize() + ".", [good], [])


def has_letter(rng: random.Random, split: str) -> Exercise:
    w = word(rng, split)
    yes = rng.random() < 0.55
    others = [c for c in "abcdefghiklmnoprstuvwyz" if c not in w]
    letter = rng.choice(w) if yes else rng.choice(others)
    return Exercise(HAS_LETTER.ask(rng, split, w=quoted(rng, w), l=letter), f"Yes, {spelled(w)} has the letter {letter}." if yes else f"No, there is no {letter} in {spelled(w)}.", [["yes"] if yes else ["no"]], [w])


def in_list(rng: random.Random, split: str) -> Exercise:
    *entries, extra = words(rng, split, rng.randint(4, 7))
    yes = rng.random() < 0.5
    x = rng.choice(entries) if yes else extra
    s = shown(rng, entries)
    return Exercise(IN_LIST.ask(rng, split, s=s, x=x), f"Yes, {x} is in the list." if yes else f"No, {x} is not in the list.", [["yes"] if yes else ["no"]], [s, x])


def palindrome(rng: random.Random, split: str) -> Exercise:
    w = rng.choice(["level", "radar", "civic", "kayak", "rotor", "madam", "noon", "refer", "stats", "anna", "eve", "bob", "otto"]) if rng.random() < 0.5 else word(rng, split)
    yes = w == w[::-1]
    return Exercise(PALINDROME.ask(rng, split, w=quoted(rng, w)), f"Yes, {w} reads the same backwards." if yes else f"No, backwards it is {w[::-1]}.", [["yes"] if yes else ["no"]], [w])


def longer(rng: random.Random, split: str) -> Exercise:
    a, b = words(rng, split, 2)
    while len(a) == len(b):
        a, b = words(rng, split, 2)
    k = rng.choice(("longer", "longer", "shorter"))
    best = max((a, b), key=len) if k == "longer" else min((a, b), key=len)
    return Exercise(LONGER.ask(rng, split, a=a, b=b, k=k, m="more" if k == "longer" else "fewer"), f"{best.capitalize()} is {k}: {best} has {len(best)} letters, {b if best == a else a} has {len(b if best == a else a)}.", [best], [a, b])


def alpha_first(rng: random.Random, split: str) -> Exercise:
    a, b = words(rng, split, 2)
    best = min(a, b, key=str.lower)
    return Exercise(ALPHA_FIRST.ask(rng, split, a=a, b=b), rng.choice((f"{best.capitalize()} comes first.", f"{best.capitalize()}.")), [best], [a, b])


def next_letter(rng: random.Random, split: str) -> Exercise:
    at = rng.randrange(1, 25)
    after = rng.random() < 0.6
    k = rng.choice(("after", "right after")) if after else rng.choice(("before", "right before"))
    letter, done = string.ascii_uppercase[at], string.ascii_uppercase[at + (1 if after else -1)]
    return Exercise(NEXT_LETTER.ask(rng, split, k=k, l=letter), rng.choice((f"{done}.", f"{done} comes {k} {letter}.")), [done], [letter])


def acronym(rng: random.Random, split: str) -> Exercise:
    entries = words(rng, split, rng.randint(3, 5))
    s = " ".join(entry.title() if rng.random() < 0.7 else entry for entry in entries)
    done = "".join(entry[0].upper() for entry in entries)
    return Exercise(ACRONYM.ask(rng, split, s=quoted(rng, s)), done, [done], [s])


def unique(rng: random.Random, split: str) -> Exercise:
    entries = [str(entry) for entry in (words(rng, split, rng.randint(3, 5)) if rng.random() < 0.6 else numbers(rng, rng.randint(3, 6)))]
    twice = rng.choice(entries)
    full = list(entries)
    full.insert(rng.randint(entries.index(twice) + 1, len(entries)), twice)
    s = shown(rng, full)
    if rng.random() < 0.35:
        return Exercise(DOUBLED.ask(rng, split, s=s), rng.choice((f"{twice}", f"{twice.capitalize()} occurs twice.")), [twice], [s])
    done = ", ".join(entries)
    return Exercise(UNIQUE.ask(rng, split, s=s), done, [done], [s])


def small_edit(rng: random.Random, split: str) -> Exercise:
    if rng.random() < 0.5:
        s = " ".join(words(rng, split, rng.randint(2, 4)))
        return Exercise(GAPLESS.ask(rng, split, s=quoted(rng, s)), s.replace(" ", ""), [s.replace(" ", "")], [s])
    s = random_string(rng, split)
    return Exercise(QUOTE.ask(rng, split, s=s), f'"{s}"', [s], [s])


EXERCISES: list[tuple[float, Callable[[random.Random, str], Exercise]]] = [
    (5, count_letter), (4, count_letters), (2, count_vowels), (4, count_words), (3, count_items), (5, upper), (4, lower), (2, title),
    (6, reverse), (4, reverse_list), (6, sort_numbers), (5, sort_words), (7, nth), (5, nth_word), (4, nth_letter), (4, longest),
    (4, extreme), (16, repeat), (5, spell), (3, join), (4, remove), (2, add), (4, replace), (4, rhyme), (3, starts), (2, has_letter),
    (2, in_list), (1.5, palindrome), (2, longer), (2, alpha_first), (2, next_letter), (2, acronym), (3, unique), (2, small_edit)]
_WEIGHTS = [weight for weight, _ in EXERCISES]
_CUMULATIVE = [sum(_WEIGHTS[: index + 1]) for index in range(len(_WEIGHTS))]


# --- a second turn that refers to the first

AND_ALSO = Bank("and_also", ("And [for |]{w}?", "And {w}?", "Now {w}.", "What about {w}?", "How about {w}?", "The same [for|with] {w}.", "Same [for|with] {w}, please.", "now the same with {w}", "Do it [for|with] {w}[ too|]."))
THEN = {
    "upper": Bank("then_upper", ("Now in [upper case|uppercase|capitals|capital letters].", "And in [capitals|uppercase|upper case]?", "In capital letters, please.", "[Make it|Write it|Write that|Put it] in [upper case|capitals].", "uppercase it", "now all caps", "and in caps?")),
    "reverse": Bank("then_reverse", ("[Now|And] backwards[.|?]", "Now reverse it.", "And reversed?", "[Write|Spell] it backwards.", "Now [turn|flip] it around.", "and in reverse?")),
    "length": Bank("then_length", ("How many letters does it have?", "And how long is it?", "How many letters is that?", "Count its letters.", "How many letters are in that word?", "and how many letters?")),
    "last": Bank("then_last", ("What is its last letter?", "And the last letter?", "Which letter does it end with?", "Last letter?", "And what letter is at the end?")),
    "again": Bank("then_again", ("Again.", "Once more.", "Repeat that.", "Say it again.", "Again, please.", "One more time.", "Can you repeat that?", "And again?", "Please say that again.")),
}


def _then(rng: random.Random, split: str, w: str) -> tuple[str, str, list[Sequence[str] | str]]:
    kind = rng.choice(("upper", "reverse", "length", "last", "again"))
    question = THEN[kind].ask(rng, split)
    if kind == "upper":
        return question, w.upper(), [w.upper()]
    if kind == "reverse":
        return question, w[::-1], [w[::-1]]
    if kind == "length":
        return question, f"{spelled(w)} has {len(w)} letters.", [both(len(w))]
    if kind == "last":
        return question, f"The last letter is {w[-1]}.", [w[-1]]
    return question, w, [w]


def _check(turn: int, exercise: Exercise) -> Check:
    if isinstance(exercise.check, float):
        return {"turn": turn, "kind": "number", "value": exercise.check}
    return contains(turn, *exercise.check)


def generate(rng: random.Random, split: str) -> Conversation:
    made = Conversation("text", [])
    kind = rng.random()
    if kind < 0.12:
        w = word(rng, split)
        while len(w) > 7:
            w = word(rng, split)
        start = rng.choice((REPEAT, SPELL, UPPER, LOWER))
        first = {"repeat": w, "spell": spelled(w), "upper": w.upper(), "lower": w}[next(key for key, bank in (("repeat", REPEAT), ("spell", SPELL), ("upper", UPPER), ("lower", LOWER)) if bank is start)]
        said = w.title() if start is LOWER else w
        question = start.ask(rng, split, s=said, w=said)
        made.messages += [user(wrap(rng, question, [said], 0.6)), assistant(first)]
        made.checks.append(contains(1, first))
        for _ in range(rng.choice((1, 1, 2))):
            question, answer, check = _then(rng, split, w)
            made.messages += [user(wrap(rng, question, (), 0.4)), assistant(answer)]
            made.checks.append(contains(len(made.messages) - 1, *check))
        return made
    turns = 1 if kind < 0.7 else 2 if kind < 0.88 else 3
    for _ in range(turns):
        exercise = rng.choices(EXERCISES, cum_weights=_CUMULATIVE)[0][1](rng, split)
        made.messages += [user(wrap(rng, exercise.question, exercise.keep, 0.7)), assistant(exercise.answer)]
        made.checks.append(_check(len(made.messages) - 1, exercise))
    if turns == 1 and rng.random() < 0.14:
        doing = rng.choice((count_letters, upper, reverse, spell))
        pair = [doing(rng, split), doing(rng, split)]
        second = pair[1].keep[0]
        made = Conversation("text", [user(wrap(rng, pair[0].question, pair[0].keep, 0.7)), assistant(pair[0].answer),
                                     user(AND_ALSO.ask(rng, split, w=second)), assistant(pair[1].answer)])
        made.checks = [_check(1, pair[0]), _check(3, pair[1])]
    return made


if __name__ == "__main__":
    self_test(generate)
    from .phrasing import total_variants
    for key, bank in sorted((key, bank) for key, bank in globals().items() if isinstance(bank, Bank)):
        print(f"{key}: {len(bank.ways)} ways, {total_variants(bank.ways)} readings")

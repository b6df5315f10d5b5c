"""The facts of `knowledge/facts.json`: each relation asked forwards, backwards, as yes or no, as a choice, in pairs and as
a follow-up; each single fact in the words of `facts_phrases.txt`. Every fact is taught; what is kept back is its
combination with a way to ask."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from .common import Conversation, assistant, held_out, kept_back, load_knowledge, user
from .phrasing import Bank, contains, expand, self_test, tidy, total_variants, wrap
from .textfiles import sections

Entry = tuple[str, str, list[str]]

# Ways to ask for a noun phrase {a} such as "the capital of Peru"; {f} is a fragment such as "capital of Peru".
GENERIC = (
    "What is {a}?", "What's {a}?", "Tell me {a}.", "Name {a}.", "Give me {a}.", "{f}?", "{f}", "{A} is ...", "{A} is", "Can you name {a}?",
    "I need {a}.", "Do you know {a}?", "{f}, please", "{A}?", "{A} is what?", "{f}: ?", "Which is {a}?", "What is {a} called?", "Could you name {a}?",
    "Complete: {a} is", "Complete the sentence: {A} is ...", "Fill in the gap: {A} is ___.", "{A} is ___", "I'm looking for {a}.", "I forgot {a}.",
    "Remind me of {a}.", "{f} - what is it?", "Quiz: {f}", "Say {a}.", "What would {a} be?", "I want to know {a}.", "Tell me please, what is {a}?",
    "What do you think is {a}?", "My question is about {a}. What is it?", "{f} = ?", "Answer in one word: {a}", "Find {a}.", "State {a}.", "Write down {a}.",
    "How is {a} called?", "Identify {a}.", "We are looking for {a}. What is it?", "For 10 points: what is {a}?", "{A}, what is it?", "{f} (one word)",
    "Please tell me what {a} is.", "I can't remember {a}.", "Would you tell me {a}?", "is it hard to say what {a} is?", "What exactly is {a}?")


@dataclass
class Relation:
    """How one relation is talked about. {x} is the subject, {b} the subject without its article, {y} the answer."""

    noun: str = ""  # "the capital of {x}": what the generic ways ask for; empty where they do not fit
    fragment: str = "{b}"
    ask: tuple[str, ...] = ()
    back: tuple[str, ...] = ()
    yes_no: tuple[str, ...] = ()
    choice: tuple[str, ...] = ()
    pair: tuple[str, ...] = ()
    answers: tuple[str, ...] = ("{A} is {y}.",)
    back_answers: tuple[str, ...] = ()
    claim: str = ""  # "{y} is the capital of {x}"
    follow: tuple[str, ...] = ("And {x}?", "and {b}?", "What about {x}?", "How about {x}?", "And for {x}?", "{b}?", "Now {x}.", "{b}", "The same for {x}?", "ok, and {x}?")
    weight: float = 1.0
    words: bool = False  # the subject is a word that has to be spelt as it is


OF = ("And of {x}?", "and of {b}?", "What about that of {x}?")
WHO = dict(
    yes_no=("Did {y} {did} {x}?", "Is {y} the {er} of {x}?", "Was {x} {done} by {y}?", "Is {x} by {y}?", "{y} {past} {x}, right?", "Is it true that {y} {past} {x}?",
            "{x} was {done} by {y}, correct?", "True or false: {y} {past} {x}.", "I think {y} {past} {x}. Is that right?"),
    choice=("Who {past} {x}, {y} or {z}?", "{y} or {z}: who {past} {x}?", "Was {x} {done} by {y} or {z}?", "Is {x} by {y} or by {z}?", "Did {y} or {z} {did} {x}?",
            "Who is the {er} of {x}: {y} or {z}?"),
    pair=("Who {past} {x}, and who {past} {u}?", "Who {past} {x} and {u}?", "{er}s of {x} and {u}?", "Tell me who {past} {x} and who {past} {u}."))


def _who(did: str, past: str, done: str, er: str, thing: str, extra: tuple[str, ...], back_extra: tuple[str, ...], weight: float = 1.0) -> Relation:
    """A relation of the kind "who wrote it"."""
    ask = (
        "Who {past} {x}?", "By whom was {x} {done}?", "Who is the {er} of {x}?", "Who was the {er} of {x}?", "Who was it that {past} {x}?", "{x} was {done} by ...", "{x} was {done} by whom?", "{x} {done} by?",
        "Name the {er} of {x}.", "Which person {past} {x}?", "Tell me who {past} {x}.", "Whose work is {x}?", "{x}: who {past} it?", "{x}, by whom?", "Who's the {er} of {x}?", "{er} of {x}", "{er} of {x}?", "{b} {er}",
        "{b} - {er}?", "{x} - who {past} it?", "Who do we have to thank for {x}?", "Who is behind {x}?", "I know {x}, but who {past} it?", "Give me the name of the {er} of {x}.", "What is the name of the {er} of {x}?",
        "What was the name of the person who {past} {x}?", "Do you know who {past} {x}?", "Which famous person {past} {x}?", "Complete: {x} was {done} by", "The {er} of {x} is ...", "The person who {past} {x} is called ...", "who {past} {b}",
        "Which {er} {past} {x}?", "The {er} of {x} was who?", "Can you tell me the {er} of {x}?", "I forgot who {past} {x}.", "Let's see: who {past} {x}?", "Quiz: {er} of {x}", "To whom do we owe {x}?", "{x} is the work of ...") + extra
    back = ("What did {y} {did}?", "Which {thing} did {y} {did}?", "Name a {thing} by {y}.", "{y} {past} ...", "{y} is the {er} of which {thing}?", "Tell me a {thing} by {y}.", "What is {y} known for?", "What is {y} famous for?", "{y} is known for what?",
            "Which {thing} is by {y}?", "What was {done} by {y}?", "Name something {y} {past}.", "Give me a {thing} that {y} {past}.", "{y}: which {thing}?", "A {thing} by {y}?", "Do you know a {thing} by {y}?", "Which {thing} comes from {y}?") + back_extra
    fill = {"did": did, "past": past, "done": done, "er": er, "thing": thing}

    def filled(ways: tuple[str, ...]) -> tuple[str, ...]:
        for key, text in fill.items():
            ways = tuple(way.replace("{" + key + "}", text) for way in ways)
        return ways

    return Relation(ask=filled(ask), back=filled(back), yes_no=filled(WHO["yes_no"]), choice=filled(WHO["choice"]), pair=filled(WHO["pair"]),
                    answers=filled(("{y} {past} {x}.", "{X} was {done} by {y}.", "{y}.", "It was {y}.", "{y} {past} it.", "The {er} of {x} is {y}.")),
                    back_answers=filled(("{y} {past} {x}.", "{X} was {done} by {y}.", "{X} is by {y}.", "For example {x}.")),
                    claim=filled(("{y} {past} {x}",))[0], weight=weight, follow=("And {x}?", f"And who {past} {{x}}?", "What about {x}?", "and {b}?", "How about {x}?", "{x}?", "And {x}, who was that?"))


RELATIONS: dict[str, Relation] = {
    "capital_of": Relation(
        noun="[the|the] capital [city |][of|of|of|in] {x}", fragment="[capital of {x}|capital {b}|{b} capital|{b}, capital|capital city of {b}|{b}: capital|{b} - capital]", weight=5,
        ask=("[What|Which] city is the capital of {x}?", "Which city is {x}'s capital?", "What is {x}'s capital[ city|]?", "{x} has which capital?", "[Which|What] capital does {x} have?", "What is the capital city of {x}?",
             "In which city does the government of {x} sit?", "Which city serves as the capital of {x}?", "Where is the seat of government of {x}?", "Name {x}'s capital.", "What do they call the capital of {x}?", "The country is {x}. What is its capital?",
             "I'm going to {x}. What is the capital there?", "Which capital belongs to {x}?", "What city would I visit to see the capital of {x}?", "What's the main city, the capital, of {x}?", "{X}: what is its capital?", "Which city is [the |]capital in {x}?",
             "If I want to see the capital of {x}, where do I go?", "Geography test: capital of {x}", "{X}'s capital is ...", "Do you know {x}'s capital?", "Let's talk about {x}. What is the capital?", "capital city: {b}"),
        back=("{y} is the capital of [which country|what country|which state|what]?", "[Which|What] country has {y} as its capital?", "[Which|What] country has the capital {y}?", "Of which country is {y} the capital?", "{y} is the capital of ...", "{y} - capital of?",
              "In which country is {y} the capital?", "[Which|What] country's capital is {y}?", "What is {y} the capital of?", "The capital of which country is {y}?", "Name the country whose capital is {y}.", "{y} is the capital city of what country?",
              "For which country is {y} the capital?", "To which country does the capital {y} belong?", "capital {y}: which country?", "Tell me the country with the capital {y}."),
        yes_no=("Is {y} the capital of {x}?", "Is {y} the capital city of {x}?", "The capital of {x} is {y}, right?", "Is the capital of {x} {y}?", "Is {x}'s capital {y}?", "{y} is the capital of {x}, isn't it?", "Isn't {y} the capital of {x}?", "Is it true that {y} is the capital of {x}?",
                "Am I right that {y} is the capital of {x}?", "I think {y} is the capital of {x}. Is that right?", "True or false: {y} is the capital of {x}.", "Is it correct that the capital of {x} is {y}?", "Does {x} have {y} as its capital?", "{y}, capital of {x}: yes or no?"),
        choice=("{y} or {z}, which is the capital of {x}?", "Which is the capital of {x}, {y} or {z}?", "Is {y} or {z} the capital of {x}?", "Capital of {x}: {y} or {z}?", "Is the capital of {x} {y} or {z}?", "What is the capital of {x}: {y} or {z}?", "{x}: {y} or {z}?",
                "Choose: the capital of {x} is a) {y} b) {z}"),
        pair=("capital of {x} and {u}?", "What are the capitals of {x} and {u}?", "Tell me the capitals of {x} and {u}.", "What is the capital of {x}, and what is the capital of {u}?", "Name the capitals of {x} and {u}.", "Which cities are the capitals of {x} and {u}?", "The capitals of {x} and {u}?"),
        answers=("The capital of {x} is {y}.", "The capital of {x} is {y}.", "{y} is the capital of {x}.", "{y}.", "It is {y}."), back_answers=("{y} is the capital of {x}.", "{X}.", "{y} is the capital of {x}."),
        claim="{y} is the capital of {x}",
        follow=("And {x}?", "and {b}?", "And the capital of {x}?", "What about {x}?", "How about {x}?", "And of {x}?", "and in {x}?", "{b}?", "Now {x}.", "{b}", "And what is it for {x}?", "ok, and {x}?", "And {x}'s?", "the same for {x}")),
    "continent_of": Relation(
        noun="the continent [of|that holds|of the country] {x}", fragment="[continent of {b}|{b} continent|{b}, which continent|{b}: continent]", weight=2.5,
        ask=("[On|In] [which|what] continent is {x}?", "[On|In] [which|what] continent does {x} lie?", "[Which|What] continent is {x} [in|on|part of]?", "Where in the world is {x}?", "To which continent does {x} belong?", "[Which|What] continent does {x} belong to?", "{X} is [in|on] which continent?",
             "{X} belongs to which continent?", "{X} lies on the continent of ...", "Where is {x}? Name the continent.", "In which part of the world is {x}?", "Name the continent of {x}.", "What continent would I be on in {x}?", "{X} is a country in ...", "Of which continent is {x} a part?",
             "If I fly to {x}, on which continent do I land?", "On the map, which continent is {x} on?", "Which continent is home to {x}?", "Where does {x} lie, on which continent?", "Tell me on which continent {x} is."),
        back=("Name a country in {y}.", "Name a country on the continent of {y}.", "[Give me|Tell me] a country in {y}.", "Which country is in {y}?", "a country in {y}", "Which country lies in {y}?", "Can you name a country in {y}?", "An example of a country in {y}?"),
        yes_no=("Is {x} in {y}?", "Is {x} part of {y}?", "Is {x} a country in {y}?", "Does {x} belong to {y}?", "{X} is in {y}, right?", "Does {x} lie in {y}?", "Is it true that {x} is in {y}?", "True or false: {x} is in {y}.", "{X} is in {y}, isn't it?", "I think {x} is in {y}. Am I right?"),
        choice=("Is {x} in {y} or in {z}?", "{x}: {y} or {z}?", "Does {x} lie in {y} or {z}?", "{y} or {z}, where is {x}?", "Is {x} part of {y} or {z}?"),
        pair=("On which continents are {x} and {u}?", "Which continents do {x} and {u} belong to?", "Where are {x} and {u}?"),
        answers=("{X} is in {y}.", "{X} is in {y}.", "{X} lies in {y}.", "{y}.", "It is in {y}."), back_answers=("{X} is in {y}.", "{X}.", "For example {x}."), claim="{x} is in {y}"),
    "currency_of": Relation(
        noun="the [currency|money] [of|in|used in] {x}", fragment="[currency of {x}|currency {b}|{b} currency|{b}, currency|{b}: currency|{b} money]", weight=2.5,
        ask=("[What|Which] currency [does|do they use in] {x}[ use| have|]?", "[What|Which] currency is used in {x}?", "What [do people|do they|does one] pay with in {x}?", "What money do I need in {x}?", "{X} uses which currency?", "With [what|which currency] do I pay in {x}?", "What is {x}'s currency?",
             "What is the money in {x} called?", "I'm travelling to {x}. [What money do I need?|Which currency do they have?|What is the currency there?]", "In {x} you pay with the ...", "What is the name of the currency of {x}?", "Which money do they have in {x}?", "In {x}, prices are in what?",
             "What currency will I need for {x}?", "Which coins and notes are used in {x}?", "What kind of money is used in {x}?", "How do you call the money of {x}?", "People in {x} pay in which currency?"),
        back=("[Which|What] country uses the {y}?", "Where do people pay with the {y}?", "In which country is the {y} used?", "Where is the {y} the currency?", "The {y} is the currency of [which country|what country|...]", "Name a country that uses the {y}.", "Where can I pay with the {y}?", "Which country has the {y}?",
              "Where is the {y} used?", "{y} is the money of which country?", "To which country does the {y} belong?"),
        yes_no=("Is the {y} the currency of {x}?", "Do they use the {y} in {x}?", "Does {x} use the {y}?", "Can I pay with the {y} in {x}?", "Is the {y} used in {x}?", "The currency of {x} is the {y}, right?", "Is {x}'s currency the {y}?", "Do people in {x} pay with the {y}?", "True or false: {x} uses the {y}."),
        choice=("Does {x} use the {y} or the {z}?", "{y} or {z}: what is the currency of {x}?", "Is the currency of {x} the {y} or the {z}?", "Do I need the {y} or the {z} in {x}?"),
        pair=("What are the currencies of {x} and {u}?", "Currency of {x} and {u}?", "Which currencies do {x} and {u} use?"),
        answers=("The currency of {x} is the {y}.", "The currency of {x} is the {y}.", "{X} uses the {y}.", "The {y}.", "People in {x} pay with the {y}."), back_answers=("The {y} is the currency of {x}.", "The {y} is used in {x}.", "{X} uses the {y}."), claim="{x} uses the {y}"),
    "language_of": Relation(
        noun="the [main |official |][language] [of|in|spoken in] {x}", fragment="[language of {x}|language {b}|{b} language|{b}, language|{b}: language|language in {b}]", weight=2.5,
        ask=("[What|Which] language [do people speak|is spoken|do they speak|do you hear|is used] in {x}?", "What do [people|they] speak in {x}?", "[What|Which] language is the main one in {x}?", "{X} speaks which language?", "In {x} people speak ...", "I'm going to {x}. [What language do they speak?|Which language should I learn?|Which language is spoken there?]",
             "Which language should I learn for {x}?", "Which language helps me in {x}?", "People in {x} speak which language?", "What is {x}'s language?", "Which tongue is spoken in {x}?", "How do people talk in {x}, in which language?", "What language would I hear on the streets of {x}?", "In what language are the newspapers in {x}?",
             "What's the mother tongue of most people in {x}?", "Which language is official in {x}?", "What do most people in {x} speak?"),
        back=("[Where|In which country] [do people speak|is] {y}[ spoken|]?", "Name a country where {y} is spoken.", "Where do they speak {y}?", "Where can I speak {y}?", "Which country speaks {y}?", "{y} is the language of ...", "{y} is spoken in which country?", "In which country can I hear {y}?", "Which country's language is {y}?"),
        yes_no=("Do they speak {y} in {x}?", "Is {y} spoken in {x}?", "Is {y} the main language of {x}?", "Do people in {x} speak {y}?", "They speak {y} in {x}, right?", "The language of {x} is {y}, isn't it?", "Is {y} the language of {x}?", "True or false: the main language of {x} is {y}."),
        choice=("Do they speak {y} or {z} in {x}?", "{y} or {z}: which language is spoken in {x}?", "Is the language of {x} {y} or {z}?"),
        pair=("Which languages are spoken in {x} and {u}?", "What do people speak in {x} and in {u}?", "Languages of {x} and {u}?"),
        answers=("The main language of {x} is {y}.", "People in {x} speak {y}.", "{y}.", "In {x} people speak {y}.", "They speak {y}."), back_answers=("{y} is spoken in {x}.", "People speak {y} in {x}.", "In {x}, for example."), claim="people in {x} speak {y}"),
    "symbol_of": Relation(
        noun="the [chemical |][symbol] [of|for] {x}", fragment="[symbol of {x}|symbol {x}|{x} symbol|{x}: symbol|chemical symbol {x}|{x}, symbol|chemical symbol for {x}]", weight=2.5,
        ask=("[What|Which] symbol [is used for|stands for] {x}?", "How is {x} written in the periodic table?", "How do chemists write {x}?", "What is {x}'s symbol?", "Which symbol has the element {x}?", "What is the short form of {x} in chemistry?", "How do you abbreviate {x} in chemistry?",
             "What is {x} in the periodic table?", "What letters stand for {x}?", "The symbol of the element {x} is ...", "In the periodic table, {x} is ...", "element {x}, symbol?", "How is the element {x} abbreviated?", "Which letters mean {x}?", "What does the periodic table say for {x}?", "{X} has the symbol ...", "chemistry: {x} = ?",
             "What is the symbol for the element {x}?"),
        back=("[Which|What] element has the symbol {y}?", "What does {y} stand for in chemistry?", "[Which|What] element is {y}?", "{y} is the symbol of [which element|what|...]", "What element does {y} stand for?", "What is {y} in the periodic table?", "chemical element {y}?", "In chemistry, what is {y}?", "symbol {y}, which element?", "Name the element with the symbol {y}.",
              "Which element do chemists write as {y}?", "The symbol {y} means which element?", "element {y}"),
        yes_no=("Is {y} the symbol of {x}?", "Is {y} the symbol for {x}?", "Does {y} stand for {x}?", "Is {x} written as {y}?", "The symbol of {x} is {y}, right?", "True or false: {y} is the symbol of {x}.", "Is the chemical symbol of {x} {y}?", "Does {x} have the symbol {y}?"),
        choice=("Is the symbol of {x} {y} or {z}?", "{y} or {z}: which is the symbol of {x}?", "Which stands for {x}, {y} or {z}?"),
        pair=("What are the symbols of {x} and {u}?", "Symbols of {x} and {u}?", "Give me the symbols for {x} and {u}."),
        answers=("The symbol of {x} is {y}.", "The symbol of {x} is {y}.", "{y}.", "{y} is the symbol of {x}.", "It is {y}."), back_answers=("{y} is {x}.", "{y} is the symbol of {x}.", "{X}."), claim="{y} is the symbol of {x}",
        follow=("And {x}?", "and {x}?", "And of {x}?", "What about {x}?", "How about {x}?", "{x}?", "And for {x}?", "Now {x}.", "the symbol of {x}?")),
    "author_of": _who("write", "wrote", "written", "author", "book", (
        "Who is the writer of {x}?", "[Which|What] author wrote {x}?", "Which writer wrote {x}?", "Who penned {x}?", "Who wrote the book {x}?", "Whose book is {x}?", "I'm reading {x}. Who wrote it?", "Who's {x} by?", "{x} is a book by ...", "What writer is behind {x}?", "{x} author?", "{x} writer?",
        "I liked {x}. Who wrote it?", "Which novelist or poet wrote {x}?", "Author: {x}"), ("Which book did {y} write?", "Name a work by {y}.", "What is a famous book by {y}?", "{y} is the author of ...", "a book of {y}", "I want to read {y}. Which book?"), 3),
    "inventor_of": _who("invent", "invented", "invented", "inventor", "invention", ("Who came up with {x}?", "Who created {x}?", "Who first made {x}?", "Who is the father of {x}?", "Who had the idea of {x}?", "Who developed {x}?", "Where does {x} come from, who invented it?"), ("What was {y}'s invention?", "What did {y} create?"), 1.5),
    "discoverer_of": _who("discover", "discovered", "discovered", "discoverer", "discovery", ("Who found {x}?", "Who first found {x}?", "Which scientist discovered {x}?", "Which scientist do we have to thank for {x}?", "Who is famous for discovering {x}?", "Who is credited with {x}?"), ("What was {y}'s discovery?", "What did {y} find?", "Which discovery is by {y}?"), 1.5),
    "painter_of": _who("paint", "painted", "painted", "painter", "painting", ("Which artist painted {x}?", "Who is the artist of {x}?", "Whose painting is {x}?", "Which artist made {x}?", "{x}: which artist?", "Who made the painting {x}?", "I saw {x} in a book. Who painted it?"), ("What is a famous picture by {y}?", "Which picture did {y} paint?"), 1.2),
    "composer_of": _who("compose", "composed", "composed", "composer", "piece of music", ("Who wrote the music of {x}?", "Whose music is {x}?", "Which composer wrote {x}?", "Who wrote {x}?", "{x}: which composer?", "Who is the music of {x} by?", "I heard {x}. Who composed it?"), ("What did {y} write?", "Which work did {y} compose?", "Name a work by {y}."), 1.5),
    "young_of": Relation(
        noun="[the name of a baby {x}|the young of a {x}|a baby {x}]", fragment="[baby {x}|young {x}|{x} baby|young of a {x}|baby of a {x}|name of a young {x}]",
        ask=("What is a [baby|young] {x} called?", "What do you call [a baby|a young|the young of a|the baby of a] {x}?", "How do you call a [baby|young] {x}?", "A [baby|young] {x} is [called|a|called a] ...", "What is the [young|baby|child|offspring] of a {x} called?", "What's the [name|word] for a [baby|young] {x}?", "Which word means a young {x}?",
             "What is the word for the young of a {x}?", "The young of a {x} is a ...", "What does a {x} have as a baby?", "In English, what is a young {x}?", "What is a {x}'s baby called?", "A {x} and her ...", "The little one of a {x} is called?", "a small {x} is a ..."),
        back=("Which animal's young is a {y}?", "A {y} is the young of which animal?", "What does a {y} grow into?", "A {y} is a young ...", "Of which animal is the {y} the young?", "What animal is a {y}?", "The mother of a {y} is a ...", "A {y} is the baby of what animal?", "What will a {y} be when it grows up?"),
        yes_no=("Is a baby {x} called a {y}?", "Is a {y} a young {x}?", "Is the young of a {x} a {y}?", "A baby {x} is a {y}, right?", "Do you call a young {x} a {y}?"), choice=("Is a baby {x} a {y} or a {z}?", "{y} or {z}: what is a young {x} called?", "A young {x} is a {y} or a {z}?"),
        pair=("What are the young of a {x} and a {u} called?", "What do you call a baby {x} and a baby {u}?"),
        answers=("A young {x} is called a {y}.", "A young {x} is called a {y}.", "A {y}.", "It is called a {y}.", "A baby {x} is a {y}."), back_answers=("A {y} is a young {x}.", "The young of a {x} is called a {y}.", "A {x}."), claim="a young {x} is called a {y}",
        follow=("And a {x}?", "and of a {x}?", "What about a {x}?", "How about a {x}?", "And a baby {x}?", "{x}?", "and the {x}?")),
    "group_of": Relation(
        noun="[a group of {x}|the word for a group of {x}|the name of a group of {x}|the collective noun for {x}]", fragment="[group of {x}|{x}, group|a ... of {x}|collective noun {x}|many {x} together]",
        ask=("What is a group of {x} called?", "What do you call a group of {x}?", "How do you call [many|a lot of] {x} together?", "What's the [word|name|term|collective noun] for a group of {x}?", "A group of {x} is [called|a|called a] ...", "When {x} are together, what is it called?", "Many {x} form a ...", "Which word is used for a group of {x}?",
             "{X} live in a ...", "In English, a group of {x} is a what?", "a bunch of {x} is called?", "Complete: a ... of {x}", "What collective noun goes with {x}?", "{X} together make a ...", "If you see many {x}, you see a ..."),
        back=("Which animals [form|live in|make] a {y}?", "A {y} is a group of which animals?", "A {y} of ...", "Name animals whose group is called a {y}.", "What kind of animals are in a {y}?"),
        yes_no=("Is a group of {x} called a {y}?", "Do you say a {y} of {x}?", "Is a {y} of {x} correct?", "A group of {x} is a {y}, right?", "Do {x} form a {y}?"), choice=("Is it a {y} or a {z} of {x}?", "A {y} of {x} or a {z} of {x}?", "Is a group of {x} a {y} or a {z}?"),
        pair=("What are groups of {x} and of {u} called?",), answers=("A group of {x} is called a {y}.", "A group of {x} is called a {y}.", "A {y}.", "It is called a {y}.", "A {y} of {x}."), back_answers=("A {y} is a group of {x}.", "{X} form a {y}.", "{X}, for example."), claim="a group of {x} is called a {y}"),
    "sound_of": Relation(
        noun="the sound of a {x}", fragment="[sound of a {x}|{x} sound|{x}, sound|noise of a {x}|what the {x} does]",
        ask=("[What|Which] [sound|noise] does a {x} make?", "What does [a|the] {x} [say|do to make a noise]?", "How does a {x} sound?", "What do you call the [sound|noise|cry|voice] of a {x}?", "[Which|What] verb [describes|is used for] the sound of a {x}?", "What is the [sound|noise] of a {x} called?", "What's the word for the sound a {x} makes?", "{X}s ...", "A {x} can ...",
             "The {x} goes ...", "How do you describe the noise of a {x}?", "If a {x} makes a noise, what does it do?", "What [sound|noise] comes from a {x}?", "Dogs bark and {x}s do what?", "Name the sound of a {x}.", "What does a {x} do with its voice?", "the noise a {x} makes"),
        back=("Which animal can {y}?", "[Which|What] animal makes this sound: {y}?", "What animal does {y}?", "{y} is the sound of which animal?", "Which animal do you think of when you hear {y}?", "Who can {y}?", "{y}: which animal?"),
        yes_no=("Does a {x} {y}?", "Do {x}s {y}?", "Is {y} the sound of a {x}?", "Can a {x} {y}?", "A {x} can {y}, right?"), choice=("Does a {x} {y} or {z}?", "{y} or {z}: what does a {x} do?", "Do {x}s {y} or {z}?"), pair=("What sounds do a {x} and a {u} make?",),
        answers=("{X}s {y}.", "{X}s {y}.", "The sound of a {x} is called: {y}.", "A {x} can {y}.", "They {y}."), back_answers=("{X}s {y}.", "The {x}.", "A {x} can {y}."), claim="{x}s {y}",
        follow=("And a {x}?", "and the {x}?", "What about a {x}?", "How about a {x}?", "And {x}s?", "{x}?")),
    "legs_of": Relation(
        noun="the number of legs of a {x}", fragment="[legs of a {x}|{x} legs|{x}, legs|number of legs: {x}|{x}: how many legs]",
        ask=("How many legs does [a|the|an animal like the] {x} have?", "How many legs [has|are on] a {x}[ got|]?", "A {x} has how many legs?", "On how many legs does a {x} [walk|stand|move]?", "Count the legs of a {x}.", "A {x} has ... legs", "How many legs do {x}s have?", "What is the number of legs of a {x}?", "{x}s have how many legs?", "How many legs would a {x} need shoes for?",
             "number of legs of {x}s", "Does a {x} have legs, and how many?", "With how many legs is a {x} born?", "I see a {x}. How many legs does it have?"),
        back=("Which animal has {y} legs?", "Name an animal with {y} legs.", "An animal with {y} legs?", "Give me an animal that has {y} legs.", "{y} legs: which animal?"),
        yes_no=("Does a {x} have {y} legs?", "Do {x}s have {y} legs?", "A {x} has {y} legs, right?", "Are there {y} legs on a {x}?", "True or false: a {x} has {y} legs."), choice=("Does a {x} have {y} or {z} legs?", "{y} or {z}: how many legs does a {x} have?"), pair=("How many legs do a {x} and a {u} have?",),
        answers=("A {x} has {y} legs.", "A {x} has {y} legs.", "{y}.", "It has {y} legs."), back_answers=("A {x} has {y} legs.", "The {x} has {y} legs.", "A {x}."), claim="a {x} has {y} legs",
        follow=("And a {x}?", "and the {x}?", "What about a {x}?", "How about a {x}?", "And {x}s?", "{x}?")),
    "class_of": Relation(
        noun="", fragment="[class of {x}|{x} kind of animal|{x}, what is it|animal class: {x}]",
        ask=("What kind of animal is a {x}?", "What [type|sort|class] of animal is [a|the] {x}?", "To which [class|group] of animals does the {x} belong?", "[Which|What] class of animals does a {x} belong to?", "A {x} is a ...", "How is a {x} classified?", "In biology, what is a {x}?", "The {x} belongs to the ...", "What is a {x}: a mammal, a bird, a fish or something else?",
             "Mammal, bird, reptile, fish, insect: what is a {x}?", "{x}s are what kind of animal?", "Which group of animals do {x}s belong to?", "Is a {x} a mammal, a bird, a fish or what?", "Tell me the class of the {x}.", "animal kind of the {x}?", "{x}: mammal, bird, fish, reptile or something else?"),
        back=("Name [a|an example of a] {y}.", "[Give me|Tell me] a {y}.", "Which animal is a {y}?", "An example of a {y}?", "Do you know a {y}?", "Which animal belongs to the {y} class?"),
        yes_no=("Is a {x} a {y}?", "Is the {x} a {y}?", "Are {x}s in the {y} class?", "A {x} is a {y}, right?", "Does the {x} count as a {y}?", "True or false: a {x} is a {y}.", "Is it true that a {x} is a {y}?", "A {x} is a {y}, isn't it?"), choice=("Is a {x} a {y} or a {z}?", "{x}: {y} or {z}?", "{y} or {z}, what is a {x}?"),
        pair=("What kind of animals are a {x} and a {u}?",), answers=("A {x} is a {y}.", "A {x} is a {y}.", "It is a {y}.", "A {y}."), back_answers=("A {x} is a {y}.", "The {x} is a {y}.", "A {x}, for example."), claim="a {x} is a {y}",
        follow=("And a {x}?", "and the {x}?", "What about a {x}?", "How about a {x}?", "{x}?")),
    "opposite_of": Relation(
        noun="the [opposite|opposite|antonym] of {q}", fragment="[opposite of {q}|opposite: {q}|{q} opposite|antonym of {q}|not {q} but ...|antonym: {q}|{q} - opposite]", weight=3, words=True,
        ask=("What is the opposite of {q}?", "What is the opposite word [of|for|to] {q}?", "[Which|What] word [means|has] the opposite [of|meaning of] {q}?", "Give me an antonym [of|for] {q}.", "{q} and its opposite?", "If it is not {q}, it is ...", "{q} is the opposite of ...", "What is the contrary of {q}?", "Which word is the reverse of {q}?", "What would be the opposite of {q}?", "I need a word that means the opposite of {q}.",
             "{q} vs ...", "Name the opposite of {q}.", "Say the opposite of {q}.", "The opposite of {q} is what word?", "Is there an opposite of {q}?", "How do I say the opposite of {q}?", "opposites: {q} and ...", "the antonym of {q} is", "What's an antonym for {q}?"),
        yes_no=("Is {y} the opposite of {x}?", "Are {x} and {y} opposites?", "Does {y} mean the opposite of {x}?", "The opposite of {x} is {y}, right?", "Is {y} an antonym of {x}?"), choice=("Is the opposite of {x} {y} or {z}?", "Opposite of {x}: {y} or {z}?", "{y} or {z}: which is the opposite of {x}?"),
        pair=("What are the opposites of {x} and {u}?", "opposite of {x} and of {u}?", "Give me the opposites of {x} and {u}."), answers=("The opposite of {x} is {y}.", "The opposite of {x} is {y}.", "{Y}.", "{Y} is the opposite of {x}.", "It is {y}."), claim="the opposite of {x} is {y}", follow=("And {x}?", "And of {x}?", "What about {x}?", "How about {x}?", "{x}?", "and for {x}?", "Now {x}.", "The opposite of {x}?")),
    "plural_of": Relation(
        noun="the plural [form |][of|of|for] {q}", fragment="[plural of {q}|plural: {q}|{q} plural|one {x}, two ...|{q}, plural form|1 {x}, 2 ...|plural form of {q}]", weight=1.5, words=True,
        ask=("What is the plural of {q}?", "How do you [form|make|write|spell] the plural of {q}?", "One {x}, many ...", "One {x}, [two|three] ...?", "Write {q} in the plural.", "How do you say more than one {x}?", "What do you call more than one {x}?", "Put {q} in the plural.", "I have one {x}, you have two ...", "What does {q} become in the plural?", "Make {q} plural.",
             "If there are several, {q} becomes ...", "Is the plural of {q} regular? What is it?", "plural form: {q}", "{q} is singular. What is the plural?", "Turn {q} into a plural.", "There is one {x}. There are many ..."),
        back=("What is the singular of {y}?", "One of many {y} is a ...", "{y} is the plural of [which word|what word|...]", "singular of {y}", "Write {y} in the singular.", "Many {y}, one ...", "What is one of the {y} called?", "What's the singular form of {y}?"),
        yes_no=("Is {y} the plural of {x}?", "Is the plural of {x} {y}?", "Do you say one {x}, two {y}?"), pair=("What are the plurals of {x} and {u}?", "plural of {x} and {u}?"),
        answers=("The plural of {x} is {y}.", "The plural of {x} is {y}.", "{Y}.", "One {x}, two {y}.", "It is {y}."), back_answers=("The singular of {y} is {x}.", "{y} is the plural of {x}."), claim="the plural of {x} is {y}", follow=("And {x}?", "And of {x}?", "What about {x}?", "How about {x}?", "{x}?", "and for {x}?")),
    "past_of": Relation(
        noun="the [past tense|past|past form|simple past] of [{q}|to {x}|the verb {q}]", fragment="[past tense of {q}|past of {q}|past tense: {q}|{q} past tense|{q}, past|today I {x}, yesterday I ...|simple past of {q}|past form: {q}]", weight=2, words=True,
        ask=("What is the past tense of {q}?", "Today I {x}, yesterday I ...", "I {x} now. Yesterday I ...", "How do you put {q} in the past?", "Write {q} in the past tense.", "Put {q} into the past[ tense|].", "What does {q} become in the past tense?", "What's the simple past of {q}?", "I {x} every day. What did I do yesterday?", "Make the past tense of {q}.",
             "Is {q} irregular? What is its past?", "How is the past of to {x} formed?", "Which form of {q} do I use for yesterday?", "Conjugate {q} in the past tense.", "If I {x} today, what do I say for last week?", "The past tense of to {x} is ..."),
        back=("[Which|What] verb has the past tense {y}?", "{y} is the past tense of [which verb|what|...]", "What is the infinitive of {y}?", "{y} comes from which verb?", "The present of {y} is ...", "Yesterday I {y}, today I ...", "What is the present tense of {y}?", "base form of {y}"),
        yes_no=("Is {y} the past tense of {x}?", "Is the past of {x} {y}?", "The past tense of {x} is {y}, right?"), pair=("What are the past tenses of {x} and {u}?", "past tense of {x} and of {u}?"),
        answers=("The past tense of {x} is {y}.", "The past tense of {x} is {y}.", "{Y}.", "It is {y}.", "Today I {x}, yesterday I {y}."), back_answers=("{Y} is the past tense of {x}.", "The verb is {x}."), claim="the past tense of {x} is {y}", follow=("And {x}?", "And of {x}?", "What about {x}?", "How about {x}?", "{x}?", "and for {x}?", "And to {x}?")),
    "colour_of": Relation(
        noun="the [colour|color] of {x}", fragment="[colour of {x}|color of {x}|{b} colour|{b}, colour|{b} color]",
        ask=("[What|Which] [colour|color] [is|has] {x}?", "[What|Which] [colour|color] does {x} have?", "{X} is [what|which] [colour|color]?", "In which colour do you see {x}?", "{X} is ... in colour", "How would you paint {x}?", "{X} has which colour?", "Name the [colour|color] of {x}.", "If I draw {x}, which [colour|crayon] do I take?", "Which colour is typical of {x}?", "{X}: what colour?",
             "What colour do you think of with {x}?", "Which colour would you use for {x}?", "Tell me the colour {x} has."),
        back=("Name something {y}.", "What is {y} in colour?", "Name something that is {y}.", "Give me an example of something {y}.", "What has the colour {y}?", "Tell me a thing that is {y}."),
        yes_no=("Is {x} {y}?", "Does {x} have the colour {y}?", "{X} is {y}, right?", "Is the colour of {x} {y}?", "True or false: {x} is {y}."), choice=("Is {x} {y} or {z}?", "{y} or {z}: what colour is {x}?", "What colour is {x}, {y} or {z}?"), pair=("What colours are {x} and {u}?",),
        answers=("{X} is {y}.", "{X} is {y}.", "{Y}.", "It is {y}.", "The colour of {x} is {y}."), back_answers=("{X} is {y}.", "For example {x}."), claim="{x} is {y}"),
    "sides_of": Relation(
        noun="the number of sides of a {x}", fragment="[sides of a {x}|{x} sides|number of sides: {x}|{x}: how many sides|{x}, sides]",
        ask=("How many sides does a {x} have?", "How many [sides|edges] has a {x}?", "A {x} has how many [sides|corners]?", "How many [corners|angles] does a {x} have?", "A {x} has ... sides", "Count the sides of a {x}.", "What is the number of sides of a {x}?", "How many lines do I need to draw a {x}?", "A {x} is a shape with how many sides?", "By how many sides is a {x} bounded?", "In geometry, how many sides has a {x}?", "{x}s have how many sides?"),
        back=("[Which|What] shape has {y} sides?", "What do you call a shape with {y} sides?", "A shape with {y} sides is a ...", "What is a polygon with {y} sides called?", "Name a shape with {y} sides.", "{y} sides: which shape?", "What is the name of a figure with {y} corners?"),
        yes_no=("Does a {x} have {y} sides?", "Has a {x} {y} sides?", "A {x} has {y} sides, right?", "True or false: a {x} has {y} sides."), choice=("Does a {x} have {y} or {z} sides?", "{y} or {z}: how many sides does a {x} have?"), pair=("How many sides do a {x} and a {u} have?",),
        answers=("A {x} has {y} sides.", "A {x} has {y} sides.", "{y}.", "It has {y} sides."), back_answers=("A {x} has {y} sides.", "It is called a {x}."), claim="a {x} has {y} sides", follow=("And a {x}?", "and the {x}?", "What about a {x}?", "How about a {x}?", "{x}?")),
    "landmark_city": Relation(
        noun="the city [of|with|where you find] {x}", fragment="[city of {x}|{b}, city|{b} city|{b}, where|{b}: where|where {x} is]", weight=1.8,
        ask=("[Where|In which city|In what city] is {x}?", "[Which|What] city is {x} in?", "[In which city|Where] does {x} stand?", "Where can I [see|visit|find] {x}?", "[Which|What] city is [famous|known] for {x}?", "{X} is in which city?", "{X} stands in ...", "In which city do I find {x}?", "To which city do I have to travel to see {x}?", "Where would I go to see {x}?", "Which city has {x}?", "{X}: in which city?",
             "I want to visit {x}. Where do I go?", "In what town is {x}?", "Where is {x} located?", "{X} is located in ...", "Where in the world is {x}?", "Which city do I visit for {x}?", "Name the city with {x}."),
        back=("What is a famous sight in {y}?", "[Which|What] landmark is in {y}?", "Name a landmark in {y}.", "What can I see in {y}?", "What is {y} famous for?", "What should I visit in {y}?", "Name a sight in {y}.", "Which famous place is in {y}?"),
        yes_no=("Is {x} in {y}?", "Does {x} stand in {y}?", "{X} is in {y}, right?", "Can I see {x} in {y}?", "Is it true that {x} is in {y}?", "True or false: {x} is in {y}.", "Do I find {x} in {y}?"), choice=("Is {x} in {y} or in {z}?", "{y} or {z}: where is {x}?", "Does {x} stand in {y} or in {z}?"), pair=("Where are {x} and {u}?", "In which cities are {x} and {u}?"),
        answers=("{X} is in {y}.", "{X} is in {y}.", "In {y}.", "It is in {y}.", "You find {x} in {y}."), back_answers=("{X} is in {y}.", "You can see {x} in {y}."), claim="{x} is in {y}"),
    "landmark_country": Relation(
        noun="the country [of|with|where you find] {x}", fragment="[country of {x}|{b}, country|{b} country|{b}, which country|{b}: where|country with {x}]", weight=1.4,
        ask=("[In which country|Where|In what country] is {x}?", "[Which|What] country is {x} in?", "Where can I [see|visit|find] {x}?", "[Which|What] country is [famous|known] for {x}?", "{X} is in which country?", "{X} is found in ...", "To which country do I travel to see {x}?", "To which country does {x} belong?", "Which country has {x}?", "{X}: in which country?", "Where in the world is {x}?", "I want to visit {x}. Which country is that?",
             "Where is {x} located?", "{X} is located in ...", "In which land do I find {x}?", "Name the country with {x}.", "Where does {x} lie?"),
        back=("What is a famous sight in {y}?", "[Which|What] landmark is in {y}?", "Name a landmark in {y}.", "What can I see in {y}?", "Name a famous place in {y}."),
        yes_no=("Is {x} in {y}?", "{X} is in {y}, right?", "Can I see {x} in {y}?", "Does {x} belong to {y}?", "Is it true that {x} is in {y}?", "True or false: {x} is in {y}."), choice=("Is {x} in {y} or in {z}?", "{y} or {z}: where is {x}?"), pair=("In which countries are {x} and {u}?", "Where are {x} and {u}?"),
        answers=("{X} is in {y}.", "{X} is in {y}.", "In {y}.", "It is in {y}."), back_answers=("{X} is in {y}.", "You can see {x} in {y}."), claim="{x} is in {y}"),
}

# Large cities that are not the capital, for questions that mislead.
NOT_CAPITAL = {
    "France": "Lyon Marseille Nice", "Germany": "Munich Hamburg Frankfurt", "Italy": "Milan Naples Venice", "Spain": "Barcelona Seville", "Portugal": "Porto", "Poland": "Krakow", "Austria": "Salzburg Graz", "Belgium": "Antwerp", "Sweden": "Gothenburg", "Norway": "Bergen",
    "Ireland": "Cork", "the United Kingdom": "Manchester Liverpool Edinburgh", "Turkey": "Istanbul", "Australia": "Sydney Melbourne", "New Zealand": "Auckland", "Canada": "Toronto Montreal Vancouver", "the United States": "Chicago Boston", "Brazil": "Salvador", "China": "Shanghai",
    "India": "Mumbai Calcutta", "Japan": "Osaka Kyoto", "South Korea": "Busan", "Russia": "Novosibirsk", "Egypt": "Alexandria", "Morocco": "Casablanca", "Nigeria": "Lagos", "Kenya": "Mombasa", "Switzerland": "Zurich Geneva", "the Netherlands": "Rotterdam", "Pakistan": "Karachi", "Vietnam": "Hue",
    "Israel": "Haifa", "Kazakhstan": "Almaty", "Tanzania": "Arusha", "Ecuador": "Guayaquil", "Scotland": "Glasgow", "Greece": "Thessaloniki", "Czech Republic": "Brno", "Argentina": "Rosario", "Colombia": "Medellin"}

ACROSS = {  # from one turn about a country to the next
    "capital_of": ("[And|What is] its capital?", "What is the capital there?", "And the capital?", "Which city is the capital?", "And its capital city?"),
    "continent_of": ("[On|In] which continent is it?", "And the continent?", "Which continent is that [on|in]?", "Where is that, on which continent?"),
    "currency_of": ("And [the|its] currency?", "What [do they pay with|money do they use] there?", "And what is the money called?", "Which currency do they have?", "What is the currency there?"),
    "language_of": ("[What|Which] language do they speak[ there|]?", "And the language?", "What do people speak there?", "And which language is spoken there?", "What is its language?")}


MACROS = {
    "{howmany}": "[How many|What number of|Tell me how many|Say how many]",
    "{which}": "[Which|What]",
    "{whatis}": "[What is|What's|Explain|Describe|Tell me what is|Define|What exactly is|What do you know about]",
}


def _bare(x: str) -> str:
    return x[4:] if x.startswith("the ") else x


@cache
def _load() -> tuple[dict[str, list[Entry]], dict[str, dict[str, list[str]]], list[dict[str, Any]], dict[str, list[str]]]:
    knowledge = load_knowledge("facts")
    entries = {name: [(entry[0], entry[1], list(entry[2]) if len(entry) > 2 else []) for entry in relation["entries"]]
               for name, relation in knowledge["relations"].items() if name in RELATIONS}
    if "opposite_of" in entries:
        there = {x for x, _, _ in entries["opposite_of"]}
        pairs = [(y, x, []) for x, y, _ in entries["opposite_of"]]
        seconds = [y for y, _, _ in pairs]
        entries["opposite_of"] += [pair for pair in pairs if pair[0] not in there and seconds.count(pair[0]) == 1]
    banks = {}
    for name in entries:
        how = RELATIONS[name]
        asks = list(how.ask)
        if how.noun:
            asks += [way.replace("{a}", how.noun).replace("{A}", how.noun[:1].upper() + how.noun[1:] if how.noun[0] != "[" else how.noun).replace("{f}", how.fragment) for way in GENERIC]
        else:
            asks += [how.fragment, how.fragment + "?"]
        asks += [how.fragment] * max(1, len(asks) // 12)
        banks[name] = {"ask": asks, "back": list(how.back), "yes_no": list(how.yes_no), "choice": list(how.choice), "pair": list(how.pair), "follow": list(how.follow)}
    ways = sections(Path(__file__).with_name("facts_phrases.txt"))
    misc = {}
    for entry in knowledge["misc"]:
        own = [entry["question"], *ways.get(entry["id"], [])]
        for key, text in MACROS.items():
            own = [way.replace(key, text) for way in own]
        misc[entry["id"]] = own
    return entries, banks, knowledge["misc"], misc


@cache
def _misc_bank(name: str) -> Bank | None:
    ways = _load()[3][name]
    return Bank(name, ways) if len(ways) > 1 else None


_PLURALS = {"mouse": "mice", "wolf": "wolves", "sheep": "sheep", "fly": "flies", "butterfly": "butterflies", "ostrich": "ostriches", "goose": "geese", "fox": "foxes"}
_ANIMALS = frozenset(["young_of", "sound_of", "legs_of", "class_of"])
_WIDESPREAD = frozenset(["English", "French", "Spanish", "Russian", "German", "Arabic", "Portuguese", "Chinese", "Turkish"])


def _forms(relation: str, x: str) -> list[str]:
    """How an answer may write a subject."""
    forms = [x, _bare(x), re.sub(r"^(?:a|an|the) ", "", x)]
    return [*forms, _PLURALS.get(x, x + "s")] if relation in _ANIMALS else forms


def _cased(text: str) -> str:
    return text[:1].upper() + text[1:]


def _fill(rng: random.Random, way: str, x: str, y: str = "", z: str = "", u: str = "") -> str:
    quote = rng.random()
    q = f'"{x}"' if quote < 0.3 else f"'{x}'" if quote < 0.4 else x
    made = tidy(expand(rng, way, x=x, X=_cased(x), b=_bare(x), y=y, Y=_cased(y), z=z, u=u, q=q))
    made = re.sub(r"\b([Aa]) (?=[aeiouAEIO])", r"\1n ", made)
    made = made.replace("yramids of Giza is ", "yramids of Giza are ").replace("Is the pyramids", "Are the pyramids").replace("is the pyramids", "are the pyramids")
    return _WRONG_PLURAL.sub(lambda found: _MENDED[found[0].lower()] if found[0].islower() else _MENDED[found[0].lower()].title(), made)


_MENDED = {one + "s": many for one, many in _PLURALS.items()}
_WRONG_PLURAL = re.compile(rf"\b(?:{'|'.join(_MENDED)})\b", re.I)


def _answer(rng: random.Random, ways: tuple[str, ...], x: str, y: str) -> str:
    made = _fill(rng, rng.choice(ways), x, y)
    if made.endswith(".."):
        made = made[:-1]
    return made if made.startswith("flashmoe") else _cased(made)


def _good(entry: Entry) -> list[str]:
    return [entry[1], *entry[2]]


def _other(rng: random.Random, name: str, entry: Entry) -> str | None:
    """A wrong answer of the same kind."""
    entries = _load()[0][name]
    if name == "capital_of" and entry[0] in NOT_CAPITAL and rng.random() < 0.6:
        return rng.choice(NOT_CAPITAL[entry[0]].split())
    for _ in range(20):
        other = rng.choice(entries)
        if name == "language_of" and other[1] in _WIDESPREAD:
            continue
        if other[1] not in _good(entry) and entry[1] not in other[2] and not set(other[2]) & set(_good(entry)):
            return other[1]
    return None


_NAMES = list(RELATIONS)
_SUMS = [sum(RELATIONS[name].weight for name in _NAMES[: index + 1]) for index in range(len(_NAMES))]


def _choose(rng: random.Random, split: str, name: str, kind: str) -> tuple[Entry, str]:
    """A fact and a way to ask for it that are together in this split."""
    entries, banks = _load()[0][name], _load()[1][name][kind]
    want = held_out(split)
    for _ in range(300):
        entry, way = rng.choice(entries), rng.choice(banks)
        if kept_back(f"{name}/{entry[0]}/{way}") == want:
            return entry, way
    return entry, way


def _single(rng: random.Random, split: str, name: str) -> tuple[str, str, list[list[str]], Entry]:
    how = RELATIONS[name]
    entries, banks, _, _ = _load()
    kinds = ["ask"] * 10 + [kind for kind, count in (("back", 4), ("yes_no", 3), ("choice", 2), ("pair", 1)) if banks[name][kind] for _ in range(count)]
    kind = rng.choice(kinds)
    entry, way = _choose(rng, split, name, kind)
    x, y, _ = entry
    good = _good(entry)
    if kind == "ask":
        return _fill(rng, way, x, y), _answer(rng, how.answers, x, y), [good], entry
    if kind == "back":
        said = rng.choice(good) if name in ("author_of", "composer_of", "painter_of") else y
        fits = [other for other in entries[name] if y in _good(other)]
        hit = rng.choice(fits)
        names = {form for other in fits for form in _forms(name, other[0])}
        return _fill(rng, way, x, said), _answer(rng, how.back_answers, hit[0], y), [sorted(names)], entry
    if kind == "yes_no":
        wrong = _other(rng, name, entry)
        if wrong is None or rng.random() < 0.5:
            return _fill(rng, way, x, y), "Yes, " + _fill(rng, how.claim, x, y) + ".", [["yes"]], entry
        return _fill(rng, way, x, wrong), "No, " + _fill(rng, how.claim, x, y) + ".", [["no", "not"]], entry
    if kind == "choice":
        wrong = _other(rng, name, entry)
        if wrong is not None:
            first, second = (y, wrong) if rng.random() < 0.5 else (wrong, y)
            return _fill(rng, way, x, first, second), _answer(rng, how.answers, x, y), [good], entry
        return _fill(rng, how.ask[0], x, y), _answer(rng, how.answers, x, y), [good], entry
    second = rng.choice(entries[name])
    while second[0] == x:
        second = rng.choice(entries[name])
    both = _cased(_fill(rng, how.claim, x, y)) + ", and " + _fill(rng, how.claim, second[0], second[1]) + "."
    return _fill(rng, way, x, u=second[0]), both, [good, _good(second)], entry


def _misc(rng: random.Random, split: str) -> tuple[str, str, list[list[str]]]:
    entry = rng.choice(_load()[2])
    bank = _misc_bank(entry["id"])
    question = tidy(expand(rng, bank.pick(rng, split) if bank else entry["question"]))
    return question, entry["answer"], entry["must"]


def generate(rng: random.Random, split: str) -> Conversation:
    made = Conversation("facts", [])

    def add(question: str, answer: str, must: list[list[str]], keep: tuple[str, ...] = (), amount: float = 1.0) -> None:
        made.messages.extend([user(wrap(rng, question, keep, amount)), assistant(answer)])
        made.checks.append(contains(len(made.messages) - 1, *must))

    turns = rng.choices((1, 2, 3), (70, 22, 8))[0]
    while len(made.checks) < turns:
        if rng.random() < 0.33:
            add(*_misc(rng, split))
            continue
        name = rng.choices(_NAMES, cum_weights=_SUMS)[0]
        question, answer, must, entry = _single(rng, split, name)
        add(question, answer, must, (entry[0],) if RELATIONS[name].words else ())
        entries, banks, _, _ = _load()
        while len(made.checks) < turns + 1 and rng.random() < 0.22:
            following = name in ("capital_of", "continent_of", "currency_of", "language_of") and rng.random() < 0.35
            if following:
                known = [(other, fact) for other in ACROSS if other != name for fact in entries[other] if fact[0] == entry[0]]
                if known:
                    name, entry = rng.choice(known)
                    add(tidy(expand(rng, rng.choice(ACROSS[name]))), _answer(rng, RELATIONS[name].answers, entry[0], entry[1]), [_good(entry)], (), 0.4)
                    continue
            if made.checks[-1]["all"] in ([["yes"]], [["no", "not"]]) or question.startswith(("Name a", "Name an")):
                break
            entry, way = _choose(rng, split, name, "follow")
            add(_fill(rng, way, entry[0], entry[1]), _answer(rng, RELATIONS[name].answers, entry[0], entry[1]), [_good(entry)], (entry[0],) if RELATIONS[name].words else (), 0.3)
    return made


if __name__ == "__main__":
    self_test(generate)
    facts, every, singles, own = _load()
    for key, kinds in every.items():
        print(f"{key}: {len(facts[key])} facts, " + ", ".join(f"{kind} {len(ways)} ways {total_variants(ways)} readings" for kind, ways in kinds.items() if ways))
    counts = {key: total_variants(ways) for key, ways in own.items()}
    print(f"{len(singles)} single facts, {sum(map(len, own.values()))} ways, {sum(counts.values())} readings; fewest: {sorted((count, key) for key, count in counts.items())[:8]}")

"""Who and what word problems are about."""

from __future__ import annotations

import random
from typing import Any

NAMES = [
    (name, *forms)
    for forms, names in (
        (("she", "her", "her"), "Anna Maria Lena Sofia Mia Emma Olivia Ava Zoe Lucy Nina Clara Julia Sarah Laura Amy Grace Ruby "
         "Chloe Ella Priya Aisha Fatima Leila Yuki Mei Ling Sakura Ananya Ingrid Freya Astrid Elena Irina Olga Carmen Lucia "
         "Paula Rosa Ines Camille Chantal Amara Zainab Ngozi Wanjiru Thandi Hana Jana Petra Eva Marta Agnes Rita Alice Ellen "
         "Helen Kate Megan Nora Iris Maya Naomi Ruth Hannah Abigail Jasmine Tara Bella Daisy Ivy Molly Tessa Vera Wendy"),
        (("he", "his", "him"), "Tom Ben Max Leo Sam Paul Peter John David Omar Ali Ahmed Hassan Yusuf Raj Arjun Vikram Kenji "
         "Hiro Wei Jun Min Chen Lars Erik Bjorn Oskar Ivan Dmitri Sergei Pablo Carlos Diego Miguel Juan Marco Luca Matteo "
         "Pierre Louis Kwame Kofi Tunde Jabari Sipho Jan Piet Karel Milan Goran Adam Noah Liam Ethan Mason Lucas Henry Jack "
         "Oliver George Harry Charlie Oscar Archie Felix Simon Daniel Martin Robert Michael James William Thomas Victor Hugo "
         "Anton Emil Jonas Tim Nick Steve Frank Gary Kevin"),
    )
    for name in names.split()
]  # fmt: skip
THINGS = ["apples", "oranges", "pears", "bananas", "plums", "cherries", "grapes", "lemons", "mangoes", "peaches", "strawberries", "tomatoes", "potatoes", "carrots", "onions", "cucumbers", "eggs", "cookies", "cakes", "muffins", "donuts", "pancakes", "sandwiches", "candies", "sweets", "chocolates", "lollipops", "nuts", "olives", "biscuits", "rolls", "bagels", "pizzas", "books", "notebooks", "magazines", "comics", "newspapers", "letters", "postcards", "envelopes", "stamps", "stickers", "cards", "pens", "pencils", "crayons", "markers", "brushes", "erasers", "rulers", "marbles", "balls", "balloons", "toys", "toy cars", "dolls", "puzzles", "blocks", "coins", "buttons", "beads", "shells", "stones", "leaves", "flowers", "roses", "tulips", "sunflowers", "plants", "seeds", "trees", "cups", "mugs", "glasses", "plates", "bowls", "spoons", "forks", "bottles", "jars", "cans", "baskets", "candles", "lamps", "bulbs", "batteries", "cables", "screws", "nails", "bolts", "bricks", "tiles", "planks", "boxes", "bags", "socks", "shirts", "hats", "scarves", "gloves", "shoes", "towels", "pillows", "blankets", "chairs", "tables", "keys", "tickets", "tokens", "photos", "paintings", "songs", "records", "games", "files", "emails", "messages", "chickens", "ducks", "goats", "cows", "sheep", "rabbits", "kittens", "puppies", "fish", "goldfish", "birds", "bees", "butterflies", "frogs", "turtles", "horses", "pigs", "bicycles", "cars", "trucks", "boats", "kites", "ribbons", "badges", "medals", "magnets", "dice", "chess pieces", "paper clips", "straws", "napkins", "sponges", "umbrellas", "masks", "necklaces", "rings", "bracelets", "oysters"]


def cast(rng: random.Random) -> dict[str, Any]:
    """Who and what a word problem is about."""
    name, he, his, him = NAMES[int(rng.random() * len(NAMES))]
    other = NAMES[int(rng.random() * len(NAMES))][0]
    if other == name:
        other = "Robin"
    return {"n": name, "he": he, "his": his, "him": him, "n2": other, "o": THINGS[int(rng.random() * len(THINGS))]}

"""The names and things that the world's tasks are about."""

from __future__ import annotations

from typing import Final

NAMES: Final = (
    "Amina", "Bruno", "Chiara", "Dmitri", "Elif", "Farid", "Greta", "Hugo", "Ines", "Jonas", "Katya", "Leif", "Mirela",
    "Nadia", "Oskar", "Priya", "Quentin", "Rosa", "Samir", "Tove", "Umar", "Vera", "Wanda", "Xenia", "Yusuf", "Zoe",
)  # fmt: skip

STOCKS: Final = {
    "bakery": ("rye loaves", "poppy rolls", "plum tarts"),
    "bookshop": ("paperbacks", "atlases", "crime novels"),
    "garden centre": ("tulip bulbs", "fern pots", "young pear trees"),
    "toy workshop": ("wooden trains", "spinning tops", "rag dolls"),
    "fish market": ("crates of herring", "smoked eels", "trays of mussels"),
    "stationery shop": ("fountain pens", "sketch pads", "boxes of chalk"),
    "bicycle store": ("inner tubes", "brake cables", "brass bells"),
    "pottery": ("glazed bowls", "clay mugs", "roof tiles"),
    "library": ("story books", "map sheets", "sound discs"),
    "candle works": ("beeswax candles", "tea lights", "lamp wicks"),
    "mountain hut": ("wool blankets", "cans of soup", "gas cartridges"),
    "seed bank": ("bags of barley", "packets of squash seed", "jars of lentils"),
}

GOODS: Final = (
    "notebooks", "lemons", "light bulbs", "rulers", "jars of honey", "postcards", "candles", "erasers", "apricots",
    "mugs",
    "paint brushes", "ribbons", "bars of soap", "screwdrivers", "puzzle books", "tea towels", "socks", "kites",
    "marbles",
)  # fmt: skip

SHOPS: Final = ("corner shop", "weekly market", "museum store", "hardware shop", "village fair", "station kiosk")

WAYS_OF_TRAVEL: Final = ("walks", "cycles", "drives", "paddles", "skates", "rides a horse", "sails", "jogs")

COLLECTIBLES: Final = (
    "stamps",
    "seashells",
    "old coins",
    "fossils",
    "pressed flowers",
    "comic books",
    "badges",
    "beetles",
)

VESSELS: Final = ("rain barrel", "aquarium", "milk churn", "copper kettle", "paint bucket", "cider cask", "water tank")

JOURNEYS: Final = (
    "night train", "ferry", "mail coach", "cable car", "river boat", "freight train", "school bus", "supply plane",
)  # fmt: skip

PROJECTS: Final = (
    "bridge repair", "orchard survey", "theatre festival", "roof renovation", "sea voyage", "seed trial",
    "language course",
    "archive move", "glacier study", "tunnel inspection",
)  # fmt: skip

WORDS: Final = (
    "lantern", "harvest", "meadow", "copper", "violin", "thunder", "saddle", "orchid", "pepper", "glacier", "marble",
    "window", "compass", "feather", "harbour", "kettle", "mosaic", "nectar", "onion", "puzzle", "quarry", "ribbon",
    "silver", "timber", "umbrella", "valley", "walnut", "yellow", "zephyr", "anchor", "basket", "canyon", "dagger",
)  # fmt: skip

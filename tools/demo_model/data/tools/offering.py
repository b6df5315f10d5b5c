"""Schemas of the wanted tools among others that could not serve the same request."""

from __future__ import annotations

import random

from .. import schemas
from ..schemas import Offered, Tool
from .talk import JSONish

MAX_SCHEMA_CHARACTERS = 1900
# Tools of one group could all serve the same request, so they are never offered together.
CONFLICTS = [
    {"send_email", "send_message", "send_sms", "post_message"},
    {"add_reminder", "add_todo", "create_event", "create_note", "set_alarm", "set_timer", "log_expense", "write_file"},
    {"add_to_shopping_list", "place_order", "add_todo", "create_note", "add_reminder"},
    {"search_products", "check_stock", "place_order", "web_search"},
    {"get_order_status", "track_package", "request_refund", "cancel_order"},
    {"define_word", "translate_text", "find_synonyms", "web_search", "wiki_lookup", "spell_check"},
    {"find_places", "get_directions", "search_trains", "book_taxi", "search_flights", "get_weather"},
    {"get_weather", "get_room_temperature", "set_thermostat", "get_air_quality", "get_sensor_value"},
    {"delete_note", "delete_email", "delete_row", "cancel_event", "delete_user", "complete_task"},
    {"calculator", "calculate_tip", "compute_loan", "convert_units", "get_exchange_rate", "compute_statistics"},
    {"search_notes", "search_emails", "web_search", "read_messages", "news_search"},
    {"list_events", "find_free_slot", "list_tasks", "get_weather"},
    {"transfer_money", "create_invoice", "send_message", "calculate_tip"},
    {"recommend_movie", "get_movie_info", "web_search", "wiki_lookup", "play_song", "get_lyrics"},
    {"run_shell", "git_commit", "create_branch", "restart_service", "run_tests", "ping_host", "deploy_app", "kill_process", "install_package"},
]


def conflicting(one: Tool, other: Tool) -> bool:
    return one.name == other.name or any(one.name in group and other.name in group for group in CONFLICTS) or one.domain == other.domain != "builtin" and one.name[:4] != other.name[:4] and \
        any(verb in other.name for verb in ("search", "find", "get", "look")) and any(verb in one.name for verb in ("search", "find", "get", "look"))


SIBLING_VERBS = ["rename", "archive", "export", "print", "lock", "tag", "translate", "rotate", "weigh", "audit", "escalate", "clone", "merge", "polish", "schedule", "reserve", "count", "encrypt"]


def offer_all(rng: random.Random, split: str, wanted: list[tuple[Tool, set[str]]], extra: int | None = None, avoid: set[str] | None = None) -> tuple[list[Offered], list[JSONish]]:
    """Schemas of the wanted tools (with the parameters that the request needs) among distractors, in random order."""
    offered = [schemas.offer(tool, rng, split, needed=needed) for tool, needed in wanted]
    everything = list(offered)
    size = sum(len(str(one.schema)) for one in everything)
    names = {one.name for one in everything}
    count = extra if extra is not None else rng.choices([0, 1, 2, 3, 4], [34, 27, 20, 12, 7])[0]
    made_up = next((tool for tool, _ in wanted if not tool.requests[2:] and tool.name not in schemas.BUILTIN and tool.requests), None)
    for _ in range(count):
        form = rng.random()
        if made_up and form < 0.4:   # another tool for the same thing
            verb = made_up.descriptions[0].split()[0].lower()
            sibling = schemas.synthetic(rng, split, made_up.domain, [action for action in SIBLING_VERBS if action[:4] != verb[:4]])
            one = schemas.offer(sibling, rng, split)
            if one.name not in names and size + len(str(one.schema)) <= MAX_SCHEMA_CHARACTERS:
                names.add(one.name)
                size += len(str(one.schema))
                everything.append(one)
            continue
        if form < 0.3:
            other = rng.choice(list(schemas.BUILTIN.values()))
        elif form < 0.75:
            other = rng.choice(schemas.BY_SPLIT["train" if rng.random() < 0.7 else split])
        else:
            other = schemas.synthetic(rng, split)
        if (avoid and other.name in avoid) or any(conflicting(tool, other) for tool, _ in wanted):
            continue
        one = schemas.offer(other, rng, split)
        if one.name in names or any(one.tool.name == present.tool.name for present in everything) or size + len(str(one.schema)) > MAX_SCHEMA_CHARACTERS:
            continue
        names.add(one.name)
        size += len(str(one.schema))
        everything.append(one)
    rng.shuffle(everything)
    return offered, [one.schema for one in everything]

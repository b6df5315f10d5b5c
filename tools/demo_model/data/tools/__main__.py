"""Tests the generator and prints samples."""

from __future__ import annotations

import json
import random
import time

from .. import schemas
from . import generate
from .checking import _reference, check_conversation
from .shell import COMMANDS

source = random.Random(3)
for tool in schemas.CATALOGUE:   # every request gives what is required; every request that lacks something lacks only that
    required = {param.key for param in tool.params if param.required}
    for _ in range(40):
        for template in tool.requests:
            assert tool.name in ("calculator", "run_shell") or required <= set(schemas.ask(tool, source, "train", template).values), (tool.name, template)
        for template, key in tool.missing:
            assert required - {key} <= set(schemas.ask(tool, source, "train", template).values), (tool.name, template)
            assert key in required, (tool.name, key)
            assert key not in schemas.slots(schemas.parse(template)), (tool.name, template)
    for fields, text in tool.answers:
        assert schemas.slots(schemas.parse(text)) <= {key for key, _ in fields} | {param.key for param in tool.params}, (tool.name, text)
for number in range(40):
    shown = generate(source, "train" if number % 4 else "heldout")
    print(f"--- {number} tools: {', '.join(json.dumps(one['function'])[:300 if number % 5 == 0 else 60] for one in shown.tools)}")
    for message in shown.messages:
        calls = " ".join(f"{made['function']['name']}({json.dumps(made['function']['arguments'], ensure_ascii=False)})" for made in message.get("tool_calls", ()))
        print(f"{message['role']:>9}: {message['content']}{calls}")
lengths = []
for split in ("train", "heldout"):
    for _ in range(6000):
        conversation = generate(source, split)
        check_conversation(conversation)
        lengths.append(len(json.dumps(conversation.tools)) + sum(len(_reference(message)) for message in conversation.messages))
began = time.process_time()
for _ in range(4000):
    generate(source, "train")
lengths.sort()
print(f"{4000 / (time.process_time() - began):.0f} conversations/s; characters: median {lengths[len(lengths) // 2]}, 95 % {lengths[len(lengths) * 95 // 100]}, most {lengths[-1]}")
print(f"{len(schemas.CATALOGUE)} tools by hand with {sum(len(tool.requests) for tool in schemas.CATALOGUE)} requests in {len({tool.domain for tool in schemas.CATALOGUE})} domains, "
      f"{len(schemas.BY_SPLIT['heldout'])} of them held out; {len(COMMANDS)} shell commands with {sum(len(requests) for _, requests in COMMANDS)} requests")

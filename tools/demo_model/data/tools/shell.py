"""Shell commands of `commands.txt`, how people ask for them, and what they print."""

from __future__ import annotations

import random
import re
from pathlib import Path

from .. import lexicons, schemas
from ..schemas import Ask, upper_first
from .results import APOLOGIES, error_result
from .talk import Talk
from .wording import PHRASES


def _commands() -> list[tuple[str, list[str]]]:
    found = []
    for line in Path(__file__).with_name("commands.txt").read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            command, requests = line.split(" => ", 1)
            found.append((command, requests.split(" | ")))
    return found


COMMANDS = _commands()
# What the file tools cannot do, so that a request for it means the shell even beside them.
NO_FILE_COMMANDS = [(command, requests) for command, requests in COMMANDS if command.split()[0] not in {
    "ls", "cat", "head", "tail", "less", "touch", "echo", "nano", "tree", "find", "grep", "sed", "cut", "file", "stat", "sort", "cd"}]
SHELL_KINDS = {"dir": "dir", "n": "int:2-60", "n5": "int:100-99999", "n1": "int:1-9", "mode": "oneof:644/755/600/700/640/400/777/444", "target": "oneof:clean/install/test/all/docs/lint/release/check/format/run",
               "program": "oneof:python/git/node/gcc/clang/docker/curl/vim/ffmpeg/htop/jq/tmux/make/cmake/java/go/rustc/ruby/perl/npm/tree/ripgrep/wget/nano", "stem": "stem"}
DICTATED = PHRASES["dictated"]
ODD_COMMANDS = PHRASES["odd_commands"]


def _filled(template: str, rng: random.Random, split: str, known: dict[str, str]) -> str:
    def slot(match: re.Match[str]) -> str:
        key = match[1]
        if key not in known:
            known[key] = _shell_value(key, rng, split)
        return known[key]
    return re.sub(r"\{([a-z0-9]+)\}", slot, template)


def _shell_value(key: str, rng: random.Random, split: str) -> str:
    base = key if key in ("n5", "n1") else key.rstrip("123")
    if base in ("dir", "stem", "ext"):
        return lexicons.directory(rng, split) if base == "dir" else lexicons.stem(rng, split) if base == "stem" else lexicons.lex("ext", rng, split)
    return str(lexicons.value(SHELL_KINDS.get(base, base), rng, split))


def ask_shell(rng: random.Random, split: str, files_offered: bool) -> Ask:
    known: dict[str, str] = {}
    if rng.random() < (0.45 if files_offered else 0.3):
        template = rng.choice(ODD_COMMANDS) if rng.random() < 0.5 else rng.choice(COMMANDS)[0]
        command = _filled(template, rng, split, known)
        while "|" in command and rng.random() < 0.7:
            command = _filled(rng.choice(ODD_COMMANDS), rng, split, {})
        spoken = rng.choice(DICTATED)
        if spoken in ("{c}", "do a {c}") and " " in command and rng.random() < 0.5:
            spoken = "run `{c}`"
        text = spoken.replace("{c}", command)
        if rng.random() < 0.4 and spoken[0] not in "{$":
            text = upper_first(text)
        return Ask(text, {"command": command}, {"command": command})
    command_template, requests = rng.choice(NO_FILE_COMMANDS if files_offered else COMMANDS)
    command = _filled(command_template, rng, split, known)
    template = rng.choice(requests)
    text = schemas.render(schemas.parse(template), rng, lambda key: known.setdefault(key, _shell_value(key, rng, split)), {})
    question = re.match(r"(what|which|how|where|who|is|are|when|on which|in which|why)\b", text)
    if question and not text.endswith("?") and "," not in text[-12:] and rng.random() < 0.8:
        text += "?"
    dressed = schemas.dress(text, template, rng, known)
    if rng.random() < 0.06:
        dressed = rng.choice(["In the shell: ", "Terminal: ", "Use the shell. ", "On this machine: "]) + dressed
    return Ask(dressed, {"command": command}, {"command": command})


def report_shell(talk: Talk, rng: random.Random, split: str, command: str) -> None:
    """The output of a command and the answer: known commands get their own, others a line or a number."""
    if rng.random() < 0.1:
        printed, message = error_result(rng, split)
        if rng.random() < 0.5:
            program = command.split()[0]
            message = rng.choice(["command not found", "permission denied", "no such file or directory", "operation not permitted"])
            printed = f"{rng.choice(['bash: ', 'sh: ', ''])}{program}: {message}"
        talk.results(printed)
        talk.says(rng.choice(APOLOGIES).format(e=message), [[message]])
        return
    program = command.split()[0]
    value: str
    if command == "pwd":
        value = lexicons.value("folder", rng, split)
        printed, text = value, rng.choice([f"You are in {value}.", f"The current folder is {value}.", f"The working directory is {value}."])
    elif command == "whoami":
        value = lexicons.value("username", rng, split)
        printed, text = value, rng.choice([f"You are {value}.", f"The user is {value}."])
    elif command == "hostname":
        value = lexicons.value("host", rng, split)
        printed, text = value, f"This machine is called {value}."
    elif command == "nproc":
        value = str(rng.choice([1, 2, 4, 6, 8, 12, 16, 24, 32, 64, 96, 128]))
        printed, text = value, f"There are {value} cores."
    elif command.startswith("wc -"):
        value = str(rng.randint(0, 9999))
        unit = {"-l": "lines", "-w": "words", "-c": "bytes"}[command.split()[1]]
        printed, text = f"{value} {command.split()[-1]}", rng.choice([f"{command.split()[-1]} has {value} {unit}.", f"There are {value} {unit}."])
    elif command.startswith("df"):
        free, total = f"{rng.randint(1, 400)}G", f"{rng.randint(401, 999)}G"
        percent = f"{rng.randint(1, 99)}%"
        value = free
        printed, text = f"Filesystem Size Used Avail Use% Mounted on\n/dev/sda1 {total} {rng.randint(1, 400)}G {free} {percent} /", f"{free} of {total} are free."
    elif command.startswith("du -sh"):
        value = f"{rng.randint(1, 999)}{rng.choice('KMG')}"
        printed, text = f"{value}\t{command.split()[-1]}", f"It takes {value}."
    elif command == "git branch":
        value = lexicons.value("branch", rng, split)
        printed, text = f"  {lexicons.value('branch', rng, split)}\n* {value}", f"You are on the branch {value}."
    elif command == "git status":
        value = lexicons.value("path", rng, split)
        printed, text = f"On branch main\nmodified: {value}", f"{value} was modified."
        if rng.random() < 0.4:
            value = "clean"
            printed, text = "On branch main\nnothing to commit, working tree clean", "There is nothing to commit; the working tree is clean."
    elif program in ("ls", "find") or command == "docker ps":
        names = lexicons.several("file" if program != "docker" else "service", rng, split, 1, 5)
        value = names[-1]
        printed = rng.choice(["\n", "\n", "  "]).join(names)
        what = "file" if program != "docker" else "container"
        text = rng.choice([f"There {'is' if len(names) == 1 else 'are'} {len(names)} {what}{'' if len(names) == 1 else 's'}: {lexicons.enumerate_words(names, random.Random(1))}.", f"I see {lexicons.enumerate_words(names, random.Random(1))}."])
    elif command.endswith("--version"):
        value = lexicons.value("version", rng, split).lstrip("v")
        printed, text = f"{program} {rng.choice(['', 'version '])}{value}", f"{program} is at version {value}."
    elif program in ("mkdir", "rm", "cp", "mv", "touch", "cd", "rmdir", "chmod", "chown", "ln", "kill", "clear", "sleep"):
        printed = rng.choice(["", "", "(no output)", "exit code 0", "ok"])
        talk.results(printed)
        talk.says(rng.choice(["Done.", f"Done: {command}", "That worked.", "It worked without any output."]), None)
        return
    elif program == "date":
        value = f"{lexicons.value('time', rng, split)}"
        printed, text = f"{rng.choice(lexicons.WEEKDAYS)[:3]} {rng.choice(lexicons.MONTHS)[:3]} {rng.randint(1, 28)} {value} UTC {rng.randint(2023, 2031)}", f"It is {value}."
        if command != "date":
            value = str(rng.randint(1000000000, 1999999999))
            printed, text = value, f"The output is {value}."
    elif program == "uptime":
        value = f"{rng.randint(1, 400)} days"
        printed, text = f"{rng.randint(0, 23):02d}:{rng.randint(0, 59):02d} up {value}, {rng.randint(1, 9)} users", f"The machine has been up for {value}."
    else:
        value = lexicons.value(rng.choice(["sentence", "id", "path", "int:0-9999", "version", "text"]), rng, split)
        value = str(value)
        printed, text = value, rng.choice([f"The output is: {value}", f"It prints: {value}", f'The command printed "{value}".'])
    talk.results(printed)
    talk.says(text, [[value]])

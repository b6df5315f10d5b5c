"""The chat in a terminal.

    app.py          the loop: what is typed, what the commands do
    screen.py       an answer as it comes: Markdown, thoughts, status line, progress
    entry.py        reading what is typed: several lines, history, completion, questions
    kept.py         conversations on disk, and where their states are

Everything shown goes to stderr but the answers; nothing here knows of the engine beyond `flashmoe.chat`.
"""

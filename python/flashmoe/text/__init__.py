"""Between people's text and the model's token ids.

    tokenizer.py    text <-> ids; which tokens are control tokens, and that a user's text never becomes one
    detokenize.py   ids -> text as they stream, never half a character
    template.py     messages and tools -> a prompt, through the checkpoint's own chat template
    stops.py        stop strings that may straddle tokens
    toolcalls.py    an answer as it streams -> text, reasoning and tool calls

Nothing here knows of the engine, of files beyond tokenizer.json, or of terminals.
"""

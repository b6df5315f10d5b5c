"""`flashmoe serve`: a model behind the OpenAI and Anthropic HTTP APIs, for several clients at once.

settings    what the server allows              guard       who may call, from where, how much
engine      the thread that drives the model    answer      one answer while it is written
prompts     conversations to tokens             sse         streams, and clients that go
openai_*, anthropic                             the protocols
experts     the live picture of the experts     page        the chat at /
"""

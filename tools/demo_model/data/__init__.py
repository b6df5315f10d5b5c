"""What the demo model is taught: one module a topic, each with `generate(rng, split) -> Conversation`."""

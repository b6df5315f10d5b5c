"""The GPU shaders outside of a GPU: translating and compiling them. The backends themselves are native."""

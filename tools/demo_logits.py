"""Writes the logits that `flashmoe doctor --self-test` compares with: of the demo model, from the CPU backend's plain C
kernels. Run it when the demo model changes.

    python tools/demo_logits.py
"""

import numpy as np

import flashmoe
from flashmoe.gpu.selftest import LOGITS

model = flashmoe.Model("demo", backend="cpu", kernels="c", memory="128MiB", context=64)
text = "The capital of France is Paris. A Mixture of Experts is a model that"
ids = model.tokenizer.encode(text)[:20]
with model.session() as session:
    logits = [session.eval(ids)]
    for _ in range(4):
        ids.append(int(np.argmax(logits[-1])))
        logits.append(session.eval([ids[-1]]))
np.savez_compressed(LOGITS, ids=np.array(ids, np.int32), logits=np.stack(logits).astype(np.float32))
print(f"{LOGITS}: {len(ids)} ids, {np.stack(logits).shape} logits, {LOGITS.stat().st_size} bytes")

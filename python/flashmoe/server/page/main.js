// The chat: messages in, a stream of the answer out.

import { call, events, key } from "./api.js";
import { watch } from "./experts.js";
import { render } from "./markdown.js";

const $ = (id) => document.getElementById(id);
const SETTINGS = ["system", "temperature", "max-tokens", "thinking"];
let messages = [];
let running = null; // AbortController of the answer that is being written

function load() {
  const kept = JSON.parse(localStorage.getItem("flashmoe-settings") ?? "{}");
  for (const name of SETTINGS) $(name).value = kept[name] ?? "";
  $("key").value = key.get();
}

function save() {
  localStorage.setItem("flashmoe-settings", JSON.stringify(Object.fromEntries(SETTINGS.map((name) => [name, $(name).value]))));
  if (key.get() !== $("key").value) {
    key.set($("key").value);
    connect();
  }
}

function request() {
  const system = $("system").value.trim();
  const body = {
    messages: [...(system ? [{ role: "system", content: system }] : []), ...messages],
    stream: true,
    stream_options: { include_usage: true },
  };
  if ($("temperature").value !== "") body.temperature = Number($("temperature").value);
  if ($("max-tokens").value !== "") body.max_tokens = Number($("max-tokens").value);
  if ($("thinking").value) body.chat_template_kwargs = { enable_thinking: $("thinking").value === "on" };
  return body;
}

async function send(text) {
  notice("");
  $("welcome")?.remove();
  messages.push({ role: "user", content: text });
  const said = bubble("user");
  said.textContent = text;
  scroll(true);
  const answer = new Answer();
  running = new AbortController();
  busy(true);
  let failed = false;
  try {
    const response = await call("v1/chat/completions", { body: request(), signal: running.signal });
    for await (const { data } of events(response)) {
      if (data.error) throw new Error(data.error.message);
      answer.add(data);
    }
  } catch (error) {
    failed = error.name !== "AbortError";
    if (failed) notice(error.message);
    if (error.status === 401) $("settings").showModal();
  } finally {
    running = null;
    answer.finish();
    busy(false);
  }
  if (answer.text || answer.thought) {
    messages.push({ role: "assistant", content: answer.text, ...(answer.thought && { reasoning_content: answer.thought }) });
    $("status").textContent = failed ? "The answer was broken off." : "The answer is complete.";
  } else {
    // Nothing came: as if it had not been sent.
    if (messages.at(-1)?.role === "user") messages.pop();
    answer.remove();
    said.remove();
    $("prompt").value ||= text;
    $("status").textContent = "There is no answer.";
  }
}

class Answer {
  constructor() {
    this.text = this.thought = "";
    this.start = performance.now();
    this.first = 0;
    this.box = bubble("assistant");
    this.box.setAttribute("aria-busy", "true");
    this.folded = document.createElement("details");
    this.folded.className = "thought";
    this.folded.open = true;
    const summary = document.createElement("summary");
    summary.textContent = "Reasoning";
    this.inner = document.createElement("div");
    this.folded.append(summary, this.inner);
    this.folded.hidden = true;
    this.body = document.createElement("div");
    this.figures = document.createElement("p");
    this.figures.className = "figures";
    this.figures.textContent = "reading…";
    this.box.append(this.folded, this.body, this.figures);
    this.planned = 0; // the frame in which the text is shown next
  }

  add(data) {
    const delta = data.choices[0]?.delta ?? {};
    this.usage = data.usage ?? this.usage;
    this.reason = data.choices[0]?.finish_reason ?? this.reason;
    if (!delta.content && !delta.reasoning_content) return;
    this.first ||= performance.now();
    if (delta.content && !this.text && this.thought) this.folded.open = false;
    this.text += delta.content ?? "";
    this.thought += delta.reasoning_content ?? "";
    this.planned ||= requestAnimationFrame(() => this.show());
  }

  show() {
    const follow = atEnd();
    this.planned = 0;
    this.folded.hidden = !this.thought;
    this.inner.textContent = this.thought;
    this.body.replaceChildren(render(this.text));
    this.figures.textContent = "";
    scroll(follow);
  }

  finish() {
    cancelAnimationFrame(this.planned);
    this.show();
    this.box.removeAttribute("aria-busy");
    const seconds = (performance.now() - this.first) / 1000;
    const usage = this.usage;
    const parts = [];
    if (usage) {
      parts.push(`${usage.completion_tokens} tokens`);
      if (usage.completion_tokens > 1 && seconds > 0.05) parts.push(`${((usage.completion_tokens - 1) / seconds).toFixed(1)} tokens/s`);
      parts.push(`first after ${((this.first - this.start) / 1000).toFixed(2)} s`);
      const known = usage.prompt_tokens_details.cached_tokens;
      parts.push(`${usage.prompt_tokens} in the prompt${known ? `, ${known} known` : ""}`);
      if (this.reason === "length") parts.push("ended by its length");
    } else {
      parts.push("stopped");
    }
    this.figures.textContent = parts.join(" · ");
  }

  remove() {
    this.box.remove();
  }
}

function bubble(role) {
  const box = document.createElement("article");
  box.className = role;
  box.setAttribute("aria-label", role === "user" ? "You" : "Answer");
  $("log").append(box);
  return box;
}

const atEnd = () => $("log").scrollHeight - $("log").scrollTop - $("log").clientHeight < 60;

function scroll(follow) {
  if (follow) $("log").scrollTop = $("log").scrollHeight;
}

function busy(on) {
  $("send").hidden = on;
  $("stop").hidden = !on;
  $("status").textContent = on ? "The answer is being written." : $("status").textContent;
}

function notice(message) {
  $("notice").textContent = message;
  $("notice").hidden = !message;
}

function fit() {
  $("prompt").style.height = "auto";
  $("prompt").style.height = `${$("prompt").scrollHeight + 2}px`;
}

async function connect() {
  try {
    const models = await (await call("v1/models")).json();
    $("model").textContent = models.data[0].id;
    notice("");
    watch();
  } catch (error) {
    notice(error.message);
    if (error.status === 401) $("settings").showModal();
  }
}

$("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = $("prompt").value.trim();
  if (!text || running) return;
  $("prompt").value = "";
  fit();
  send(text);
});
$("prompt").addEventListener("input", fit);
$("prompt").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    $("composer").requestSubmit();
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !$("settings").open) running?.abort();
});
$("stop").addEventListener("click", () => {
  running?.abort();
  $("prompt").focus();
});
$("new").addEventListener("click", () => {
  running?.abort();
  messages = [];
  $("log").replaceChildren();
  notice("");
  $("prompt").focus();
});
$("open-settings").addEventListener("click", () => $("settings").showModal());
$("settings").addEventListener("close", save);

load();
connect();

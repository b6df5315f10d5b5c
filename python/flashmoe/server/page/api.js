// Talking to the server: requests with the key, and server-sent events from a fetch.

export const key = {
  get: () => sessionStorage.getItem("flashmoe-key") ?? "",
  set: (value) => sessionStorage.setItem("flashmoe-key", value),
};

export class ServerError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export async function call(path, { body, signal } = {}) {
  const headers = {};
  if (body) headers["Content-Type"] = "application/json";
  if (key.get()) headers.Authorization = `Bearer ${key.get()}`;
  const method = body ? "POST" : "GET";
  const response = await fetch(path, { method, headers, signal, body: body && JSON.stringify(body) });
  if (!response.ok) {
    const told = await response.json().catch(() => null);
    throw new ServerError(response.status, told?.error?.message ?? `The server answered ${response.status}.`);
  }
  return response;
}

// The events of a stream: {name, data}, data parsed unless it is "[DONE]".
export async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    held += value;
    const parts = held.split("\n\n");
    held = parts.pop();
    for (const part of parts) {
      const event = { name: "message", data: "" };
      for (const line of part.split("\n")) {
        if (line.startsWith("event: ")) event.name = line.slice(7);
        if (line.startsWith("data: ")) event.data += line.slice(6);
      }
      if (event.data && event.data !== "[DONE]") yield { ...event, data: JSON.parse(event.data) };
    }
  }
}

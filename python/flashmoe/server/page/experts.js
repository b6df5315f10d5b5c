// The live picture: layers by experts, one pixel each, lit up by what the cache does and fading after.

import { call, events } from "./api.js";

const FADE = 900; // milliseconds
const WINDOW = 4000; // over which rates are shown
const RESIDENT = 1;
const canvas = document.getElementById("grid");
const context = canvas.getContext("2d");
let shape = null;
let state = new Uint8Array(); // RESIDENT or 0, by expert
let lit = new Float64Array(); // when an expert was last touched
let kind = new Uint8Array(); // how: 1 hit, 2 read, 3 given up
let samples = [];
let drawing = false;

export async function watch() {
  for (;;) {
    try {
      for await (const { name, data } of events(await call("v1/flashmoe/experts"))) {
        if (name === "shape") begin(data);
        else if (name === "frame") update(data);
      }
    } catch (error) {
      if (error.status === 401) return;
    }
    await new Promise((done) => setTimeout(done, 2000));
  }
}

function begin(data) {
  shape = data;
  const cells = shape.layers * shape.experts;
  state = new Uint8Array(cells);
  lit = new Float64Array(cells).fill(-Infinity);
  kind = new Uint8Array(cells);
  samples = [];
  for (const i of shape.resident) state[i] = RESIDENT;
  canvas.width = shape.experts;
  canvas.height = shape.layers;
  canvas.style.aspectRatio = `${shape.experts} / ${shape.layers * 2}`;
  text("shape", `${shape.layers} layers of ${shape.experts} experts, ${shape.experts_per_token} used for a token; room for ${shape.slots} in memory. One row is a layer, one cell an expert.`);
  draw();
}

function update(frame) {
  const now = performance.now();
  const touch = (indices, how, resident) => {
    for (const i of indices) {
      lit[i] = now;
      kind[i] = how;
      if (resident !== undefined) state[i] = resident;
    }
  };
  touch(frame.evicted, 3, 0);
  touch(frame.hit, 1);
  touch(frame.read, 2, RESIDENT);
  samples.push({ now, ...frame });
  while (samples.length > 2 && now - samples[0].now > WINDOW) samples.shift();
  figures();
  if (!drawing) draw();
}

function figures() {
  const last = samples.at(-1);
  const first = samples[0];
  const seconds = (last.now - first.now) / 1000;
  const asked = last.hits + last.misses - first.hits - first.misses;
  const bytes = last.bytes_read - first.bytes_read;
  const resident = state.reduce((sum, one) => sum + one, 0);
  const rate = asked > 0 ? `${((100 * (last.hits - first.hits)) / asked).toFixed(1)} %` : "–";
  text("hit-rate", rate);
  text("read-rate", seconds > 0 ? `${size(bytes / seconds)}/s` : "–");
  text("read-total", size(last.bytes_read));
  text("resident", `${resident} of ${state.length}`);
  text("running", `${last.running}, ${last.waiting}`);
  const tokens = last.tokens - first.tokens;
  text("speed", seconds > 0 && tokens > 0 ? `${(tokens / seconds).toFixed(1)} tokens/s` : "–");
  canvas.setAttribute("aria-label", `${resident} of ${state.length} experts are in memory; hit rate of the last seconds ${rate}`);
}

function draw() {
  if (!shape) return;
  const colours = palette();
  const image = context.createImageData(shape.experts, shape.layers);
  const now = performance.now();
  let alive = false;
  for (let i = 0; i < state.length; i++) {
    const base = state[i] ? colours[0] : colours[4];
    const age = (now - lit[i]) / FADE;
    const light = age < 1 ? 1 - age : 0;
    alive ||= light > 0;
    const glow = colours[kind[i]];
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = base[c] + (glow[c] - base[c]) * light;
    image.data[4 * i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
  drawing = alive;
  if (alive) requestAnimationFrame(draw);
}

// Colours as the style sheet has them now: in memory, hit, read, given up, not in memory.
function palette() {
  const style = getComputedStyle(document.documentElement);
  return ["--resident", "--hit", "--read", "--evicted", "--empty"].map((name) => {
    const hex = style.getPropertyValue(name).trim();
    return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  });
}

export function size(bytes) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let at = 0;
  for (; bytes >= 1024 && at < units.length - 1; at++) bytes /= 1024;
  return `${bytes.toFixed(at && bytes < 100 ? 1 : 0)} ${units[at]}`;
}

function text(id, value) {
  document.getElementById(id).textContent = value;
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);

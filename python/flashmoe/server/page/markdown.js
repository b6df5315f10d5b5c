// Markdown to DOM nodes. Text of the model only ever becomes text nodes; no HTML is parsed anywhere.

const element = (name, ...children) => {
  const made = document.createElement(name);
  made.append(...children);
  return made;
};

export function render(source) {
  const lines = source.split("\n");
  const out = document.createDocumentFragment();
  let at = 0;
  while (at < lines.length) {
    const line = lines[at];
    const fence = line.match(/^\s*(`{3,}|~{3,})\s*([^`\s]*)/);
    const heading = line.match(/^(#{1,6})\s+(.*)/);
    if (fence) {
      const code = [];
      for (at++; at < lines.length && !lines[at].trim().startsWith(fence[1]); at++) code.push(lines[at]);
      at++;
      out.append(codeBlock(code.join("\n"), fence[2]));
    } else if (heading) {
      out.append(element(`h${Math.min(heading[1].length + 1, 4)}`, inline(heading[2])));
      at++;
    } else if (/^\s*([-*_])(\s*\1){2,}\s*$/.test(line)) {
      out.append(element("hr"));
      at++;
    } else if (/^\s*>/.test(line)) {
      const quoted = [];
      for (; at < lines.length && /^\s*>/.test(lines[at]); at++) quoted.push(lines[at].replace(/^\s*> ?/, ""));
      out.append(element("blockquote", render(quoted.join("\n"))));
    } else if (marker(line)) {
      const [list, next] = listFrom(lines, at);
      out.append(list);
      at = next;
    } else if (line.includes("|") && /^\s*\|?[\s:|-]*-[\s:|-]*$/.test(lines[at + 1] ?? "") && lines[at + 1].includes("|")) {
      const [table, next] = tableFrom(lines, at);
      out.append(table);
      at = next;
    } else if (!line.trim()) {
      at++;
    } else {
      const text = [line];
      for (at++; at < lines.length && lines[at].trim() && !startsBlock(lines[at]); at++) text.push(lines[at]);
      out.append(element("p", inline(text.join("\n"))));
    }
  }
  return out;
}

const marker = (line) => line.match(/^(\s*)([-*+]|\d{1,9}[.)])\s+(.*)/);
const startsBlock = (line) => /^(\s*(`{3,}|~{3,})|#{1,6}\s|\s*>)/.test(line) || marker(line);

function listFrom(lines, at) {
  const first = marker(lines[at]);
  const indent = first[1].length;
  const list = element(/\d/.test(first[2]) ? "ol" : "ul");
  if (/\d/.test(first[2])) list.start = parseInt(first[2], 10);
  while (at < lines.length) {
    const item = marker(lines[at]);
    if (!item || item[1].length !== indent) break;
    const inner = [item[3]];
    for (at++; at < lines.length; at++) {
      const deeper = /^\s*/.exec(lines[at])[0].length > indent;
      if (lines[at].trim() && !deeper) break;
      if (!lines[at].trim() && !/^\s{2,}\S/.test(lines[at + 1] ?? "")) break;
      inner.push(lines[at].slice(Math.min(indent + 2, /^\s*/.exec(lines[at])[0].length)));
    }
    while (at < lines.length && !lines[at].trim() && marker(lines[at + 1] ?? "")?.[1].length === indent) at++;
    const content = render(inner.join("\n"));
    if (content.children.length === 1 && content.firstChild.tagName === "P") list.append(element("li", ...content.firstChild.childNodes));
    else list.append(element("li", content));
  }
  return [list, at];
}

function tableFrom(lines, at) {
  const cells = (line) => line.trim().replace(/^\||\|$/g, "").split("|").map((cell) => cell.trim());
  const row = (line, kind) => element("tr", ...cells(line).map((cell) => element(kind, inline(cell))));
  const table = element("table", element("thead", row(lines[at], "th")));
  const body = element("tbody");
  for (at += 2; at < lines.length && lines[at].includes("|"); at++) body.append(row(lines[at], "td"));
  table.append(body);
  return [table, at];
}

function codeBlock(text, language) {
  const copy = element("button", "Copy");
  copy.type = "button";
  copy.addEventListener("click", async () => {
    await navigator.clipboard.writeText(text);
    copy.textContent = "Copied";
  });
  const code = element("code", text);
  if (language) code.dataset.language = language;
  const block = element("div", element("pre", code), copy);
  block.className = "code";
  return block;
}

const INLINE = [
  [/^(`+)([^]*?[^`])\1(?!`)/, (m) => element("code", m[2].replace(/^ (.*) $/, "$1"))],
  [/^\*\*(?=\S)([^]*?\S)\*\*/, (m) => element("strong", inline(m[1]))],
  [/^__(?=\S)([^]*?\S)__(?!\w)/, (m) => element("strong", inline(m[1]))],
  [/^\*(?=[^\s*])([^*]*?[^\s*])\*(?!\*)/, (m) => element("em", inline(m[1]))],
  [/^~~(?=\S)([^]*?\S)~~/, (m) => element("s", inline(m[1]))],
  [/^\[([^\]\n]+)\]\((https?:\/\/[^\s()<>]+)\)/, (m) => link(m[2], inline(m[1]))],
  [/^https?:\/\/[^\s<>()"']+[^\s<>()"'.,;:!?]/, (m) => link(m[0], m[0])],
];

function link(address, content) {
  const made = element("a", content);
  made.href = address;
  made.rel = "noopener noreferrer";
  made.target = "_blank";
  return made;
}

function inline(text) {
  const out = document.createDocumentFragment();
  let plain = "";
  const flush = () => {
    if (plain) out.append(plain);
    plain = "";
  };
  for (let at = 0; at < text.length; ) {
    const rest = text.slice(at);
    const skip = rest.search(/[`*_~[\\]|https?:\/\//);
    if (skip !== 0) {
      const take = skip < 0 ? rest.length : skip;
      plain += rest.slice(0, take);
      at += take;
      continue;
    }
    if (rest[0] === "\\" && /[\\`*_~[\]()#>|-]/.test(rest[1] ?? "")) {
      plain += rest[1];
      at += 2;
      continue;
    }
    const found = INLINE.map(([form, make]) => [rest.match(form), make]).find(([match]) => match);
    if (found) {
      flush();
      out.append(found[1](found[0]));
      at += found[0][0].length;
    } else {
      plain += rest[0];
      at++;
    }
  }
  flush();
  return out;
}

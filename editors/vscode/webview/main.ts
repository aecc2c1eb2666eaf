// Draws the conversation. Texts of the model become HTML by markdown-it, which lets no HTML through; all else is text.
import MarkdownIt from "markdown-it";
import { type Doing, idsOf, type Item, open, type Shown, type Suggestion, type Told, type Turn } from "../src/conversation.js";
import type { FileChange, Hunk } from "../src/protocol.js";

declare function acquireVsCodeApi(): { postMessage(doing: Doing): void };

const code = acquireVsCodeApi();
// no raw HTML, no pictures, and only links that a person may open in a browser
const markdown = new MarkdownIt({ html: false, linkify: false }).disable("image");
// a draft has changes between its words, whose lines stay lines and must not turn into headings and quotations
const draft = new MarkdownIt({ html: false, linkify: false, breaks: true }).disable(["image", "lheading", "blockquote", "code", "hr", "table"]);
for (const one of [markdown, draft]) one.validateLink = (url) => /^https?:\/\//i.test(url);

const byId = <T extends HTMLElement>(id: string): T => document.getElementById(id) as T;
const log = byId("log");
const words = byId<HTMLTextAreaElement>("words");
const whole = byId<HTMLInputElement>("whole");

type Child = Node | string | false | undefined | "";

function make(tag: string, attributes: Record<string, string>, ...children: Child[]): HTMLElement {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children.filter((child): child is Node | string => !!child));
  return made;
}

function button(label: string, about: string, doing: Doing, quiet = true): HTMLElement {
  const made = make("button", { type: "button", "aria-label": about, "data-key": JSON.stringify(doing), class: quiet ? "quiet" : "" }, label);
  made.addEventListener("click", () => code.postMessage(doing));
  return made;
}

type To = { turn: string; suggestion: string };

/** The two buttons that decide on what is open of these changes (`null`: of all); where nothing is, what was decided. */
function choice(what: string, about: string, to: To, suggestion: Suggestion, ids: string[] | null): HTMLElement[] {
  const all = ids ?? suggestion.proposed.files.flatMap(idsOf);
  const left = open(suggestion, all);
  const accepted = all.some((id) => suggestion.decided[id] === "accepted");
  if (left.length === 0) return [make("span", { class: "decided" }, accepted ? "accepted" : "refused")];
  const accept = button(`Accept${what}`, `Accept ${about}`, { do: "accept", ...to, hunks: ids && left }, ids !== null);
  return [accept, button(`Refuse${what}`, `Refuse ${about}`, { do: "refuse", ...to, hunks: ids && left })];
}

function rendered(text: string, by = markdown): HTMLElement {
  const made = make("div", { class: "markdown" });
  made.innerHTML = by.render(text);
  return made;
}

function fold(key: string, title: string, open: boolean, ...children: Child[]): HTMLElement {
  const made = make("details", { "data-fold": key }, make("summary", {}, title), ...children) as HTMLDetailsElement;
  made.open = folds.get(key) ?? open;
  made.firstElementChild?.addEventListener("click", () => folds.set(key, !made.open));
  return made;
}

/** What the person opened or closed stays so while the conversation is drawn anew. */
const folds = new Map<string, boolean>();

function drawTurn(turn: Turn, last: boolean): HTMLElement {
  const name = turn.turn || "new";
  // a screen reader waits for the end, and reads the whole then
  const busy = { "aria-busy": String(turn.outcome === ""), "aria-label": `Request: ${turn.words}` };
  const made = make("section", { class: "turn", ...busy, "data-outcome": turn.outcome, "data-fault": turn.fault }, make("p", { class: "person" }, turn.words));
  turn.thoughts.forEach((text, n) => text && made.append(fold(`${name} thought ${n}`, "Thoughts", false, make("pre", {}, text))));
  turn.drafts.forEach((text, n) => text && made.append(fold(`${name} draft ${n}`, turn.drafts.length > 1 ? `Draft ${n + 1}` : "Draft", turn.outcome === "", rendered(text, draft))));
  if (turn.text) made.append(rendered(turn.text));
  if (turn.progress) made.append(make("p", { class: "progress" }, `${turn.progress}…`));
  turn.suggestions.forEach((one, n) => made.append(n === 0 ? drawSuggestion(turn, one) : fold(`${name} ${one.proposed.id}`, `Another: ${one.label}`, false, drawSuggestion(turn, one))));
  const end = turn.outcome === "cancelled" ? "Cancelled." : turn.summary;
  if (end) made.append(make("p", { class: "summary" }, end));
  for (const note of turn.notes) made.append(make("p", { class: "note", role: "alert" }, note));
  const askable = turn.outcome !== "" && (turn.outcome !== "done" || turn.notes.length > 0);
  if (last && askable) made.append(make("div", { class: "row" }, button("Ask again", "Ask again on the present text", { do: "again" })));
  return made;
}

function drawSuggestion(turn: Turn, suggestion: Suggestion): HTMLElement {
  const { proposed } = suggestion;
  const to = { turn: turn.turn, suggestion: proposed.id };
  const accepted = Object.values(suggestion.decided).includes("accepted");
  const made = make(
    "article", { class: "suggestion", "aria-label": `Suggestion: ${suggestion.label}`, "data-shown": JSON.stringify({ do: "see", ...to }) },
    make("p", { class: `badge ${proposed.badge.replace(" ", "-")}` }, suggestion.label),
    ...proposed.flags.map((flag) => make("p", { class: "flag" }, `Mistrust: ${flag}`)),
    ...proposed.problems.map((one) => make("p", { class: "problem" }, `${one.path ?? ""}${one.range ? `:${one.range.start.line + 1}` : ""}: ${one.message}`)),
  );
  const bar = make("div", { class: "row" }, button("Review", "Review the suggestion in the diff editor", { do: "show", ...to }),
    ...choice("", "the suggestion", to, suggestion, null), accepted && button("Undo", "Undo the last acceptance", { do: "undo", ...to }));
  made.append(bar, ...proposed.files.map((file) => drawFile(file, suggestion, to)));
  return made;
}

const KINDS: Record<FileChange["kind"], string> = { change: "", create: "new: ", delete: "deleted: ", rename: "renamed: " };

function drawFile(file: FileChange, suggestion: Suggestion, to: To): HTMLElement {
  const name = `${KINDS[file.kind]}${file.path}${file.new_path ? ` → ${file.new_path}` : ""}`;
  const bar = make("div", { class: "row" }, ...choice(" file", file.path, to, suggestion, idsOf(file)));
  return fold(`${to.turn} ${to.suggestion} ${file.path}`, name, true, bar, ...file.hunks.map((hunk, n) => drawHunk(file, hunk, n, suggestion, to)));
}

function drawHunk(file: FileChange, hunk: Hunk, n: number, suggestion: Suggestion, to: To): HTMLElement {
  const about = `change ${n + 1} of ${file.path}`;
  const lines = (text: string, sign: string): HTMLElement[] =>
    text.split(/(?<=\n)/).filter(Boolean).map((line) => make("span", { class: sign === "+" ? "added" : "removed" }, `${sign} ${line.replace(/\r?\n$/, "")}\n`));
  const shown = [...lines(hunk.old, "-"), ...lines(hunk.new, "+")];
  const rest = shown.length - 40;
  const bar = make("div", { class: "row" }, button(`Line ${hunk.start + 1}`, `Go to ${about}`, { do: "go", ...to, hunk: hunk.id }),
    ...choice("", about, to, suggestion, [hunk.id]));
  return make("div", { class: "hunk", "data-hunk": hunk.id }, make("pre", { "aria-label": about }, ...shown.slice(0, 40), rest > 0 && `… ${rest} more lines: Review`), bar);
}

function drawTold(told: Told): HTMLElement {
  if (told.role === "person") return make("p", { class: "person" }, told.text);
  // what a tool answers is data, and is shown as it is
  if (told.role === "tool") return make("section", { class: "turn" }, make("p", { class: "badge" }, told.title), make("pre", {}, told.text));
  return rendered(told.text);
}

// A suggestion counts as shown when it is on the screen.
const seen = new IntersectionObserver((entries) => {
  for (const { target } of entries.filter((entry) => entry.isIntersecting)) {
    seen.unobserve(target);
    code.postMessage(JSON.parse(target.getAttribute("data-shown") ?? "") as Doing);
  }
});

const drawn: { key: string; node: HTMLElement }[] = [];

/** Draw what changed; the focus stays on the button that it was on, and the end stays in sight where it was. */
function draw(shown: Shown): void {
  const focus = document.activeElement?.getAttribute("data-key");
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 60;
  shown.items.forEach((item: Item, n) => {
    const last = n === shown.items.length - 1;
    const key = JSON.stringify([item, last]);
    if (drawn[n]?.key === key) return;
    const node = item.kind === "turn" ? drawTurn(item, last) : drawTold(item);
    if (drawn[n]) drawn[n].node.replaceWith(node);
    else log.append(node);
    drawn[n] = { key, node };
    for (const one of node.querySelectorAll("[data-shown]")) if (item.kind === "turn" && item.outcome !== "") seen.observe(one);
  });
  for (const gone of drawn.splice(shown.items.length)) gone.node.remove();
  const banner = shown.banner;
  byId("banner").replaceChildren(...(banner ? [make("p", {}, banner.text), button(banner.button, banner.button, { do: "banner" })] : []));
  if (shown.told) byId("told").textContent = shown.told;
  byId("cancel").hidden = !shown.running;
  if (focus) document.querySelector<HTMLElement>(`[data-key="${CSS.escape(focus)}"]`)?.focus();
  if (atEnd) log.scrollTop = log.scrollHeight;
}

const form = byId<HTMLFormElement>("ask");
form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (words.value.trim()) code.postMessage({ do: "ask", words: words.value, whole: whole.checked });
  words.value = "";
});
let chord = false; // the key after Ctrl+Alt+G is a command's, and no letter of the request
words.addEventListener("keydown", (event) => {
  if (chord && event.key !== "Shift") event.preventDefault();
  chord = (event.key === "g" && event.altKey) || (chord && event.key === "Shift");
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  form.requestSubmit();
});
for (const name of ["fix", "cancel"] as const) byId(name).addEventListener("click", () => code.postMessage({ do: name }));
window.addEventListener("message", (event: MessageEvent<Shown>) => draw(event.data));
code.postMessage({ do: "ready" });

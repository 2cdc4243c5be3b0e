"use strict";
// The cards are data; everything shown is made with textContent, never from markup.

const THUMBNAILS_PER_BLOCK = 40; // as page.py writes them
const CARDS_PER_FRAME = 12;
const LONGEST_PROMPT_ON_CARD = 240;
const byId = (id) => document.getElementById(id);
const blocks = (name) => [...document.querySelectorAll(`script.${name}`)];
const cards = JSON.parse(blocks("cards")[0].textContent);
const places = new Map(cards.map((card, index) => [card.id, index]));
const sessions = new Map();
const elements = new Map();
// Thumbnails come in blocks, each read when the first of its pictures is shown.
const thumbnailBlocks = blocks("thumbnails");
const thumbnailsRead = [];
const number = new Intl.NumberFormat("en");
const moment = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });
const calm = matchMedia("(prefers-reduced-motion: reduce)");

let shown = [];
let drawing = 0;
let viewed = null;

function make(tag, properties = {}, ...children) {
  const { data = {}, ...plain } = properties;
  const element = Object.assign(document.createElement(tag), plain);
  Object.assign(element.dataset, data);
  element.append(...children);
  return element;
}

// --- What a card says

const shortId = (id) => id.slice(id.lastIndexOf("-") + 1);
const size = (card) => `${card.width}×${card.height}`;
const fileName = (card) => card.path.split(/[\\/]/).pop();
const picture = (card) => thumbnail(places.get(card.id)) || (card.shows_file ? card.url : "");
// Never half of a character that takes two units.
const excerpt = (text, length) =>
  text.length > length ? `${text.slice(0, length).replace(/[\ud800-\udbff]$/, "")}…` : text;

function dollars(amount) {
  return `$${amount.toFixed(amount === 0 || amount >= 1 ? 2 : 4)}`;
}

function cost(card) {
  if (card.cost_usd === "") return "cost unknown";
  return dollars(Number(card.cost_usd)) + (card.sandbox ? " if it were not the sandbox" : "");
}

function bytes(count) {
  return count < 1e6 ? `${number.format(Math.ceil(count / 1000))} kB` : `${(count / 1e6).toFixed(1)} MB`;
}

function thumbnail(index) {
  const block = Math.floor(index / THUMBNAILS_PER_BLOCK);
  thumbnailsRead[block] ??= JSON.parse(thumbnailBlocks[block].textContent);
  return thumbnailsRead[block][index % THUMBNAILS_PER_BLOCK];
}

// --- Search

// Without case, width and accents, so that "cafe" finds "Café" and half-width finds full-width.
function plain(text) {
  return text.normalize("NFKD").replace(/[\u0300-\u036f]/g, "").toLowerCase();
}

function haystack(card) {
  return (card.plain ??= plain([card.prompt, card.id, card.model, fileName(card), card.edit_type, size(card)].join("\n")));
}

function matching() {
  const words = plain(byId("search").value).split(/\s+/).filter(Boolean);
  const model = byId("model").value;
  const session = byId("session").value;
  const found = cards.filter((card) =>
    (!model || card.model === model) && (!session || card.session_id === session)
    && words.every((word) => haystack(card).includes(word)));
  return session ? found.sort((one, other) => one.turn - other.turn) : found;
}

function showTotals() {
  const real = shown.filter((card) => !card.sandbox);
  const ids = new Set(real.map((card) => card.id));
  const total = real.filter((card) => !ids.has(card.paid_with)).reduce((sum, card) => sum + Number(card.cost_usd || 0), 0);
  const unknown = real.filter((card) => card.cost_usd === "").length;
  const missing = shown.filter((card) => card.state === "missing").length;
  const count = shown.length === cards.length
    ? `${number.format(cards.length)} ${cards.length === 1 ? "image" : "images"}`
    : `${number.format(shown.length)} of ${number.format(cards.length)} images`;
  byId("totals").textContent = [count, dollars(total), unknown && `${unknown} of unknown cost`,
    missing && `${missing} missing`, real.length < shown.length && `${shown.length - real.length} from the sandbox`]
    .filter(Boolean).join(" · ");
}

function refresh() {
  shown = matching();
  showTotals();
  byId("nothing").hidden = shown.length > 0;
  byId("nothing").firstElementChild.textContent = cards.length ? "No image matches." : "No images yet.";
  byId("clear").hidden = cards.length === 0;
  byId("grid").replaceChildren();
  drawing += 1;
  draw(0, drawing);
}

// A few cards a frame, so that the page never stands still.
function draw(from, generation) {
  if (generation !== drawing) return;
  byId("grid").append(...shown.slice(from, from + CARDS_PER_FRAME).map(elementOf));
  if (from === 0) makeReachable(byId("grid").querySelector(".open"));
  if (from + CARDS_PER_FRAME < shown.length) {
    requestAnimationFrame(() => setTimeout(draw, 0, from + CARDS_PER_FRAME, generation));
  }
}

function drawAll() {
  drawing += 1;
  const present = byId("grid").childElementCount;
  byId("grid").append(...shown.slice(present).map(elementOf));
}

function showEverything() {
  for (const id of ["search", "model", "session"]) byId(id).value = "";
  refresh();
}

// --- Cards

function elementOf(card) {
  if (!elements.has(card.id)) elements.set(card.id, cardElement(card));
  return elements.get(card.id);
}

function cardElement(card) {
  const label = excerpt(card.prompt, 120) || "no prompt";
  const open = make("button", { type: "button", className: "open", ariaLabel: `Open: ${label}`, tabIndex: -1 },
    pictureElement(card, label), badges(card));
  const text = make("p", { className: "text", dir: "auto" }, excerpt(card.prompt, LONGEST_PROMPT_ON_CARD) || "(no prompt)");
  const body = make("div", { className: "body" }, text,
    make("p", { className: "facts" }, [card.model, size(card), card.quality].filter(Boolean).join(" · ")),
    make("p", { className: "facts" }, time(card), ` · ${card.cost_usd === "" ? "cost unknown" : dollars(Number(card.cost_usd))}`),
    make("div", { className: "links" }, ...chips(card)),
    make("div", { className: "file" }, make("code", { title: card.path }, card.id), copyButton(card)));
  return make("li", { className: "card", id: `img-${card.id}`, data: { id: card.id } }, open, body);
}

function pictureElement(card, label) {
  const source = picture(card);
  if (!source) return make("span", {}, card.state === "missing" ? "file missing" : "no preview");
  return make("img", { loading: "lazy", decoding: "async", alt: label, src: source });
}

function badges(card) {
  const row = make("span", { className: "badges" });
  if (card.state !== "present") row.append(make("span", { className: "badge warn" }, card.state));
  if (card.sandbox) row.append(make("span", { className: "badge" }, "sandbox"));
  return row;
}

function time(card) {
  return make("time", { dateTime: card.created_at }, moment.format(new Date(card.created_at)));
}

function copyButton(card) {
  return make("button", { type: "button", className: "copy", title: card.path, data: { copy: card.id } }, "Copy path");
}

function chips(card) {
  const made = [];
  if (card.session_id) {
    const turns = sessions.get(card.session_id);
    made.push(make("button", { type: "button", className: "chip", title: `Session ${card.session_id}`,
      data: { session: card.session_id } }, `turn ${card.turn}/${turns.at(-1).turn}`));
  }
  made.push(...relation(card.parents, "←", "made from", card), ...relation(card.children, "→", "made into", card));
  return made;
}

function relation(ids, arrow, meaning, card) {
  if (ids.length === 0) return [];
  const first = ids[0];
  const name = `${arrow} ${shortId(first)}`;
  const title = `${meaning} ${first}${places.has(first) ? "" : ", which is not on this page"}`;
  const chip = places.has(first)
    ? make("a", { className: "chip", href: `#img-${first}`, title, ariaLabel: title }, name)
    : make("span", { className: "chip", title }, name);
  if (ids.length === 1) return [chip];
  return [chip, make("button", { type: "button", className: "chip", ariaLabel: `${meaning} ${ids.length - 1} more, open`,
    data: { view: card.id } }, `+${ids.length - 1}`)];
}

// --- Going to a card

function goTo(id) {
  if (!places.has(id)) return;
  const card = cards[places.get(id)];
  if (!shown.includes(card)) showEverything();
  drawAll();
  const element = elementOf(card);
  makeReachable(element.querySelector(".open"));
  element.querySelector(".open").focus({ preventScroll: true });
  element.scrollIntoView({ block: "center", behavior: calm.matches ? "instant" : "smooth" });
  document.querySelector(".card.found")?.classList.remove("found");
  element.classList.add("found");
  setTimeout(() => element.classList.remove("found"), 3000);
}

// One picture is in the tab order, the arrow keys go to the others.
function makeReachable(button) {
  document.querySelectorAll(".open[tabindex='0']").forEach((other) => { other.tabIndex = -1; });
  if (button) button.tabIndex = 0;
}

function move(key) {
  const all = [...document.querySelectorAll(".open")];
  const columns = getComputedStyle(byId("grid")).gridTemplateColumns.split(" ").length;
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[key];
  const now = all.indexOf(document.activeElement);
  const next = all[now < 0 ? 0 : now + step];
  if (!next) return;
  makeReachable(next);
  next.focus();
  next.closest(".card").scrollIntoView({ block: "nearest" });
}

// --- The large view

function view(card) {
  viewed = card;
  const known = picture(card);
  const large = byId("large");
  large.onerror = () => { large.onerror = null; large.src = known; large.hidden = !known; };
  large.hidden = card.state === "missing" && !known;
  large.src = card.state === "missing" || !card.url ? known : card.url;
  large.alt = excerpt(card.prompt, 500);
  byId("gone").hidden = card.state === "present";
  byId("gone").textContent = card.state === "missing" ? `The file is no longer at ${card.path}.` : "The file was changed since it was saved.";
  byId("prompt").textContent = card.prompt || "(no prompt)";
  byId("facts").replaceChildren(...facts(card));
  byId("lineage").replaceChildren(...lineage(card));
  const at = shown.indexOf(card);
  byId("place").textContent = at < 0 ? "" : `${number.format(at + 1)} of ${number.format(shown.length)}`;
  byId("earlier").disabled = at <= 0;
  byId("later").disabled = at < 0 || at === shown.length - 1;
  if (!byId("viewer").open) byId("viewer").showModal();
}

function facts(card) {
  const path = card.url && card.state !== "missing" ? make("a", { href: card.url, target: "_blank", rel: "noopener" }, card.path) : card.path;
  const rows = [["Model", card.model], ["Size", `${size(card)}, ${bytes(card.size_bytes)}, ${card.mime_type}`],
    ["Quality", card.quality], ["Made", time(card)],
    ["Cost", card.cost_usd === "" ? "unknown" : `${cost(card)} (${card.cost_basis})`], ["Edit", card.edit_type],
    ["Session", card.session_id && `${card.session_id}, turn ${card.turn}`], ["Id", make("code", {}, card.id)],
    ["File", make("span", {}, path, " ", copyButton(card))]];
  return rows.filter(([, value]) => value).flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]);
}

function lineage(card) {
  const turns = (sessions.get(card.session_id) ?? []).map((turn) => turn.id);
  return [["Made from", card.parents], ["Made into", card.children], ["Session, in order", turns.length > 1 ? turns : []]]
    .filter(([, ids]) => ids.length)
    .map(([title, ids]) => make("section", {}, make("h3", {}, title),
      make("ul", { className: "family" }, ...ids.map((id) => make("li", {}, relative(id, card))))));
}

function relative(id, card) {
  const other = cards[places.get(id)];
  if (!other) return make("span", { className: "relative", title: `${id} is not on this page` }, make("span", { className: "blank" }), shortId(id));
  const source = picture(other);
  const face = source ? make("img", { src: source, alt: excerpt(other.prompt, 120), decoding: "async" }) : make("span", { className: "blank" });
  const link = make("a", { className: "relative", href: `#img-${id}`, title: excerpt(other.prompt, 120), data: { view: id } }, face,
    other.session_id === card.session_id && other.turn ? `turn ${other.turn}` : shortId(id));
  if (other === card) link.ariaCurrent = "true";
  return link;
}

function viewBeside(step) {
  const next = shown[shown.indexOf(viewed) + step];
  if (next) view(next);
}

// --- What the person does

async function copy(id) {
  const { path } = cards[places.get(id)];
  try {
    await navigator.clipboard.writeText(path);
    say("Path copied");
  } catch {
    say("The browser does not allow copying; the path is in the large view.");
  }
}

function say(text) {
  byId("said").textContent = text;
  byId("said").classList.add("shown");
  clearTimeout(say.timer);
  say.timer = setTimeout(() => byId("said").classList.remove("shown"), 2500);
}

function onClick(event) {
  const target = event.target.closest("button, a");
  if (!target) return;
  if (target.dataset.copy) copy(target.dataset.copy);
  if (target.dataset.session) { byId("session").value = target.dataset.session; refresh(); scrollTo(0, 0); }
  if (target.dataset.view) { event.preventDefault(); view(cards[places.get(target.dataset.view)]); }
  else if (target.hash?.startsWith("#img-")) { event.preventDefault(); goTo(decodeURIComponent(target.hash.slice(5))); }
  if (target.classList.contains("open")) { makeReachable(target); view(cards[places.get(target.closest(".card").dataset.id)]); }
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = event.target.matches("input, select, textarea");
  if (byId("viewer").open) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step && event.target.id !== "prompt") { event.preventDefault(); viewBeside(step); }
  } else if (event.key === "Escape" && typing) {
    if (byId("search").value) { byId("search").value = ""; refresh(); }
    event.target.blur();
  } else if (!typing && !byId("keys").open) {
    onPageKey(event);
  }
}

function onPageKey(event) {
  if (event.key === "/") { event.preventDefault(); byId("search").focus(); byId("search").select(); }
  if (event.key === "?") byId("keys").showModal();
  if (event.key.startsWith("Arrow") && (document.activeElement === document.body || document.activeElement.matches(".open"))) {
    event.preventDefault();
    move(event.key);
  }
}

// Storage may be forbidden for files; then the choice lasts as long as the page.
function remembered(theme) {
  try {
    if (theme) localStorage.setItem("gpt-image-mcp-theme", theme);
    return localStorage.getItem("gpt-image-mcp-theme");
  } catch {
    return theme ?? null;
  }
}

function switchTheme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  remembered(root.dataset.theme);
}

// --- Start

function fillFilters() {
  for (const card of [...cards].reverse()) {
    if (card.session_id) sessions.set(card.session_id, [...(sessions.get(card.session_id) ?? []), card]);
  }
  for (const model of [...new Set(cards.map((card) => card.model))].sort()) byId("model").append(new Option(model, model));
  for (const [id, turns] of [...sessions].reverse()) {
    turns.sort((one, other) => one.turn - other.turn);
    byId("session").append(new Option(`${excerpt(turns[0].prompt, 40)} (${turns.length})`, id));
  }
}

function start() {
  const theme = remembered();
  if (theme) document.documentElement.dataset.theme = theme;
  fillFilters();
  refresh();
  document.addEventListener("click", onClick);
  document.addEventListener("keydown", onKey);
  byId("filters").addEventListener("input", refresh);
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("clear").addEventListener("click", showEverything);
  byId("theme").addEventListener("click", switchTheme);
  byId("help").addEventListener("click", () => byId("keys").showModal());
  byId("earlier").addEventListener("click", () => viewBeside(-1));
  byId("later").addEventListener("click", () => viewBeside(1));
  byId("close").addEventListener("click", () => byId("viewer").close());
  byId("viewer").addEventListener("close", () => goTo(viewed.id));
  if (location.hash.startsWith("#img-")) goTo(decodeURIComponent(location.hash.slice(5)));
}

start();

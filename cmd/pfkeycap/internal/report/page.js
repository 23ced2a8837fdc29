"use strict";
(() => {
const data = JSON.parse(document.getElementById("data").textContent);
const messages = data.messages, lives = data.lives;
const $ = id => document.getElementById(id);
const svgNS = "http://www.w3.org/2000/svg";

function el(tag, attrs, ...children) {
  const e = document.createElement(tag);
  for (const k in attrs) {
    if (k === "class") e.className = attrs[k];
    else if (k in e && typeof attrs[k] !== "string") e[k] = attrs[k];
    else e.setAttribute(k, attrs[k]);
  }
  e.append(...children.filter(c => c !== null && c !== undefined));
  return e;
}
function svg(tag, attrs, text) {
  const e = document.createElementNS(svgNS, tag);
  for (const k in attrs) e.setAttribute(k, attrs[k]);
  if (text !== undefined) e.textContent = text;
  return e;
}

// Where each record is, and what belongs to it.
const place = new Map(messages.map((m, i) => [m.n, i]));
const answers = new Map();
for (const m of messages) if (m.re) (answers.get(m.re) || answers.set(m.re, []).get(m.re)).push(m.n);
const concerned = new Map(); // findings by record
data.findings.forEach((list, i) => list.forEach(n => (concerned.get(n) || concerned.set(n, []).get(n)).push(i)));
const lifeAt = new Map(lives.map(x => [x.n, x]));
const gapAfter = new Map(data.gaps.map(g => [g.after, g.count]));

// Times.
const clocks = ["UTC", "local", "since start", "since last"];
let clock = 0;
const base = data.first ? new Date(data.first.replace(/\.(\d+)Z$/, "Z")).getTime() * 1000 + Number((data.first.match(/\.(\d{1,9})/) || [0, "0"])[1].padEnd(9, "0").slice(0, 6)) : 0; // µs
const pad = (n, w) => String(n).padStart(w, "0");
function shortTime(us) {
  const a = Math.abs(us), sign = us < 0 ? "-" : "";
  if (a < 1000) return sign + a + "us";
  if (a < 1e6) return sign + +(a / 1e3).toFixed(3) + "ms";
  if (a < 60e6) return sign + +(a / 1e6).toFixed(3) + "s";
  const s = Math.floor(a / 1e6);
  return sign + (s >= 86400 ? Math.floor(s / 86400) + "d" : "") + (s >= 3600 ? Math.floor(s / 3600) % 24 + "h" : "") + Math.floor(s / 60) % 60 + "m" + s % 60 + "s";
}
function timeText(t, prev, mode = clock) {
  if (t === undefined) return "";
  if (mode === 2) return "+" + (t / 1e6).toFixed(6);
  if (mode === 3) return prev === undefined ? "" : "+" + shortTime(t - prev);
  const us = base + t, d = new Date(Math.floor(us / 1000));
  const [h, m, s] = mode === 0 ? [d.getUTCHours(), d.getUTCMinutes(), d.getUTCSeconds()] : [d.getHours(), d.getMinutes(), d.getSeconds()];
  return pad(h, 2) + ":" + pad(m, 2) + ":" + pad(s, 2) + "." + pad(us % 1e6, 6);
}

// Lanes: the busiest processes in the order in which they appear, then the kernel.
const maxLanes = 7;
const perPID = new Map();
for (const m of messages) if (m.pid !== 0) {
  const p = perPID.get(m.pid) || perPID.set(m.pid, {pid: m.pid, n: 0, process: ""}).get(m.pid);
  p.n++;
  p.process = p.process || m.process || "";
}
let lanes = [...perPID.values()];
let others = 0;
if (lanes.length > maxLanes) {
  const keep = new Set([...lanes].sort((a, b) => b.n - a.n).slice(0, maxLanes - 1));
  others = lanes.length - keep.size;
  lanes = lanes.filter(p => keep.has(p));
  lanes.push({pid: -1});
}
if (lanes.length === 0) lanes.push({pid: -2});
const laneOf = new Map(lanes.map((p, i) => [p.pid, i]));
let spacing = 0, kernelX = 0;
const laneX = i => Math.round(spacing / 2 + i * spacing);
function laneName(p) {
  if (p.pid === -1) return others + " more\nprocesses";
  if (p.pid === -2) return "listeners";
  return (p.process || "pid") + "\n" + p.pid;
}
function layLanes() {
  const wide = $("ladder").clientWidth || document.documentElement.clientWidth;
  const room = Math.max(240, wide * (wide < 900 ? .5 : .46));
  spacing = Math.max(62, Math.min(lanes.length < 2 ? 190 : 128, Math.floor(room / (lanes.length + 1))));
  kernelX = laneX(lanes.length);
  const widest = String(messages.length ? messages[messages.length - 1].n : 1).length;
  const num = (widest + 1) * 7.6 + 18, time = !data.first ? 4 : wide < 700 ? 0 : clock === 3 ? 84 : 124;
  const root = document.documentElement.style;
  root.setProperty("--num", num + "px");
  root.setProperty("--time", time + "px");
  root.setProperty("--margin", num + time + "px");
  root.setProperty("--spacing", spacing + "px");
  root.setProperty("--lanes", (kernelX + spacing / 2) + "px");
  root.setProperty("--bar", $("bar").offsetHeight + "px");
  const head = el("div", {class: "head"});
  [...lanes.map(laneName), "\nkernel"].forEach((name, i) => {
    const s = el("span", {}, name);
    s.style.left = laneX(i) + "px";
    head.append(s);
  });
  $("lanes").replaceChildren(el("div", {class: "margin"}, "record"), head, el("div", {class: "rest"}, "what it says"));
}

// The filter.
const fields = {
  spi: (o, v) => o.spi !== undefined && (v.startsWith("0x") ? parseInt(o.spi, 16) === parseInt(v, 16) : /^\d+$/.test(v) && parseInt(o.spi, 16) === Number(v) || glob(o.spi, v) || o.spi.replace(/^0x0*/, "") === v),
  pid: (o, v) => String(o.pid) === v,
  process: (o, v) => (o.process || "").toLowerCase().includes(v),
  type: (o, v) => o.type === undefined ? undefined : glob(o.type, v),
  satype: (o, v) => glob(o.satype !== undefined ? o.satype : o.name ? o.name.split(" ")[0] : "", v),
  src: (o, v) => glob(o.src || "", v),
  dst: (o, v) => glob(o.dst || "", v),
  addr: (o, v) => glob(o.src || "", v) || glob(o.dst || "", v),
  errno: (o, v) => o.dir === undefined ? undefined : o.errno !== undefined && (glob(o.errno, v) || o.text.toLowerCase().includes("errno=" + v + "(")),
  seq: (o, v) => o.seq === undefined ? undefined : String(o.seq) === v,
  dir: (o, v) => o.dir === undefined ? undefined : o.dir === ({to: ">", from: "<", unknown: "?"}[v] || v),
  n: (o, v) => o.dir === undefined ? undefined : range(o.n, v),
  t: (o, v) => o.dir !== undefined ? o.t !== undefined && range(o.t / 1e6, v) : undefined,
  is: (o, v) => {
    if (v === "finding" && o.dir !== undefined) return concerned.has(o.n);
    if (o.dir === undefined) return undefined;
    return v === "error" ? o.errno !== undefined : o.role === v;
  },
};
const kinds = ["error", "finding", "request", "reply", "event", "foreign", "unknown"];
function glob(s, v) {
  s = s.toLowerCase();
  if (!v.includes("*")) return s === v;
  return new RegExp("^" + v.split("*").map(x => x.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join(".*") + "$").test(s);
}
function range(x, v) {
  const m = v.match(/^(\d*\.?\d*)-(\d*\.?\d*)$/);
  return m ? (m[1] === "" || x >= Number(m[1])) && (m[2] === "" || x <= Number(m[2])) : x === Number(v);
}
function parseFilter(text) {
  const terms = [];
  let wrong = "";
  for (const m of text.matchAll(/(-|!)?(?:([a-z]+)[:=])?("[^"]*"?|[^\s"]\S*)/gi)) {
    let [, not, key, value] = m;
    if (key && !(key.toLowerCase() in fields)) {
      // "errno=22(EINVAL)" is text of a line; "port:" may be a slip.
      if (m[0].includes(":") && !m[0].includes("::") && !/^[0-9a-f]+$/i.test(key)) wrong = key;
      value = m[0].replace(/^[-!]/, "");
      key = "";
    }
    value = value.replace(/^"|"$/g, "").toLowerCase();
    key = (key || "").toLowerCase();
    if (key === "is" && !kinds.includes(value)) wrong = "is:" + value;
    if (value !== "") terms.push({not: !!not, key, values: key ? value.split(",") : [value]});
  }
  return {terms, wrong};
}
const hay = new WeakMap();
function haystack(o) {
  let s = hay.get(o);
  if (s === undefined) hay.set(o, s = ("#" + o.n + " " + (o.dir ? o.dir + " " : "") + o.text + " " + (o.process || "")).toLowerCase());
  return s;
}
// A term that asks for what only messages have says nothing about SAs.
function matches(terms, o) {
  for (const t of terms) {
    let ok = false;
    if (t.key === "") ok = haystack(o).includes(t.values[0]);
    else for (const v of t.values) {
      const r = fields[t.key](o, v);
      if (r === undefined) { ok = undefined; break; }
      ok = ok || r;
    }
    if (ok !== undefined && ok === t.not) return false;
  }
  return true;
}

// Rows of the ladder: indices of messages, and -2 - i for the gap after message i.
const before = r => r < -1 ? messages[-2 - r] : undefined;
let rows = [], rowOf = new Map(), shownLives = [], filtered = false;
let chosen, chosenLife = null; // an index of messages, a life
const rowHeight = 24, lifeHeight = 22;

function applyFilter() {
  const text = $("filter").value.trim(), {terms, wrong} = parseFilter(text);
  filtered = terms.length > 0;
  rows = [];
  let n = 0;
  if (gapAfter.has(0)) rows.push(-1);
  messages.forEach((m, i) => {
    if (!filtered || matches(terms, m)) { rows.push(i); n++; }
    if (gapAfter.has(m.n)) rows.push(-2 - i);
  });
  rowOf = new Map(rows.map((r, i) => [r, i]));
  const list = filtered ? lives.filter(x => matches(terms, x)) : lives.slice();
  orderLives(list);
  const c = $("count"), num = x => x.toLocaleString("en-US");
  c.className = wrong ? "bad" : "";
  $("filter").className = wrong ? "bad" : "";
  c.textContent = wrong ? "no such field: " + wrong : filtered ? num(n) + " of " + num(messages.length) + " messages, " + num(shownLives.length) + " of " + num(lives.length) + " SAs"
    : num(messages.length) + " messages, " + num(lives.length) + " SAs";
  $("empty").hidden = n > 0 || messages.length === 0;
  $("rows").style.height = rows.length * rowHeight + "px";
  const bad = rows.some(r => r >= 0 && messages[r].errno !== undefined);
  $("prev-error").disabled = $("next-error").disabled = !bad;
  drawn = "";
  drawLadder();
  drawRate();
  drawLives(true);
}

// The ladder: only rows in sight are there.
let drawn = "", printing = false;
function drawLadder() {
  const box = $("ladder").getBoundingClientRect();
  let from = Math.max(0, Math.floor(-box.top / rowHeight) - 12), to = Math.min(rows.length, Math.ceil((innerHeight - box.top) / rowHeight) + 12);
  if (printing) { from = 0; to = Math.min(rows.length, 5000); }
  to = Math.max(to, from);
  const key = [from, to, chosen, spacing, clock, printing].join();
  if (key === drawn) return;
  drawn = key;
  const list = [];
  for (let i = from; i < to; i++) list.push(drawRow(i));
  if (printing && to < rows.length) list.push(el("div", {class: "gap"}, (rows.length - to) + " more rows are not printed: filter them"));
  $("rows").replaceChildren(...list);
  const current = rowOf.get(chosen);
  if (current !== undefined && current >= from && current < to) $("ladder").setAttribute("aria-activedescendant", "m" + messages[chosen].n);
  else $("ladder").removeAttribute("aria-activedescendant");
}
function drawRow(i) {
  const r = rows[i];
  let e;
  if (r < 0) {
    e = el("div", {class: "gap", role: "option"}, gapAfter.get(r === -1 ? 0 : before(r).n).toLocaleString("en-US") + " messages are left out here");
  } else {
    const m = messages[r];
    let prev;
    if (i > 0 && rows[i - 1] >= 0) prev = messages[rows[i - 1]].t;
    e = el("div", {class: "msg " + m.role + (m.errno !== undefined ? " error" : "") + (r === chosen ? " chosen" : ""), id: "m" + m.n, role: "option",
      "aria-selected": String(r === chosen), "aria-setsize": String(rows.length), "aria-posinset": String(i + 1), "data-i": String(r)},
      el("span", {class: "num"}, (concerned.has(m.n) ? "⚑" : "") + "#" + m.n), el("span", {class: "time"}, timeText(m.t, prev)), drawArrow(m), el("span", {class: "text"}, ...rest(m)));
  }
  e.style.top = i * rowHeight + "px";
  return e;
}
function rest(m) { // the type stands on the arrow
  let t = m.text.replace(/^PROMISC [^"]*? holds (type=)?/, ""); // what KAME wraps
  if (t.startsWith(m.type)) t = t.slice(m.type.length).trimStart();
  return [(m.lost ? "(messages lost before) " : "") + t];
}
function drawArrow(m) {
  const s = svg("svg", {"aria-hidden": "true"}), y = rowHeight / 2 + .5;
  for (let i = 0; i <= lanes.length; i++) s.append(svg("line", {class: "lane", x1: laneX(i), x2: laneX(i), y1: 0, y2: rowHeight}));
  const all = m.pid === 0; // to everybody who listens
  let p = laneOf.get(m.pid);
  if (p === undefined) p = laneOf.has(-1) && !all ? laneOf.get(-1) : 0;
  const px = laneX(p), from = m.dir === ">" ? px : kernelX, to = m.dir === ">" ? kernelX : px;
  s.append(svg("line", {class: "arrow", x1: from, x2: to, y1: y, y2: y}));
  if (all) for (let i = 1; i < lanes.length; i++) s.append(svg("circle", {class: "tip", cx: laneX(i), cy: y, r: 3}));
  if (m.dir !== "?") {
    const d = to > from ? -8 : 8;
    s.append(svg("path", {class: "tip", d: `M${to} ${y}l${d} -4.5v9z`}));
  }
  let label = (m.errno !== undefined ? "✖ " : "") + m.type + (m.dir === "?" ? " ?" : m.type === "EXPIRE" && m.role === "event" ? / hard=/.test(m.text) ? " hard" : " soft" : "");
  const room = Math.floor(((all ? spacing : Math.abs(to - from)) - 18) / 7);
  if (label.length > room && room > 3) label = label.slice(0, Math.max(3, room - 1)) + "…";
  s.append(svg("text", {x: all ? (laneX(lanes.length - 1) + kernelX) / 2 : (from + to) / 2, y: y + 4, "text-anchor": "middle"}, label));
  return s;
}

// Lives.
let span = [0, 1], whole = [0, 1];
function spanAll() {
  let lo = Infinity, hi = -Infinity;
  const see = t => { if (t !== undefined) { lo = Math.min(lo, t); hi = Math.max(hi, t); } };
  for (const m of messages) see(m.t);
  for (const x of lives) for (const k of ["born", "mature", "soft", "end"]) if (x[k]) see(x[k].t);
  whole = lo <= hi ? [lo, hi > lo ? hi : lo + 1] : [0, 1];
  const margin = (whole[1] - whole[0]) * .015;
  whole = [whole[0] - margin, whole[1] + margin];
  span = whole.slice();
}
function orderLives(list) {
  if ($("order").value === "tunnel") {
    const first = new Map();
    for (const x of lives) if (!first.has(x.tunnel)) first.set(x.tunnel, x.n);
    list = list.map((x, i) => [x, i]).sort((a, b) => first.get(a[0].tunnel) - first.get(b[0].tunnel) || (a[0].name < b[0].name ? -1 : a[0].name > b[0].name ? 1 : 0) || a[1] - b[1]).map(x => x[0]);
  }
  shownLives = list;
}
const labelWidth = () => Math.round(Math.max(92, Math.min(330, $("timeline").clientWidth * .33)));
function trackWidth() { return Math.max(60, $("life-list").clientWidth - labelWidth()); }
function xOf(t) { return (t - span[0]) / (span[1] - span[0]) * trackWidth(); }
let livesDrawn = "";
function drawLives(again) {
  const box = $("life-list"), w = trackWidth();
  $("life-rows").style.height = shownLives.length * lifeHeight + "px";
  let from = Math.max(0, Math.floor(box.scrollTop / lifeHeight) - 4), to = Math.min(shownLives.length, Math.ceil((box.scrollTop + box.clientHeight) / lifeHeight) + 4);
  if (printing) { from = 0; to = Math.min(shownLives.length, 2000); }
  const key = [from, to, w, span, chosenLife && chosenLife.n].join();
  if (key === livesDrawn && !again) return;
  livesDrawn = key;
  const list = [];
  for (let i = from; i < to; i++) list.push(drawLife(shownLives[i], i, w));
  $("life-rows").replaceChildren(...list);
}
function drawLife(x, i, w) {
  const s = svg("svg", {viewBox: `0 0 ${w} ${lifeHeight}`, width: w, "aria-hidden": "true"});
  const at = p => p && p.t !== undefined ? Math.max(-20, Math.min(w + 20, xOf(p.t))) : undefined;
  const born = x.older ? -20 : at(x.born), end = x.ended === "alive" || x.ended === "dropped" || !x.end ? w + 20 : at(x.end);
  const open = x.ended === "alive";
  const last = open ? Math.min(w + 20, xOf(whole[1])) : end;
  const bar = (a, b, c) => { if (a !== undefined && b !== undefined && b >= -10 && a <= w + 10) s.append(svg("rect", {class: c, x: a, y: 7, width: Math.max(2, b - a), height: 8, rx: 2})); };
  const mature = x.larval ? undefined : at(x.mature) !== undefined ? at(x.mature) : born, soft = at(x.soft);
  if (x.larval) bar(born, last, "k-larval");
  else {
    if (mature > born) bar(born, mature, "k-larval");
    bar(mature, soft !== undefined ? soft : last, "k-alive");
    if (soft !== undefined) bar(soft, last, "k-dying");
  }
  const mark = (px, shape, c, n) => { if (px !== undefined && px >= -6 && px <= w + 6) s.append(svg("path", {class: c, d: shape(px), "data-n": n})); };
  if (x.soft) mark(soft, p => `M${p} 4l5 7-5 7-5-7z`, "m-soft", x.soft.n);
  if (x.end) {
    if (x.ended === "expired") mark(end, p => `M${p - 5} 5l2-2 3 4 3-4 2 2-3.4 6 3.4 6-2 2-3-4-3 4-2-2 3.4-6z`, "m-expired", x.end.n);
    else if (x.ended === "flushed") mark(end, p => `M${p - 6} 5h12l-6 12z`, "m-flushed", x.end.n);
    else mark(end, p => `M${p - 4.5} 6.5h9v9h-9z`, "m-deleted", x.end.n);
  } else if (open) mark(Math.min(w - 8, last), p => `M${p} 5l8 6-8 6z`, x.larval ? "k-larval" : "m-open", x.n);
  const e = el("div", {class: "life" + (x === chosenLife ? " chosen" : ""), id: "l" + x.n, role: "option", "aria-selected": String(x === chosenLife), "data-life": String(x.n),
    "aria-label": x.name + " " + x.spi + " " + x.ended},
    el("span", {class: "name"}, el("b", {}, x.spi), " " + x.name), s);
  e.style.top = i * lifeHeight + "px";
  return e;
}

// How many messages come when.
function drawRate() {
  const c = $("rate"), w = c.clientWidth, h = c.clientHeight, ratio = devicePixelRatio || 1;
  c.width = w * ratio;
  c.height = h * ratio;
  const g = c.getContext("2d"), css = getComputedStyle(document.documentElement), label = labelWidth(), tw = trackWidth();
  g.scale(ratio, ratio);
  // A canvas knows no light-dark(): colours as they come out on an element.
  const color = v => { const e = $("tip"); e.style.color = `var(${v})`; const r = getComputedStyle(e).color; e.style.color = ""; return r; };
  const step = 3, n = Math.ceil(tw / step), all = new Uint32Array(n), bad = new Uint32Array(n);
  for (const r of rows) {
    if (r < 0) continue;
    const m = messages[r];
    if (m.t === undefined) continue;
    const i = Math.floor(xOf(m.t) / step);
    if (i >= 0 && i < n) { all[i]++; if (m.errno !== undefined) bad[i]++; }
  }
  const top = all.reduce((a, b) => Math.max(a, b), 1), y0 = h - 15, scale = (y0 - 3) / top;
  g.fillStyle = color("--lane");
  all.forEach((k, i) => { if (k) g.fillRect(label + i * step, y0 - Math.max(1, k * scale), step - 1, Math.max(1, k * scale)); });
  g.fillStyle = color("--bad");
  bad.forEach((k, i) => { if (k) g.fillRect(label + i * step, y0 - Math.max(1.5, k * scale), step - 1, Math.max(1.5, k * scale)); });
  g.fillStyle = color("--dim");
  g.font = "11px " + css.getPropertyValue("--mono");
  g.textAlign = "left";
  g.fillText("messages" + (tw > 300 ? ", errors red" : ""), 8, 14);
  g.fillText("SA", 8, h - 4);
  if (!data.first) return;
  // Ticks at round times.
  const width = span[1] - span[0], want = Math.max(2, Math.floor(tw / 110));
  const steps = [1, 10, 100, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6, 2e6, 5e6, 1e7, 15e6, 3e7, 6e7, 12e7, 3e8, 6e8, 9e8, 18e8, 36e8, 72e8, 216e8, 432e8, 864e8, 864e8 * 2, 864e8 * 7, 864e8 * 30];
  const tick = steps.find(s => width / s <= want) || width / want;
  const zone = clock === 1 ? -new Date(base / 1000).getTimezoneOffset() * 60e6 : 0, origin = clock < 2 ? base + zone : 0;
  for (let t = Math.ceil((span[0] + origin) / tick) * tick - origin; t <= span[1]; t += tick) {
    const x = label + xOf(t);
    g.fillRect(x, y0, 1, 4);
    let text = clock < 2 ? timeText(Math.round(t), undefined) : "+" + shortTime(Math.round(t));
    if (clock < 2) text = tick >= 1e6 ? text.slice(0, 8) : tick >= 1e3 ? text.slice(0, 12) : text;
    if (x + 4 + text.length * 6.6 < label + tw) g.fillText(text, x + 4, h - 4);
  }
}

// The panel with a message's tree, or an SA's life.
function linked(text) { // with records as links, and what they are about in bold
  const out = [];
  let at = 0;
  for (const m of text.matchAll(/#(\d+)/g)) {
    out.push(text.slice(at, m.index), link(Number(m[1])));
    at = m.index + m[0].length;
  }
  out.push(text.slice(at));
  return out;
}
function link(n) { return el("a", {href: "#" + n, "data-n": String(n)}, "#" + n); }
function tree(m) {
  const pre = el("pre", {class: "tree"});
  for (const i of m.tree || []) {
    const line = data.lines[i], depth = Math.max(0, line.search(/\S/)) / 2 - 1;
    const s = el("span", {}), [, name, more] = line.trimStart().match(/^([A-Za-z0-9_]+)?(.*)$/s);
    s.style.setProperty("--depth", depth);
    if (name && more.startsWith(" @")) s.append(el("b", {}, name), more);
    else s.append(line.trimStart());
    pre.append(s);
  }
  return pre;
}
function nav(...buttons) {
  return el("div", {class: "nav"}, ...buttons, el("button", {type: "button", class: "close", title: "close (Esc)", onclick: closeDetail}, "✕ close"));
}
function button(text, title, go, off) { return el("button", {type: "button", title, onclick: go, disabled: !!off}, text); }
function openDetail(label, ...children) {
  const d = $("detail"), was = d.hidden;
  d.setAttribute("aria-label", label);
  d.replaceChildren(...children.filter(c => c !== null));
  d.hidden = false;
  d.scrollTop = 0;
  if (was) {
    document.body.classList.add("open");
    layout();
  }
}
function closeDetail() {
  if ($("detail").hidden) return;
  const inside = $("detail").contains(document.activeElement);
  $("detail").hidden = true;
  document.body.classList.remove("open");
  chosenLife = null;
  layout();
  if (inside) $("ladder").focus({preventScroll: true});
}
const names = {">": "to the kernel", "<": "from the kernel", "?": "direction unknown"};
function showMessage(m) {
  const i = place.get(m.n), row = rowOf.get(i);
  const why = m.text.match(/ why=("(?:[^"\\]|\\.)*")/);
  let reason = "";
  if (why) try { reason = JSON.parse(why[1]); } catch { reason = why[1]; }
  const about = concerned.get(m.n) || [], sas = lives.filter(x => [x.born, x.mature, x.soft, x.end].some(p => p && p.n === m.n) || m.spi && m.spi !== "0x00000000" && x.spi === m.spi && x.dst === m.dst).slice(0, 20);
  const dl = el("dl", {}), fact = (k, ...v) => dl.append(el("dt", {}, k), el("dd", {}, ...v));
  if (m.t !== undefined) {
    fact("time", timeText(m.t, undefined, 0) + " UTC, +" + (m.t / 1e6).toFixed(6) + " s");
  }
  fact("direction", names[m.dir] + (m.role === "event" ? ", of its own accord" : m.role === "foreign" ? "; the request is not in the recording: over netlink, or of a process that is not heard" : m.role === "unknown" && m.dir !== "?" ? ", part unknown" : ""));
  if (m.pid || m.process) fact("process", String(m.pid) + (m.process ? " (" + m.process + ")" : ""));
  if (m.re) fact("answers", link(m.re), latency(m));
  const got = answers.get(m.n) || [];
  if (got.length) fact("answered by", ...got.slice(0, 8).flatMap(n => [link(n), " "]), got.length > 8 ? "… " + got.length + " in all " : "", latency(messages[place.get(got[0])]));
  openDetail("Message " + m.n,
    nav(button("↑", "the message before (k)", () => move(-1), row === undefined || row === 0), button("↓", "the next message (j)", () => move(1), row === undefined || row === rows.length - 1),
      button("↔ " + (m.re ? "request" : "answer"), "between request and answer (r)", other, !m.re && !got.length),
      m.spi ? button("filter " + m.spi, "only messages of this SPI", () => setFilter("spi:" + m.spi)) : null),
    el("h3", {}, "#" + m.n + " " + m.dir + " " + m.type + (m.errno !== undefined ? " ✖ " + m.errno : "")),
    reason ? el("div", {class: "whybox"}, reason) : null,
    dl,
    ...(row === undefined ? [el("p", {class: "dim"}, "The filter hides this message.")] : []),
    el("div", {class: "line"}, ...linked(m.text)),
    el("h4", {}, "Message, with offsets"), tree(m),
    ...(about.length ? [el("h4", {}, "Findings"), ...about.map(k => findingCopy(k))] : []),
    ...(sas.length ? [el("h4", {}, "SA"), ...sas.map(x => el("div", {class: "line"}, button(x.spi, "its life", () => chooseLife(x, true)), " ", ...linked(x.text)))] : []),
    el("h4", {}, "By command"), el("div", {class: "line"}, data.show.replace("== N", "== " + m.n)));
}
function latency(answer) { // as the line says it
  const d = answer && answer.text.match(/ re=#\d+ \+(\S+)/);
  return d ? " after " + d[1] : "";
}
function findingCopy(k) {
  const li = document.querySelectorAll(".findings li")[k];
  return el("div", {class: "line"}, li ? [...li.querySelectorAll("b, p")].map(e => e.textContent).join("\n") : "");
}
function showMissing(n) {
  openDetail("Message " + n, nav(), el("h3", {}, "#" + n + " is not in this page"),
    el("p", {}, "It is a second copy, or one of those that were left out."), el("h4", {}, "By command"), el("div", {class: "line"}, data.show.replace("== N", "== " + n)));
}
function showLife(x) {
  const dl = el("dl", {}), fact = (k, ...v) => dl.append(el("dt", {}, k), el("dd", {}, ...v));
  const when = p => p ? [link(p.n), p.t !== undefined ? " " + timeText(p.t, undefined, 0) + " UTC" : ""] : ["–"];
  const since = (a, b) => a && b && a.t !== undefined && b.t !== undefined ? " (+" + shortTime(b.t - a.t) + ")" : "";
  fact(x.older ? "first seen" : "born", ...when(x.born));
  fact("keys", ...(x.larval ? ["it got none"] : x.mature ? when(x.mature) : ["before the recording"]), since(x.born, x.mature));
  fact("soft EXPIRE", ...when(x.soft), since(x.mature || x.born, x.soft));
  fact(x.ended === "alive" ? "end" : x.ended, ...(x.ended === "alive" ? ["still there at the end of the recording"] : when(x.end)), since(x.mature || x.born, x.end));
  const relative = (name, n) => { const y = n && lifeAt.get(n); if (n) fact(name, y ? button(y.spi, "its life", () => chooseLife(y, true)) : "#" + n); };
  relative("before it", x.prev);
  relative("after it", x.next);
  relative("other direction", x.pair);
  const m = place.has(x.n) ? messages[place.get(x.n)] : undefined;
  openDetail("SA " + x.spi,
    nav(button("its messages", "filter by its SPI", () => setFilter("spi:" + x.spi)), button("its tunnel", "filter by its addresses", () => setFilter("addr:" + x.src + " addr:" + x.dst), !x.src || !x.dst)),
    el("h3", {}, x.spi + " " + x.name), dl, el("div", {class: "line"}, ...linked(x.text)),
    ...(m ? [el("h4", {}, "#" + m.n + " " + m.dir + " " + m.type + ", with which it was " + (x.older ? "first seen" : "born")), tree(m)] : []));
}

// Moving about.
function choose(i, scroll, open = true) {
  chosen = i;
  chosenLife = null;
  const m = messages[i], row = rowOf.get(i);
  if (open || !$("detail").hidden) showMessage(m);
  history.replaceState(null, "", "#" + m.n);
  if (row !== undefined && scroll) reveal(row, scroll === "center");
  drawLadder();
  drawLives();
}
function reveal(row, center) {
  const top = $("ladder").getBoundingClientRect().top + scrollY + row * rowHeight, head = $("bar").offsetHeight + $("lanes").offsetHeight;
  const bottom = innerHeight - (document.documentElement.clientWidth <= 900 && !$("detail").hidden ? $("detail").offsetHeight : 0);
  const y = top - scrollY;
  if (y < head || y > bottom - 2 * rowHeight) scrollTo(0, center ? top - head - (bottom - head) / 3 : y < head ? top - head - rowHeight : top - bottom + 3 * rowHeight);
}
function goTo(n) {
  const i = place.get(n);
  if (i === undefined) { showMissing(n); return; }
  if (!rowOf.has(i)) setFilter("");
  choose(i, "center");
}
function move(d) {
  let row = rowOf.get(chosen);
  if (row === undefined) { // the one that is in sight
    row = Math.max(0, Math.ceil(($("bar").offsetHeight + $("lanes").offsetHeight - $("ladder").getBoundingClientRect().top) / rowHeight)) - (d > 0 ? 1 : 0);
  }
  do row += d; while (rows[row] < 0);
  if (row >= 0 && row < rows.length) choose(rows[row], true, false);
}
function moveTo(d, wanted) {
  const start = rowOf.has(chosen) ? rowOf.get(chosen) : d > 0 ? -1 : rows.length;
  for (let k = 1; k <= rows.length; k++) {
    const r = rows[((start + d * k) % rows.length + rows.length) % rows.length];
    if (r >= 0 && wanted(messages[r])) { choose(r, "center"); return; }
  }
}
const isError = m => m.errno !== undefined, isFound = m => concerned.has(m.n);
function other() {
  const m = messages[chosen];
  if (!m) return;
  const n = m.re || (answers.get(m.n) || [])[0];
  if (n) goTo(n);
}
function chooseLife(x, scroll) {
  chosenLife = x;
  showLife(x);
  if (scroll) {
    let i = shownLives.indexOf(x);
    if (i < 0) { setFilter(""); chosenLife = x; i = shownLives.indexOf(x); }
    const box = $("life-list"), y = i * lifeHeight;
    if (y < box.scrollTop || y > box.scrollTop + box.clientHeight - lifeHeight) box.scrollTop = y - box.clientHeight / 2;
  }
  $("life-list").setAttribute("aria-activedescendant", "l" + x.n);
  drawLives(true);
}
function setFilter(text) {
  $("filter").value = text;
  applyFilter();
  if (rowOf.has(chosen)) reveal(rowOf.get(chosen), true);
  if (!$("detail").hidden && chosenLife === null && messages[chosen]) showMessage(messages[chosen]);
}

function layout() {
  document.documentElement.style.setProperty("--label", labelWidth() + "px");
  layLanes();
  drawn = livesDrawn = "";
  drawLadder();
  drawRate();
  drawLives(true);
}

// Tips.
function tipFor(e) {
  const row = e.target.closest && e.target.closest(".msg"), life = e.target.closest && e.target.closest(".life");
  if (row) {
    const m = messages[Number(row.dataset.i)];
    return ["#" + m.n + " " + m.dir + " " + m.text, [m.t !== undefined ? "+" + (m.t / 1e6).toFixed(6) + " s" : "", m.process, (concerned.get(m.n) || []).length ? "a finding names it" : ""].filter(x => x).join(" · ")];
  }
  if (life) {
    const x = lifeAt.get(Number(life.dataset.life)), n = e.target.dataset && e.target.dataset.n, m = n && place.has(Number(n)) ? messages[place.get(Number(n))] : undefined;
    return [x.text, m ? "#" + m.n + " " + m.dir + " " + m.text : ""];
  }
  return null;
}
function moveTip(e) {
  const text = tipFor(e), tip = $("tip");
  tip.hidden = !text;
  if (!text) return;
  tip.replaceChildren(...text.filter(x => x).map(x => el("div", {}, x)));
  const w = tip.offsetWidth, h = tip.offsetHeight;
  tip.style.left = Math.max(4, Math.min(e.clientX + 14, document.documentElement.clientWidth - w - 6)) + "px";
  tip.style.top = (e.clientY + 18 + h > innerHeight ? e.clientY - h - 10 : e.clientY + 18) + "px";
}

// What people do.
let waiting = 0;
$("filter").addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(applyFilter, messages.length > 3000 ? 120 : 0); });
$("clear").addEventListener("click", () => setFilter(""));
$("order").addEventListener("change", applyFilter);
$("prev-error").addEventListener("click", () => moveTo(-1, isError));
$("next-error").addEventListener("click", () => moveTo(1, isError));
$("keys").addEventListener("click", toggleHelp);
function toggleHelp() {
  $("help").hidden = !$("help").hidden;
  $("keys").setAttribute("aria-expanded", String(!$("help").hidden));
  drawLadder();
}
$("clock").addEventListener("click", nextClock);
function nextClock() {
  clock = (clock + 1) % clocks.length;
  $("clock").textContent = clocks[clock];
  layout();
}
const themes = ["auto", "light", "dark"];
let theme = 0;
$("theme").addEventListener("click", nextTheme);
function nextTheme() {
  theme = (theme + 1) % themes.length;
  if (theme) document.documentElement.dataset.theme = themes[theme];
  else delete document.documentElement.dataset.theme;
  $("theme").textContent = themes[theme];
  drawRate();
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawRate);
document.addEventListener("click", e => {
  const a = e.target.closest("a[data-n]");
  if (a) { e.preventDefault(); goTo(Number(a.dataset.n)); return; }
  const row = e.target.closest(".msg");
  if (row) { $("ladder").focus({preventScroll: true}); choose(Number(row.dataset.i), false); return; }
  const life = e.target.closest(".life");
  if (life && !dragged) {
    const n = e.target.dataset && e.target.dataset.n;
    if (n && place.has(Number(n))) goTo(Number(n));
    else chooseLife(lifeAt.get(Number(life.dataset.life)));
  }
});
document.addEventListener("mousemove", moveTip);
document.addEventListener("mouseleave", () => { $("tip").hidden = true; });
document.addEventListener("keydown", e => {
  if (e.ctrlKey || e.metaKey || e.altKey) return;
  const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(e.target.tagName);
  $("tip").hidden = true;
  if (e.key === "Escape") {
    if (typing && e.target.value) { setFilter(""); return; }
    if (typing) e.target.blur();
    closeDetail();
    return;
  }
  if (typing) {
    if (e.target.id === "filter" && (e.key === "Enter" || e.key === "ArrowDown")) { e.preventDefault(); clearTimeout(waiting); applyFilter(); $("ladder").focus({preventScroll: true}); if (rows.length) { const first = rows.find(r => r >= 0); if (first !== undefined && !rowOf.has(chosen)) choose(first, "center", false); } }
    return;
  }
  const inLives = $("life-list").contains(e.target);
  if (inLives && (e.key === "ArrowDown" || e.key === "ArrowUp")) {
    e.preventDefault();
    const i = shownLives.indexOf(chosenLife) + (e.key === "ArrowDown" ? 1 : -1);
    if (shownLives[i]) chooseLife(shownLives[i], true);
    return;
  }
  const inLadder = e.target === document.body || e.target === $("ladder");
  const go = {
    "/": () => { $("filter").focus(); $("filter").select(); }, j: () => move(1), k: () => move(-1), r: other,
    e: () => moveTo(1, isError), E: () => moveTo(-1, isError), f: () => moveTo(1, isFound), F: () => moveTo(-1, isFound), t: nextClock, d: nextTheme, "?": toggleHelp,
  };
  if (inLadder) Object.assign(go, {
    ArrowDown: () => move(1), ArrowUp: () => move(-1), Enter: () => messages[chosen] && choose(chosen, true),
  });
  if (e.target === $("ladder")) Object.assign(go, {
    Home: () => rows.length && choose(rows.find(r => r >= 0), true, false), End: () => rows.length && choose(rows.findLast(r => r >= 0), true, false),
    PageDown: () => { for (let k = 0; k < 20; k++) move(1); }, PageUp: () => { for (let k = 0; k < 20; k++) move(-1); },
  });
  if (go[e.key]) { e.preventDefault(); go[e.key](); }
});
addEventListener("scroll", drawLadder, {passive: true});
addEventListener("resize", layout);
$("life-list").addEventListener("scroll", () => drawLives(), {passive: true});
addEventListener("hashchange", () => { const n = Number(location.hash.slice(1)); if (n) goTo(n); });
addEventListener("beforeprint", () => { printing = true; layout(); });
addEventListener("afterprint", () => { printing = false; layout(); });

// A look at a part of the time.
let dragFrom = null, dragged = false, shade = null;
function zoom(a, b) {
  const least = 20;
  if (b - a < least) [a, b] = [(a + b - least) / 2, (a + b + least) / 2];
  span = [Math.max(whole[0], a), Math.min(whole[1], b)];
  drawRate();
  drawLives(true);
}
const timeAt = x => span[0] + (x - $("life-list").getBoundingClientRect().left - labelWidth()) / trackWidth() * (span[1] - span[0]);
$("timeline").addEventListener("pointerdown", e => {
  dragged = false;
  if (e.button === 0 && e.clientX - $("life-list").getBoundingClientRect().left > labelWidth() && e.clientX < $("life-list").getBoundingClientRect().left + labelWidth() + trackWidth()) dragFrom = e.clientX;
});
addEventListener("pointermove", e => {
  if (dragFrom === null) return;
  if (!dragged && Math.abs(e.clientX - dragFrom) < 6) return;
  dragged = true;
  const box = $("timeline").getBoundingClientRect();
  if (!shade) { shade = el("div", {class: "shade"}); $("timeline").append(shade); }
  shade.style.left = Math.min(dragFrom, e.clientX) - box.left + "px";
  shade.style.width = Math.abs(e.clientX - dragFrom) + "px";
});
addEventListener("pointerup", e => {
  if (dragFrom !== null && dragged) zoom(timeAt(Math.min(dragFrom, e.clientX)), timeAt(Math.max(dragFrom, e.clientX)));
  dragFrom = null;
  if (shade) { shade.remove(); shade = null; }
});
$("timeline").addEventListener("dblclick", () => zoom(...whole));
$("zoom-in").addEventListener("click", () => { const w = span[1] - span[0]; zoom(span[0] + w / 4, span[1] - w / 4); });
$("zoom-out").addEventListener("click", () => { const w = span[1] - span[0]; zoom(span[0] - w / 2, span[1] + w / 2); });
$("zoom-all").addEventListener("click", () => zoom(...whole));
$("zoom-filter").addEventListener("click", () => {
  const rest = $("filter").value.replace(/(^|\s)t:\S+/g, "").trim();
  setFilter((rest + " t:" + Math.max(0, span[0] / 1e6).toFixed(6) + "-" + Math.max(0, span[1] / 1e6).toFixed(6)).trim());
});

$("lives").hidden = lives.length === 0 && !data.first;
$("lives-note").textContent = lives.length ? "" : "no SA is in this recording";
$("life-list").hidden = lives.length === 0;
document.querySelector(".legend").hidden = lives.length === 0;
spanAll();
layout();
applyFilter();
const asked = Number(location.hash.slice(1));
if (asked) goTo(asked);
document.documentElement.dataset.ready = "yes"; // for tests
})();

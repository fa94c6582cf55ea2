"use strict";
/* The page of `ecalwindows report`: a table of bin numbers per data set, filters on it, charts and single windows.
   Texts become text nodes, never markup. */
(async () => {
  const $ = (id) => document.getElementById(id);
  const meta = JSON.parse($("meta").textContent);
  const BELOW = 253, ABOVE = 254, NONE = 255;
  const DASHES = ["", "9 3", "5 3", "2 2", "8 3 2 3", "1 3", "12 3 2 3 2 3"];
  const number = (n) => n.toLocaleString("en-US");
  const short = (x, digits = 4) => x === null || x === undefined ? "" : String(Number(x.toPrecision(digits)));
  const SVG = "http://www.w3.org/2000/svg";

  function filled(node, attributes, children) {
    for (const [name, value] of Object.entries(attributes || {})) {
      if (typeof value === "function") node.addEventListener(name, value);
      else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
    }
    node.append(...children.flat().filter((child) => child !== null && child !== undefined));
    return node;
  }
  const h = (tag, attributes, ...children) => filled(document.createElement(tag), attributes, children);
  const s = (tag, attributes, ...children) => filled(document.createElementNS(SVG, tag), attributes, children);
  const colour = (n) => `var(--c${n})`;

  async function unpacked(id) {
    const bytes = Uint8Array.from(atob($(id).textContent), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }

  // --- tables and filters
  const filters = new Map(); // index of the quantity -> [first bin, bin after the last]
  const off = { window: new Set(), cluster: new Set() }; // groups that are not shown

  class Table {
    constructor(about, bytes) {
      Object.assign(this, about);
      let at = 0;
      const next = (n) => bytes.subarray(at, (at += n));
      const sizes = next(2 * this.rows);
      this.owner = new Uint32Array(this.clusters);
      for (let row = 0, pair = 0; row < this.rows; row++)
        for (let k = sizes[2 * row] + 256 * sizes[2 * row + 1]; k > 0; k--) this.owner[pair++] = row;
      this.group = { window: next(this.rows), cluster: next(this.clusters) };
      this.codes = meta.quantities.map((q) => next(q.level === "window" ? this.rows : this.clusters));
      this.fails = new Uint8Array(this.rows);
      this.own = new Map();
    }
    refilter(index) { // of one quantity: which rows fail it, then the sum over all
      const range = filters.get(index);
      if (range) {
        const [from, to] = range, codes = this.codes[index];
        const own = new Uint8Array(this.rows).fill(1);
        if (meta.quantities[index].level === "window") {
          for (let i = 0; i < own.length; i++) if (codes[i] >= from && codes[i] < to) own[i] = 0;
        } else {
          for (let i = 0; i < codes.length; i++) if (codes[i] >= from && codes[i] < to) own[this.owner[i]] = 0;
        }
        this.own.set(index, own);
      } else this.own.delete(index);
      this.fails.fill(0);
      for (const own of this.own.values()) for (let i = 0; i < own.length; i++) this.fails[i] += own[i];
    }
    counts(index) { // by group and bin; behind the bins: below, above, no number
      const q = meta.quantities[index], bins = q.edges.length - 1, size = bins + 3;
      const groups = meta.groups[q.level].length, codes = this.codes[index], group = this.group[q.level];
      const found = Array.from({ length: groups }, () => new Uint32Array(size));
      const own = this.own.get(index), isWindow = q.level === "window";
      const n = isWindow ? this.sample : this.sampleClusters;
      for (let i = 0; i < n; i++) {
        const row = isWindow ? i : this.owner[i];
        if (this.fails[row] !== (own ? own[row] : 0) || group[i] === NONE) continue;
        const code = codes[i];
        found[group[i]][code < BELOW ? code : bins + code - BELOW]++;
      }
      return found;
    }
    get selected() { // windows and clusters
      let windows = 0, clusters = 0;
      for (let i = 0; i < this.sample; i++) if (!this.fails[i]) windows++;
      for (let i = 0; i < this.sampleClusters; i++) if (!this.fails[this.owner[i]]) clusters++;
      return [windows, clusters];
    }
  }

  let tables, views;
  try {
    tables = await Promise.all(meta.tables.map(async (about) => new Table(about, await unpacked(about.id))));
    views = JSON.parse(new TextDecoder().decode(await unpacked("views")));
  } catch (error) {
    $("problem").hidden = false;
    $("problem").textContent = "This browser cannot unpack the data of the page; a newer one is needed. " + error;
    return;
  }
  const against = tables.length > 1;

  // --- selection
  const cards = [];
  function select(index, range) {
    if (range) filters.set(index, range); else filters.delete(index);
    for (const table of tables) table.refilter(index);
    selectionChanged();
  }
  function limits(index) {
    const q = meta.quantities[index], [from, to] = filters.get(index);
    return [q.edges[from], q.edges[to]];
  }
  function conditionOf(index) {
    const q = meta.quantities[index], [low, high] = limits(index);
    if (!q.condition) return null;
    const text = q.bool ? (high < 1 ? `not ${q.condition}` : low > 0 ? q.condition : null)
      : `${q.condition} >= ${low} and ${q.condition} < ${high}`;
    if (q.bool && text === null) return `${q.condition} in [True, False]`;
    const iz = q.condition.replace(/_i(eta|phi)$/, "_iz");
    return q.region ? `${text} and ${iz} ${q.region === "barrel" ? "==" : "!="} 0` : text;
  }
  function selectionChanged() {
    const words = tables.map((table) => {
      const [windows, clusters] = table.selected;
      const of = table.sample < table.windows ? `${number(table.sample)} sampled windows (of ${number(table.windows)})` : `${number(table.sample)} windows`;
      return `${against ? table.label + ": " : ""}${number(windows)} of ${of}, ${number(clusters)} of ${number(table.sampleClusters)} clusters`;
    });
    $("counts").textContent = words.join("; ");
    $("filters").replaceChildren(...[...filters.keys()].map((index) => {
      const q = meta.quantities[index], [low, high] = limits(index);
      return h("button", { type: "button", title: "Remove this limit", click: () => select(index, null) },
        `${q.level === "cluster" ? "a cluster with " : ""}${low} ≤ ${q.key} < ${high}${q.unit ? " " + q.unit : ""} ✕`);
    }));
    $("clear").hidden = !filters.size;
    const conditions = [...filters.keys()].map(conditionOf), known = conditions.filter(Boolean);
    $("condition").hidden = !known.length;
    $("condition").replaceChildren("open_dataset(...).filter(", h("code", {}, JSON.stringify(known.join(" and "))), ")",
      known.length < conditions.length ? " (some limits are on quantities that a filter cannot name)" : "");
    for (const card of cards) card.dirty = true;
    redraw();
    listViews();
  }
  $("clear").addEventListener("click", () => {
    const old = [...filters.keys()];
    filters.clear();
    for (const table of tables) for (const index of old) table.refilter(index);
    selectionChanged();
  });

  // --- axes
  function ticksOf(low, high, log, n) {
    const found = [];
    if (log) {
      const first = Math.floor(Math.log10(low)), last = Math.ceil(Math.log10(high)), step = Math.max(1, Math.ceil((last - first) / n));
      for (let e = first; e <= last; e += step) for (const m of last - first <= 2 ? [1, 2, 5] : [1]) found.push(m * 10 ** e);
    } else {
      const raw = (high - low) / n, base = 10 ** Math.floor(Math.log10(raw));
      const step = base * [1, 2, 5, 10].find((m) => m * base >= raw);
      for (let k = Math.ceil(low / step); k * step <= high * (1 + 1e-12); k++) found.push(k * step);
    }
    return found.filter((x) => x >= low * (1 - 1e-9 * Math.sign(low)) && x <= high * (1 + 1e-9 * Math.sign(high)));
  }
  function tickText(x) {
    const e = Math.round(Math.log10(Math.abs(x)));
    if (x !== 0 && (Math.abs(x) >= 1e5 || Math.abs(x) < 1e-3)) {
      const m = Number((x / 10 ** e).toPrecision(3)), up = String(e).replace(/./g, (c) => c === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[c]);
      return (m === 1 ? "" : m + "·") + "10" + up;
    }
    return String(Number(x.toPrecision(6)));
  }
  function scale(low, high, from, to, log) {
    const f = log ? Math.log10 : (x) => x, a = f(low), b = f(high);
    return (x) => from + (to - from) * (f(x) - a) / (b - a);
  }

  // --- charts
  const W = 340, L = 48, R = 10, T = 8;
  const look = { log: false, x: "auto" };
  const seriesOf = (index) => { // [name, colour, dash, counts, sum of all counts]
    const q = meta.quantities[index], groups = meta.groups[q.level];
    if (!against) {
      const counts = tables[0].counts(index);
      return groups.map((group, g) => ({ ...group, colour: colour(group.colour), dash: DASHES[group.line], counts: counts[g], g }))
        .filter((each) => !off[q.level].has(each.g) && each.counts.subarray(0, q.edges.length - 1).some((n) => n));
    }
    return tables.map((table, t) => {
      const counts = new Float64Array(q.edges.length + 2);
      table.counts(index).forEach((each, g) => { if (!off[q.level].has(g)) each.forEach((n, i) => { counts[i] += n; }); });
      return { name: table.label, colour: colour(t ? 2 : 0), dash: DASHES[t], counts, g: t };
    });
  };
  function stepPath(edges, values, x, y) {
    let path = `M${x(edges[0]).toFixed(1)},${y(0)}`;
    for (let i = 0; i < edges.length - 1; i++) path += `V${y(values[i]).toFixed(1)}H${x(edges[i + 1]).toFixed(1)}`;
    return path + `V${y(0)}`;
  }
  function draw(card) {
    card.dirty = false;
    const { index, svg } = card, q = meta.quantities[index], edges = q.edges, bins = edges.length - 1;
    const series = seriesOf(index), norms = series.map((each) => {
      let sum = 0;
      for (let i = 0; i < bins; i++) sum += each.counts[i];
      return against ? 1 / Math.max(sum, 1) : 1;
    });
    const H = against ? 262 : 190, bottom = 158, logx = edges[0] > 0 && (look.x === "log" || (look.x === "auto" && q.log));
    const x = scale(edges[0], edges[bins], L, W - R, logx);
    card.x = x;
    let top = 0, least = Infinity;
    series.forEach((each, k) => {
      for (let i = 0; i < bins; i++) {
        const n = each.counts[i];
        top = Math.max(top, (n + Math.sqrt(n)) * norms[k]);
        if (n) least = Math.min(least, n * norms[k]);
      }
    });
    top = top || 1;
    const floor = look.log ? (against ? least / 2 : 0.5) : 0, high = look.log ? Math.max(top * 1.5, floor * 10) : top * 1.06;
    const inside = scale(look.log ? floor : 0, high, bottom, T, look.log);
    const y = (n) => look.log && n <= floor ? bottom : inside(n);
    const parts = [];
    for (const tick of ticksOf(look.log ? floor : 0, high, look.log, 4))
      parts.push(s("path", { class: "grid", d: `M${L},${y(tick)}H${W - R}` }), s("text", { x: L - 4, y: y(tick) + 4, "text-anchor": "end" }, tickText(tick)));
    const xticks = q.bool ? [0, 1] : ticksOf(edges[0], edges[bins], logx, 5);
    for (const tick of xticks)
      parts.push(s("path", { class: "axis", d: `M${x(tick)},${bottom}v4` }),
        s("text", { x: x(tick), y: H - 18, "text-anchor": "middle" }, q.bool ? ["no", "yes"][tick] : tickText(tick)));
    parts.push(s("text", { x: W - R, y: H - 4, "text-anchor": "end" }, q.key + (q.unit ? ` [${q.unit}]` : "")));
    series.forEach((each, k) => {
      const values = Array.from(each.counts.subarray(0, bins), (n) => n * norms[k]);
      let band = "";
      for (let i = 0; i < bins; i++) if (each.counts[i]) {
        const n = each.counts[i], error = Math.sqrt(n), a = x(edges[i]), b = x(edges[i + 1]);
        band += `M${a.toFixed(1)},${y((n - error) * norms[k]).toFixed(1)}H${b.toFixed(1)}V${y((n + error) * norms[k]).toFixed(1)}H${a.toFixed(1)}Z`;
      }
      parts.push(s("path", { d: band, fill: each.colour, "fill-opacity": .25 }),
        s("path", { d: stepPath(edges, values, x, y), fill: "none", stroke: each.colour, "stroke-width": 1.8, "stroke-dasharray": each.dash }));
    });
    parts.push(s("path", { class: "axis", d: `M${L},${T}V${bottom}H${W - R}` }));
    if (against) parts.push(...ratio(series, norms, edges, x));
    const range = filters.get(index);
    if (range) parts.push(s("rect", { class: "range", x: x(edges[range[0]]), y: T, width: x(edges[range[1]]) - x(edges[range[0]]), height: bottom - T }));
    svg.setAttribute("viewBox", `0 0 ${W} ${H}`);
    svg.replaceChildren(...parts);
    card.node.classList.toggle("active", !!range);
    if (card.details.open) numbers(card, series);
  }
  function ratio(series, norms, edges, x) { // the second over the first, with errors
    const y = scale(0, 2, 226, 172, false), parts = [s("path", { class: "axis", d: `M${L},172V226H${W - R}` }), s("path", { class: "grid", d: `M${L},${y(1)}H${W - R}` })];
    for (const tick of [0, 1, 2]) parts.push(s("text", { x: L - 4, y: y(tick) + 4, "text-anchor": "end" }, tick));
    parts.push(s("text", { x: L + 4, y: 182 }, `${tables[1].label} / ${tables[0].label}`));
    const [a, b] = series;
    let path = "";
    for (let i = 0; i < edges.length - 1; i++) {
      const n = a.counts[i], m = b.counts[i];
      if (!n || !m) continue;
      const r = m * norms[1] / (n * norms[0]), error = r * Math.sqrt(1 / n + 1 / m), middle = (x(edges[i]) + x(edges[i + 1])) / 2;
      const cut = (v) => y(Math.min(2, Math.max(0, v))).toFixed(1);
      path += `M${x(edges[i]).toFixed(1)},${cut(r)}H${x(edges[i + 1]).toFixed(1)}M${middle.toFixed(1)},${cut(r - error)}V${cut(r + error)}`;
    }
    parts.push(s("path", { d: path, stroke: colour(2), fill: "none", "stroke-width": 1.3 }));
    return parts;
  }
  function row(tag, cells) {
    return h("tr", {}, cells.map((cell, i) => h(tag, { class: i ? "n" : null }, String(cell))));
  }
  function numbers(card, series) {
    const q = meta.quantities[card.index], bins = q.edges.length - 1, rows = series.map((each) => {
      const known = each.counts.subarray(0, bins).reduce((a, b) => a + b, 0), [below, above, none] = each.counts.subarray(bins);
      const [mean, std, error] = against ? [null, null] : q.statistics[0][each.g] || [null, null];
      return [each.name, number(known), number(below), number(above), number(none), short(mean) + (mean === null ? "" : ` ± ${short(error, 2)}`), short(std)];
    });
    const body = [h("table", {}, row("th", ["selected", "in bins", "below", "above", "no number", ...(against ? [] : ["mean of the sample", "width"])]),
      rows.map((cells) => row("td", against ? cells.slice(0, 5) : cells)))];
    for (const [k, total] of (q.totals || []).entries()) if (total)
      body.push(h("p", {}, `${against ? tables[k].label + ": " : ""}all ${q.level}s: ${number(total[0])} values, ${number(total[1])} without a number` +
        (total[0] ? `; mean ${short(total[2], 8)}, standard deviation ${short(total[3], 8)}, from ${short(total[4], 8)} to ${short(total[5], 8)}` : "")));
    if (q.drift) body.push(h("p", {}, `distance (Kolmogorov-Smirnov) ${short(q.drift[0], 3)}, by chance up to ${short(q.drift[1], 3)}`));
    card.numbers.replaceChildren(...body);
  }
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) entry.target.card.visible = entry.isIntersecting;
    redraw();
  }, { rootMargin: "300px" });
  function redraw() {
    for (const card of cards) if (card.dirty && card.visible) draw(card);
  }
  function redrawAll() {
    for (const card of cards) card.dirty = true;
    redraw();
  }
  function binAt(card, event) {
    const box = card.svg.getBoundingClientRect(), px = (event.clientX - box.left) * W / box.width, edges = meta.quantities[card.index].edges;
    let bin = 0;
    while (bin < edges.length - 2 && card.x(edges[bin + 1]) <= px) bin++;
    return bin;
  }
  function brush(card) {
    let start = null, moved = false, mark = null;
    const svg = card.svg, range = (event) => {
      const end = binAt(card, event);
      return [Math.min(start, end), Math.max(start, end) + 1];
    };
    svg.addEventListener("pointerdown", (event) => {
      start = binAt(card, event);
      card.down = event.clientX;
      moved = false;
      svg.setPointerCapture(event.pointerId);
    });
    svg.addEventListener("pointermove", (event) => {
      if (start === null || (!moved && Math.abs(event.clientX - card.down) < 4)) return;
      moved = true;
      const [from, to] = range(event), edges = meta.quantities[card.index].edges;
      if (!mark || !mark.isConnected) svg.append(mark = s("rect", { class: "range", y: T, height: 150 }));
      mark.setAttribute("x", card.x(edges[from]));
      mark.setAttribute("width", card.x(edges[to]) - card.x(edges[from]));
    });
    svg.addEventListener("pointerup", (event) => {
      if (start === null) return;
      const chosen = range(event);
      start = null;
      select(card.index, moved || !filters.has(card.index) ? chosen : null);
    });
    svg.addEventListener("pointercancel", () => { start = null; redrawAll(); });
  }
  function cardOf(q, index) {
    const svg = s("svg", { class: "chart", role: "img", "aria-label": `Distribution of ${q.key}` });
    const low = h("input", { type: "number", step: "any", "aria-label": `${q.key} from` }), high = h("input", { type: "number", step: "any", "aria-label": `${q.key} below` });
    const typed = () => {
      const a = low.value === "" ? -Infinity : Number(low.value), b = high.value === "" ? Infinity : Number(high.value);
      let from = q.edges.findIndex((edge) => edge >= a), to = q.edges.findLastIndex((edge) => edge <= b);
      if (from < 0) from = q.edges.length - 1;
      select(index, low.value === "" && high.value === "" ? null : [from, Math.max(from, to)]);
    };
    low.addEventListener("change", typed);
    high.addEventListener("change", typed);
    const table = h("div");
    const details = h("details", {}, h("summary", {}, "numbers"), h("div", { class: "tools" }, low, "≤ value <", high), table);
    const node = h("article", { class: "card", id: "card-" + index, "data-key": q.key }, h("h3", {}, h("code", {}, q.key)), h("p", {}, q.meaning), svg, details);
    const card = { index, node, svg, details, numbers: table, dirty: true, visible: false };
    details.addEventListener("toggle", () => { if (details.open) draw(card); });
    node.card = card;
    brush(card);
    cards.push(card);
    return node;
  }
  function distributions() {
    const search = h("input", { type: "search", placeholder: "part of a name", "aria-label": "Search a column" });
    const option = (value, words) => h("option", { value }, words);
    const order = h("select", { "aria-label": "Group of columns" }, option("", "all columns"), ...Object.entries(meta.heads).map(([key, words]) => option(key, words)));
    const logy = h("input", { type: "checkbox", id: "logy" });
    const xs = h("select", { "aria-label": "Horizontal axis" }, option("auto", "horizontal axis: as the bins"), option("linear", "linear"), option("log", "logarithmic"));
    logy.addEventListener("change", () => { look.log = logy.checked; redrawAll(); });
    xs.addEventListener("change", () => { look.x = xs.value; redrawAll(); });
    const legend = (level) => h("div", { class: "legend" }, h("strong", {}, level + "s:"), meta.groups[level].map((group, g) => {
      const box = h("input", { type: "checkbox", checked: true });
      box.addEventListener("change", () => { off[level][box.checked ? "delete" : "add"](g); redrawAll(); });
      const line = against ? null : s("svg", { width: 26, height: 10, viewBox: "0 0 26 10", style: "width:26px" },
        s("path", { d: "M0,5H26", stroke: colour(group.colour), "stroke-width": 2.5, "stroke-dasharray": DASHES[group.line] }));
      return h("label", {}, box, line, group.name);
    }));
    const both = against ? h("div", { class: "legend" }, tables.map((table, t) => h("span", {}, s("svg", { width: 26, height: 10, viewBox: "0 0 26 10", style: "width:26px;display:inline-block" },
      s("path", { d: "M0,5H26", stroke: colour(t ? 2 : 0), "stroke-width": 2.5, "stroke-dasharray": DASHES[t] })), ` ${table.label}: ${table.name} (area 1)`))) : null;
    const groups = Object.entries(meta.heads).map(([key, words]) => h("div", { class: "group", "data-group": key }, h("h2", {}, words),
      h("div", { class: "cards" }, meta.quantities.map((q, index) => q.group === key ? cardOf(q, index) : null))));
    const sift = () => {
      const text = search.value.trim().toLowerCase();
      for (const card of cards) card.node.hidden = !meta.quantities[card.index].key.toLowerCase().includes(text);
      for (const group of groups) group.hidden = (order.value && group.dataset.group !== order.value) || ![...group.querySelectorAll(".card")].some((card) => !card.hidden);
    };
    search.addEventListener("input", sift);
    order.addEventListener("change", sift);
    $("distributions").append(
      h("p", {}, "Drag over a distribution, or click on a bin, to select windows: all other distributions and the windows follow. " +
        "A limit on clusters selects windows with at least one such cluster. Bands are statistical errors (square root of the number)."),
      h("div", { class: "tools" }, search, order, h("label", {}, logy, " logarithmic numbers"), xs), ...(both ? [both] : []), legend("window"), legend("cluster"), ...groups);
    for (const card of cards) seen.observe(card.node);
  }

  // --- single windows
  let current = 0, shown = [];
  const viewer = {};
  const passes = (view) => tables[0].fails[view.row] === 0;
  const phi = (angle, centre) => angle - 2 * Math.PI * Math.round((angle - centre) / (2 * Math.PI));
  function corners([first, second, side], centre) { // of a crystal of the ideal detector, as in plots/shapes.py
    const [width, height] = meta.constants.barrel, [pitch, z, middle] = meta.constants.endcap;
    return [[-.5, -.5], [.5, -.5], [.5, .5], [-.5, .5]].map(([u, v]) => {
      if (side === 0) return [(first - .5 * Math.sign(first) + u) * width, phi((second - 10.5) * height, centre) + v * height];
      const x = first - middle, y = second - middle, radius = Math.max(Math.hypot(x + u, y + v), 1e-3) * pitch, own = phi(Math.atan2(y, x), centre);
      return [side * Math.asinh(z / radius), phi(Math.atan2(y + v, x + u), own)];
    });
  }
  const isDark = () => document.documentElement.classList.contains("dark");
  const RAMPS = { light: ["#e8eef7", "#a9c4e4", "#5b8fc9", "#27559b", "#0b2352"], dark: ["#1c2a3f", "#2a5288", "#4d8bcb", "#9cc7f2", "#f2f8ff"] };
  function ramp(t) {
    const stops = RAMPS[isDark() ? "dark" : "light"], place = Math.min(3.999, Math.max(0, 4 * t)), i = Math.floor(place);
    const mix = [1, 3, 5].map((k) => [stops[i], stops[i + 1]].map((c) => parseInt(c.slice(k, k + 2), 16))).map(([a, b]) => Math.round(a + (b - a) * (place - i)));
    return `rgb(${mix.join(",")})`;
  }
  const KINDS = [["other cluster", "--plain"], ["in the true supercluster", "--true"], ["of another particle", "--other"]];
  const radius = (et) => 0.55 * Math.sqrt(60 + 55 * Math.log1p(Math.max(et, 0)));
  function marker(kind, cx, cy, r, extra) {
    const style = { fill: "none", stroke: `var(${KINDS[kind & 3][1]})`, "stroke-width": kind & 3 ? 2.6 : 1.4, ...extra };
    return (kind & 3) === 2 ? s("path", { d: `M${cx},${cy - r}L${cx + r},${cy}L${cx},${cy + r}L${cx - r},${cy}Z`, ...style }) : s("circle", { cx, cy, r, ...style });
  }
  function star(cx, cy, r) {
    const points = Array.from({ length: 10 }, (_, i) => { const a = Math.PI * (i / 5 - .5), l = i % 2 ? r * .42 : r; return `${cx + l * Math.cos(a)},${cy + l * Math.sin(a)}`; });
    return s("polygon", { points: points.join(" "), fill: "var(--seed)", stroke: "#000", "stroke-width": 1, "pointer-events": "none" });
  }
  const cross = (cx, cy) => s("g", {}, ["var(--back)", "var(--true)"].map((stroke, over) => s("path", { d: `M${cx - 7},${cy - 7}l14,14m0,-14l-14,14`, stroke, "stroke-width": over ? 2.4 : 5.5, fill: "none", "data-t": "generated position" })));
  function drawView(view) {
    const width = Math.max(330, Math.min(680, viewer.box.clientWidth || 640)), height = Math.round(Math.max(300, Math.min(width * .86, innerHeight * .74))), l = 52, r = 66, t = 12, b = 42;
    const [left, low, w, hgt] = view.edge;
    const x = scale(left - .06 * w, left + 1.06 * w, l, width - r, false), y = scale(low - .03 * hgt, low + 1.03 * hgt, height - b, t, false);
    const point = ([eta, angle]) => `${x(eta).toFixed(1)},${y(angle).toFixed(1)}`, parts = [];
    for (const tick of ticksOf(left - .06 * w, left + 1.06 * w, false, width < 450 ? 4 : 7)) parts.push(s("path", { class: "grid", d: `M${x(tick)},${t}V${height - b}` }), s("text", { x: x(tick), y: height - b + 16, "text-anchor": "middle" }, tickText(tick)));
    for (const tick of ticksOf(low - .03 * hgt, low + 1.03 * hgt, false, 6)) parts.push(s("path", { class: "grid", d: `M${l},${y(tick)}H${width - r}` }), s("text", { x: l - 5, y: y(tick) + 4, "text-anchor": "end" }, tickText(tick)));
    const inner = [];
    if (view.mustache.length) inner.push(s("polygon", { points: view.mustache.map(point).join(" "), fill: "var(--mustache)", "fill-opacity": .12, stroke: "none" }));
    const energies = view.crystals.map((crystal) => crystal[3]), top = Math.max(...energies), bottom = Math.min(Math.max(Math.min(...energies), 1e-4 * top), .5 * top);
    const shade = (e) => Math.log(Math.max(e, bottom) / bottom) / Math.log(top / bottom);
    const middle = view.edge[1] + hgt / 2;
    for (const crystal of view.crystals)
      inner.push(s("polygon", { points: corners(crystal, middle).map(point).join(" "), fill: ramp(shade(crystal[3])), stroke: "var(--line)", "stroke-width": .5,
        "data-t": `crystal ${crystal[2] ? "ix" : "ieta"} ${crystal[0]}, ${crystal[2] ? "iy" : "iphi"} ${crystal[1]}${crystal[2] ? ", iz " + crystal[2] : ""}: ${crystal[3]} GeV` }));
    if (view.mustache.length) inner.push(s("polygon", { points: view.mustache.map(point).join(" "), fill: "none", stroke: "var(--mustache)", "stroke-width": 1.8, "pointer-events": "none" }));
    inner.push(s("rect", { x: x(left), y: y(low + hgt), width: x(left + w) - x(left), height: y(low) - y(low + hgt), fill: "none", stroke: "var(--frame)", "stroke-width": 1.4, "stroke-dasharray": "7 4", "pointer-events": "none" }));
    const c = view.clusters, n = view.kind.length;
    const order = Array.from({ length: n }, (_, i) => i).sort((i, j) => c.et_cluster[j] - c.et_cluster[i]);
    for (const i of order) {
      const cx = x(c.cluster_eta[i]), cy = y(c.cluster_phi[i]), size = radius(c.et_cluster[i]), text = clusterText(view, i);
      inner.push(marker(view.kind[i], cx, cy, size, { stroke: "var(--back)", "stroke-width": 5.5, "pointer-events": "none", fill: c.score ? "var(--back)" : "none" }),
        marker(view.kind[i], cx, cy, size, { "data-t": text, "pointer-events": "stroke", ...(c.score ? { fill: "var(--c3)", "fill-opacity": c.score[i], "pointer-events": "all" } : {}) }));
    }
    for (const i of order) if (view.kind[i] & 4) inner.push(star(x(c.cluster_eta[i]), y(c.cluster_phi[i]), 8));
    if (view.generated) inner.push(cross(x(view.generated[0]), y(view.generated[1])));
    const clip = s("clipPath", { id: "frame" }, s("rect", { x: l, y: t, width: width - l - r, height: height - b - t }));
    parts.push(clip, s("g", { "clip-path": "url(#frame)" }, inner), s("path", { class: "axis", d: `M${l},${t}V${height - b}H${width - r}` }),
      s("text", { x: width - r, y: height - 8, "text-anchor": "end" }, "η"), s("text", { x: 12, y: t + 4, transform: `rotate(-90 12 ${t + 4})`, "text-anchor": "end" }, "φ [rad]"));
    if (energies.length) {
      for (let i = 0; i < 40; i++) parts.push(s("rect", { x: width - r + 14, y: height - b - (i + 1) * 4.2, width: 13, height: 4.4, fill: ramp((i + .5) / 40) }));
      const at = scale(bottom, top, height - b, height - b - 168, true);
      for (const tick of ticksOf(bottom, top, true, 4)) parts.push(s("text", { x: width - r + 31, y: at(tick) + 4 }, tickText(tick)));
      parts.push(s("text", { x: width - 4, y: height - b - 176, "text-anchor": "end" }, "E [GeV]"));
    }
    viewer.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    viewer.svg.replaceChildren(...parts);
  }
  function clusterText(view, i) {
    const c = view.clusters, kind = view.kind[i];
    return `${kind & 4 ? "seed, " : ""}cluster${c.cl_index ? " " + c.cl_index[i] : ""}: Et ${short(c.et_cluster[i])} GeV, E ${c.en_cluster ? short(c.en_cluster[i]) + " GeV raw" : "?"}, η ${short(c.cluster_eta[i])}, φ ${short(c.cluster_phi[i])}; ` +
      (view.matched === false ? "unmatched window" : KINDS[kind & 3][0]) + (c.in_geom_mustache ? (c.in_geom_mustache[i] ? ", in the mustache" : ", outside the mustache") : "") +
      (c.calo_score && c.calo_score[i] >= 0 ? `, share of the particle ${short(c.calo_score[i])}` : "") + (c.score ? `, score of the model ${short(c.score[i])}` : "");
  }
  const MEANINGS = Object.fromEntries(meta.quantities.map((q) => [q.column, q]));
  function showView(index, changesLink = true) {
    current = index;
    const view = views[index];
    if (!view) return;
    viewer.link.textContent = view.id;
    viewer.link.href = "#" + view.link;
    viewer.name.textContent = `${view.name}; ${view.kinds.join("; ")}${passes(view) ? "" : " (not in the selection)"}`;
    viewer.place.textContent = shown.includes(index) ? `${shown.indexOf(index) + 1} of ${number(shown.length)}` : `not among the ${number(shown.length)} selected`;
    viewer.readout.textContent = "Point at a crystal or a cluster for its numbers.";
    drawView(view);
    const counts = [0, 1, 2].map((k) => view.kind.filter((kind) => (kind & 3) === k).length), key = [];
    const sample = (...shapes) => s("svg", { viewBox: "0 0 24 18" }, ...shapes);
    key.push(sample(star(12, 9, 8)), "seed");
    counts.forEach((n, k) => { if (n) key.push(sample(marker(k, 12, 9, 6)), `${k ? KINDS[k][0] : view.matched === false ? "cluster" : KINDS[0][0]} (${n}); size: Et`); });
    if (view.generated) key.push(sample(cross(12, 9)), "generated position");
    if (view.crystals.length) key.push(sample(s("rect", { x: 4, y: 2, width: 15, height: 14, fill: ramp(.6), stroke: "var(--line)" })), `crystals (${view.crystals.length}): energy E x fraction`);
    key.push(sample(s("path", { d: "M1,9H23", stroke: "var(--frame)", "stroke-dasharray": "5 3", "stroke-width": 1.6 })), "edge of the window",
      sample(s("rect", { x: 2, y: 3, width: 20, height: 12, fill: "var(--mustache)", "fill-opacity": .12, stroke: "var(--mustache)", "stroke-width": 1.8 })), `mustache for a cluster of Et = ${meta.constants.mustacheEt} GeV`);
    if (view.clusters.score) key.push(sample(s("circle", { cx: 12, cy: 9, r: 6, fill: "var(--c3)", "fill-opacity": .8, stroke: "var(--plain)" })), "filled: score of the model, from 0 (empty) to 1");
    viewer.key.replaceChildren(...key.map((each) => typeof each === "string" ? h("span", {}, each) : each));
    viewer.facts.replaceChildren(h("table", {}, Object.entries(view.facts).map(([name, value]) =>
      h("tr", { title: MEANINGS[name] ? MEANINGS[name].meaning : "" }, h("td", {}, h("code", {}, name)), h("td", { class: "n" }, typeof value === "number" ? short(value, 6) : value ? "yes" : "no"), h("td", {}, MEANINGS[name] ? MEANINGS[name].unit : "")))));
    const c = view.clusters, names = ["cl_index", "et_cluster", "en_cluster", "cluster_eta", "cluster_phi", "calo_score", "score"].filter((name) => c[name]);
    viewer.clusters.replaceChildren(h("table", {}, row("th", ["cluster", ...names]), view.kind.map((kind, i) =>
      row("td", [(kind & 4 ? "seed, " : "") + (view.matched === false ? "unmatched" : KINDS[kind & 3][0]), ...names.map((name) => short(c[name][i], 5))]))));
    if (changesLink) try { history.replaceState(null, "", "#" + view.link); } catch { /* the page is shown in a frame */ }
  }
  function listViews() {
    if (!viewer.kind) return;
    const kind = viewer.kind.value, by = viewer.order.value;
    shown = views.map((_, i) => i).filter((i) => passes(views[i]) && (!kind || views[i].kinds.includes(kind)));
    const value = (view) => by === "et" ? view.facts.et_seed_calib ?? view.facts.et_seed ?? 0 : by === "clusters" ? view.kind.length : view.wrong ?? -1;
    if (by) shown.sort((i, j) => value(views[j]) - value(views[i]) || i - j);
    if (!$("windows").hidden) step(0);
  }
  function step(by) {
    if (!shown.length) {
      viewer.place.textContent = "no window of the browser is in the selection";
      return;
    }
    const at = shown.indexOf(current);
    showView(shown[at < 0 ? 0 : (at + by + shown.length) % shown.length]);
  }
  function windows() {
    const option = (value, words) => h("option", { value }, words);
    const count = (kind) => views.filter((view) => view.kinds.includes(kind)).length;
    viewer.kind = h("select", { "aria-label": "Kind of windows", change: listViews }, option("", `all kinds (${views.length})`), meta.kinds.filter(count).map((kind) => option(kind, `${kind} (${count(kind)})`)));
    viewer.order = h("select", { "aria-label": "Order", change: () => { listViews(); if (shown.length) showView(shown[0]); } }, option("", "order: as listed"), option("et", "highest seed Et first"), option("clusters", "most clusters first"),
      views.some((view) => view.wrong !== undefined) ? option("wrong", "most wrong score first") : null);
    viewer.place = h("span", { id: "place", role: "status" });
    viewer.link = h("a", { id: "window-link", href: "#windows" });
    viewer.name = h("span");
    viewer.svg = s("svg", { id: "picture", role: "img", "aria-label": "The window in eta and phi" });
    for (const name of ["pointerover", "click"]) viewer.svg.addEventListener(name, (event) => { const text = event.target.getAttribute("data-t"); if (text) viewer.readout.textContent = text; });
    viewer.readout = h("p", { id: "readout" });
    viewer.box = h("div", {}, viewer.svg, viewer.readout);
    viewer.key = h("div", { class: "key" });
    viewer.facts = h("div");
    viewer.clusters = h("div");
    $("windows").append(
      ...meta.viewNotes.map((note) => h("p", {}, note)),
      ...(views.length ? [
        h("div", { class: "tools" }, h("button", { type: "button", id: "previous", click: () => step(-1) }, "← previous"), h("button", { type: "button", id: "next", click: () => step(1) }, "next →"), viewer.place, viewer.kind, viewer.order),
        h("p", {}, "window ", viewer.link, " ", viewer.name, " (keys: left and right arrow)"),
        h("div", { class: "viewer" }, viewer.box, h("div", {}, viewer.key, h("h3", {}, "Columns"), viewer.facts)), h("h3", {}, "Clusters"), viewer.clusters] : []));
    document.addEventListener("keydown", (event) => {
      if ($("windows").hidden || event.altKey || event.ctrlKey || event.metaKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
      const by = { ArrowRight: 1, j: 1, ArrowLeft: -1, k: -1 }[event.key];
      if (by) { event.preventDefault(); step(by); }
    });
    let timer = 0;
    window.addEventListener("resize", () => { clearTimeout(timer); timer = setTimeout(() => { if (!$("windows").hidden && views.length) drawView(views[current]); }, 100); });
    if (!views.length) viewer.kind = null;
  }

  // --- parts of the page, and links to windows
  function open(name) {
    for (const section of ["overview", "distributions", "windows"]) $(section).hidden = section !== name;
    for (const link of document.querySelectorAll("nav a")) {
      if (link.getAttribute("href") === "#" + name) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
    }
    $("selection").hidden = name === "overview" && !filters.size;
  }
  function follow() {
    $("problem").hidden = true;
    let wanted = location.hash.slice(1);
    try { wanted = decodeURIComponent(wanted); } catch { /* as it is */ }
    if (["", "overview", "distributions", "windows"].includes(wanted)) {
      open(wanted || "overview");
      if (wanted === "windows" && viewer.kind) step(0);
      return;
    }
    const index = views.findIndex((view) => view.link === wanted || view.id === wanted || view.name === wanted);
    open("windows");
    if (index >= 0) { showView(index); return; }
    $("problem").hidden = false;
    $("problem").textContent = `The window ${wanted} is not among the ${views.length} windows of this page. With the data set: ecalwindows show DATASET --window ID`;
    if (viewer.kind) step(0);
  }
  function paint(dark) {
    document.documentElement.classList.toggle("dark", dark);
    if (viewer.svg && !$("windows").hidden && views.length) drawView(views[current]);
  }
  const system = matchMedia("(prefers-color-scheme: dark)");
  paint(system.matches);
  system.addEventListener("change", () => paint(system.matches));
  $("theme").addEventListener("click", () => paint(!isDark()));
  distributions();
  windows();
  selectionChanged();
  follow();
  window.addEventListener("hashchange", follow);
  document.documentElement.setAttribute("data-ready", "");
})();

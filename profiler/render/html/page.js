// Draws the figures of the page from its data, and sorts its tables of kernels. It loads nothing, and puts text from
// the data nowhere but into text nodes.
"use strict";
(async () => {
  const read = async (element) => {
    if (element.type === "application/json") return JSON.parse(element.textContent);
    const packed = Uint8Array.from(atob(element.textContent), (sign) => sign.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    return JSON.parse(await new Response(stream).text());
  };
  const data = await read(document.getElementById("data"));
  const CLASSES = ["memory", "compute", "io", "scheduling", "unknown"];
  const colour = (kind) => `var(--${CLASSES.includes(kind) ? kind : "unknown"})`;
  const palette = { domain: CLASSES, range: CLASSES.map(colour) };
  const SYMBOLS = { memory: "circle", compute: "square", io: "triangle", scheduling: "diamond", unknown: "times" };

  const element = (name, text, attributes = {}) => {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  };
  const short = (value, digits = 3) => (value === null ? "–" : Number(value.toPrecision(digits)).toLocaleString("en"));
  const milliseconds = (ms) =>
    ms >= 1e4 ? `${short(ms / 1e3)} s` : ms < 0.1 && ms > 0 ? `${short(ms * 1e3)} µs` : `${short(ms)} ms`;
  const percent = (ratio) => (ratio === null ? "–" : `${short(ratio * 100, 2)}%`);
  const bytes = (value) => {
    if (value === null) return "–";
    const unit = [[1e12, "TB"], [1e9, "GB"], [1e6, "MB"], [1e3, "kB"]].find(([limit]) => value >= limit);
    return unit ? `${short(value / unit[0])} ${unit[1]}` : `${short(value)} B`;
  };
  const decade = (value) => (value >= 1e-3 && value < 1e6 ? value.toLocaleString("en", { maximumFractionDigits: 3 }) : `1e${Math.round(Math.log10(value))}`);
  const powers = (least, most) => d3.range(Math.ceil(Math.log10(least)), Math.floor(Math.log10(most)) + 1).map((power) => 10 ** power);
  // Kernels that compute less for each byte stand at the edge: they compute nothing to speak of.
  const LEAST_INTENSITY = 0.01;

  // A legend of signs: each is the name of a class of page.css, or a symbol with its colour.
  const legend = (entries) => {
    const list = element("ul", undefined, { class: "legend" });
    for (const { label, pattern, symbol, colour: fill } of entries) {
      const item = element("li");
      if (pattern) item.append(element("i", undefined, { class: pattern, "aria-hidden": "true" }));
      else {
        const svg = d3.create("svg").attr("viewBox", "-8 -8 16 16").attr("aria-hidden", "true");
        const named = d3[`symbol${symbol[0].toUpperCase()}${symbol.slice(1)}`];
        svg.append("path").attr("d", d3.symbol(named, 90)()).attr(symbol === "times" ? "stroke" : "fill", fill);
        item.append(svg.node());
      }
      item.append(label);
      list.append(item);
    }
    return list;
  };
  const classLegend = (kinds, symbols) =>
    legend(CLASSES.filter((kind) => kinds.has(kind)).map((kind) =>
      symbols ? { label: kind, symbol: SYMBOLS[kind], colour: colour(kind) } : { label: kind, pattern: `c-${kind}` }));

  const plot = (figure, options) =>
    Plot.plot({ style: { background: "none", overflow: "visible" }, className: "p", ariaLabel: figure.title, ...options });

  const draw = {
    roofline(figure, width) {
      const { texts, name, ms, flops, bytes: moved, class: classes, calls } = figure.kernels;
      const points = ms.map((time, row) => {
        const seconds = time / 1e3;
        return {
          name: texts[name[row]], kind: texts[classes[row]], ms: time, calls: calls[row],
          intensity: flops[row] ? flops[row] / moved[row] : null,
          speed: flops[row] ? flops[row] / seconds / 1e12 : null,
          gb: moved[row] / seconds / 1e9,
        };
      });
      const ridge = figure.tflop_per_s && figure.gb_per_s ? (figure.tflop_per_s * 1e3) / figure.gb_per_s : 100;
      const left = LEAST_INTENSITY;
      const right = 10 ** Math.ceil(Math.log10(Math.max(ridge, ...points.map((point) => point.intensity ?? 0)) * 1.5));
      for (const point of points) {
        point.real = point.speed;
        if (!(point.intensity >= left)) [point.intensity, point.speed] = [left, (point.gb * left) / 1e3];
      }
      points.sort((a, b) => b.ms - a.ms);
      const speeds = points.map((point) => point.speed).filter((speed) => speed > 0);
      const roof = [];
      if (figure.gb_per_s) {
        for (const x of d3.range(0, 41).map((step) => left * (right / left) ** (step / 40)).concat([ridge]).sort(d3.ascending)) {
          roof.push({ x, y: Math.min((x * figure.gb_per_s) / 1e3, figure.tflop_per_s ?? Infinity) });
        }
      }
      const top = Math.max(...speeds, ...roof.map((point) => point.y)) * 2;
      const bottom = Math.max(Math.min(...speeds, top / 1e4), top / 1e8) / 2;
      const kinds = new Set(points.map((point) => point.kind));
      const svg = plot(figure, {
        width, height: Math.min(460, Math.max(300, width * 0.5)), marginLeft: 52, marginBottom: 42,
        x: { type: "log", domain: [left * 0.7, right], clamp: true, label: "FLOP per byte →", tickFormat: decade, grid: true, ticks: powers(left, right) },
        y: { type: "log", domain: [bottom, top], clamp: true, label: "↑ TFLOP/s", tickFormat: decade, grid: true, ticks: powers(bottom, top) },
        r: { range: [2, width < 500 ? 11 : 16] },
        symbol: { domain: Object.keys(SYMBOLS), range: Object.values(SYMBOLS) },
        color: palette,
        marks: [
          Plot.line(roof, { x: "x", y: "y", stroke: "currentColor", strokeWidth: 2 }),
          Plot.dot(points, {
            x: "intensity", y: "speed", r: "ms", fill: "kind", symbol: "kind", fillOpacity: 0.75,
            stroke: "var(--card)", strokeWidth: points.length < 1000 ? 0.7 : 0,
          }),
          Plot.tip(points, Plot.pointer({
            x: "intensity", y: "speed", maxRadius: 40,
            title: (point) =>
              `${point.name}\n${milliseconds(point.ms)} in ${point.calls.toLocaleString("en")} calls, ${point.kind}\n` +
              `${short(point.gb)} GB/s${point.real ? `, ${short(point.real)} TFLOP/s` : ""}`,
          })),
        ],
      });
      return [classLegend(kinds, true), svg];
    },

    timeline(figure, width, view) {
      const { host, device, lanes, names, causes } = figure;
      const hosts = host.start.length ? 1 : 0;
      const rows = device.start.map((start, row) => ({
        from: start / 1e3, to: (start + device.length[row]) / 1e3, lane: lanes[device.lane[row] + hosts],
        name: names[device.name[row]], kind: causes[device.cause[row]].class, words: causes[device.cause[row]].words,
      }));
      host.start.forEach((start, row) => rows.push({
        from: start / 1e3, to: (start + host.length[row]) / 1e3, lane: lanes[0], name: host.kind[row], kind: "host", words: "",
      }));
      const end = d3.max(rows, (row) => row.to);
      view.from ??= 0;
      view.to ??= end;
      const pixel = (view.to - view.from) / width;
      // What is narrower than a pixel and follows closely in its lane and class is one box: an SVG of 10,000 is slow.
      const boxes = [];
      const open = new Map();
      for (const row of rows) {
        if (row.to < view.from || row.from > view.to) continue;
        const key = `${row.lane}|${row.kind}`;
        const last = open.get(key);
        if (last && row.from - last.to < pixel && row.to - last.from < 3 * pixel) {
          last.to = Math.max(last.to, row.to);
          last.many += 1;
        } else {
          const box = { ...row, many: 1 };
          open.set(key, box);
          boxes.push(box);
        }
      }
      const clipped = boxes.map((box) => ({ ...box, x1: Math.max(box.from, view.from), x2: Math.max(Math.min(box.to, view.to), Math.max(box.from, view.from) + pixel * 0.6) }));
      const svg = plot(figure, {
        width, height: 46 + 44 * lanes.length, marginLeft: Math.min(110, 14 + 7 * Math.max(...lanes.map((lane) => lane.length))), marginBottom: 34,
        x: { domain: [view.from, view.to], label: "ms →", ticks: width / 90 },
        y: { domain: lanes, label: null, padding: 0.22 },
        color: { domain: [...CLASSES, "host"], range: [...CLASSES.map(colour), "var(--faint)"] },
        marks: [
          Plot.barX(clipped, { x1: "x1", x2: "x2", y: "lane", fill: "kind", inset: 0 }),
          Plot.tip(clipped, Plot.pointerX({
            x: (box) => (box.x1 + box.x2) / 2, y: "lane",
            title: (box) => `${box.many > 1 ? `${box.many} from ` : ""}${box.name}\n${milliseconds(box.to - box.from)} at ${milliseconds(box.from)}${box.words ? `\n${box.words}` : ""}`,
          })),
        ],
      });
      const tools = element("div", undefined, { class: "tools", role: "group", "aria-label": "Part of the step that is shown" });
      const move = (factor, shift) => () => {
        const middle = (view.from + view.to) / 2 + shift * (view.to - view.from);
        const half = Math.min(((view.to - view.from) * factor) / 2, end / 2);
        view.from = Math.min(Math.max(middle - half, 0), end - 2 * half);
        view.to = view.from + 2 * half;
      };
      for (const [label, words, act] of [
        ["+", "Zoom in", move(0.4, 0)], ["−", "Zoom out", move(2.5, 0)],
        ["←", "Earlier", move(1, -0.5)], ["→", "Later", move(1, 0.5)],
      ]) {
        const button = element("button", label, { type: "button", "aria-label": words, title: words });
        button.addEventListener("click", () => { act(); view.again(words); });
        button.disabled = (view.to - view.from) >= end * 0.999 && words !== "Zoom in";
        tools.append(button);
      }
      tools.append(element("span", `${milliseconds(view.from)} to ${milliseconds(view.to)} of ${milliseconds(end)}`, { role: "status" }));
      return [classLegend(new Set(rows.map((row) => row.kind))), tools, svg];
    },

    telemetry(figure, width) {
      return figure.series.flatMap((series) => {
        const large = series.unit === "B" || series.unit === "bytes";
        const by = large ? 1e9 : series.unit === "ratio" ? 0.01 : 1;
        const unit = large ? "GB" : series.unit === "ratio" ? "%" : series.unit;
        const points = series.s.map((second, n) => ({ second, value: series.values[n] === null ? NaN : series.values[n] / by }));
        return [
          element("h4", `${series.name}, ${unit}`),
          plot({ title: `${series.name} in ${unit}` }, {
            width, height: 96, marginLeft: 52, marginBottom: 24, marginTop: 14,
            x: { domain: [0, figure.end], label: null, ticks: Math.max(3, width / 110), tickFormat: (second) => `${second} s` },
            y: { label: null, ticks: 3, grid: true, zero: true, nice: true },
            marks: [
              Plot.rectX(figure.phases, { x1: "begin", x2: "end", fill: (phase, n) => (n % 2 ? "none" : "currentColor"), fillOpacity: 0.07 }),
              Plot.ruleX(figure.phases.slice(1), { x: "begin", stroke: "currentColor", strokeDasharray: "3 3" }),
              Plot.text(figure.phases, { x: "begin", text: "name", frameAnchor: "top", textAnchor: "start", dx: 4, dy: -12, fill: "currentColor" }),
              Plot.line(points, { x: "second", y: "value", stroke: "var(--memory)", strokeWidth: 1.8 }),
              Plot.dot(points.filter((point) => !Number.isNaN(point.value)), { x: "second", y: "value", r: points.length < 60 ? 2 : 0.8, fill: "var(--memory)" }),
              Plot.tip(points, Plot.pointerX({ x: "second", y: "value", title: (point) => `${short(point.value)} ${unit}\n${short(point.second)} s` })),
            ],
          }),
        ];
      });
    },

    curves(figure, width) {
      const points = figure.lines.flatMap((line) => line.ms.map((ms, n) => ({ speed: figure.speeds[n], ms, label: line.label, kind: line.class })));
      const fastest = figure.speeds[figure.speeds.length - 1];
      const ideal = d3.range(0, 41).map((step) => ({ speed: fastest ** (step / 40), ms: figure.today / fastest ** (step / 40) }));
      const dashes = ["none", "7 3", "2 3", "9 3 2 3", "1 2"];
      return [plot(figure, {
        width, height: Math.min(380, Math.max(260, width * 0.42)), marginLeft: 52, marginRight: width < 500 ? 74 : 90, marginBottom: 40,
        x: { type: "log", base: 2, domain: [1, fastest], label: "times as fast →", ticks: [1, 1.5, 2, 3, 4, 6, 8].filter((tick) => tick <= fastest), tickFormat: (tick) => `${tick}x` },
        y: { domain: [0, figure.today * 1.05], label: "↑ ms", grid: true },
        color: palette,
        marks: [
          Plot.line(ideal, { x: "speed", y: "ms", stroke: "currentColor", strokeOpacity: 0.6, strokeDasharray: "1 4" }),
          ...figure.lines.map((line, n) => Plot.line(points.filter((point) => point.label === line.label), {
            x: "speed", y: "ms", stroke: colour(line.class), strokeWidth: 2.4, strokeDasharray: dashes[n % dashes.length],
          })),
          Plot.text(spread(figure.lines.map((line) => ({ label: line.label, ms: line.ms[line.ms.length - 1] })), figure.today / 16), {
            x: fastest, y: "at", text: "label", textAnchor: "start", dx: 6, fill: "currentColor",
          }),
          Plot.tip(points, Plot.pointer({ x: "speed", y: "ms", title: (point) => `${point.label} at ${short(point.speed)}x\n${milliseconds(point.ms)}` })),
        ],
      })];
    },

    slots(figure, width) {
      const rows = figure.slot.map((slot, n) => ({ slot, state: figure.state[n], label: figure.label[n], from: figure.begin[n] / 1e3, to: figure.stop[n] / 1e3 }));
      const slots = [...new Set(figure.slot)];
      const longest = Math.max(...slots.map((slot) => slot.length), 7);
      const states = { domain: ["prefill", "decode", "hole"], range: ["var(--compute)", "var(--memory)", "var(--line)"] };
      const signs = [{ label: "prefill", pattern: "c-compute" }, { label: "decode, with the request's number", pattern: "c-memory" }, { label: "hole: ended, and the slot is not free", pattern: "c-hole" }];
      const waiting = figure.waiting.map((count, n) => ({ s: (figure.end / 1e3) * (n / figure.waiting.length), count }));
      const most = Math.max(0, ...figure.waiting);
      const marginLeft = 14 + 7 * longest;
      const x = { domain: [0, figure.end / 1e3], label: "s →" };
      return [
        legend(signs.filter((sign, n) => figure.state.includes(states.domain[n]))),
        plot(figure, {
          width, height: 40 + 22 * slots.length, marginLeft, x: { ...x, label: null }, y: { domain: slots, label: null, padding: 0.15 },
          color: states,
          marks: [
            Plot.barX(rows, { x1: "from", x2: "to", y: "slot", fill: "state", insetRight: 0.5 }),
            Plot.text(rows.filter((row) => row.state === "decode" && (row.to - row.from) / (figure.end / 1e3) > 0.04), {
              x: (row) => (row.from + row.to) / 2, y: "slot", text: "label", fill: "var(--ontop)",
            }),
            Plot.tip(rows, Plot.pointer({ x: (row) => (row.from + row.to) / 2, y: "slot", title: (row) => `request ${row.label}: ${row.state}\n${short(row.from)} to ${short(row.to)} s` })),
          ],
        }),
        ...(most ? [element("h4", "waiting"), plot({ title: "How many requests wait" }, {
          width, height: 90, marginLeft, marginTop: 8, x, y: { domain: [0, most], label: null, ticks: Math.min(most, 3), grid: true },
          marks: [Plot.areaY(waiting, { x: "s", y: "count", curve: "step-after", fill: "var(--scheduling)", fillOpacity: 0.6 })],
        })] : []),
      ];
    },

    knee(figure, width) {
      const points = figure.rate.map((rate, n) => ({ rate, goodput: figure.goodput[n], holds: figure.holds[n], ttft: figure.ttft_p99_ms[n] }));
      const most = d3.max(figure.rate);
      const signs = [{ label: "kept up", symbol: "circle", colour: "var(--compute)" }, { label: "fell behind", symbol: "square", colour: "var(--bad)" }];
      return [legend(signs), plot(figure, {
        width, height: 320, marginLeft: 52, marginBottom: 40,
        x: { type: "log", label: "requests/s asked for →", tickFormat: (tick) => short(tick), grid: true, ticks: width / 90 },
        y: { type: "log", label: "↑ requests/s served within the targets", grid: true, tickFormat: (tick) => short(tick), ticks: 5 },
        marks: [
          Plot.line([{ at: d3.min(figure.rate) }, { at: most }], { x: "at", y: "at", stroke: "currentColor", strokeDasharray: "4 4" }),
          ...(figure.knee ? [Plot.ruleX([figure.knee], { stroke: "var(--compute)", strokeWidth: 2 }), Plot.text([figure.knee], { x: (at) => at, text: () => "knee", frameAnchor: "bottom", dy: -6, dx: -18, fill: "currentColor" })] : []),
          Plot.line(points, { x: "rate", y: "goodput", stroke: "var(--memory)", strokeWidth: 1.5, sort: "rate" }),
          Plot.dot(points, { x: "rate", y: "goodput", symbol: (point) => (point.holds ? "kept up" : "fell behind"), fill: (point) => (point.holds ? "var(--compute)" : "var(--bad)"), r: 5 }),
          Plot.tip(points, Plot.pointer({ x: "rate", y: "goodput", title: (point) => `asked ${short(point.rate)}/s, served ${short(point.goodput)}/s${point.ttft === null ? "" : `\nTTFT p99 ${milliseconds(point.ttft)}`}` })),
        ],
        symbol: { domain: signs.map((sign) => sign.label), range: signs.map((sign) => sign.symbol) },
      })];
    },

    latencies(figure, width) {
      const points = figure.due_s.flatMap((due, n) => [["to the first token", figure.ttft_ms[n]], ["end to end", figure.e2e_ms[n]]]
        .filter(([, ms]) => ms !== null).map(([what, ms]) => ({ due, what, ms })));
      const signs = [{ label: "to the first token", symbol: "circle", colour: "var(--memory)" }, { label: "end to end", symbol: "triangle", colour: "var(--scheduling)" }];
      return [legend(signs), plot(figure, {
        width, height: 300, marginLeft: 56, marginBottom: 40,
        x: { label: "due, s →" }, y: { label: "↑ ms", grid: true, zero: true },
        symbol: { domain: signs.map((sign) => sign.label), range: signs.map((sign) => sign.symbol) },
        marks: [
          Plot.dot(points, { x: "due", y: "ms", symbol: "what", stroke: (point) => (point.what === "end to end" ? "var(--scheduling)" : "var(--memory)"), r: 3 }),
          Plot.tip(points, Plot.pointer({ x: "due", y: "ms", title: (point) => `${point.what}\n${milliseconds(point.ms)}` })),
        ],
      })];
    },

    levels(figure, width) {
      const last = figure.names.length - 1;
      return figure.times.flatMap((time) => {
        const known = time.ms.map((ms, at) => ({ at, ms, low: time.low[at] ?? ms, high: time.high[at] ?? ms, name: figure.names[at], date: figure.dates[at] })).filter((point) => point.ms !== null);
        // An interval that knows nothing must not press all marks together.
        const top = Math.min(d3.max(known, (point) => point.high) ?? 1, 2 * (d3.max(known, (point) => point.ms) ?? 1));
        const starts = [0, ...time.begins];
        const means = starts.map((from, n) => {
          const until = (starts[n + 1] ?? last + 1) - 1;
          return { from: from - 0.4, until: until + 0.4, ms: d3.mean(known.filter((point) => point.at >= from && point.at <= until), (point) => point.ms) };
        }).filter((level) => level.ms !== undefined);
        return [
          element("h4", `${time.name}, ms`),
          plot({ title: `${time.name} in ms` }, {
            width, height: 150, marginLeft: 56, marginBottom: 26, marginTop: 12,
            x: { domain: [-0.6, last + 0.6], label: null, ticks: Math.max(2, Math.min(last + 1, width / 150)), tickFormat: (at) => (Number.isInteger(at) ? (figure.dates[at] || figure.names[at] || "").slice(0, 16) : "") },
            y: { domain: [0, top * 1.05], label: null, grid: true, ticks: 4 },
            marks: [
              Plot.ruleX(time.begins, { x: (at) => at - 0.5, stroke: "var(--bad)", strokeWidth: 1.5, strokeDasharray: "4 3" }),
              Plot.ruleY(means, { x1: "from", x2: "until", y: "ms", stroke: "currentColor", strokeOpacity: 0.6 }),
              Plot.ruleX(known, { x: "at", y1: "low", y2: (point) => Math.min(point.high, top * 1.05), stroke: "var(--memory)", strokeOpacity: 0.6, strokeWidth: 3 }),
              Plot.dot(known, { x: "at", y: "ms", r: 3.5, fill: "var(--memory)" }),
              Plot.tip(known, Plot.pointerX({ x: "at", y: "ms", title: (point) => `${point.name}\n${point.date}\n${milliseconds(point.ms)} (${milliseconds(point.low)} to ${milliseconds(point.high)})` })),
            ],
          }),
        ];
      });
    },

    stacks(figure, width) {
      const rows = figure.row.map((row, n) => ({ row, part: figure.part[n], kind: figure.class[n], value: figure.ms[n] }));
      const names = [...new Set(figure.row)];
      const clip = width < 600 ? 16 : 34;
      return [classLegend(new Set(figure.class)), plot(figure, {
        width, height: 46 + 30 * names.length, marginLeft: 16 + 6.6 * Math.min(Math.max(...names.map((name) => name.length)), clip), marginBottom: 36,
        x: { label: `${figure.unit} →`, grid: true, ticks: width / 90 },
        y: { domain: names, label: null, padding: 0.2, tickFormat: (name) => (name.length > clip ? `…${name.slice(1 - clip)}` : name) },
        color: palette,
        marks: [Plot.barX(rows, Plot.stackX({
          x: "value", y: "row", fill: "kind", z: "part", stroke: "var(--card)", insetLeft: 0.5,
          title: (row) => `${row.row}\n${row.part}: ${milliseconds(row.value)}`, tip: true,
        }))],
      })];
    },
  };

  // Labels at the ends of curves, pushed apart where they would lie on each other.
  const spread = (ends, least) => {
    const sorted = ends.map((end) => ({ ...end, at: end.ms })).sort((a, b) => a.at - b.at);
    for (let n = 1; n < sorted.length; n += 1) sorted[n].at = Math.max(sorted[n].at, sorted[n - 1].at + least);
    return sorted;
  };

  const mount = (place) => {
    const figure = data[Number(place.dataset.figure)];
    const view = {};
    let width = 0;
    const show = (focused) => {
      place.replaceChildren(...draw[figure.kind](figure, width, view));
      for (const svg of place.querySelectorAll("svg")) svg.setAttribute("role", "img");
      if (focused) {
        const button = place.querySelector(`button[aria-label="${focused}"]`);
        if (button && !button.disabled) button.focus(); else place.querySelector("button")?.focus();
      }
    };
    view.again = show;
    new ResizeObserver(() => {
      const room = Math.floor(place.clientWidth);
      if (room > 0 && Math.abs(room - width) > 1) { width = room; show(); }
    }).observe(place);
  };

  const sortable = (table) => {
    const kernels = data[Number(table.dataset.kernels)];
    const body = table.tBodies[0];
    const more = table.closest(".scroll").nextElementSibling;
    const isText = (column) => ["name", "limiter", "for"].includes(column);
    const value = (column, row) => (isText(column) ? kernels.texts[kernels[column][row]] : kernels[column][row]);
    const order = kernels.ms.map((_, row) => row);
    let shown = body.rows.length;
    const line = (row) => {
      const made = element("tr");
      made.append(element("th", value("name", row), { scope: "row", title: kernels.texts[kernels.full[row]] }));
      const numbers = [kernels.calls[row].toLocaleString("en"), kernels.ms[row].toFixed(3), percent(kernels.fraction[row])];
      for (const text of numbers) made.append(element("td", text, { class: "number" }));
      const limiter = element("td");
      limiter.append(element("i", undefined, { class: `c-${kernels.texts[kernels.class[row]]}`, "aria-hidden": "true" }), ` ${value("limiter", row)}`);
      made.append(limiter);
      for (const text of [percent(kernels.dram_ratio[row]), percent(kernels.tensor_ratio[row]), bytes(kernels.bytes[row])]) made.append(element("td", text, { class: "number" }));
      made.append(element("td", value("for", row)));
      return made;
    };
    const fill = () => body.replaceChildren(...order.slice(0, shown).map(line));
    for (const button of table.querySelectorAll("th button")) {
      button.addEventListener("click", () => {
        const column = button.dataset.column;
        const head = button.closest("th");
        const natural = isText(column) ? "ascending" : "descending";
        const other = natural === "ascending" ? "descending" : "ascending";
        const way = head.getAttribute("aria-sort") === natural ? other : natural;
        for (const each of table.querySelectorAll("th[aria-sort]")) each.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", way);
        const sign = way === "ascending" ? 1 : -1;
        // What is missing stands last, whichever way.
        order.sort((a, b) => {
          const [left, right] = [value(column, a), value(column, b)];
          if (left === null || right === null) return (left === null) - (right === null);
          return sign * (typeof left === "string" ? left.localeCompare(right) : left - right);
        });
        fill();
      });
    }
    if (more?.classList.contains("more")) {
      more.hidden = false;
      more.addEventListener("click", () => { shown = order.length; fill(); more.remove(); table.querySelector("th button").focus(); });
    }
  };

  // A table that is wider than its place can be scrolled by keyboard; the others are no stops on the way.
  const scrollable = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      if (target.scrollWidth > target.clientWidth) target.tabIndex = 0; else target.removeAttribute("tabindex");
    }
  });
  document.querySelectorAll(".scroll").forEach((place) => scrollable.observe(place));
  document.querySelectorAll("[data-figure]").forEach(mount);
  document.querySelectorAll("[data-kernels]").forEach(sortable);
  document.documentElement.dataset.drawn = "yes";
})();

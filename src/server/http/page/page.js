
"use strict";
(() => {
  const PERIOD_MS = 1000, KEPT = 120, LATENCY_WINDOW = 10;
  const SVG = "http://www.w3.org/2000/svg";
  const at = (id) => document.getElementById(id);
  const history = [];
  const drawn = new Map();
  let paused = false, timer = null, asking = false, heard = 0;

  // All text goes in as text, whatever it holds.
  const element = (name, text, className) => {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    if (className) made.className = className;
    return made;
  };
  const shape = (name, attributes, text) => {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    return made;
  };
  // Draws a part only where what it shows has changed, so that a selection or the focus stays.
  const part = (id, data, draw) => {
    const key = JSON.stringify(data);
    if (drawn.get(id) === key) return;
    drawn.set(id, key);
    draw(at(id), data);
  };

  const count = (value) => Math.round(value).toLocaleString("en");
  const rate = (value) => value >= 100 ? count(value) : value.toFixed(value >= 10 ? 0 : 1);
  const bytes = (value) => {
    const units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let unit = 0;
    while (value >= 1024 && unit < units.length - 1) { value /= 1024; unit += 1; }
    return (unit === 0 ? String(value) : value.toFixed(value < 10 ? 2 : 1)) + " " + units[unit];
  };
  const time = (us) => us === null ? "–" : us < 1000 ? us.toFixed(us < 10 ? 1 : 0) + " µs"
    : us < 1e6 ? (us / 1000).toFixed(us < 1e5 ? 2 : 0) + " ms" : (us / 1e6).toFixed(us < 1e8 ? 2 : 0) + " s";
  const span = (seconds) => {
    const s = Math.floor(seconds);
    if (s < 60) return s + " s";
    if (s < 3600) return Math.floor(s / 60) + " min";
    if (s < 86400) return Math.floor(s / 3600) + " h " + Math.floor(s % 3600 / 60) + " min";
    return Math.floor(s / 86400) + " d " + Math.floor(s % 86400 / 3600) + " h";
  };
  const moment = (ms) => new Date(ms).toISOString().replace("T", " ").slice(0, 19);

  // The percentile of what was counted between two histograms, by interpolation within a doubling.
  const percentile = (ends, now, before, share) => {
    const counts = now.map((n, i) => Math.max(0, n - (before[i] || 0)));
    const all = counts.reduce((sum, n) => sum + n, 0);
    if (all === 0) return null;
    let wanted = all * share;
    for (let i = 0; i < counts.length; i += 1) {
      if (wanted <= counts[i]) {
        const start = i === 0 ? 0 : ends[i - 1];
        return start + (ends[i] - start) * wanted / counts[i];
      }
      wanted -= counts[i];
    }
    return ends[ends.length - 1];
  };

  const table = (caption, columns, rows) => {
    if (rows.length === 0) return element("p", "None.");
    const region = element("div", undefined, "wide");
    region.tabIndex = 0;
    region.setAttribute("role", "region");
    region.setAttribute("aria-label", caption);
    const made = region.appendChild(element("table"));
    made.appendChild(element("caption", caption));
    const head = made.appendChild(element("thead")).appendChild(element("tr"));
    for (const [title, className] of columns) {
      const cell = head.appendChild(element("th", title, className));
      cell.scope = "col";
    }
    const body = made.appendChild(element("tbody"));
    for (const row of rows) {
      const line = body.appendChild(element("tr"));
      row.forEach((text, i) => {
        const cell = line.appendChild(element(i === 0 ? "th" : "td", text, columns[i][1]));
        if (i === 0) cell.scope = "row";
      });
    }
    return region;
  };

  const chart = (place, values, shown, label) => {
    const width = 480, height = 120, top = 16, most = Math.max(...values.filter((v) => v !== null), 0) || 1;
    const picture = shape("svg", {viewBox: `0 0 ${width} ${height + 18}`, role: "img"});
    const last = values.length ? values[values.length - 1] : null;
    picture.setAttribute("aria-label", `${label}: now ${shown(last)}, at most ${shown(most)} in the last ${values.length} s`);
    picture.appendChild(shape("line", {class: "axis", x1: 0, x2: width, y1: height, y2: height}));
    picture.appendChild(shape("line", {class: "axis", x1: 0, x2: width, y1: top, y2: top}));
    picture.appendChild(shape("text", {x: 0, y: 11}, shown(most)));
    picture.appendChild(shape("text", {x: 0, y: height + 15}, `${KEPT} s ago`));
    picture.appendChild(shape("text", {x: width, y: height + 15, "text-anchor": "end"}, "now"));
    let path = "", pen = "M";
    values.forEach((value, i) => {
      if (value === null) { pen = "M"; return; }
      const x = width - (values.length - 1 - i) * width / (KEPT - 1);
      // A point between gaps is a line of no length, which its round ends show.
      path += `${pen}${x.toFixed(1)} ${(height - (height - top) * value / most).toFixed(1)}${pen === "M" ? "h0" : ""}`;
      pen = "L";
    });
    picture.appendChild(shape("path", {class: "line", d: path}));
    place.replaceChildren(picture);
  };

  const OUTCOMES = {saved: "● saved", failed: "✕ failed", cancelled: "– cancelled"};
  const timeline = (place, records) => {
    if (records.length === 0) { place.replaceChildren(); return; }
    const width = 960, height = 110, base = 90;
    const first = Math.min(...records.map((r) => r.start_ms)), last = Math.max(...records.map((r) => r.start_ms));
    const slowest = Math.max(...records.map((r) => r.duration_us), 1);
    const failed = records.filter((r) => r.outcome === "failed").length;
    const picture = shape("svg", {viewBox: `0 0 ${width} ${height}`, role: "img",
      "aria-label": `The last ${records.length} snapshots by time, ${failed} of them failed; the table below has each`});
    picture.appendChild(shape("line", {class: "axis", x1: 0, x2: width, y1: base, y2: base}));
    for (const record of records) {
      const x = last === first ? width / 2 : 10 + (width - 20) * (record.start_ms - first) / (last - first);
      const y = base - 10 - 60 * record.duration_us / slowest;
      picture.appendChild(shape("line", {class: "axis", x1: x, x2: x, y1: base, y2: y}));
      const mark = record.outcome === "saved" ? shape("circle", {class: "saved", cx: x, cy: y, r: 6})
        : record.outcome === "failed"
          ? shape("path", {class: "failed", d: `M${x - 6} ${y - 6}L${x + 6} ${y + 6}M${x - 6} ${y + 6}L${x + 6} ${y - 6}`})
          : shape("path", {class: "cancelled", d: `M${x - 7} ${y}L${x + 7} ${y}`});
      mark.appendChild(shape("title", {}, `Snapshot ${record.id}, ${moment(record.start_ms)}: ${record.outcome} after ${time(record.duration_us)}`));
      picture.appendChild(mark);
    }
    picture.appendChild(shape("text", {x: 0, y: height - 4}, moment(first)));
    if (last !== first) picture.appendChild(shape("text", {x: width, y: height - 4, "text-anchor": "end"}, moment(last)));
    place.replaceChildren(picture);
  };

  const state = (good, text) => {
    const place = at("state"), line = at("state-text");
    place.className = good ? "good" : "bad";
    at("mark").textContent = good ? "●" : "▲";
    if (line.textContent !== text) line.textContent = text;
  };

  const warnings = (place, findings) => {
    at("no-warnings").hidden = findings.length > 0;
    place.hidden = findings.length === 0;
    place.replaceChildren(...findings.map((finding) => {
      const item = element("li", undefined, finding.blocks ? "blocks" : "");
      item.appendChild(element("b", (finding.blocks ? "Not ready: " : "Warning: ") + finding.what));
      item.appendChild(element("span", finding.fix));
      return item;
    }));
  };

  const tiles = (status, latency, perSecond) => {
    const {totals, clients, memory} = status;
    const keys = status.databases.reduce((sum, db) => sum + db.keys, 0);
    const looked = totals.hits + totals.misses;
    const shown = [
      ["operations a second", rate(status.rates.commands)],
      ["latency, median", time(latency.p50)], ["latency, 99 %", time(latency.p99)], ["latency, 99.9 %", time(latency.p999)],
      ["memory in use", bytes(memory.used)], ["clients", count(clients.connected)], ["clients that wait", count(clients.blocked)],
      ["keys", count(keys)], ["hits", looked ? (100 * totals.hits / looked).toFixed(1) + " %" : "–"],
      ["expired a second", rate(perSecond.expired)], ["evicted a second", rate(perSecond.evicted)],
      ["errors a second", rate(perSecond.errors)],
    ];
    const place = at("tiles");
    if (place.children.length !== shown.length) {
      place.replaceChildren(...shown.map(([name]) => {
        const tile = element("div");
        tile.append(element("dt", name), element("dd"));
        return tile;
      }));
    }
    shown.forEach(([, value], i) => { place.children[i].lastChild.textContent = value; });
  };

  const memoryBars = (place, memory) => {
    const parts = [["data", memory.dataset], ["tables of keys", memory.tables], ["clients", memory.clients],
      ["replicas", memory.replicas], ["replication backlog", memory.backlog], ["scripts", memory.scripts],
      ["the server itself", memory.startup]];
    const most = Math.max(...parts.map(([, amount]) => amount), 1);
    place.replaceChildren(...parts.map(([name, amount]) => {
      const item = element("li");
      const track = element("span", undefined, "track");
      const bar = track.appendChild(element("i"));
      bar.style.width = (100 * amount / most).toFixed(2) + "%";
      if (amount > 0) bar.style.minWidth = "2px";
      item.append(element("span", name), track, element("span", bytes(amount), "figures"));
      return item;
    }));
    const limit = memory.maxmemory ? `maxmemory ${bytes(memory.maxmemory)} (${memory.policy})` : "no maxmemory";
    const there = memory.limit ? `, ${bytes(memory.limit)} are there for the server` : "";
    at("memory-note").textContent = `${bytes(memory.used)} in use, ${bytes(memory.peak)} at most, ${bytes(memory.resident)} resident; ${limit}${there}; `
      + (memory.huge_pages ? `${bytes(memory.huge_bytes)} in huge pages, ${bytes(memory.split_bytes)} split.` : "no huge pages.");
  };

  const NUMBER = "number";
  const draw = (status) => {
    const now = {totals: status.totals, counts: status.latency.counts, ms: status.time_ms, ops: status.rates.commands};
    const before = history[Math.max(0, history.length - LATENCY_WINDOW)];
    const p = (share) => before ? percentile(status.latency.ends_us, now.counts, before.counts, share) : null;
    const latency = {p50: p(0.5), p99: p(0.99), p999: p(0.999)};
    now.p99 = latency.p99;
    const seconds = before ? Math.max(0.1, (now.ms - before.ms) / 1000) : 1;
    const grown = (name) => before ? Math.max(0, now.totals[name] - before.totals[name]) / seconds : 0;
    if (!before || now.ms !== history[history.length - 1].ms) history.push(now);
    if (history.length > KEPT) history.shift();

    at("name").textContent = `:${status.port}`;
    document.title = `Copal :${status.port}`;
    at("facts").textContent = `Copal ${status.copal_version}, as Redis ${status.redis_version} · ${status.replication.role} · up ${span(status.uptime_seconds)} · process ${status.process_id}`;
    tiles(status, latency, {expired: grown("expired"), evicted: grown("evicted"), errors: grown("errors")});
    chart(at("chart-operations"), history.map((h) => h.ops), (v) => v === null ? "–" : rate(v), "Operations a second");
    chart(at("chart-latency"), history.map((h) => h.p99), time, "Latency that 99 % of commands keep to");
    part("memory", status.memory, memoryBars);
    part("keyspace", status.databases, (place, databases) => place.replaceChildren(table("Databases that hold keys",
      [["Database"], ["Keys", NUMBER], ["With an expiry", NUMBER], ["Time left on average", NUMBER]],
      databases.map((db) => [`db${db.db}`, count(db.keys), count(db.expires), db.average_ttl_ms > 0 ? span(db.average_ttl_ms / 1000) : "–"]))));
    const snapshot = status.snapshot;
    at("snapshot-now").textContent = snapshot.in_progress
      ? `One is being taken: ${snapshot.percent.toFixed(0)} % after ${snapshot.running_seconds} s, ${bytes(snapshot.extra_bytes)} of memory beside the data.`
      : `The last was saved ${span((status.time_ms - snapshot.last_save_ms) / 1000)} ago; ${count(snapshot.changes)} changes since. Longest fork pause: ${time(snapshot.worst_fork_us)}.`;
    part("timeline", status.snapshots, timeline);
    part("snapshots", status.snapshots, (place, records) => place.replaceChildren(table("The last snapshots, the newest first; times are UTC",
      [["Began"], ["Asked for by"], ["Outcome"], ["Took", NUMBER], ["Fork pause", NUMBER], ["Extra memory", NUMBER], ["Keys", NUMBER], ["Size", NUMBER], ["What failed", "long"]],
      records.map((r) => [moment(r.start_ms), r.trigger, OUTCOMES[r.outcome] || r.outcome, time(r.duration_us), r.background ? time(r.fork_us) : "–",
        bytes(r.peak_extra_bytes), count(r.keys), bytes(r.bytes), r.failed_step ? `${r.failed_step}: ${r.error}` : ""]))));
    part("commands", status.commands, (place, commands) => {
      const all = commands.reduce((sum, c) => sum + c.total_us, 0) || 1;
      const titles = commands.length ? (commands.find((c) => c.percentiles.length) || commands[0]).percentiles.map((q) => `${q.percent} %`) : [];
      place.replaceChildren(table("Commands by the time that they took, since the start",
        [["Command"], ["Calls", NUMBER], ["Share of time", NUMBER], ["Failed", NUMBER], ...titles.map((t) => [t, NUMBER])],
        commands.map((c) => [c.name, count(c.calls), (100 * c.total_us / all).toFixed(1) + " %", count(c.failed),
          ...titles.map((_, i) => c.percentiles[i] ? time(c.percentiles[i].us) : "–")])));
    });
    part("slow", status.slow, (place, slow) => place.replaceChildren(table("Slow commands, the newest first; times are UTC",
      [["When"], ["Command"], ["Took", NUMBER]], slow.map((s) => [moment(s.at_ms), s.command, time(s.duration_us)]))));
    part("replication", status.replication, (place, replication) => {
      const primary = replication.primary;
      const said = primary ? `Replica of ${primary.address}: ` + (primary.link_is_up ? "connected." : primary.sync_in_progress ? "taking in all data." : "no link.") : "Primary.";
      place.replaceChildren(element("p", said), table("Replicas", [["Address"], ["State"], ["Behind", NUMBER], ["Last heard", NUMBER]],
        replication.replicas.map((r) => [r.address, r.state, bytes(r.behind_bytes), `${r.lag_seconds} s ago`])));
    });
  };

  const show = (status) => {
    heard = Date.now();
    const first = status.findings.find((finding) => finding.blocks);
    const others = status.findings.length ? `, ${status.findings.length} ${status.findings.length === 1 ? "warning" : "warnings"}` : "";
    if (status.loading) state(false, `Loading: ${status.loading.percent.toFixed(0)} % done`);
    else if (first) state(false, "Not ready: " + first.code.replaceAll("_", " "));
    else state(true, "Ready" + others);
    part("warnings", status.findings, warnings);
    if (status.totals) draw(status);
  };

  const ask = async () => {
    if (asking) return;
    asking = true;
    clearTimeout(timer);
    try {
      const answer = await fetch("/status.json", {cache: "no-store"});
      show(await answer.json());
    } catch (error) {
      state(false, heard ? `No answer for ${span((Date.now() - heard) / 1000)}` : "No answer");
    }
    asking = false;
    if (!paused && !document.hidden) timer = setTimeout(ask, PERIOD_MS);
  };

  at("pause").addEventListener("click", () => {
    paused = !paused;
    at("pause").setAttribute("aria-pressed", String(paused));
    at("pause").textContent = paused ? "Go on" : "Pause updates";
    if (paused) clearTimeout(timer); else ask();
  });
  document.addEventListener("visibilitychange", () => { if (document.hidden) clearTimeout(timer); else if (!paused) ask(); });
  ask();
})();

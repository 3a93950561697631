"use strict";
(() => {
  const root = document.documentElement, byId = (id) => document.getElementById(id);
  root.classList.add("js");

  // Theme: the system's, until the reader chooses.
  const dark = matchMedia("(prefers-color-scheme: dark)"), button = byId("theme");
  let chosen = null;
  const theme = () => chosen ?? (dark.matches ? "dark" : "light");
  const showTheme = () => {
    root.style.colorScheme = chosen ?? "";
    button.textContent = theme() === "dark" ? "Light" : "Dark";
    button.setAttribute("aria-label", `Switch to ${button.textContent.toLowerCase()} colours`);
  };
  if (button) {
    button.addEventListener("click", () => { chosen = theme() === "dark" ? "light" : "dark"; showTheme(); });
    dark.addEventListener("change", showTheme);
    showTheme();
  }

  // Sorting: numbers by data-v, largest first; words from a to z; what is missing stays last.
  const valueOf = (row, column) => {
    const cell = row.cells[column];
    if (!("v" in cell.dataset)) return cell.textContent.trim();
    return cell.dataset.v === "" ? null : Number(cell.dataset.v);
  };
  const compare = (a, b) => (typeof a === "string" ? a.localeCompare(b) : a - b);
  for (const table of document.querySelectorAll("table.sortable")) {
    const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const control = head.querySelector("button");
      if (!control) return;
      control.addEventListener("click", () => {
        const falling = head.matches(".num:not(.rank, .up)");
        const now = head.getAttribute("aria-sort");
        const up = now ? now === "descending" : !falling;
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        table.classList.toggle("sorted", !(head.matches(".rank") && up));
        const rows = [...body.rows].map((row) => [valueOf(row, column), row]);
        rows.sort(([a], [b]) => (a === null) - (b === null) || (a === null ? 0 : (up ? 1 : -1) * compare(a, b)));
        body.append(...rows.map(([, row]) => row));
      });
    });
  }

  // Filter and highlight: whatever belongs to a method carries its number.
  const words = byId("filter"), front = byId("front"), lit = byId("lit"), count = byId("count");
  if (!words) return;
  const rows = [...document.querySelectorAll(".ranking tbody tr")];
  const marked = [...document.querySelectorAll("[data-m]")];
  const cards = [...document.querySelectorAll("[data-ms]")].map((card) => [card, card.dataset.ms.trim().split(" ")]);
  const filter = () => {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean), kept = new Set();
    for (const row of rows) {
      const text = `${row.textContent} ${row.dataset.text}`.toLowerCase();
      if (wanted.every((word) => text.includes(word)) && (!front.checked || "front" in row.dataset)) kept.add(row.dataset.m);
    }
    for (const one of marked) one.classList.toggle("out", !kept.has(one.dataset.m));
    for (const [card, methods] of cards) card.classList.toggle("out", !methods.some((method) => kept.has(method)));
    const all = new Set(rows.map((row) => row.dataset.m)).size;
    count.textContent = kept.size === all ? `${all} methods` : `${kept.size} of ${all} methods`;
  };
  const highlight = (method) => {
    root.classList.toggle("lit-any", method !== "");
    for (const one of marked) one.classList.toggle("lit", one.dataset.m === method);
    for (const [card, methods] of cards) card.classList.toggle("lit", methods.includes(method));
  };
  words.addEventListener("input", filter);
  front.addEventListener("change", filter);
  lit.addEventListener("change", () => highlight(lit.value));
  const own = (event) => event.target.closest("[data-m]")?.dataset.m;
  document.addEventListener("pointerover", (event) => { if (event.pointerType === "mouse") highlight(own(event) ?? lit.value); });
  filter();
})();

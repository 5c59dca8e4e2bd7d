// SPDX-License-Identifier: GPL-3.0-or-later
"use strict";
const table = document.getElementById("hosts");
const body = table.tBodies[0];
const rows = [...body.rows].map((row) => ({
  row,
  section: document.getElementById(row.dataset.section),
  words: row.textContent.toLowerCase(),
}));
const search = document.getElementById("search");
const state = document.getElementById("state");
const shown = document.getElementById("shown");
const inOrder = new Intl.Collator("en", { numeric: true, sensitivity: "base" }).compare;

function filter() {
  const wanted = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  for (const { row, section, words } of rows) {
    const fits = (!state.value || row.dataset.state === state.value) && wanted.every((word) => words.includes(word));
    row.hidden = section.hidden = !fits;
    count += fits;
  }
  shown.value = `${count} of ${rows.length} shown`;
}

function valueOf(row, column) {
  const cell = row.cells[column];
  return cell.dataset.sort ?? cell.textContent.trim();
}

function sort(heading) {
  const column = heading.cellIndex;
  const sign = heading.getAttribute("aria-sort") === "ascending" ? -1 : 1;
  for (const each of table.tHead.rows[0].cells) each.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
  const keyed = rows.map(({ row }) => [valueOf(row, column), row]);
  keyed.sort(([one], [other]) => sign * inOrder(one, other));
  body.append(...keyed.map(([, row]) => row));
}

for (const heading of table.tHead.rows[0].cells) {
  heading.firstElementChild.addEventListener("click", () => sort(heading));
}
search.addEventListener("input", filter);
state.addEventListener("input", filter);
document.getElementById("controls").addEventListener("submit", (event) => event.preventDefault());
filter(); // a browser that goes back has kept what was typed

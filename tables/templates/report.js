"use strict";
// A click on a column's header sorts the rows inside each group; a second click reverses the order.
for (const table of document.querySelectorAll("table.sortable")) {
  const headers = [...table.tHead.rows[0].cells];
  headers.forEach((header, column) => header.querySelector("button").addEventListener("click", () => {
    const descending = header.getAttribute("aria-sort") === "ascending";
    headers.forEach((other) => other.removeAttribute("aria-sort"));
    header.setAttribute("aria-sort", descending ? "descending" : "ascending");
    for (const body of table.tBodies) {
      if (!body.classList.contains("title")) sortRows(body, column, descending ? -1 : 1);
    }
  }));
}

// A word in the search box hides all rows that lack it; several words must all be there.
for (const box of document.querySelectorAll("input[data-search]")) {
  box.addEventListener("input", () => {
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    const rows = [...document.querySelectorAll(box.dataset.search)];
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
    }
    const shown = rows.filter((row) => !row.hidden).length;
    box.closest("p").querySelector("[role=status]").textContent = words.length ? `${shown} of ${rows.length}` : "";
  });
}

// A click on a status shows only the claims that have it, and opens their sections; a second click shows all again.
for (const tally of document.querySelectorAll("[data-filters]")) {
  const buttons = [...tally.querySelectorAll("button")];
  for (const button of buttons) button.addEventListener("click", () => {
    const pressed = button.getAttribute("aria-pressed") === "false";
    for (const other of buttons) other.setAttribute("aria-pressed", String(other === button && pressed));
    for (const section of document.querySelectorAll(tally.dataset.filters)) {
      const rows = [...section.querySelectorAll("tbody tr")];
      for (const row of rows) row.hidden = pressed && row.querySelector(".status")?.textContent !== button.dataset.filter;
      section.open = pressed && rows.some((row) => !row.hidden);
    }
  });
}

function sortRows(body, column, direction) {
  const keyed = [...body.rows].map((row) => [sortKey(row.cells[column]), row]);
  keyed.sort(([first], [second]) => compare(first, second, direction));
  body.append(...keyed.map(([, row]) => row));
}

function sortKey(cell) {
  const text = cell.dataset.sort ?? cell.textContent.trim();
  const number = Number(text.replace("−", "-"));
  return text === "" ? null : Number.isNaN(number) ? text : number;
}

// Cells without a value stay last in either direction.
function compare(first, second, direction) {
  if (first === null || second === null) return (first === null) - (second === null);
  if (typeof first === "number" && typeof second === "number") return direction * (first - second);
  return direction * String(first).localeCompare(String(second), "en", { numeric: true });
}

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

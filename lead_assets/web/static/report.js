"use strict";
// Sorts the leads by the heading that is pressed, and the other way round when it is pressed again.
for (const button of document.querySelectorAll("button[data-sort]")) {
  button.addEventListener("click", () => {
    const name = button.dataset.sort;
    const heading = button.closest("th");
    const falling = heading.getAttribute("aria-sort") !== "descending";
    for (const each of document.querySelectorAll("th[aria-sort]")) each.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", falling ? "descending" : "ascending");
    const body = document.querySelector("tbody");
    const value = (row) => row.dataset[name];
    const compare = (one, other) =>
      name === "place" ? value(one).localeCompare(value(other)) : Number(value(one)) - Number(value(other));
    const rows = [...body.rows].sort((one, other) => (falling ? -1 : 1) * compare(one, other));
    body.append(...rows);
  });
}

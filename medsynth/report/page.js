"use strict";
// What all pages share: chapters that open by links, tables that become lists on narrow screens, images to look for.
for (const table of document.querySelectorAll("main table:not(.facts)")) {
  const heads = [...table.querySelectorAll("thead th")].map((head) => head.textContent.trim());
  for (const row of table.querySelectorAll("tbody tr")) {
    [...row.children].forEach((cell, place) => (cell.dataset.label = heads[place] || ""));
  }
  if (!table.closest(".matrices")) table.classList.add("stacked");
  if (heads.length > 8) table.classList.add("many");
}

function unfold(id) {
  const chapter = id && document.getElementById(id)?.querySelector("details.chapter");
  if (chapter) chapter.open = true;
}
for (const link of document.querySelectorAll("nav a")) {
  link.addEventListener("click", () => unfold(link.hash.slice(1)));
}
addEventListener("hashchange", () => unfold(location.hash.slice(1)));
unfold(location.hash.slice(1));

const chapters = [...document.querySelectorAll("details.chapter")];
const fold = document.getElementById("fold");
if (fold) {
  fold.hidden = false;
  const tell = () => (fold.textContent = chapters.every((one) => one.open) ? "Close all chapters" : "Open all chapters");
  fold.addEventListener("click", () => {
    const open = !chapters.every((one) => one.open);
    for (const one of chapters) one.open = open;
  });
  for (const one of chapters) one.addEventListener("toggle", tell);
}

const listed = document.getElementById("case-table");
if (listed) {
  const [flag, search, count] = ["case-flag", "case-search", "case-count"].map((id) => document.getElementById(id));
  const body = listed.tBodies[0];
  const filter = () => {
    let shown = 0;
    for (const row of body.rows) {
      const text = (place) => row.cells[place].textContent;
      const wanted = !flag.value || text(4).includes(flag.value) || (flag.value === "none" && !text(4));
      row.hidden = !(wanted && text(0).toLowerCase().includes(search.value.toLowerCase()));
      shown += !row.hidden;
    }
    count.textContent = `${shown} of ${body.rows.length} images`;
  };
  for (const control of [flag, search]) control.addEventListener("input", filter);
  [...listed.querySelectorAll("thead th")].forEach((head, place) => {
    head.querySelector("button").addEventListener("click", () => {
      const rising = head.getAttribute("aria-sort") !== "ascending";
      for (const other of listed.querySelectorAll("thead th")) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", rising ? "ascending" : "descending");
      const text = (row) => row.cells[place].textContent;
      const order = (one, other) => text(one).localeCompare(text(other), "en", { numeric: true });
      body.append(...[...body.rows].sort((one, other) => (rising ? order(one, other) : order(other, one))));
    });
  });
  filter();
}

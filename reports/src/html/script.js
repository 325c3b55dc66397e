"use strict";
// Comforts only: the page says everything without this.
(() => {
  const root = document.documentElement;
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];

  const theme = document.getElementById("theme");
  theme.hidden = false;
  theme.addEventListener("click", () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  });

  for (const button of all("[data-copy]")) {
    const source = document.getElementById(button.dataset.copy);
    button.hidden = false;
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(source.textContent);
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(source);
        button.textContent = "Selected";
      }
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
  }

  for (const label of all("label.filter")) {
    const [input, count] = [label.querySelector("input"), label.querySelector("span")];
    const rows = all("tbody tr:not(.gap)", label.parentElement);
    label.hidden = false;
    input.addEventListener("input", () => {
      const wanted = input.value.toLowerCase();
      let shown = 0;
      for (const row of rows) {
        row.hidden = !row.textContent.toLowerCase().includes(wanted);
        shown += row.hidden ? 0 : 1;
      }
      for (const gap of all("tr.gap", label.parentElement)) gap.hidden = wanted !== "";
      count.textContent = wanted ? ` ${shown} of ${rows.length}` : "";
    });
  }

  for (const table of all("table.sortable")) {
    all("thead th", table).forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const up = head.getAttribute("aria-sort") !== "ascending";
        for (const other of all("thead th", table)) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        const key = (row) => row.cells[column].dataset.sort ?? row.cells[column].textContent.trim();
        const order = (a, b) => key(a).localeCompare(key(b), "en", { numeric: true });
        const rows = all("tbody tr", table).sort((a, b) => (up ? order(a, b) : order(b, a)));
        table.tBodies[0].append(...rows);
      });
    });
  }

  for (const timeline of all(".timeline")) {
    const seconds = Number(timeline.dataset.seconds);
    const hair = document.createElement("div");
    const read = document.createElement("span");
    hair.className = "hair";
    hair.append(read);
    timeline.append(hair);
    timeline.addEventListener("pointermove", (event) => {
      const lane = timeline.querySelector(".lane").getBoundingClientRect();
      const share = (event.clientX - lane.left) / lane.width;
      hair.hidden = share < 0 || share > 1;
      hair.style.left = `${event.clientX - timeline.getBoundingClientRect().left}px`;
      hair.classList.toggle("late", share > 0.85);
      read.textContent = `${(share * seconds).toFixed(seconds < 100 ? 2 : 1)} s`;
    });
    timeline.addEventListener("pointerleave", () => { hair.hidden = true; });
    hair.hidden = true;
  }
})();

// The chain editor: routes are moved by dragging or by buttons, and their priorities follow. Without this, the numbers do.
(() => {
  "use strict";
  const form = document.querySelector("[data-chain]");
  if (!form) return;
  const STEP = 10;

  // What was changed and not sent is not lost without a word, whichever form or link leads away.
  let isChanged = "unsaved" in form.dataset;
  form.addEventListener("input", () => (isChanged = true));
  form.addEventListener("submit", () => (isChanged = false));
  window.addEventListener("beforeunload", (event) => isChanged && event.preventDefault());

  const routesOf = (list) => [...list.querySelectorAll(":scope > [data-route]")];
  const priorityOf = (route) => route.querySelector("input[name$='-priority']");

  // Routes that shared a priority go on sharing one, but for the one that was moved.
  const renumber = (list, moved) => {
    let number = 0;
    let before = null;
    for (const route of routesOf(list)) {
      const old = priorityOf(route).value;
      const shares = before && old === before.old && route !== moved && before.route !== moved;
      if (!shares) number += STEP;
      before = { old, route };
      priorityOf(route).value = number;
    }
    isChanged = true;
    refresh(list);
  };

  const refresh = (list) => {
    const routes = routesOf(list);
    routes.forEach((route, n) => {
      route.querySelector("[data-move='-1']").disabled = n === 0;
      route.querySelector("[data-move='1']").disabled = n === routes.length - 1;
    });
  };

  const move = (route, by) => {
    const list = route.parentElement;
    const other = by < 0 ? route.previousElementSibling : route.nextElementSibling;
    if (!other) return;
    list.insertBefore(route, by < 0 ? other : other.nextElementSibling);
    renumber(list, route);
    const button = route.querySelector(`[data-move='${by}']`);
    (button.disabled ? route.querySelector(`[data-move='${-by}']`) : button).focus();
  };

  for (const list of form.querySelectorAll("[data-list]")) {
    let dragged = null;
    for (const route of routesOf(list)) {
      const handle = route.querySelector("[data-handle]");
      handle.hidden = route.querySelector("[data-moves]").hidden = false;
      handle.draggable = true;
      handle.addEventListener("dragstart", (event) => {
        dragged = route;
        event.dataTransfer.effectAllowed = "move";
        event.dataTransfer.setData("text/plain", "");
        event.dataTransfer.setDragImage(route, 12, 12);
        route.dataset.dragged = "";
      });
      handle.addEventListener("dragend", () => {
        delete route.dataset.dragged;
        if (dragged) renumber(list, dragged);
        dragged = null;
      });
      route.addEventListener("dragover", (event) => {
        if (!dragged) return;
        event.preventDefault();
        if (dragged === route) return;
        const box = route.getBoundingClientRect();
        const below = event.clientY > box.top + box.height / 2;
        list.insertBefore(dragged, below ? route.nextElementSibling : route);
      });
      route.addEventListener("drop", (event) => event.preventDefault());
      for (const button of route.querySelectorAll("[data-move]")) {
        button.addEventListener("click", () => move(route, Number(button.dataset.move)));
      }
    }
    refresh(list);
  }

  for (const left of form.querySelectorAll("[data-seconds]")) {
    const until = Date.now() + Number(left.dataset.seconds) * 1000;
    const timer = setInterval(() => {
      const seconds = Math.max(0, Math.ceil((until - Date.now()) / 1000));
      left.textContent = seconds;
      if (!seconds) clearInterval(timer);
    }, 1000);
  }
})();

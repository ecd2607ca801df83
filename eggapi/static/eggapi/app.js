// What every page gains with JavaScript: copy buttons, tabs, shortcuts, confirmations. Pages work without it.

document.documentElement.classList.add("js");

// -- copying: <button data-copy="text">, or data-copy-code beside a <pre> --

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy], [data-copy-code]");
  if (!button) return;
  const code = "copyCode" in button.dataset && button.parentElement.querySelector("pre");
  await navigator.clipboard.writeText(code ? code.innerText.trim() : button.dataset.copy);
  const label = button.querySelector("[data-label]") || button;
  const before = label.textContent;
  label.textContent = "Copied";
  say("Copied to the clipboard");
  setTimeout(() => (label.textContent = before), 1500);
});

// -- tabs: <div class="tabs" data-tabs="language"><div class="panel" data-title="curl">...</div>...</div>.
// The choice is remembered by the name in data-tabs, and followed by every group of that name. --

function choose(group, title) {
  for (const tab of group.querySelectorAll(':scope > [role="tablist"] > [role="tab"]')) {
    const chosen = tab.textContent === title;
    tab.setAttribute("aria-selected", String(chosen));
    tab.tabIndex = chosen ? 0 : -1;
    document.getElementById(tab.getAttribute("aria-controls")).hidden = !chosen;
  }
}

let made = 0;

function makeTabs(group) {
  if (group.querySelector(':scope > [role="tablist"]')) return;
  const panels = [...group.querySelectorAll(":scope > [data-title]")];
  const list = document.createElement("div");
  list.setAttribute("role", "tablist");
  list.setAttribute("aria-label", group.dataset.label || "Language");
  for (const panel of panels) {
    panel.id ||= `panel-${++made}`;
    panel.setAttribute("role", "tabpanel");
    panel.tabIndex = 0;
    panel.querySelector(":scope > .panel-title")?.remove();
    const tab = document.createElement("button");
    tab.type = "button";
    tab.id = `${panel.id}-tab`;
    tab.setAttribute("role", "tab");
    tab.setAttribute("aria-controls", panel.id);
    tab.textContent = panel.dataset.title;
    panel.setAttribute("aria-labelledby", tab.id);
    list.append(tab);
  }
  group.prepend(list);
  const titles = panels.map((panel) => panel.dataset.title);
  const kept = localStorage.getItem(`tabs:${group.dataset.tabs}`);
  choose(group, titles.includes(kept) ? kept : titles[0]);
}

document.addEventListener("click", (event) => {
  const tab = event.target.closest('[role="tab"]');
  const name = tab?.closest(".tabs")?.dataset.tabs;
  if (name === undefined) return;
  localStorage.setItem(`tabs:${name}`, tab.textContent);
  for (const group of document.querySelectorAll(`.tabs[data-tabs="${name}"]`)) {
    if (group.querySelector(`[data-title="${tab.textContent}"]`)) choose(group, tab.textContent);
  }
});

document.addEventListener("keydown", (event) => {
  const tab = event.target.closest('[role="tab"]');
  if (!tab || !["ArrowLeft", "ArrowRight"].includes(event.key)) return;
  const next = event.key === "ArrowRight" ? tab.nextElementSibling : tab.previousElementSibling;
  next?.click();
  next?.focus();
});

// -- asking before: <form data-confirm="Really?"> --

document.addEventListener("submit", (event) => {
  const question = event.submitter?.dataset.confirm ?? event.target.dataset.confirm;
  if (question && !window.confirm(question)) event.preventDefault();
});

// -- selects that send their form: <select data-send> --

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-send]")) event.target.form.requestSubmit();
});

// -- times: absolute in UTC from the server; how long ago is added for those who look --

const STEPS = [["year", 31536000], ["month", 2592000], ["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

function age(time) {
  const seconds = (new Date(time.dateTime) - Date.now()) / 1000;
  const [unit, size] = STEPS.find(([, size]) => Math.abs(seconds) >= size) || STEPS.at(-1);
  time.textContent = relative.format(Math.round(seconds / size), unit);
}

// -- shortcuts: g t for tasks and so on, / for the search field, ? for the list of them --

let pressed = "";

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, dialog")) return;
  const keys = (pressed + " " + event.key).trim();
  pressed = event.key === "g" ? "g" : "";
  if (event.key === "/") {
    const field = document.querySelector("[data-search]");
    if (field) {
      event.preventDefault();
      field.focus();
    }
  } else if (event.key === "?") {
    document.getElementById("shortcuts")?.showModal();
  } else {
    document.querySelector(`[data-keys="${keys}"]`)?.click();
  }
});

// -- saying it aloud --

export function say(text) {
  const live = document.getElementById("live");
  if (live) live.textContent = text;
}

// -- on every page, and on whatever htmx brings in --

function improve(root) {
  root.querySelectorAll("[data-tabs]").forEach(makeTabs);
  root.querySelectorAll("time[data-ago]").forEach(age);
}

improve(document);
document.addEventListener("htmx:load", (event) => improve(event.detail.elt));
setInterval(() => document.querySelectorAll("time[data-ago]").forEach(age), 30000);

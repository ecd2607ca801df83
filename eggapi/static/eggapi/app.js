// What every page gains with JavaScript: copy buttons, tabs, shortcuts, confirmations. Pages work without it.

document.documentElement.classList.add("js");

// -- copying: <button data-copy="text">, or data-copy-code beside a <pre> --

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy], [data-copy-code]");
  if (!button) return;
  const code = "copyCode" in button.dataset && button.parentElement.querySelector("pre");
  const text = code ? code.innerText.trim() : button.dataset.copy;
  const can = Boolean(navigator.clipboard);
  await (can ? navigator.clipboard.writeText(text) : select(text, button));
  const label = button.querySelector("[data-label]") || button;
  label.dataset.before ??= label.textContent;
  label.textContent = can ? "Copied" : "Selected";
  say(can ? "Copied to the clipboard" : "The text is selected: copy it with your keyboard");
  setTimeout(() => (label.textContent = label.dataset.before), 1500);
});

// Over plain http a browser gives no page its clipboard. What is to be copied is selected where it stands, or beside.
function select(text, button) {
  const shown = [...document.querySelectorAll("main :is(pre, code, .mono, .codes)")];
  let found = shown.find((each) => each.checkVisibility() && each.innerText.trim() === text.trim());
  if (!found) {
    found = Object.assign(document.createElement("pre"), { className: "wraps", tabIndex: 0, textContent: text });
    button.parentElement.after(found);
  }
  getSelection().selectAllChildren(found);
}

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

// -- what went wrong with a request of htmx. Of one that asks every few seconds it is said once, until it goes well. --

const repeats = (detail) => detail.requestConfig.elt.matches('[hx-trigger^="every"]');
const faults = () => document.getElementById("faults"); // not kept: going back brings another

function blame(detail, text) {
  if (repeats(detail) && faults().firstChild) return;
  const fault = Object.assign(document.createElement("li"), { className: "error", textContent: text });
  fault.toggleAttribute("data-repeats", repeats(detail));
  faults().replaceChildren(fault);
  say(text);
}

// A fault is to come as the page that people get, not as programs do.
document.addEventListener("htmx:configRequest", ({ detail }) => (detail.headers.Accept = "text/html"));

document.addEventListener("htmx:responseError", ({ detail }) => {
  const page = new DOMParser().parseFromString(detail.xhr.responseText, "text/html");
  const told = page.querySelector("main h1 + p")?.textContent;
  blame(detail, told || `That did not work (${detail.xhr.status}). Try again in a moment.`);
});

document.addEventListener("htmx:sendError", ({ detail }) => {
  blame(detail, "We cannot be reached. Look whether you are online, and try again.");
});

document.addEventListener("htmx:afterRequest", ({ detail }) => {
  if (!detail.successful) return;
  if (!repeats(detail) || faults().querySelector("[data-repeats]")) faults().replaceChildren();
});

// -- what somebody has opened or scrolled stays so when htmx brings the same part again: both need an id --

let kept = [];

document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  const parts = [...detail.target.querySelectorAll("details[id], [role='region'][id]")];
  kept = parts.map(({ id, open, scrollLeft }) => ({ id, open, scrollLeft }));
});

document.addEventListener("htmx:afterSwap", () => {
  for (const { id, ...state } of kept) Object.assign(document.getElementById(id) ?? {}, state);
  kept = [];
});

// -- on every page, and on whatever htmx brings in --

function improve(root) {
  root.querySelectorAll("[data-tabs]").forEach(makeTabs);
  root.querySelectorAll("time[data-ago]").forEach(age);
}

improve(document);
document.addEventListener("htmx:load", (event) => improve(event.detail.elt));
setInterval(() => document.querySelectorAll("time[data-ago]").forEach(age), 30000);

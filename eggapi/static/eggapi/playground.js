// The playground while somebody types: programs in step with the form, resolutions that fit the model, uploads.
import { bodyOf, curl, javascript, json, python } from "./snippets.js";
import { say } from "./app.js";

const WRITERS = { curl, python, javascript, json };
const KINDS = ["image/png", "image/jpeg", "image/webp"];
const form = () => document.getElementById("request");

// -- the programs --

function write() {
  const base = document.getElementById("code").dataset.base;
  const body = bodyOf(Object.fromEntries(new FormData(form())));
  for (const [name, writer] of Object.entries(WRITERS)) {
    document.getElementById(`code-${name}`).textContent = writer(body, base);
  }
}

// -- what a model cannot do is not to be chosen --

function fit() {
  const model = form().querySelector('[name="model"]:checked');
  const select = form().elements.resolution;
  if (!model) return;
  const offered = model.dataset.resolutions.split(" ");
  for (const option of select.options) option.disabled = !offered.includes(option.value);
  if (!offered.includes(select.value)) select.value = offered[0];
}

function changed() {
  fit();
  write();
  thumbs();
}

document.addEventListener("input", (event) => event.target.closest("#request") && changed());
document.addEventListener("htmx:load", (event) => event.detail.elt.id === "request" && changed());

document.addEventListener("click", (event) => {
  const example = event.target.closest("[data-prompt]");
  if (!example) return;
  event.preventDefault();
  form().elements.prompt.value = example.dataset.prompt;
  form().elements.prompt.focus();
  write();
});

// -- uploads: chosen, dropped or pasted --

const addresses = () => form().elements.image_urls.value.split(/\s+/).filter(Boolean);

function thumbs() {
  const own = addresses().filter((url) => url.startsWith(`${location.origin}/files/`));
  const pictures = own.map((url) => Object.assign(new Image(), { src: url, alt: "Uploaded picture", className: "thumb" }));
  document.getElementById("thumbs").replaceChildren(...pictures);
}

// No order goes out without a picture that is still on its way. What others have disabled stays so.
let uploading = 0;

function hold() {
  for (const button of document.querySelectorAll(".go")) {
    if (uploading ? button.disabled : !("held" in button.dataset)) continue;
    button.disabled = uploading > 0;
    button.toggleAttribute("data-held", uploading > 0);
  }
}

document.addEventListener("htmx:load", hold);
document.addEventListener("htmx:afterRequest", hold);

async function upload(files) {
  uploading += 1;
  hold();
  await send(files).finally(() => (uploading -= 1));
  hold();
}

async function send(files) {
  const fault = document.getElementById("upload-fault");
  fault.textContent = "";
  for (const file of files) {
    const data = new FormData();
    data.append("file", file);
    say(`Uploading ${file.name}`);
    const token = form().elements.csrfmiddlewaretoken.value;
    const asked = fetch("/playground/uploads", { method: "POST", body: data, headers: { "X-CSRFToken": token } });
    const reply = await asked.catch(() => Response.error());
    const answer = await reply.json().catch(() => ({}));
    if (!reply.ok) {
      fault.textContent = `${file.name} ${answer.error?.fields?.file ?? answer.error?.message ?? "could not be uploaded"}`;
      return;
    }
    form().elements.image_urls.value = [...addresses(), answer.data.url].join("\n");
    changed();
    form().elements.image_urls.dispatchEvent(new Event("change", { bubbles: true }));
    say(`Uploaded ${file.name}`);
  }
}

document.addEventListener("change", async (event) => {
  if (event.target.id !== "files" || !event.target.files.length) return;
  const files = [...event.target.files];
  event.target.value = "";
  await upload(files);
});

document.addEventListener("paste", (event) => {
  const files = [...(event.clipboardData?.files ?? [])].filter((file) => KINDS.includes(file.type));
  if (!files.length || event.clipboardData.types.includes("text/plain")) return;
  event.preventDefault();
  upload(files);
});

for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    const drop = document.getElementById("drop");
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    drop.classList.toggle("over", kind === "dragover");
    if (kind === "drop") upload([...event.dataTransfer.files]);
  });
}

changed();

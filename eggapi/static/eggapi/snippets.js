// The texts of generation/snippets.py, letter by letter, for a body that is still being typed;
// and that body, as PlaygroundForm.body() makes it of the fields of the form.

const VARIABLE = "EGGAPI_KEY";
const WORDS = { true: "True", false: "False", null: "None" };

export const json = (body) => JSON.stringify(body, null, 2);

export const curl = (body, base) => `curl ${base}/v1/generate \\
  -H "Authorization: Bearer $${VARIABLE}" \\
  -H "Content-Type: application/json" \\
  -d '${json(body).replaceAll("'", String.raw`'\''`)}'`;

export const python = (body, base) => `import os
import time

import requests

EGGAPI = ${json(base)}
headers = {"Authorization": f"Bearer {os.environ['${VARIABLE}']}"}
body = ${json(body).replace(/(?<=: )(true|false|null)(?=,?(\n|$))/g, (word) => WORDS[word])}

reply = requests.post(f"{EGGAPI}/v1/generate", json=body, headers=headers, timeout=30)
reply.raise_for_status()
task = reply.json()["data"]
while task["status"] in ("pending", "processing"):
    time.sleep(1)
    reply = requests.get(f"{EGGAPI}/v1/tasks/{task['id']}", headers=headers, timeout=30)
    task = reply.json()["data"]
print(task.get("error") or task["output"]["urls"])`;

export const javascript = (body, base) => `const EGGAPI = ${json(base)};
const headers = { Authorization: \`Bearer \${process.env.${VARIABLE}}\`, "Content-Type": "application/json" };
const body = ${json(body)};

let reply = await fetch(\`\${EGGAPI}/v1/generate\`, { method: "POST", headers, body: JSON.stringify(body) });
if (!reply.ok) throw new Error(await reply.text());
let task = (await reply.json()).data;
while (["pending", "processing"].includes(task.status)) {
  await new Promise((done) => setTimeout(done, 1000));
  reply = await fetch(\`\${EGGAPI}/v1/tasks/\${task.id}\`, { headers });
  task = (await reply.json()).data;
}
console.log(task.error ?? task.output.urls);`;

export function bodyOf(fields) {
  const text = (name) => (fields[name] ?? "").trim();
  const read = {
    model: text("model"),
    prompt: text("prompt"),
    negative_prompt: text("negative_prompt"),
    aspect_ratio: text("aspect_ratio"),
    num_outputs: Number(text("num_outputs")),
    resolution: text("resolution"),
    seed: /^-?\d+$/.test(text("seed")) ? Number(text("seed")) : null,
    strategy: text("strategy") === "auto" ? "" : text("strategy"),
    image_urls: text("image_urls").split(/\s+/).filter(Boolean),
    webhook_url: text("webhook_url"),
    metadata: objectIn(text("metadata")),
  };
  const isThere = (value) => value !== null && value !== "" && (typeof value !== "object" || Object.keys(value).length);
  return Object.fromEntries(Object.entries(read).filter(([, value]) => isThere(value)));
}

// The object that a text of JSON holds; null for any other text.
function objectIn(text) {
  try {
    const value = JSON.parse(text);
    return typeof value === "object" && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}

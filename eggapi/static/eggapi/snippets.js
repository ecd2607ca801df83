// The texts of generation/snippets.py, letter by letter, for a body that is still being typed.

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

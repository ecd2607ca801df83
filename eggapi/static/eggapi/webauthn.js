// Passkeys: <form data-webauthn="sign-in | confirm | add"> asks the browser for one before it is sent.
// allauth's webauthn-json.js, loaded before, turns JSON into what the browser takes, and back.

const REASONS = {
  NotAllowedError: "Nothing was chosen. Please try again.",
  InvalidStateError: "This one is added already.",
  SecurityError: "Passkeys work on https and on http://localhost only.",
};

function given() {
  return JSON.parse(document.getElementById("webauthn-options").textContent);
}

function wanted(form) {
  const options = given().creation_options;
  const alone = form.elements.passwordless?.checked;
  const which = options.publicKey.authenticatorSelection;
  which.residentKey = alone ? "required" : "discouraged";
  which.requireResidentKey = Boolean(alone);
  if (alone) which.userVerification = "required";
  return options;
}

async function asked(form) {
  const answer = await fetch(form.action, { headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error(`${answer.status} from ${form.action}`);
  return (await answer.json()).request_options;
}

const WAYS = {
  "sign-in": async (form) => webauthnJSON.get(await asked(form)),
  confirm: async () => webauthnJSON.get(given().request_options),
  add: async (form) => webauthnJSON.create(wanted(form)),
};

async function ask(form) {
  const fault = document.querySelector("[data-webauthn-error]");
  fault.hidden = true;
  try {
    form.elements.credential.value = JSON.stringify(await WAYS[form.dataset.webauthn](form));
    form.submit();
  } catch (error) {
    fault.textContent = REASONS[error.name] || "That did not work. Please try again.";
    fault.hidden = false;
  }
}

for (const form of document.querySelectorAll("form[data-webauthn]")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    ask(form);
  });
}

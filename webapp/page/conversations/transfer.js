// Exports conversations as files, and imports those of an export. An imported conversation is stored on the server anew.

import { json } from "../shared/api.js";
import { store } from "./storing.js";
import { textOf } from "./talk.js";
import { t } from "../shared/words.js";

const FORMAT = 1;
const MAX_FILE = 50_000_000; // bytes
const MAX_CONVERSATIONS = 1000, MAX_MESSAGES = 2000;
const MAX_TITLE = 80; // characters
const ROLES = ["system", "developer", "user", "assistant"];
const AUTHORS = { system: t`System`, developer: t`System`, user: t`You`, assistant: "Hearth" };
const $ = (id) => document.getElementById(id);

// Attaches the event handlers of the dialog. `current` returns the title and the messages of the open conversation; `listed` the
// entries of all; `imported` is called with the entry of each conversation that was stored.
export function transfer({ current, listed, imported }) {
  const say = (text) => ($("transferred").textContent = text);
  const attempt = (action) => async () => {
    say("");
    try {
      say(await action());
    } catch (error) {
      say(error.message);
    }
  };
  $("ask-transfer").addEventListener("click", () => {
    say("");
    $("import").value = "";
    $("export-markdown").disabled = $("export-json").disabled = !current().messages.length;
    $("transfer").showModal();
  });
  $("export-markdown").addEventListener("click", attempt(() => download(markdown(current()), "text/markdown", "conversation.md")));
  $("export-json").addEventListener("click", attempt(() => download(exported([current()]), "application/json", "conversation.json")));
  $("export-all").addEventListener("click", attempt(async () => download(exported(await fetchAll(listed())), "application/json", "conversations.json")));
  $("import").addEventListener("change", attempt(async () => {
    const [file] = $("import").files;
    if (!file) return "";
    const conversations = await read(file);
    for (const { title, messages } of conversations) {
      const id = await store(messages);
      imported({ id, root: id, title: title.slice(0, MAX_TITLE) });
    }
    return t`Imported: ${conversations.length}`;
  }));
}

function markdown({ title, messages }) {
  const parts = messages.map((message) => `## ${AUTHORS[message.role] ?? message.role}\n\n${textOf(message)}\n`);
  return [`# ${title}\n`, ...parts].join("\n");
}

function exported(conversations) {
  const shown = conversations.map(({ title, messages }) => ({ title, messages: messages.map((message) => ({ role: message.role, content: textOf(message) })) }));
  return `${JSON.stringify({ hearth: FORMAT, conversations: shown }, null, 1)}\n`;
}

// What the server does not have any more is left out.
async function fetchAll(entries) {
  const found = [];
  for (const { id, title } of entries.slice(0, MAX_CONVERSATIONS)) {
    try {
      found.push({ title, messages: (await json(`/v1/conversations/${encodeURIComponent(id)}`)).messages });
    } catch (error) {
      if (error.status !== 404) throw error;
    }
  }
  return found;
}

function download(text, type, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // the browser may ask where to put it
  return t`Exported as ${name}`;
}

async function read(file) {
  if (file.size > MAX_FILE) throw new Error(t`The file is too large.`);
  let content = null;
  try {
    content = JSON.parse(await file.text());
  } catch {
    // no JSON: it is not valid
  }
  const list = content?.hearth === FORMAT ? content.conversations : null;
  if (!Array.isArray(list) || list.length > MAX_CONVERSATIONS || !list.every(isConversation)) {
    throw new Error(t`The file is not an export of this page.`);
  }
  return list;
}

function isConversation(found) {
  const isMessage = (message) => ROLES.includes(message?.role) && typeof message.content === "string";
  const { title, messages } = found ?? {};
  return typeof title === "string" && Array.isArray(messages) && messages.length > 0 && messages.length <= MAX_MESSAGES && messages.every(isMessage);
}

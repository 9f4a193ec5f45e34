// The page at /: connects its parts, sends what the reader types, and shows the server's answers.

import { Answer } from "./answer.js";
import { offerAdapters } from "../inputs/adapters.js";
import { Attachments } from "../inputs/attachments.js";
import { json } from "../shared/api.js";
import { banner, showEngine } from "./banner.js";
import { Deletion } from "../conversations/deletion.js";
import { Engine } from "../shared/engine.js";
import { Fields } from "../settings/fields.js";
import { askKey, closeDrawers, frame } from "./frame.js";
import { Shelf } from "../conversations/shelf.js";
import { drawList, drawVersions } from "../conversations/sidebar.js";
import { confirmCopy, copy } from "../shared/clipboard.js";
import { curl, python } from "./snippets.js";
import { load, save } from "../shared/store.js";
import { Talk, textOf } from "../conversations/talk.js";
import { element } from "../shared/element.js";
import { transfer } from "../conversations/transfer.js";
import { Transcript } from "../messages/transcript.js";
import { t, translate } from "../shared/words.js";

const SUGGESTIONS = [t`Who are you?`, t`How do I restart the web tier?`, t`Write quicksort in Python.`];
const STOPPED = t`Stopped.`;
const $ = (id) => document.getElementById(id);

const engine = new Engine(), fields = new Fields(), shelf = new Shelf();
const transcript = new Transcript($("transcript"), { edit, retry, copy: copyText, source, curl: snippet(curl), python: snippet(python) }, $("to-end"));
const deletion = new Deletion(remove, list);
let talk = new Talk();
let model = "", room = 0; // the model's name, and its context in tokens
const attachments = new Attachments(() => room);

// ---- one turn ------------------------------------------------------------------------------------------------

async function send(text) {
  if (talk.running || !text.trim()) return;
  if (!talk.messages.length) transcript.clear();
  talk.messages.push({ role: "user", content: text });
  transcript.follow = true;
  transcript.add("user", text, talk.messages.length - 1);
  save("draft", text); // until it is answered: a page that is closed before that shows it again
  await respond();
}

async function respond() {
  const mine = talk, index = mine.messages.length;
  const answer = new Answer(transcript.add("assistant", null, index));
  answer.drawn = () => {
    transcript.bottom();
    $("figures").textContent = answer.figures;
  };
  show(true);
  let failure = "";
  try {
    await mine.answer(mine.body(fields, model), answer, engine);
    save("draft", "");
    mine.stored = true;
  } catch (error) {
    failure = error.name === "AbortError" ? STOPPED : error.message;
    if (error.status === 401) askKey();
    if (!error.status) engine.poll();
  }
  answer.end();
  if (answer.text || !failure) mine.messages.push({ role: "assistant", content: answer.text });
  mine.failed = Boolean(failure);
  if (mine === talk) finish(mine, index, answer, failure);
}

function finish(mine, index, answer, failure) {
  show(false);
  $("figures").textContent = "";
  transcript.actions(index, buttons(), failure || answer.warning || answer.figures, Boolean(failure) && failure !== STOPPED);
  if (mine.stored) {
    shelf.put(mine);
    location.hash = mine.id;
  }
  list();
  $("prompt").focus({ preventScroll: true });
}

const buttons = () => ({ retry: t`Retry`, copy: t`Copy`, source: t`Source`, curl: t`Copy as curl`, python: t`Copy as Python` });

function edit(index) {
  if (talk.running) return;
  transcript.edit(index, textOf(talk.messages[index]), (text) => {
    if (talk.stored) switchTo(talk.branch(index));
    else talk.messages.length = index;
    draw();
    send(text);
  });
}

// A failed last turn is replaced, not kept as a version of its own: the server has not stored it.
function retry(index) {
  if (talk.running) return;
  if (talk.failed && index >= talk.messages.length - 1) talk.messages.length = index;
  else switchTo(talk.branch(index));
  draw();
  respond();
}

function copyText(index, button) {
  return confirmCopy(button, copy(textOf(talk.messages[index])));
}

function source(index, button) {
  return transcript.source(index, button);
}

function snippet(write) {
  return (index, button) => {
    const request = new Talk();
    request.messages = talk.messages.slice(0, index);
    return confirmCopy(button, copy(write(request.body(fields, model))));
  };
}

// ---- conversations -------------------------------------------------------------------------------------------

function switchTo(next) {
  talk.running?.abort();
  talk = next;
  show(false);
}

function fresh() {
  switchTo(new Talk());
  fields.system = fields.own;
  history.replaceState(null, "", location.pathname);
  draw();
  closeDrawers();
  $("prompt").focus();
}

async function open(id) {
  const entry = shelf.find(id);
  switchTo(new Talk(id, entry?.root ?? id));
  const mine = talk;
  transcript.clear(element("p", { className: "empty" }, t`Loading the conversation …`));
  list();
  try {
    const system = await mine.fetch();
    mine.stored = true;
    if (mine !== talk) return;
    fields.system = system;
    draw();
  } catch (error) {
    if (mine !== talk) return;
    if (error.status === 401) askKey();
    const message = error.status === 404 ? t`This conversation is no longer stored on the server.` : error.message;
    transcript.clear(element("p", { className: "empty error", role: "alert" }, message));
  }
}

function draw() {
  transcript.clear();
  $("figures").textContent = "";
  if (!talk.messages.length) transcript.clear(welcome());
  talk.messages.forEach((message, index) => {
    transcript.add(message.role, textOf(message), index);
    if (message.role === "assistant") transcript.actions(index, buttons());
  });
  list();
}

function welcome() {
  const box = element("div", { className: "empty" }, element("p", {}, t`Ask the model a question:`));
  for (const text of SUGGESTIONS) {
    const button = element("button", { type: "button" }, text);
    button.addEventListener("click", () => send(text));
    box.append(button);
  }
  return box;
}

function list() {
  const query = $("find").value.toLowerCase();
  const shown = shelf.latest.filter((entry) => entry.title.toLowerCase().includes(query) && !deletion.hides(entry));
  drawList(shown, talk.root, { pin, rename, remove: askToRemove });
  drawVersions(shelf.versions(talk.root), talk.id);
}

function pin(entry) {
  shelf.pin(entry.root, !entry.pinned);
  list();
}

function rename(entry, title) {
  if (title !== entry.title) shelf.rename(entry.root, title);
  list();
}

function current() {
  const system = fields.system ? [{ role: "system", content: fields.system }] : [];
  return { title: talk.title, messages: talk.messages.length ? [...system, ...talk.messages] : [] };
}

function imported(entry) {
  shelf.put(entry);
  list();
}

function askToRemove(entry) {
  deletion.ask(entry, shelf.versions(entry.root).length);
  if (talk.root === entry.root) fresh();
}

// `closing`: the page is being closed, and waits for no answer.
async function remove(entry, closing) {
  for (const { id } of shelf.versions(entry.root)) {
    const removed = new Talk(id).remove().then(() => true, (error) => error.status === 404 || banner(error.message));
    if (closing || (await removed)) shelf.remove(id);
  }
  list();
}

// ---- the engine ----------------------------------------------------------------------------------------------

function onEngine() {
  showEngine(engine, Boolean(talk.running));
  if (engine.state === "ready" && !model) identify();
}

async function identify() {
  try {
    const { data } = await json("/v1/models");
    room = data[0].max_model_len ?? 0;
    offerAdapters(data, (name) => (model = name));
  } catch (error) {
    if (error.status === 401) askKey();
  }
}

// ---- input ---------------------------------------------------------------------------------------------------

function show(running) {
  $("send").hidden = running;
  $("stop").hidden = !running;
}

function stop() {
  talk.running?.abort();
  return Boolean(talk.running);
}

function submit() {
  const text = $("prompt").value;
  if (talk.running || !(text.trim() || attachments.any)) return;
  $("prompt").value = "";
  closeDrawers();
  send(attachments.take(text));
}

function onPromptKey(event) {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    submit();
  } else if (event.key === "ArrowUp" && !$("prompt").value) {
    const last = talk.messages.findLastIndex((message) => message.role === "user");
    if (last >= 0) {
      event.preventDefault();
      edit(last);
    }
  }
}

async function begin() {
  translate();
  $("composer").addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  $("prompt").addEventListener("keydown", onPromptKey);
  $("find").addEventListener("input", list);
  frame({ fresh, stop, onKey: identify });
  transfer({ current, listed: () => shelf.latest, imported });
  addEventListener("hashchange", () => location.hash.slice(1) && location.hash.slice(1) !== talk.id && (closeDrawers(), open(location.hash.slice(1))));
  addEventListener("storage", list);
  engine.addEventListener("change", onEngine);
  engine.poll();
  $("prompt").disabled = false;
  $("prompt").value = load("draft", "");
  list();
  if (location.hash.length > 1) open(location.hash.slice(1));
  else draw();
  $("prompt").focus();
  let schema = null;
  try {
    schema = (await json("/openapi.json")).components.schemas.ChatCompletionRequest;
  } catch {
    // without the schema, the controls are the two fields that do not come from it: system and logprobs
  }
  fields.build($("fields"), schema);
}

begin();

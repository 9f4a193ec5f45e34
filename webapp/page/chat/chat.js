// The page at /: connects its parts, sends what the reader types, and shows the server's answers.

import { alternatives, keepOthers, offerChoice, pairSwitch, twice } from "./alternatives.js";
import { Answer } from "./answer.js";
import { offerAdapters } from "../inputs/adapters.js";
import { Attachments } from "../inputs/attachments.js";
import { json } from "../shared/api.js";
import { banner, showEngine } from "./banner.js";
import { copying } from "./copying.js";
import { Context } from "./context.js";
import { Deletion } from "../conversations/deletion.js";
import { Engine } from "../shared/engine.js";
import { askAgain } from "../settings/again.js";
import { Fields } from "../settings/fields.js";
import { settingsPanel } from "../settings/panel.js";
import { askKey, closeDrawers, frame } from "./frame.js";
import { List } from "../conversations/list.js";
import { Shelf } from "../conversations/shelf.js";
import { load, save } from "../shared/store.js";
import { Talk, textOf } from "../conversations/talk.js";
import { element } from "../shared/element.js";
import { transfer } from "../conversations/transfer.js";
import { Transcript } from "../messages/transcript.js";
import { versionsAt } from "../conversations/versions.js";
import { welcome } from "./welcome.js";
import { t, translate } from "../shared/words.js";

const STOPPED = t`Stopped.`;
const $ = (id) => document.getElementById(id);

const engine = new Engine(), fields = new Fields(), shelf = new Shelf();
const transcript = new Transcript($("transcript"), { edit, retry, again, more, ...copying(state) }, $("to-end"));
const deletion = new Deletion(shelf, { changed: list, failed: banner });
const conversations = new List(shelf, { root: () => talk.root, hides: (entry) => deletion.hides(entry), remove: askToRemove, show: showMessage });
let talk = new Talk();
let model = "", room = 0; // the model's name, and its context in tokens
const attachments = new Attachments(() => room);
const inPair = pairSwitch();
const context = new Context(state, shortened);

function state() {
  return { talk, fields, model, typed: attachments.join($("prompt").value) };
}

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

// `continues`: the answer is the rest of the last message. `settings`: other ones than the fields'.
async function respond({ continues = false, settings = inPair() ? twice(fields) : fields } = {}) {
  const mine = talk, index = mine.messages.length - (continues ? 1 : 0);
  const body = continues ? mine.continuation(fields, model) : mine.body(settings, model);
  const answer = continues ? new Answer(transcript.reopen(index), body.messages.at(-1).content) : new Answer(transcript.add("assistant", null, index));
  answer.drawn = () => {
    transcript.bottom();
    $("figures").textContent = answer.figures;
  };
  show(true);
  context.renewed();
  let failure = "", tooLong = false;
  try {
    await mine.answer(body, answer, engine);
    save("draft", "");
    mine.stored = true;
  } catch (error) {
    failure = error.name === "AbortError" ? STOPPED : error.message;
    tooLong = error.code === "context_length_exceeded";
    if (error.status === 401) askKey();
    if (!error.status) engine.poll();
  }
  answer.end();
  if (answer.text || answer.calls.length || !failure) mine.messages[index] = answer.message;
  mine.failed = Boolean(failure) && (mine.failed || !continues); // what was there before has not failed
  mine.cut = Boolean(answer.text) && (failure ? true : answer.finish === "length");
  if (mine !== talk) return;
  finish(mine, index, answer, failure);
  if (tooLong) context.refused();
}

function finish(mine, index, answer, failure) {
  show(false);
  $("figures").textContent = "";
  transcript.actions(index, buttons(index), failure || answer.warning || answer.figures, Boolean(failure) && failure !== STOPPED);
  if (mine.stored) {
    shelf.put(mine);
    location.hash = mine.id;
  }
  askForResults();
  if (answer.texts.length > 1 && !failure) offerOthers(mine, index, answer);
  list();
  context.changed();
  $("prompt").focus({ preventScroll: true });
}

// The reader runs the functions that the last message calls.
function askForResults() {
  const index = talk.messages.length - 1, calls = talk.messages[index]?.tool_calls ?? [];
  if (!calls.length || talk.running) return;
  transcript.askForResults(index, calls, (results) => {
    if (talk.running) return;
    talk.messages.push(...results);
    draw();
    respond();
  });
}

// The first answer is that of the conversation; the others are versions.
function offerOthers(mine, index, answer) {
  const talks = alternatives(mine, index, answer.texts);
  offerChoice(answer.target, (number) => talk.running || goOn(talks[number]));
  keepOthers(talks, leading(), (stored) => {
    shelf.put(stored);
    list();
  });
}

function goOn(chosen) {
  switchTo(chosen);
  if (talk.stored) location.hash = talk.id;
  draw();
}

function leading() {
  return fields.system ? [{ role: "system", content: fields.system }] : [];
}

function buttons(index) {
  const rest = talk.cut && index === talk.messages.length - 1 ? { more: t`Continue` } : {};
  const copies = { copy: t`Copy`, source: t`Source`, curl: t`Copy as curl`, python: t`Copy as Python` };
  return { ...rest, retry: t`Retry`, again: t`Retry with …`, ...copies };
}

function more() {
  if (!talk.running) respond({ continues: true });
}

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
function retry(index, button, options) {
  if (talk.running) return;
  if (talk.failed && index >= talk.messages.length - 1) talk.messages.length = index;
  else switchTo(talk.branch(index));
  draw();
  respond(options);
}

function again(index, button) {
  if (!talk.running) askAgain(fields, (settings) => retry(index, button, { settings }));
}

// Goes on with other messages, in a version of their own. `question` is sent again.
function shortened(messages, question) {
  const next = messages.length ? talk.branch(0) : new Talk();
  next.messages = messages;
  switchTo(next);
  draw();
  if (question) send(question);
  else $("prompt").focus();
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

// `index`: of the message to show; else the end is shown.
async function open(id, index) {
  switchTo(Talk.of(shelf.find(id) ?? { id, root: id }));
  const mine = talk;
  transcript.clear(element("p", { className: "empty" }, t`Loading the conversation …`));
  list();
  try {
    const system = await mine.fetch();
    mine.stored = true;
    if (mine !== talk) return;
    fields.system = system;
    draw();
    transcript.show(index);
  } catch (error) {
    if (mine !== talk) return;
    if (error.status === 401) askKey();
    const message = error.status === 404 ? t`This conversation is no longer stored on the server.` : error.message;
    transcript.clear(element("p", { className: "empty error", role: "alert" }, message));
  }
}

function draw() {
  transcript.clear();
  context.renewed();
  $("figures").textContent = "";
  if (!talk.messages.length) transcript.clear(welcome(send));
  talk.messages.forEach((message, index) => {
    transcript.add(message.role, textOf(message), index);
    if (message.role === "assistant") transcript.actions(index, buttons(index));
    if (message.tool_calls?.length) transcript.calls(index, message.tool_calls);
  });
  askForResults();
  list();
}

function list() {
  conversations.draw();
  const { id, from, at } = talk, now = Date.now();
  transcript.versions(versionsAt(shelf.versions(talk.root), shelf.find(id) ?? { id, from, at, created: now, updated: now }), showMessage);
}

function showMessage(id, index) {
  closeDrawers();
  if (id === talk.id) {
    transcript.show(index);
  } else {
    open(id, index);
    location.hash = id;
  }
}

function current() {
  return { title: talk.title, messages: talk.messages.length ? [...leading(), ...talk.messages] : [] };
}

function imported(entry) {
  shelf.put(entry);
  list();
}

function askToRemove(entry) {
  deletion.ask(entry);
  if (talk.root === entry.root) fresh();
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
    context.changed();
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

function begin() {
  translate();
  $("composer").addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  $("prompt").addEventListener("keydown", onPromptKey);
  frame({ fresh, stop, onKey: identify });
  transfer({ current, listed: () => shelf.latest, imported });
  addEventListener("hashchange", () => location.hash.slice(1) && location.hash.slice(1) !== talk.id && (closeDrawers(), open(location.hash.slice(1))));
  addEventListener("storage", list);
  for (const changing of [fields, attachments]) changing.addEventListener("change", () => context.changed());
  settingsPanel($("fields"), fields);
  engine.addEventListener("change", onEngine);
  engine.poll();
  $("prompt").disabled = false;
  $("prompt").value = load("draft", "");
  list();
  if (location.hash.length > 1) open(location.hash.slice(1));
  else draw();
  $("prompt").focus();
}

begin();

// The page at /: connects its parts, sends what the reader types, and shows the server's answers.

import { pairSwitch, twice } from "./alternatives.js";
import { attending, NOT_COMPLETE, WAS_STOPPED } from "./attending.js";
import { offerAdapters } from "../inputs/adapters.js";
import { Attachments } from "../inputs/attachments.js";
import { json } from "../shared/api.js";
import { banner, showEngine } from "./banner.js";
import { copying } from "./copying.js";
import { Context } from "./context.js";
import { Deletion } from "../conversations/deletion.js";
import { Drafts } from "../conversations/drafts.js";
import { Engine } from "../shared/engine.js";
import { askAgain } from "../settings/again.js";
import { Fields } from "../settings/fields.js";
import { settingsPanel } from "../settings/panel.js";
import { askKey, closeDrawers, frame } from "./frame.js";
import { List } from "../conversations/list.js";
import { Shelf } from "../conversations/shelf.js";
import { onOtherTab } from "../shared/store.js";
import { leading, Talk, textOf } from "../conversations/talk.js";
import { element } from "../shared/element.js";
import { transfer } from "../conversations/transfer.js";
import { Transcript } from "../messages/transcript.js";
import { versionsAt } from "../conversations/versions.js";
import { welcome } from "./welcome.js";
import { t, translate } from "../shared/words.js";
import { find, RUNNING, STOPPED, TURN } from "../conversations/unstored.js";
import { Running } from "./running.js";

const $ = (id) => document.getElementById(id);

const engine = new Engine(), fields = new Fields(), shelf = new Shelf();
const transcript = new Transcript($("transcript"), { edit, retry, again, more, ...copying(state) }, $("to-end"));
const deletion = new Deletion(shelf, { changed: list, failed: banner });
const conversations = new List(shelf, { root: () => talk.root, hides: (entry) => deletion.hides(entry), remove: askToRemove, show: showMessage });
let talk = new Talk();
let model = "", room = 0; // the model's name, and its context in tokens
const attachments = new Attachments(() => room), drafts = new Drafts($("prompt"), attachments, $("unkept")), running = new Running();
const inPair = pairSwitch();
const context = new Context(state, shortened);
const attend = attending({ opened: () => talk, engine, shelf, drafts, running, transcript, context, show, open, list, buttons, goOn, askForResults });

function state() {
  return { talk, fields, model, typed: attachments.join($("prompt").value) };
}

// ---- one turn ------------------------------------------------------------------------------------------------

async function send(text) {
  if (talk.running) return;
  if (!talk.messages.length) transcript.clear();
  talk.messages.push({ role: "user", content: text });
  transcript.follow = true;
  transcript.add("user", text, talk.messages.length - 1);
  await respond();
}

// `continues`: the answer is the rest of the last message. `settings`: other ones than the fields'.
function respond({ continues = false, settings = inPair() ? twice(fields) : fields } = {}) {
  const body = continues ? talk.continuation(fields, model) : talk.body(settings, model);
  return attend((mine, answer) => mine.answer(body, answer, engine, continues), continues);
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

function goOn(chosen) {
  switchTo(chosen);
  if (talk.stored) location.hash = talk.id;
  draw();
}

function buttons(index) {
  const rest = talk.cut && index === talk.messages.length - 1 ? { more: t`Continue` } : {};
  const copies = { copy: t`Copy`, source: t`Source`, curl: t`Copy as curl`, python: t`Copy as Python` };
  return { ...rest, retry: t`Retry`, again: t`Retry with …`, ...copies };
}

function more() {
  if (!talk.running && hasRoom()) respond({ continues: true });
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
  if (talk.running || !hasRoom()) return;
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

// An answer that is being written goes on meanwhile.
function switchTo(next) {
  talk = next;
  $("figures").textContent = "";
  show();
}

function fresh() {
  switchTo(new Talk());
  fields.system = fields.own;
  history.replaceState(null, "", location.pathname);
  drafts.open("");
  draw();
  closeDrawers();
  $("prompt").focus();
}

// `index`: of the message to show; else the end is shown. `typed`: what has been typed in the meantime.
async function open(id, index, typed = "") {
  drafts.open(id, typed);
  const shown = running.find(id);
  if (shown) {
    switchTo(shown.talk);
    fields.system = talk.system;
    draw();
    transcript.restore(shown.article);
    transcript.show(index);
    return;
  }
  switchTo(Talk.of(shelf.find(id) ?? { id, root: id }));
  const mine = talk;
  transcript.clear(element("p", { className: "empty" }, t`Loading the conversation …`));
  list();
  try {
    await mine.fetch();
    if (mine !== talk) return;
    fields.system = mine.system;
    draw();
    if (mine.turn) showTurn(mine.turn);
    transcript.show(index);
  } catch (error) {
    if (mine !== talk) return;
    if (error.status === 401) askKey();
    const message = error.status === 404 ? t`This conversation is no longer stored on the server.` : error.message;
    transcript.clear(element("p", { className: "empty error", role: "alert" }, message));
  }
}

// Shows the end of a turn that the server has not stored: an answer that is being written, or what there is of one.
function showTurn({ state, stream, continues }) {
  if (state === RUNNING && stream) {
    attend((mine, answer) => mine.follow(answer, engine), continues, true);
    return;
  }
  const index = talk.messages.length - (talk.messages.at(-1).role === "assistant" ? 1 : 0);
  if (index === talk.messages.length) transcript.add("assistant", "", index);
  transcript.actions(index, buttons(index), state === STOPPED ? WAS_STOPPED : NOT_COMPLETE, state !== STOPPED);
}

// Another tab has asked something in this conversation, or has stopped an answer.
function onTurn(id) {
  const turn = find(id), waits = turn?.state === RUNNING && !turn.stream;
  if (id === talk.id && !talk.running && !waits && !transcript.isEditing) open(id);
}

function draw() {
  transcript.clear();
  context.renewed();
  $("figures").textContent = "";
  if (!talk.messages.length) transcript.clear(welcome((text) => hasRoom() && send(text)));
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
  const { id, from, at } = talk, { now } = shelf;
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
  return { title: talk.title, messages: talk.messages.length ? [...leading(fields.system), ...talk.messages] : [] };
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

function show() {
  $("send").hidden = Boolean(talk.running);
  $("stop").hidden = !talk.running;
}

function stop() {
  talk.running?.stop();
  return Boolean(talk.running);
}

function submit() {
  if (talk.running || !($("prompt").value.trim() || attachments.any) || !hasRoom()) return;
  const text = drafts.take();
  closeDrawers();
  send(attachments.take(text));
}

// Returns whether another answer may be asked for; the banner says why not.
function hasRoom() {
  if (running.isFull) banner(t`Too many answers are being written: stop one, or wait until one is complete.`);
  return !running.isFull;
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
  onOtherTab((name) => {
    if (name?.startsWith(TURN)) onTurn(name.slice(TURN.length));
    else list();
  });
  for (const changing of [fields, attachments]) changing.addEventListener("change", () => context.changed());
  settingsPanel($("fields"), fields);
  engine.addEventListener("change", onEngine);
  engine.poll();
  list();
  takeOver();
  $("prompt").focus();
}

// Shows the conversation with what was typed before, and sends that where early.js has noted so; not with a draft's text or
// files, which the reader has not seen yet.
async function takeOver() {
  const typed = $("prompt").value, sends = $("composer").dataset.early === "send", id = location.hash.slice(1);
  delete $("composer").dataset.early;
  if (id) {
    await open(id, undefined, typed);
  } else {
    drafts.open("", typed);
    draw();
  }
  const isAlone = $("prompt").value === typed && !attachments.any;
  if (sends && isAlone && (!id || talk.messages.length)) submit();
}

begin();

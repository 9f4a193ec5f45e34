// The messages of a conversation on the page, with their buttons.

import { element } from "../shared/element.js";
import { callList, resultForm } from "../tools/calls.js";
import { View } from "./view.js";
import { t } from "../shared/words.js";

const AUTHORS = { user: t`You`, assistant: "Hearth", system: t`System`, developer: t`System`, tool: t`Tool` };

export class Transcript {
  #follow = true;

  // `handlers`: functions by button name, called with the message's index and the button. `toEnd` is shown while the reader
  // sees other than the end.
  constructor(target, handlers, toEnd) {
    this.target = target;
    this.handlers = { source: (index, button) => this.source(index, button), ...handlers };
    this.toEnd = toEnd;
    toEnd.addEventListener("click", () => {
      this.follow = true;
      target.focus({ preventScroll: true });
      this.bottom();
    });
    this.sizes = new ResizeObserver(() => this.bottom()); // a message that is rendered later has another height
    target.addEventListener("scroll", () => {
      this.follow = target.scrollHeight - target.scrollTop - target.clientHeight < 40;
    });
  }

  // Whether the end stays in sight while messages grow.
  get follow() {
    return this.#follow;
  }

  set follow(on) {
    this.#follow = on;
    this.toEnd.hidden = on;
  }

  clear(...children) {
    this.sizes.disconnect();
    this.target.replaceChildren(...children);
    this.follow = true;
  }

  // Adds a message and returns the element for its text. If `text` is null, that element is empty.
  add(role, text, index) {
    const body = element("div", { className: "body" });
    if (text !== null) body.append(View.whole(text).element);
    const article = element("article", { className: role }, element("h2", {}, AUTHORS[role] ?? role), body);
    article.dataset.index = index;
    this.target.querySelector('button[name="more"]')?.remove(); // only the last answer can be continued
    this.target.append(article);
    this.sizes.observe(article);
    if (role === "user") this.actions(index, { edit: t`Edit`, source: t`Source` });
    this.bottom();
    return body;
  }

  // Shows a message again that was cleared.
  restore(article) {
    this.article(article.dataset.index)?.remove();
    this.target.append(article);
    this.sizes.observe(article);
    this.bottom();
  }

  get isEditing() {
    return this.target.querySelector("textarea") !== null;
  }

  article(index) {
    return this.target.querySelector(`article[data-index="${index}"]`);
  }

  // Shows the calls of a stored message.
  calls(index, calls) {
    this.article(index)?.querySelector(".body").append(callList(calls));
  }

  // Asks for the results of calls; `send` is called with their messages.
  askForResults(index, calls, send) {
    this.article(index)?.querySelector(".body").append(resultForm(calls, send));
    this.bottom();
  }

  // Empties a message whose text is to come anew, and returns the element for it.
  reopen(index) {
    const article = this.article(index), body = element("div", { className: "body" });
    article.querySelector(":scope > .actions")?.remove();
    article.querySelector(".body").replaceWith(body);
    return body;
  }

  // Puts arrows at the messages of which there are several versions: `found` has their `ids` and the place `here` by index. `show` is
  // called with the id of a version and the index.
  versions(found, show) {
    for (const arrows of this.target.querySelectorAll(".versions")) arrows.remove();
    for (const [index, { ids, here }] of found) {
      const article = this.article(index) ?? this.target.querySelector("article:last-of-type"); // shorter than it was
      if (!article || ids.length < 2) continue;
      const step = (symbol, to, name) => {
        const button = element("button", { type: "button", title: name, disabled: !ids[to] }, symbol);
        button.setAttribute("aria-label", name);
        button.addEventListener("click", () => show(ids[to], index));
        return button;
      };
      const arrows = element("div", { className: "versions", role: "group" });
      arrows.setAttribute("aria-label", t`Versions of this message`);
      arrows.append(step("‹", here - 1, t`Previous version`), t`${here + 1} of ${ids.length}`, step("›", here + 1, t`Next version`));
      article.querySelector("h2").after(arrows);
    }
  }

  // Brings a message into sight.
  show(index) {
    const article = this.article(index);
    if (!article) return;
    this.follow = false;
    article.tabIndex = -1;
    article.focus({ preventScroll: true });
    article.scrollIntoView({ block: "center", behavior: "instant" });
  }

  // Replaces the buttons under a message, and the note next to them. `labels`: the buttons' labels by name; `failed`: the
  // note is an error.
  actions(index, labels, note = "", failed = false) {
    const article = this.article(index);
    article.querySelector(":scope > .actions")?.remove();
    const row = element("p", { className: "actions" });
    for (const [name, label] of Object.entries(labels)) {
      const button = element("button", { type: "button", name }, label);
      button.addEventListener("click", () => this.handlers[name](index, button));
      row.append(button);
    }
    if (note) row.append(element("span", { className: failed ? "error" : "", role: failed ? "alert" : "note" }, note));
    article.append(row);
    this.bottom();
  }

  // Shows a message's source, or its rendered text again, and on the button which of them.
  async source(index, button) {
    const views = [...this.article(index).querySelectorAll(".body > .text")].map((node) => View.of(node));
    for (const view of views) await view.toggle();
    button.setAttribute("aria-pressed", String(views.some((view) => view.isSource)));
  }

  // Replaces a message with a text area; `done` is called with the new text.
  edit(index, text, done) {
    const article = this.article(index), body = article.querySelector(".body"), row = article.querySelector(":scope > .actions");
    const field = element("textarea", { value: text, dir: "auto" });
    field.setAttribute("aria-label", t`Edit the message`);
    const send = element("button", { type: "button", className: "first" }, t`Send as a new version`);
    const cancel = element("button", { type: "button" }, t`Cancel`);
    const form = element("div", {}, field, element("p", { className: "actions" }, send, cancel));
    const close = () => {
      form.remove();
      body.hidden = row.hidden = false;
    };
    body.hidden = row.hidden = true;
    article.append(form);
    field.focus();
    cancel.addEventListener("click", close);
    send.addEventListener("click", () => field.value.trim() && done(field.value));
    field.addEventListener("keydown", (event) => {
      if (event.key === "Escape") {
        close();
        event.stopPropagation();
      } else if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        send.click();
      }
    });
  }

  bottom() {
    if (this.follow) this.target.scrollTop = this.target.scrollHeight;
  }
}

// The messages of a conversation on the page, and what can be done with each.

import { element, show } from "./text.js";
import { t } from "./words.js";

const WHO = { user: t`You`, assistant: "Hearth", system: t`System`, developer: t`System`, tool: t`Tool` };

export class Transcript {
  // `act`: what the buttons call, by name, with the message's index.
  constructor(target, act) {
    this.target = target;
    this.act = act;
    this.follow = true;
    target.addEventListener("scroll", () => {
      this.follow = target.scrollHeight - target.scrollTop - target.clientHeight < 40;
    });
  }

  clear(...children) {
    this.target.replaceChildren(...children);
    this.follow = true;
  }

  // Returns where the message's text goes.
  add(role, text, index) {
    const body = element("div", { className: "body" });
    if (text !== null) {
      const said = element("div", { className: "said", dir: "auto" });
      show(said, text);
      body.append(said);
    }
    const article = element("article", { className: role }, element("h2", {}, WHO[role] ?? role), body);
    article.dataset.index = index;
    this.target.append(article);
    if (role === "user") this.actions(index, { edit: t`Edit` });
    this.bottom();
    return body;
  }

  article(index) {
    return this.target.querySelector(`article[data-index="${index}"]`);
  }

  // Buttons under a message, and words beside them. Takes the place of those before.
  actions(index, names, words = "", wrong = false) {
    const article = this.article(index);
    article.querySelector(".actions")?.remove();
    const row = element("p", { className: "actions" });
    for (const [name, label] of Object.entries(names)) {
      const button = element("button", { type: "button" }, label);
      button.addEventListener("click", () => this.act[name](index, button));
      row.append(button);
    }
    if (words) row.append(element("span", { className: wrong ? "error" : "", role: wrong ? "alert" : "note" }, words));
    article.append(row);
    this.bottom();
  }

  // A message turns into a field; `done` gets the new text.
  edit(index, text, done) {
    const article = this.article(index), body = article.querySelector(".body"), row = article.querySelector(".actions");
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

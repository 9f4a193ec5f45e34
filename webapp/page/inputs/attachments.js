// Text files that go along with the next message: chosen, dropped or pasted, and shown as chips above the message box.

import { element } from "../shared/element.js";
import { t } from "../shared/words.js";
import { readText, size } from "./reading.js";

const MOST = 10; // files
const $ = (id) => document.getElementById(id);

export class Attachments extends EventTarget {
  #files = [];

  // `context` returns the model's context length in tokens, 0 where it is not known.
  constructor(context) {
    super();
    this.context = context;
    $("attach").addEventListener("click", () => $("files").click());
    $("files").addEventListener("change", async () => {
      await this.#add($("files").files);
      $("files").value = ""; // so that the same file can be chosen again
    });
    $("prompt").addEventListener("paste", (event) => {
      if (!event.clipboardData.files.length) return;
      event.preventDefault();
      this.#add(event.clipboardData.files);
    });
    this.#acceptDrops();
  }

  get any() {
    return this.#files.length > 0;
  }

  // What is attached: a list that is never changed, but replaced by another.
  get files() {
    return this.#files;
  }

  // Has these `files`, which were attached before, in place of those that it has.
  show(files) {
    this.#files = files;
    this.#draw();
  }

  // Returns `text` followed by the files, as Markdown.
  join(text) {
    return [text.trim() ? text : "", ...this.#files.map(asMarkdown)].filter(Boolean).join("\n\n");
  }

  // Returns the message of `text` and the files, and forgets the files.
  take(text) {
    const message = this.join(text);
    this.#files = [];
    this.#draw();
    return message;
  }

  #acceptDrops() {
    const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
    const show = (on) => document.body.classList.toggle("dropping", on);
    addEventListener("dragover", (event) => {
      if (!carriesFiles(event)) return;
      event.preventDefault(); // else the browser opens the file instead of the page
      show(true);
    });
    addEventListener("dragleave", (event) => event.relatedTarget || show(false));
    addEventListener("drop", (event) => {
      show(false);
      if (!carriesFiles(event)) return;
      event.preventDefault();
      this.#add(event.dataTransfer.files);
    });
  }

  async #add(list) {
    const files = [...list], problems = [];
    for (const file of files) {
      if (this.#files.length >= MOST) {
        problems.push(t`At most ${MOST} files can be attached.`);
        break;
      }
      try {
        const read = await readText(file, this.context());
        this.#files = [...this.#files, { name: file.name, size: file.size, ...read }];
      } catch (error) {
        problems.push(error.message);
      }
    }
    this.#draw(problems);
    $("prompt").focus();
  }

  #draw(problems = []) {
    $("attached").replaceChildren(...this.#files.map((file) => this.#chip(file)));
    $("attached").hidden = !this.any;
    $("refused").textContent = problems.join(" ");
    $("refused").hidden = !problems.length;
    this.dispatchEvent(new Event("change"));
  }

  #chip(file) {
    const remove = element("button", { type: "button", title: t`Remove` }, "×");
    remove.setAttribute("aria-label", t`Remove ${file.name}`);
    remove.addEventListener("click", () => {
      this.#files = this.#files.filter((other) => other !== file);
      this.#draw();
      $("prompt").focus();
    });
    const encoding = file.encoding === "UTF-8" ? "" : ` · ${file.encoding}`;
    return element("li", {}, element("bdi", {}, file.name), element("small", {}, size(file.size) + encoding), remove);
  }
}

// The fence is longer than any in the file, so that the file cannot end it.
function asMarkdown({ name, text }) {
  const longest = Math.max(2, ...(text.match(/`{3,}/g) ?? []).map((fence) => fence.length));
  const fence = "`".repeat(longest + 1);
  const [, extension] = name.match(/\.(\w{1,12})$/) ?? [];
  const title = name.replace(/[\r\n`]/g, " ");
  return `\`${title}\`\n\n${fence}${extension ?? ""}\n${text.replace(/\n$/, "")}\n${fence}`;
}

// The answers that are being written: that of the open conversation, and those of conversations that the reader has left.

const MOST = 3; // each takes a connection, and a browser has six for a server

export class Running {
  #all = new Map(); // the conversation and the answer's element, by the conversation's id

  get isFull() {
    return this.#all.size >= MOST;
  }

  add(talk, article) {
    this.#all.set(talk.id, { talk, article });
  }

  find(id) {
    return this.#all.get(id);
  }

  end(talk) {
    this.#all.delete(talk.id);
  }
}

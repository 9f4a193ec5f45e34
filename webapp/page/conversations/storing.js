// Stores messages on the server that it has not answered itself.

import { json } from "../shared/api.js";
import { textOf } from "./talk.js";

const AT_ONCE = 20; // messages of a request, as many as OpenAI's API takes

// Resolves to the id of a new conversation with `messages`.
export async function store(messages) {
  const items = messages.map((message) => ({ type: "message", role: message.role, content: textOf(message) }));
  const { id } = await json("/v1/conversations", { body: { items: items.slice(0, AT_ONCE) } });
  for (let at = AT_ONCE; at < items.length; at += AT_ONCE) {
    await json(`/v1/conversations/${id}/items`, { body: { items: items.slice(at, at + AT_ONCE) } });
  }
  return id;
}

#!/usr/bin/env bash
# Use Hearth with curl: the plain API, a chat with every field, a streamed completion, a stored conversation.
#
#   make run                                   in one terminal
#   examples/curl.sh                           in another
#
# HEARTH_URL is the server's address (default http://127.0.0.1:6006), HEARTH_API_KEY one of its keys, where it has any.
# Every field is explained at $HEARTH_URL/docs.

set -euo pipefail

url=${HEARTH_URL:-http://127.0.0.1:6006}
id="curl-$$-$RANDOM" # the conversation's id
call() { # METHOD PATH [BODY]
  curl --silent --show-error --fail-with-body --no-buffer --request "$1" "$url$2" \
    --header "Authorization: Bearer ${HEARTH_API_KEY:-none}" --header 'Content-Type: application/json' ${3+--data "$3"}
  echo
}

echo "== The plain API: send a prompt, receive the answer and the history"
call POST / '{"prompt": "Hello, what is your name?"}'

echo "== Chat, with every field"
call POST /v1/chat/completions '{
  "model": "chat-model-v1",
  "messages": [
    {"role": "system", "content": "You are a helpful assistant."},
    {"role": "user", "content": "What is the weather like today?"}
  ],
  "temperature": 0.9,
  "top_p": 0.95,
  "n": 1,
  "max_tokens": 64,
  "stop": ["\n", "\n\n"],
  "stream": false,
  "presence_penalty": 0.1,
  "frequency_penalty": 0.1,
  "logit_bias": {"greeting": -1.0},
  "user": "user123",
  "best_of": 1,
  "top_k": 50,
  "ignore_eos": false,
  "use_beam_search": true,
  "stop_token_ids": [50256, 50257],
  "skip_special_tokens": false,
  "spaces_between_special_tokens": false,
  "add_generation_prompt": true,
  "echo": false,
  "repetition_penalty": 1.1,
  "min_p": 0.05,
  "include_stop_str_in_output": true,
  "length_penalty": 1.2,
  "white_list_token_ids": [102, 103, 104],
  "white_list_token": ["hello", "world"],
  "force_prompt": "Always start with a greeting",
  "enable_repeat_stopper": true,
  "add_default_stop": true,
  "conversation_id": "'"$id"'"
}'
call DELETE "/v1/conversations/$id"

echo "== A completion, streamed: one event for each piece of text"
call POST /v1/completions '{
  "prompt": "Once upon a time, in a land far away,", "max_tokens": 24, "temperature": 0, "stream": true
}'

echo "== A conversation that the server stores: the second request sends only its new message"
turn() {
  call POST /v1/chat/completions \
    "{\"conversation_id\": \"$id\", \"temperature\": 0, \"messages\": [{\"role\": \"user\", \"content\": \"$1\"}]}"
}
turn "Hello!"
turn "Who are you?"
call GET "/v1/conversations/$id"
call DELETE "/v1/conversations/$id"

// The settings in the page: their controls and presets, and those that were changed next to the message box.

import { presetControls } from "./presets.js";
import { showChanged } from "./changed.js";
import { json } from "../shared/api.js";

export async function settingsPanel(target, fields) {
  showChanged(fields);
  let schema = null;
  try {
    schema = (await json("/openapi.json")).components.schemas.ChatCompletionRequest;
  } catch {
    // without the schema, the controls are the two fields that do not come from it: system and logprobs
  }
  fields.build(target, schema, presetControls(fields));
}

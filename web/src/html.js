// SPDX-License-Identifier: Apache-2.0
// Elements as tagged templates; text is text, so nothing of a name can become markup.
import { h } from "preact";
import htm from "htm";

export const html = htm.bind(h);

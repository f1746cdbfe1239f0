// SPDX-License-Identifier: Apache-2.0
// Sign-in by a key, or by name and password. What is typed is sent once and kept nowhere: a cookie that no script can read stands for it from then on.
import { useState } from "preact/hooks";
import { get, post, session } from "./api.js";
import { html } from "./html.js";
import { follow, unfollow } from "./live.js";
import { Card, Command, Failure } from "./ui.js";

export async function lookWho() {
  session.set(await get("/v1/session"));
}

export async function signOut() {
  unfollow();
  session.set(await post("/v1/session/end"));
}

export function Login() {
  const [isPerson, setPerson] = useState(false);
  const [key, setKey] = useState("");
  const [name, setName] = useState("");
  const [error, setError] = useState(null);
  const [isBusy, setBusy] = useState(false);
  const go = async (event) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      session.set(await post("/v1/session", isPerson ? { name: name.trim(), password: key } : { key: key.trim() }));
      follow();
    } catch (e) {
      setError(e);
    }
    setBusy(false);
  };
  return html`<div class="login"><h1>Sign in</h1><${Card}>
    <form onSubmit=${go}>
      ${isPerson && html`<label for="name">Name</label><input id="name" autocomplete="username" spellcheck="false" autocapitalize="none" required value=${name} onInput=${(e) => setName(e.target.value)} />`}
      <label for="key">${isPerson ? "Password" : "Key"}</label>
      <input id="key" type="password" autocomplete="current-password" spellcheck="false" required value=${key} onInput=${(e) => setKey(e.target.value)} />
      <div class="row"><button type="submit" class="primary" disabled=${isBusy}>Sign in</button>
        <button type="button" class="quiet" onClick=${() => { setPerson(!isPerson); setKey(""); setError(null); }}>${isPerson ? "by a key" : "by name and password"}</button></div>
    </form>
    <${Failure} error=${error} />
    ${isPerson ? html`<p class="note">Who administers this server gives a name its password:</p><${Command}>tidemill key create --role viewer --name NAME --password -<//>`
    : html`<p class="note">A key says what you may do here. Who administers this server makes one:</p><${Command}>tidemill key create --role viewer<//>`}
  <//></div>`;
}

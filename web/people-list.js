// The studio's lists of people by name: who may watch a private stream, who moderates its chat.

import { call } from "/session.js";
import { Field, dayAndTime, html, useEffect, useState } from "/page.js";
import { Avatar } from "/profile.js";

/** The list at `path`: `about` says what its people may do, `nobody` stands for an empty one. */
export function PeopleList({ path, about, nobody }) {
  const [people, setPeople] = useState(null);
  const [said, setSaid] = useState(null);
  const [wrong, setWrong] = useState(null);
  const [problem, setProblem] = useState(null);
  const field = `name-in-${path}`;
  const look = async () => setPeople((await call("GET", path)).items);
  useEffect(() => {
    look().catch((refusal) => setProblem(refusal.message));
  }, [path]);
  const change = async (method, username) => {
    setSaid(null);
    setWrong(null);
    setProblem(null);
    await call(method, `${path}/${encodeURIComponent(username)}`);
    setSaid(method === "PUT" ? `${username} is on the list.` : `${username} is no longer on the list.`);
    await look();
  };
  const add = async (event) => {
    event.preventDefault();
    const form = event.target;
    const username = new FormData(form).get("username").trim().replace(/^@/, "");
    try {
      await change("PUT", username);
      form.reset();
    } catch (refusal) {
      setWrong(refusal.status === 404 ? `Nobody is called “${username}”.` : refusal.message);
    }
    document.getElementById(field)?.focus();
  };
  const remove = (username) => async () => {
    try {
      await change("DELETE", username);
    } catch (refusal) {
      setProblem(refusal.message);
    }
    document.getElementById(field)?.focus(); // the button that had it is gone
  };
  return html`
    <p class="about">${about}</p>
    ${problem && html`<p class="notice error" role="alert">${problem}</p>`}
    <form class="beside" onSubmit=${add}>
      <${Field} label="Username" name="username" id=${field} required maxlength="64" autocomplete="off" autocapitalize="none" spellcheck="false" error=${wrong} />
      <button>Add</button>
    </form>
    <p class="about" role="status">${said}</p>
    <ul class="rows" aria-busy=${people === null && !problem}>
      ${(people ?? []).map(
        (person) => html`
          <li key=${person.id}>
            <${Avatar} person=${person} size=${40} />
            <p class="grow"><strong>${person.username}</strong> <span class="about">since ${dayAndTime(person.since)}</span></p>
            <button aria-label=${`Remove ${person.username}`} onClick=${remove(person.username)}>Remove</button>
          </li>
        `,
      )}
    </ul>
    ${people?.length === 0 && html`<p class="empty">${nobody}</p>`}
  `;
}

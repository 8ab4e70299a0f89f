// Finding streams: the search form with its filters, kept in the page's address, and the list of what was found.

import { call } from "/session.js";
import { StatusBadge, dayAndTime, html, useEffect, useState, viewers } from "/page.js";

const FILTERS = ["q", "category", "tag", "sort"];
const SORTS = { viewers: "Most watched", started: "Just started", newest: "Newest" };

/** What the address asks for; `narrowed` when it is more than an order. */
export function asked() {
  const given = new URLSearchParams(location.search);
  const wanted = Object.fromEntries(FILTERS.map((name) => [name, given.get(name)?.trim() || null]));
  if (!(wanted.sort in SORTS)) wanted.sort = null;
  return { ...wanted, narrowed: Boolean(wanted.q || wanted.category || wanted.tag) };
}

export function address(wanted) {
  const given = FILTERS.filter((name) => wanted[name]).map((name) => [name, wanted[name]]);
  return given.length ? `/?${new URLSearchParams(given)}` : "/";
}

const listPath = ({ q, category, tag, sort, narrowed }, cursor) => {
  // Words are answered best first, unless another order is asked for.
  const parameters = { q, category, tag, sort: sort ?? (q ? "relevance" : "viewers"), live: narrowed ? null : "true", limit: 24, cursor };
  return `/streams?${new URLSearchParams(Object.entries(parameters).filter(([, value]) => value !== null && value !== undefined))}`;
};

export function SearchForm({ wanted, onAsk }) {
  const [categories, setCategories] = useState([]);
  useEffect(() => {
    call("GET", "/categories?limit=100").then((page) => setCategories(page.items), () => {});
  }, []);
  const shownSort = wanted.sort ?? (wanted.q ? "" : "viewers");
  const ask = (event) => {
    event.preventDefault();
    const fields = Object.fromEntries(new FormData(event.target.closest("form")));
    // An order that nobody chose is no part of what is asked: words are then answered best first.
    onAsk({ ...fields, tag: wanted.tag, sort: fields.sort === shownSort ? wanted.sort : fields.sort });
  };
  return html`
    <form role="search" class="search" onSubmit=${ask} key=${address(wanted)}>
      <label class="visually-hidden" for="q">Search streams and streamers</label>
      <input id="q" name="q" type="search" maxlength="140" placeholder="Search streams and streamers" defaultValue=${wanted.q ?? ""} />
      <label class="visually-hidden" for="category">Category</label>
      <select id="category" name="category" onChange=${ask}>
        <option value="">All categories</option>
        ${categories.map(
          ({ id, name, live_streams: live }) =>
            html`<option key=${id} value=${id} selected=${[id, name.toLowerCase()].includes(wanted.category?.toLowerCase())}>${name}${live ? ` (${live} live)` : ""}</option>`,
        )}
      </select>
      <label class="visually-hidden" for="sort">Order</label>
      <select id="sort" name="sort" onChange=${ask}>
        ${wanted.q && html`<option value="" selected=${!wanted.sort}>Best match</option>`}
        ${Object.entries(SORTS).map(
          ([sort, words]) => html`<option key=${sort} value=${sort} selected=${shownSort === sort}>${words}</option>`,
        )}
      </select>
      <button class="primary">Search</button>
      ${wanted.tag && html`<a class="tag chosen" href=${address({ ...wanted, tag: null })} aria-label=${`Stop showing only ${wanted.tag}`}>#${wanted.tag} ✕</a>`}
      ${wanted.narrowed && html`<a href="/">Clear</a>`}
    </form>
  `;
}

/** The streams of one list, page after page; read again every few seconds while only its first page is shown. */
export function useStreams(wanted, seconds) {
  const [found, setFound] = useState({ items: null, next: null, problem: null });
  const key = listPath(wanted);
  useEffect(() => {
    let current = true;
    let timer = null;
    setFound({ items: null, next: null, problem: null });
    const read = async () => {
      if (document.visibilityState === "visible") {
        const page = await call("GET", key).catch((error) => error);
        if (!current) return;
        setFound((before) => {
          if (page instanceof Error) return { ...before, problem: page.message };
          return before.turned ? before : { items: page.items, next: page.next_cursor, problem: null };
        });
      }
      timer = setTimeout(read, seconds * 1000);
    };
    read();
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, [key]);
  const more = async () => {
    const page = await call("GET", listPath(wanted, found.next));
    setFound((before) => ({ items: [...before.items, ...page.items], next: page.next_cursor, problem: null, turned: true }));
  };
  return { ...found, more };
}

export function Tags({ stream }) {
  if (!stream.category && stream.tags.length === 0) return null;
  return html`
    <p class="tags">
      ${stream.category && html`<a class="tag" href=${address({ category: stream.category })}>${stream.category}</a>`}
      ${stream.tags.map((tag) => html`<a class="tag" key=${tag} href=${address({ tag })}>#${tag}</a>`)}
    </p>
  `;
}

/** When a stream is planned to begin, in the reader's own time; nothing when it is not. */
export function PlannedStart({ stream }) {
  if (!stream.scheduled_start) return null;
  return html`<span class="planned">Starts <time datetime=${stream.scheduled_start}>${dayAndTime(stream.scheduled_start)}</time></span>`;
}

export function AboutStream({ stream }) {
  const live = stream.status !== "offline";
  return html`
    ${live && html`<${StatusBadge} status=${stream.status} />`} <span>${stream.owner.username}</span>
    ${live && html`<span>${viewers(stream.viewer_count)}</span>`}
    <${PlannedStart} stream=${stream} />
    ${stream.mature && html`<span class="badge" title="Meant for adults">18+</span>`}
  `;
}

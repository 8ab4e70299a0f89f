// Stage 6 · before the cache: which of a stream's objects an entrance leads to. Runs at CloudFront's edges (JavaScript
// runtime 2.0: no destructuring, no classes; 10 KB; a millisecond), after the signature was checked where the path asks for one. The rule is
// headwater/domain/media_access.py; what the store holds is written by functions/edge_access (headwater/domain/edge_entries.py).
import cf from 'cloudfront';

const ORIGINS = []; // pages on other hosts that may read media; put in by infra/constructs/edge_functions.py
const VIEWERS = 1;
const OWNER = 2;
const NOBODY = 3;
const ENTRANCES = { '': 0, private: VIEWERS, owner: OWNER };
const PATH = /^\/(?:(private|owner)\/)?([0-9a-hjkmnp-tv-z]{22})\/([A-Za-z0-9._-]+)((?:\/[A-Za-z0-9._-]+)*)$/;
const ID = /^[0-9a-hjkmnp-tv-z]{22}$/;
const store = cf.kvs();

async function read(key) {
  // `get` raises for a key that is not there as it does for a store that does not answer, and only one of them is open.
  return (await store.exists(key)) ? store.get(key) : null;
}

async function listedAudience(streamId, id, characters) {
  if (characters.indexOf(id[21]) < 0) return null;
  const listed = await read(`${streamId}/${id[21]}`);
  if (listed === null || listed === '*') return OWNER; // the entry and its list arrive one after the other
  for (let at = 0; at < listed.length; at += 9) {
    if (listed.slice(at, at + 8) === id.slice(13, 21)) return Number(listed[at + 8]);
  }
  return null;
}

async function audienceOf(streamId, within) {
  const entry = await read(streamId);
  if (entry === null) return 0;
  const said = entry.split('.'); // audiences, newest broadcast known, characters listed
  if (!ID.test(within)) return Number(said[0][0]);
  const listed = await listedAudience(streamId, within, said[2]);
  if (listed !== null) return listed;
  return Number(said[0][within > said[1] ? 2 : 1]);
}

function answer(request, status, description, text) {
  const headers = { 'cache-control': { value: 'no-store' }, 'content-type': { value: 'text/plain' } };
  const origin = request.headers.origin;
  if (origin && ORIGINS.indexOf(origin.value) >= 0) {
    headers['access-control-allow-origin'] = { value: origin.value };
    headers['access-control-allow-credentials'] = { value: 'true' };
    headers['access-control-allow-methods'] = { value: 'GET, HEAD, OPTIONS' };
    headers['access-control-allow-headers'] = { value: 'Range' };
    headers['access-control-max-age'] = { value: '3600' };
    headers.vary = { value: 'Origin' };
  }
  return { statusCode: status, statusDescription: description, headers: headers, body: text };
}

function forTheViewerAlone(response) {
  // What is not for everybody is for the viewer's own cache only.
  const kept = response.headers['cache-control'];
  if (kept) kept.value = kept.value.replace(/^public/, 'private');
  return response;
}

async function handler(event) {
  if (event.context.eventType === 'viewer-response') return forTheViewerAlone(event.response);
  const request = event.request;
  if (request.method === 'OPTIONS') return answer(request, 204, 'No Content', '');
  const absent = answer(request, 404, 'Not Found', 'There is nothing here.\n');
  const match = PATH.exec(request.uri);
  if (match === null) return absent;
  let audience;
  try {
    audience = await audienceOf(match[2], match[3]);
  } catch (error) {
    return answer(request, 503, 'Service Unavailable', 'Not decided. Try again in a moment.\n');
  }
  if (audience === NOBODY || audience > ENTRANCES[match[1] || '']) return absent;
  request.uri = `/${match[2]}/${match[3]}${match[4]}`; // all entrances share what the cache has
  return request;
}

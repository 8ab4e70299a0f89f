// Stage 6 · before the cache: addresses of pages as people see them → files of web/. The same as localstack/edge/nginx.conf.
const PAGES = [
  [/^\/$/, '/index.html'],
  [/^\/account(\/forgot|\/reset|\/verify)?$/, '/account.html'],
  [/^\/studio$/, '/studio.html'],
  [/^\/signed-in$/, '/signed-in.html'],
  [/^\/(watch|recordings|clips)\/[0-9a-hjkmnp-tv-z]{22}$/, '/watch.html'],
];

function handler(event) {
  const request = event.request;
  const asked = request.uri;
  for (let at = 0; at < PAGES.length; at += 1) {
    if (PAGES[at][0].test(asked)) request.uri = PAGES[at][1];
  }
  return request;
}

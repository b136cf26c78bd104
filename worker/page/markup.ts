/** The page's HTML around its style and script, with a link to an example where one is served. */
export function markup(style: string, script: string, example?: string): string {
  const link = example === undefined ? "" : `<a href="${encodeURI(example)}">For the browser: uploads that go on</a>`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Perdura</title>
<link rel="icon" href="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E%3Crect width='32' height='32' rx='8' fill='%230f766e'/%3E%3Cpath d='M9 16.5l5 5 9-11' fill='none' stroke='white' stroke-width='3.5' stroke-linecap='round' stroke-linejoin='round'/%3E%3C/svg%3E">
<style>${style}</style>
</head>
<body>
<a class="skip" href="#instances">Skip to the instances</a>
<header class="top">
  <div class="brand">
    <svg viewBox="0 0 32 32" aria-hidden="true"><rect width="32" height="32" rx="8"/><path d="M9 16.5l5 5 9-11"/></svg>
    <h1>Perdura</h1>
    <span class="tagline">publishes sets of files, whatever happens meanwhile</span>
  </div>
  <p class="live" id="live" data-state="wait"><span class="dot" aria-hidden="true"></span><span id="live-text">connecting</span></p>
</header>
<main>
  <section class="panel" aria-labelledby="upload-title">
    <h2 id="upload-title">Publish files</h2>
    <form id="upload" novalidate>
      <div class="drop" id="drop">
        <p class="picked" id="picked" aria-live="polite">Drop files here, or choose</p>
        <div class="choose">
          <label class="button">files<input id="files" type="file" multiple aria-label="Choose files"></label>
          <label class="button">a folder<input id="folder" type="file" webkitdirectory aria-label="Choose a folder"></label>
          <button class="quiet" type="button" id="clear" hidden>Clear</button>
        </div>
      </div>
      <div class="fields">
        <label>Wait for approval
          <select id="timeout">
            <option value="1m">1 minute</option>
            <option value="10m" selected>10 minutes</option>
            <option value="1h">1 hour</option>
            <option value="1d">1 day</option>
          </select>
        </label>
        <label>Your name
          <input id="name" type="text" maxlength="200" autocomplete="name" placeholder="anonymous">
        </label>
        <button class="primary" id="publish" type="submit" disabled>Publish</button>
      </div>
      <p class="trouble" id="upload-trouble" role="alert"></p>
    </form>
  </section>
  <section id="instances" aria-labelledby="instances-title" tabindex="-1">
    <div class="bar">
      <h2 id="instances-title">Instances</h2>
      <label>Show
        <select id="filter">
          <option value="">all</option>
          <option value="PENDING,RUNNING,SUSPENDED,STALLED">unfinished</option>
          <option value="COMPLETED">completed</option>
          <option value="FAILED">failed</option>
          <option value="TERMINATED">terminated</option>
        </select>
      </label>
    </div>
    <p class="trouble" id="list-trouble" role="alert"></p>
    <p class="empty" id="empty" hidden>Nothing here yet: publish some files, or run <code>npm run demo -- src/core</code></p>
    <ul class="list" id="list"></ul>
    <nav class="pages" aria-label="Pages" id="pages" hidden>
      <button type="button" id="newer">Newer</button>
      <button type="button" id="older">Older</button>
    </nav>
  </section>
  ${link}
</main>
<p class="announce" id="announce" aria-live="polite"></p>
<dialog id="confirm" aria-labelledby="confirm-title">
  <form method="dialog">
    <h2 id="confirm-title"></h2>
    <p id="confirm-text"></p>
    <div class="choices">
      <button value="no">Keep it</button>
      <button class="danger" value="yes" id="confirm-yes"></button>
    </div>
  </form>
</dialog>
<noscript><p class="trouble">This page needs JavaScript; the same is at <a href="/api/instances">/api/instances</a> as JSON.</p></noscript>
<script>${script}</script>
</body>
</html>
`;
}

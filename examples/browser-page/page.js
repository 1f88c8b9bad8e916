// The hub that served this page, or the one in ?hub=http://127.0.0.1:8080/.
const hub = new URL(new URLSearchParams(location.search).get('hub') ?? '.', location.href);
const status = document.getElementById('status');
const notices = document.getElementById('notices');
const form = document.getElementById('form');

// The last 20 notices, then what comes. A browser reconnects by itself and sends the id of the last event
// that it has; the hub goes on right after it, whatever the URL says.
const stream = new EventSource(new URL('subscribe/notices?last=20', hub));

stream.addEventListener('notice', ({ data }) => show(JSON.parse(data).text));

// Control events: what a hub says about the stream itself. None of them is ever an application's.
stream.addEventListener('tidegate.open', () => (status.textContent = 'Catching up…'));
stream.addEventListener('tidegate.live', () => (status.textContent = 'Live'));
stream.addEventListener('tidegate.gap', ({ data }) => {
  show(`Some notices are lost (${JSON.parse(data).reason}).`, 'gap');
});
stream.addEventListener('tidegate.end', () => {
  status.textContent = 'The channel has been ended.';
  stream.close();
});
stream.addEventListener('tidegate.error', ({ data }) => {
  const { message, retryable } = JSON.parse(data);
  status.textContent = message;
  if (!retryable) stream.close();
});
stream.addEventListener('error', () => {
  if (stream.readyState === EventSource.CONNECTING) status.textContent = 'Reconnecting…';
});

form.addEventListener('submit', (event) => {
  event.preventDefault();
  publish(new FormData(form).get('text')).catch(() => (status.textContent = 'The hub does not answer.'));
});

async function publish(text) {
  const response = await fetch(new URL('publish/notices', hub), {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ event: 'notice', data: { text } }),
  });
  if (response.ok) form.reset();
  // Refusals are application/problem+json: `code` for programs, `detail` for people.
  else status.textContent = (await response.json()).detail;
}

function show(text, className = '') {
  const item = document.createElement('li');
  item.className = className;
  item.textContent = text;
  notices.prepend(item);
}

// Clients in a browser: `/frame?client=…&url=…&follower=…` follows the URL and posts one JSON object a line.
const query = new URLSearchParams(location.search);

let posted = Promise.resolve();
function tell(line) {
  const post = () => fetch(`/followers/${query.get('follower')}`, { method: 'POST', body: JSON.stringify(line) });
  posted = posted.then(post, post);
}

function classicScript(src) {
  return new Promise((resolve) => {
    document.head.append(Object.assign(document.createElement('script'), { src, onload: resolve }));
  });
}

/** Reports the text of each element that is put into `seen`. */
function tellAdditions() {
  document.body.insertAdjacentHTML('beforeend', '<div id="seen"></div>');
  new MutationObserver((records) => {
    for (const { addedNodes } of records) {
      for (const { textContent } of addedNodes) tell({ event: 'message', data: textContent });
    }
  }).observe(document.getElementById('seen'), { childList: true });
}

const clients = {
  EventSource(url) {
    // sample EventSource
    const source = new EventSource(url);
    source.addEventListener('message', ({ lastEventId, data }) => tell({ event: 'message', id: lastEventId, data }));
    source.addEventListener('error', () => tell({ state: source.readyState === 2 ? 'gave up' : 'error' }));
    // end
  },

  'EventSource, reopened'(url) {
    // sample EventSource, reopened
    let lastId = '';
    function open() {
      const address = new URL(url);
      if (lastId !== '') address.searchParams.set('lastEventId', lastId);
      const source = new EventSource(address);
      const remember = ({ lastEventId }) => (lastId = lastEventId || lastId);
      for (const type of ['open', 'cursor', 'gap', 'end']) source.addEventListener(`tidegate.${type}`, remember);
      source.addEventListener('message', (event) => {
        remember(event);
        tell({ event: 'message', id: lastId, data: event.data });
      });
      source.addEventListener('error', () => {
        tell({ state: 'error' });
        // A browser that gave up does not try again: this page does.
        if (source.readyState === EventSource.CLOSED) setTimeout(open, 2000 + 2000 * Math.random());
      });
    }
    open();
    // end
  },

  async 'fetch-event-source'(url) {
    const { fetchEventSource } = await import('@microsoft/fetch-event-source');
    // sample fetch-event-source
    await fetchEventSource(url, {
      openWhenHidden: true,
      onopen: async ({ ok, status }) => {
        if (!ok) throw new Error(`status ${status}`);
      },
      onmessage: ({ event, id, data }) => {
        if (data !== '' && !event.startsWith('tidegate.')) tell({ event: event || 'message', id, data });
      },
      // It takes a planned end for the last one.
      onclose: () => {
        throw new Error('closed');
      },
      // And it tries again 1 s later, or after the stream's own `retry:`, if this throws nothing.
      onerror: ({ message }) => tell({ state: 'error', detail: message }),
    });
    // end
  },

  async htmx(url) {
    await classicScript('/modules/htmx.org/dist/htmx.js');
    await classicScript('/modules/htmx-ext-sse/sse.js');
    const html = `
      <!-- sample htmx -->
      <div hx-ext="sse" sse-connect="${url}" sse-close="tidegate.end">
        <p id="seen" sse-swap="message"></p>
      </div>
      <!-- end -->`;
    document.body.addEventListener('htmx:sseMessage', ({ detail }) => {
      tell({ event: 'message', id: detail.lastEventId, data: document.getElementById('seen').textContent });
    });
    document.body.addEventListener('htmx:sseError', () => tell({ state: 'error' }));
    document.body.insertAdjacentHTML('beforeend', html);
    globalThis.htmx.process(document.body);
  },

  async datastar(url) {
    tellAdditions();
    const html = `
      <!-- sample datastar -->
      <div data-on-load="sse('${url}', { openWhenHidden: true, retryMaxCount: 1000000 })"></div>
      <!-- end -->`;
    document.body.insertAdjacentHTML('beforeend', html);
    document.addEventListener('datastar-sse', ({ detail }) => {
      if (detail.type === 'finished') tell({ state: 'gave up' });
    });
    await import('@starfederation/datastar');
  },
};

await clients[query.get('client')](query.get('url'));

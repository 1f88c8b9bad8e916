/** Commands and code that work as they are, for the hub that serves this page. */

/** The command that publishes one event to `channel`. */
export function curlPublish(hubUrl: string, channel: string): string {
  const address = shellQuoted(urlOf(hubUrl, 'publish', channel));
  return `curl ${address} \\\n  -H 'Content-Type: application/json' \\\n  -d '{"data": {"text": "hello"}}'`;
}

/** The command that prints `channel` as it comes. */
export function curlSubscribe(hubUrl: string, channel: string): string {
  return `curl -N ${shellQuoted(urlOf(hubUrl, 'subscribe', channel))}`;
}

/** What a browser page needs to subscribe to `channel` and hear its events of `type`. */
export function eventSourceCode(hubUrl: string, channel: string, type: string): string {
  const url = JSON.stringify(urlOf(hubUrl, 'subscribe', channel));
  const listener = `stream.addEventListener(${JSON.stringify(type)}, ({ data }) => {\n  console.log(data);\n});`;
  return `const stream = new EventSource(\n  ${url},\n);\n${listener}`;
}

function urlOf(hubUrl: string, route: string, channel: string): string {
  return new URL(`${route}/${encodeURIComponent(channel)}`, hubUrl).href;
}

/** Left bare where no shell would touch it: most addresses. */
function shellQuoted(text: string): string {
  return /^[\w.:/%@~-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
